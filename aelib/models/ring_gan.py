"""Generator and discriminator for points in the plane.

Introduced in chapter 11.
"""

import keras
import numpy as np
from keras import layers

from aelib.models.minibatch import MinibatchStdDev, Pack


def ring_networks(units: int = 64, *, noise_size: int = 2, minibatch_stddev: bool = False, pack: int = 1):
    """Generator and discriminator for points in the plane, two hidden layers each.

    `minibatch_stddev`: the discriminator sees how much its batch varies (`MinibatchStdDev`). `pack`: it judges so many
    samples at a time (`Pack`).
    """
    z = keras.Input((noise_size,))
    x = layers.Dense(units, "relu")(z)
    x = layers.Dense(units, "relu")(x)
    generator = keras.Model(z, layers.Dense(2)(x), name="generator")

    x = samples = keras.Input((2,))
    if pack > 1:
        x = Pack(pack)(x)
    x = layers.Dense(units, "leaky_relu")(x)
    if minibatch_stddev:
        x = MinibatchStdDev()(x)
    x = layers.Dense(units, "leaky_relu")(x)
    discriminator = keras.Model(samples, layers.Dense(1)(x), name="discriminator")
    return generator, discriminator


def flat_gradient(gan, n: int = 1000, *, minimax: bool) -> np.ndarray:
    """The gradient of the generator's loss for all of its weights in one row, of the same `n` samples every time."""
    gan.seed_generator.state.assign([0, 0])
    _, gradient = gan.generator_gradient(n, minimax=minimax)
    return np.concatenate([np.ravel(part) for part in gradient])

"""The families that are compared: for each, the textbook's network, the course's, and the error that judges both.

A family's error is what its textbook network minimizes, on images that it has not seen: for the sparse ones and the
VAE with their penalty, weighed as the textbook weighs it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from aelib.models import (
    VAE,
    KLSparsity,
    MaskingNoise,
    conv_autoencoder,
    kl_to_prior,
    recurrent_autoencoder,
    sparse_autoencoder,
    stacked_autoencoder,
    stacked_vae,
)
from aelib.training import one_cycle

from . import textbook

PIXELS = 28 * 28
CODES = 30


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. `build(images, steps)`: a compiled model that is going to be trained for `steps`.

    `epochs`: how many the textbook takes; the course's are tried out. `channel`: whether the network takes images
    `(n, 28, 28, 1)` or rows `(n, 28, 28)`.
    """

    build: Callable[[np.ndarray, int], keras.Model]
    batch_size: int
    epochs: int | None = None
    channel: bool = True

    def images(self, images: np.ndarray) -> np.ndarray:
        """Images `(n, 28, 28, 1)` in the shape that the network takes."""
        return images if self.channel else images[..., 0]

    def steps(self, count: int, epochs: int) -> int:
        """Optimizer steps of so many epochs of `count` images."""
        return epochs * math.ceil(count / self.batch_size)


@dataclass(frozen=True)
class Family:
    """One task, both recipes, and the error that judges both. `goal`: how many times as fast the course's should be."""

    name: str
    task: str
    textbook: Recipe
    course: Recipe
    error: Callable[[keras.Model, np.ndarray], float]
    goal: float = 10


# ---- errors: a trained model and images in its shape to one number ----


def squared_error(model: keras.Model, images: np.ndarray) -> float:
    """Mean squared error per pixel."""
    return float(np.mean(np.square(model.predict(images, batch_size=500, verbose=0) - images)))


def restoration_error(model: keras.Model, images: np.ndarray) -> float:
    """Mean squared error per pixel from images whose pixels are dropped as in training, with noise of its own."""
    parts = np.split(images, range(500, len(images), 500))
    return float(np.mean([np.mean(np.square(np.asarray(model(part, training=True)) - part)) for part in parts]))


def _parts(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    return (model.encoder, model.decoder) if hasattr(model, "encoder") else tuple(model.layers[-2:])


def l1_error(model: keras.Model, images: np.ndarray) -> float:
    """The squared error, plus L1's weight times the sum of an image's activations."""
    encoder, decoder = _parts(model)
    codes = encoder.predict(images, batch_size=500, verbose=0)
    rebuilt = decoder.predict(codes, batch_size=500, verbose=0)
    return float(np.mean(np.square(rebuilt - images)) + textbook.L1_WEIGHT * np.abs(codes).sum(axis=1).mean())


# What the textbook's weight amounts to in Keras 3, which divides it by the batch size.
KL_WEIGHT = textbook.KL_WEIGHT / 32


def kl_error(model: keras.Model, images: np.ndarray) -> float:
    """The squared error, plus the weighted divergence of the mean activities over all the images."""
    encoder, decoder = _parts(model)
    codes = encoder.predict(images, batch_size=500, verbose=0)
    rebuilt = decoder.predict(codes, batch_size=500, verbose=0)
    p, q = textbook.KL_TARGET, np.clip(codes.mean(axis=0, dtype="float64"), 1e-7, 1 - 1e-7)
    divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return float(np.mean(np.square(rebuilt - images)) + KL_WEIGHT * divergence.sum())


def variational_error(model: keras.Model, images: np.ndarray) -> float:
    """The squared error of one draw an image, plus the divergence from the prior per pixel: Keras's own loss."""
    if not isinstance(model, VAE):
        return float(model.evaluate(images, images, batch_size=500, verbose=0))
    mean, log_variance = (np.asarray(part) for part in model.encoder.predict(images, batch_size=500, verbose=0))
    draws = np.random.default_rng(0).standard_normal(mean.shape)
    rebuilt = model.decoder.predict(mean + np.exp(log_variance / 2) * draws, batch_size=500, verbose=0)
    nats = np.asarray(kl_to_prior(mean, log_variance)).sum(axis=1).mean()
    return float(np.mean(np.square(rebuilt - images)) + nats / PIXELS)


# ---- the course's recipes ----


def trained_by(model: keras.Model, peak: float, steps: int, loss="mse") -> keras.Model:
    optimizer = keras.optimizers.Adam(one_cycle(peak, steps), beta_2=0.99)
    model.compile(optimizer, loss, jit_compile=False, steps_per_execution=16)
    return model


def _stacked(images, steps):
    model = stacked_autoencoder((28, 28, 1), (300,), CODES, activation="silu", mean=images.mean(axis=0))
    return trained_by(model, 0.01, steps)


def _tied(images, steps):
    model = stacked_autoencoder(
        (28, 28, 1), (300,), CODES, activation="silu", mean=images.mean(axis=0), tied=True,
        kernel_initializer="glorot_uniform",
    )  # fmt: skip
    return trained_by(model, 0.01, steps)


def _convolutional(images, steps):
    sizes = {"filters": (16, 32), "hidden": (160,), "kernel_size": 5, "pooling": False}
    return trained_by(conv_autoencoder((28, 28, 1), code_size=CODES, mean=images.mean(axis=0), **sizes), 0.006, steps)


def _recurrent(images, steps):
    model = recurrent_autoencoder((28, 28), 96, CODES, cell="lstm", bidirectional=True, mean=images.mean(axis=0))
    return trained_by(model, 0.015, steps)


def _denoising(images, steps):
    model = stacked_autoencoder(
        (28, 28, 1), (300,), CODES, activation="silu", mean=images.mean(axis=0), corruption=MaskingNoise(0.5)
    )
    return trained_by(model, 0.006, steps)


def _sparse(images, steps, penalty):
    model = sparse_autoencoder((28, 28, 1), 300, activity_regularizer=penalty, mean=images.mean(axis=0))
    model.encoder.get_layer("code").bias.assign(np.full(300, np.log(0.1 / 0.9)))
    return trained_by(model, 0.015, steps)


def _sparse_l1(images, steps):
    return _sparse(images, steps, keras.regularizers.L1(textbook.L1_WEIGHT))


def _sparse_kl(images, steps):
    return _sparse(images, steps, KLSparsity(textbook.KL_TARGET, KL_WEIGHT))


def _variational(images, steps):
    model = stacked_vae((28, 28, 1), (300, 150), 10, beta=1 / PIXELS, mean=images.mean(axis=0))
    return trained_by(model, 0.005, steps)


def _plain(build: Callable[[], keras.Model], epochs: int, batch_size: int = 32) -> Recipe:
    return Recipe(lambda images, steps: build(), batch_size, epochs, channel=False)


FAMILIES = (
    Family("stacked", "30 codes", _plain(textbook.stacked, 20), Recipe(_stacked, 250), squared_error),
    Family("tied", "30 codes, tied", _plain(textbook.tied, 10), Recipe(_tied, 250), squared_error),
    Family(
        "convolutional", "30 codes", _plain(textbook.convolutional, 10), Recipe(_convolutional, 100), squared_error
    ),
    Family(
        "recurrent", "rows to 30 codes", _plain(textbook.recurrent, 10), Recipe(_recurrent, 64, channel=False),
        squared_error, goal=5,
    ),
    Family(
        "denoising", "half the pixels dropped, 30 codes", _plain(textbook.denoising, 10), Recipe(_denoising, 250),
        restoration_error,
    ),
    Family("sparse, L1", "300 codes", _plain(textbook.sparse_l1, 10), Recipe(_sparse_l1, 125), l1_error),
    Family("sparse, KL", "300 codes", _plain(textbook.sparse_kl, 10), Recipe(_sparse_kl, 125), kl_error),
    Family(
        "VAE", "10 codes", _plain(textbook.variational, 25, 128), Recipe(_variational, 250), variational_error, goal=5
    ),
)  # fmt: skip

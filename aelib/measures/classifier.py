"""A small classifier of the data set at hand, which judges generated images.

Introduced in chapter 08.
"""

import zlib
from dataclasses import dataclass

import keras
import numpy as np

from aelib.claims import session_seed
from aelib.data.dataset import Dataset
from aelib.data.deform import deformed_copies
from aelib.measures.kept import kept_network
from aelib.training.compiling import compile_options
from aelib.training.schedule import budget, one_cycle
from aelib.validate import check_images

RECIPE = 2  # part of the cache's key: to be raised whenever the network or its training changes
FEATURES = 64


@dataclass(frozen=True)
class Classifier:
    """A classifier of one data set. `network`: images `(n, height, width, channels)` to `[features, probabilities]`.

    Features: `(n, 64)`, the last hidden layer. `accuracy`: on the test images.
    """

    network: keras.Model
    accuracy: float

    def predict(self, images) -> tuple[np.ndarray, np.ndarray]:
        """Features `(n, 64)` and probabilities `(n, classes)` of images in [0, 1]; `ValueError` for others."""
        return tuple(self.network.predict(check_images(images), batch_size=500, verbose=0))


def train_classifier(data: Dataset, seed: int | None = None) -> Classifier:
    """A convolutional classifier of `data`, trained in seconds and kept in `data/.cache` for the next time.

    `seed`: by default that of the chapter; random numbers go on from it. See `kept_network`.
    """
    seed = session_seed() if seed is None else seed
    content = zlib.crc32(np.ascontiguousarray(data.x_train)) ^ zlib.crc32(data.y_train)
    network = kept_network(f"judge-{data.name}-{seed}-{RECIPE}", seed, content, lambda: _train(data))
    guess = network.predict(data.x_test, batch_size=500, verbose=0)[1].argmax(axis=1)
    return Classifier(network, float(np.mean(guess == data.y_test)))


def _train(data: Dataset) -> keras.Model:
    h = inputs = keras.Input(data.image_shape)
    for filters in (16, 32):
        h = keras.layers.Conv2D(filters, 5, strides=2, padding="same", activation="relu")(h)
    features = keras.layers.Dense(FEATURES, "relu", name="features")(keras.layers.Flatten()(h))
    classes = keras.layers.Dense(len(data.class_names), "softmax", name="classes")(features)
    network = keras.Model(inputs, classes)
    images, targets = _lessons(data)
    epochs, steps = budget(len(images), 100, shown=100_000)
    optimizer = keras.optimizers.Adam(one_cycle(0.003, steps))
    options = compile_options("random", steps)  # without XLA, which saves here no more than it takes; but on JAX
    network.compile(optimizer, "categorical_crossentropy", **options)
    network.fit(images, targets, batch_size=100, epochs=epochs, verbose=0)
    return keras.Model(inputs, [features, classes], name="judge")


def _lessons(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Images and target probabilities: deformed copies; blends of two, with blended labels (mixup, Zhang et al. 2018,
    arXiv:1710.09412); and things that are no digit, with all classes alike (Hendrycks et al. 2019, arXiv:1812.04606).

    A classifier that has seen digits only is sure of everything, of noise as well (measured: 94 % of it).
    """
    rng = np.random.default_rng(1)
    copies = 6 if data.is_small else 1
    digits = np.concatenate([data.x_train, deformed_copies(data.x_train, copies, seed=1)])
    labels = np.eye(len(data.class_names), dtype="float32")[np.tile(data.y_train, copies + 1)]
    other = rng.permutation(len(digits))[: len(digits) // 2]
    share = rng.uniform(0.2, 0.8, (len(other), 1)).astype("float32")
    mixed = share[:, :, None, None] * digits[: len(other)] + (1 - share)[:, :, None, None] * digits[other]
    mixed_labels = share * labels[: len(other)] + (1 - share) * labels[other]
    strange = digits[rng.permutation(len(digits))[: len(digits) // 8]]
    third = len(strange) // 3
    strange[:third] = rng.random(strange[:third].shape)
    strange[third : 2 * third] = rng.permuted(strange[third : 2 * third].reshape(third, -1), axis=1).reshape(
        strange[third : 2 * third].shape
    )
    strange[2 * third :] *= rng.random((len(strange) - 2 * third, 1, 1, 1)) * 0.4  # digits that are hardly there
    uniform = np.full((len(strange), labels.shape[1]), 1 / labels.shape[1], "float32")
    return np.concatenate([digits, mixed, strange]), np.concatenate([labels, mixed_labels, uniform])

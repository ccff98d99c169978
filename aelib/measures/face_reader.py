"""A small network that reads the factors of drawn faces off their pictures.

It measures what a generator makes, and never sees a generated picture while it learns. Introduced in chapter 14.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from aelib.claims import session_seed
from aelib.data import faces
from aelib.measures.kept import kept_network
from aelib.training.compiling import compile_options
from aelib.training.schedule import budget, one_cycle
from aelib.validate import check_images

RECIPE = 1  # to be raised whenever the network or its training changes
FEATURES = 128
LESSONS = 10_000  # faces, drawn with a seed that no split of the data set has
SEED = 1_000
_LOW, _HIGH = np.array([faces.FACE_FACTORS[name] for name in faces.CONTINUOUS]).T


@dataclass(frozen=True)
class FaceReader:
    """`network`: faces `(n, 32, 32, 3)` to features `(n, 128)`, continuous factors, glasses and hair styles."""

    network: keras.Model

    def features(self, images) -> np.ndarray:
        """The last hidden layer, `(n, 128)`, for Fréchet distances."""
        return self._predict(images)[0]

    def read(self, images) -> np.ndarray:
        """Factors `(n, 12)` of faces `(n, 32, 32, 3)` in [0, 1], in the order of `FACE_FACTORS`, within their ranges.

        Raises `ValueError` for other images.
        """
        _, continuous, glasses, hair = self._predict(images)
        lengths = np.clip((continuous + 1) / 2, 0, 1) * (_HIGH - _LOW) + _LOW
        return np.column_stack([lengths, glasses[:, 0] > 0.5, hair.argmax(axis=1)]).astype("float64")

    def redrawing_distance(self, images) -> np.ndarray:
        """Squared distance between each picture and the face drawn again from the factors read off it, `(n,)`.

        Drawn again there is no confetti, so that not even a drawn face has the distance 0: compare with that of unseen
        drawn faces. Where a picture is far from its redrawing, what was read off it cannot be trusted.
        """
        again = faces.draw_faces(self.read(images))
        return np.square(np.asarray(images) - again).sum(axis=(1, 2, 3), dtype="float64")

    def _predict(self, images) -> list[np.ndarray]:
        images = check_images(images)
        if images.shape[1:] != (32, 32, 3):
            raise ValueError(f"images have the shape {images.shape}: expected faces of 32×32 in colour, (n, 32, 32, 3)")
        return self.network.predict(images, batch_size=500, verbose=0)


def train_face_reader(seed: int | None = None) -> FaceReader:
    """A reader, trained in seconds on 10,000 drawn faces and kept in `data/.cache` for the next time.

    `seed`: by default that of the chapter; random numbers go on from it. See `kept_network`.
    """
    seed = session_seed() if seed is None else seed
    drawn = zlib.crc32(Path(faces.__file__).read_bytes())  # other drawings want another reader
    return FaceReader(kept_network(f"reader-{seed}-{RECIPE}", seed, drawn, _train))


def _train() -> keras.Model:
    h = inputs = keras.Input((32, 32, 3))
    for filters, size in ((24, 5), (48, 3), (64, 3)):
        h = keras.layers.Conv2D(filters, size, strides=2, padding="same", activation="relu")(h)
    features = keras.layers.Dense(FEATURES, "relu", name="features")(keras.layers.Flatten()(h))
    continuous = keras.layers.Dense(len(faces.CONTINUOUS), name="continuous")(features)  # −1 to 1 over the range
    glasses = keras.layers.Dense(1, "sigmoid", name="glasses")(features)
    hair = keras.layers.Dense(len(faces.HAIR_STYLES), "softmax", name="hair")(features)
    network = keras.Model(inputs, [continuous, glasses, hair])
    lessons = faces.make_faces(LESSONS, SEED)
    factors = lessons.factors.astype("float32")
    targets = [2 * (factors[:, :10] - _LOW.astype("float32")) / (_HIGH - _LOW).astype("float32") - 1]
    targets += [factors[:, 10:11], factors[:, 11].astype("int32")]
    epochs, steps = budget(LESSONS, 100, shown=80_000)
    losses = ["mse", "binary_crossentropy", "sparse_categorical_crossentropy"]
    optimizer = keras.optimizers.Adam(one_cycle(0.003, steps))
    network.compile(optimizer, losses, loss_weights=[3.0, 0.3, 0.3], **compile_options("convolutional", steps))
    network.fit(lessons.images, targets, batch_size=100, epochs=epochs, verbose=0)
    return keras.Model(inputs, [features, continuous, glasses, hair], name="reader")

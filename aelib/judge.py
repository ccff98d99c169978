"""Sample quality: a small classifier of the data set at hand, and what it says of generated images.

Introduced in chapter 08.
"""

import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from scipy.linalg import eigh

from aelib.checks import session_seed
from aelib.datasets import Dataset, deformed_copies
from aelib.metrics import check_finite, check_images
from aelib.training import budget, one_cycle, seed_everything

CACHE = Path(__file__).resolve().parent.parent / "data" / ".cache"
RECIPE = 2  # part of the cache's key: to be raised whenever the network or its training changes
FEATURES = 64
SURE = 0.9  # a sample counts as a digit if the classifier gives one class at least this probability


@dataclass(frozen=True)
class Judge:
    """A classifier of one data set. `network`: images `(n, height, width, 1)` to `[features, probabilities]`.

    Features: `(n, 64)`, the last hidden layer. `accuracy`: on the test images.
    """

    network: keras.Model
    accuracy: float

    def look(self, images) -> tuple[np.ndarray, np.ndarray]:
        """Features `(n, 64)` and probabilities `(n, classes)` of images in [0, 1]; `ValueError` for others."""
        return tuple(self.network.predict(check_images(images), batch_size=500, verbose=0))


@dataclass(frozen=True)
class SampleQuality:
    """What a judge says of samples. `coverage`: share of each class, `(classes,)`. `confidence`: mean of the highest
    probability. `sure`: share of the samples with one probability of at least 0.9. `frechet`: distance of their
    features from the real images' (see `frechet_distance`).
    """

    coverage: np.ndarray
    confidence: float
    sure: float
    frechet: float


def train_judge(data: Dataset, seed: int | None = None) -> Judge:
    """A convolutional classifier of `data`, trained in seconds and kept in `data/.cache` for the next time.

    `seed`: by default that of the chapter. Trained or read, it leaves the random numbers in the same state: seeded
    anew with `seed`. A cached file that is damaged is trained anew; a folder that cannot be written to is no error.
    """
    seed = session_seed() if seed is None else seed
    content = zlib.crc32(np.ascontiguousarray(data.x_train)) ^ zlib.crc32(data.y_train)
    path = CACHE / f"judge-{data.name}-{seed}-{RECIPE}-{keras.__version__}-{content:08x}.keras"
    seed_everything(seed)
    try:
        network = keras.models.load_model(path)
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not whole
        network = _train(data)
        _keep(network, path)
    seed_everything(seed)
    guess = network.predict(data.x_test, batch_size=500, verbose=0)[1].argmax(axis=1)
    return Judge(network, float(np.mean(guess == data.y_test)))


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
    network.compile(optimizer, "categorical_crossentropy", jit_compile=False, steps_per_execution=16)
    network.fit(images, targets, batch_size=100, epochs=epochs, verbose=0)
    return keras.Model(inputs, [features, classes], name="judge")


def _lessons(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Images and target probabilities: deformed copies; blends of two, with blended labels (mixup, Zhang et al. 2018,
    arXiv:1710.09412); and things that are no digit, with all classes alike (Hendrycks et al. 2019, arXiv:1812.04606).

    A classifier that has seen digits only is sure of everything, of noise as well (measured: 94 % of it).
    """
    rng = np.random.default_rng(1)
    copies = 6 if len(data.x_train) < 20_000 else 1
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


def _keep(network: keras.Model, path: Path) -> None:
    """Write the file whole or not at all: two chapters may run at once."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".keras")
        os.close(handle)
        network.save(temporary)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def sample_quality(judge: Judge, samples, real) -> SampleQuality:
    """Coverage, confidence and Fréchet distance of `samples` against `real` images, both `(n, height, width, 1)`.

    The distance depends on the extractor and on the number of images: compare only at equal counts, and print
    `frechet_floor(judge, real)` beside it.
    """
    features, probabilities = judge.look(samples)
    best = probabilities.max(axis=1)
    coverage = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)
    distance = frechet_distance(features, judge.look(real)[0])
    return SampleQuality(coverage, float(best.mean()), float(np.mean(best >= SURE)), distance)


def frechet_floor(judge: Judge, real) -> float:
    """The Fréchet distance between two halves of the real images, drawn at random (with a fixed seed)."""
    order = np.random.default_rng(0).permutation(len(real))
    features = judge.look(np.asarray(real)[order])[0]
    return frechet_distance(features[::2], features[1::2])


def frechet_distance(a, b) -> float:
    """Fréchet distance between Gaussians fitted to features `a` and `b`, `(n, d)`, n at least 2.

    ‖μₐ − μ_b‖² + tr(Σₐ + Σ_b − 2 (Σₐ Σ_b)^½) (Dowson & Landau 1982). With the features of an Inception network it is
    called FID (Heusel et al. 2017, arXiv:1706.08500); with others, its values are not comparable to published ones.
    """
    a, b = (check_finite(features, "features").astype("float64") for features in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features have the shapes {a.shape} and {b.shape}: expected (n, d) twice, n at least 2")
    cov_a, cov_b = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    values, vectors = eigh(cov_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    # Σₐ^½ Σ_b Σₐ^½ is symmetric and has the eigenvalues of Σₐ Σ_b: no square root of a general matrix is needed.
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    squared = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return max(0.0, float(squared + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap))

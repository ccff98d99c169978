"""Sample quality: what a classifier says of generated images, and the Fréchet distance from real ones.

Introduced in chapter 08.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from aelib.measures.classifier import Classifier
from aelib.validate import check_finite

SURE = 0.9  # a sample counts as a digit if the classifier gives one class at least this probability


@dataclass(frozen=True)
class SampleQuality:
    """What a classifier says of samples.

    `coverage`: share of each class, `(classes,)`. `confidence`: mean of the highest probability. `sure`: share of the
    samples with one probability of at least 0.9. `frechet`: distance of their features from the real images' (see
    `frechet_distance`).
    """

    coverage: np.ndarray
    confidence: float
    sure: float
    frechet: float


def sample_quality(classifier: Classifier, samples, real) -> SampleQuality:
    """Coverage, confidence and Fréchet distance of `samples` against `real`: `(n, height, width, channels)` twice.

    The distance depends on the extractor and on the number of images: compare only at equal counts, and print
    `frechet_floor(classifier, real)` beside it.
    """
    features, probabilities = classifier.predict(samples)
    best = probabilities.max(axis=1)
    coverage = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)
    distance = frechet_distance(features, classifier.predict(real)[0])
    # NumPy numbers: where no sample is sure, a ratio of two shares is NaN or inf with a warning, and no exception
    return SampleQuality(coverage, best.mean(dtype="float64"), np.mean(best >= SURE), distance)


def frechet_floor(classifier: Classifier, real) -> float:
    """The Fréchet distance between two halves of the real images, drawn at random (with a fixed seed)."""
    order = np.random.default_rng(0).permutation(len(real))
    features = classifier.predict(np.asarray(real)[order])[0]
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
    # Σₐ = HᵀH, and H Σ_b Hᵀ is symmetric and has the eigenvalues of Σₐ Σ_b, but for zeros: no square root of a general
    # matrix is needed. H is a root of Σₐ, or the data themselves, if that makes the matrix smaller.
    if len(a) < a.shape[1]:
        half = (a - a.mean(axis=0)) / np.sqrt(len(a) - 1)
    else:
        values, vectors = eigh(cov_a)
        half = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ cov_b @ half.T), 0)).sum()
    squared = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return max(0.0, float(squared + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap))

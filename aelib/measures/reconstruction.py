"""How far a reconstruction is from its image, and PCA as the baseline.

Introduced in chapters 00, 01, 05, 06 and 09.
"""

import numpy as np
from scipy.linalg import orth
from sklearn.decomposition import PCA

from aelib.data.sequences import check_sequences
from aelib.validate import check_finite, check_images, check_pair


def squared_error(images, reconstructions) -> float:
    """Squared error summed over an image's pixels, mean over the images (Hinton & Salakhutdinov 2006, Fig. 2).

    `images`: `(n, height, width, channels)` in [0, 1]. `reconstructions`: the same shape, finite; those of a linear
    model may leave [0, 1]. Divide by the number of pixels for Keras's mean squared error. Raises `ValueError` for
    others.
    """
    images, reconstructions = check_pair(images, reconstructions)
    return float(np.square(images - reconstructions).reshape(len(images), -1).sum(axis=1, dtype="float64").mean())


def psnr(images, reconstructions) -> float:
    """Peak signal-to-noise ratio in dB, mean over the images: 10 · log₁₀(1 / mean squared error of the image).

    `images`: `(n, height, width, channels)` in [0, 1], so the peak is 1. `reconstructions`: the same shape, clipped to
    [0, 1] here. 10 dB more are a tenth of the squared error; an image without error counts as 100 dB. Introduced in
    chapter 06. Raises `ValueError` for other shapes and values.
    """
    images, reconstructions = check_pair(images, reconstructions)
    errors = np.square(images - np.clip(reconstructions, 0, 1)).reshape(len(images), -1).mean(axis=1, dtype="float64")
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-10))))


def gradient_energy(images) -> float:
    """Squared differences of neighbouring pixels, summed over an image, mean over the images: blurred ones have less.

    `images`: `(n, height, width, channels)` in [0, 1]. Compare with the real images' energy. Introduced in chapter 09.
    """
    images = check_images(images).astype("float64")
    energy = sum(np.square(np.diff(images, axis=axis)).sum(axis=(1, 2, 3)) for axis in (1, 2))
    return float(energy.mean())


def fit_pca(images, code_size: int) -> PCA:
    """PCA of the flattened images, exact (`sklearn.decomposition.PCA`).

    Images of up to 1,000 values: from the eigenvectors of the covariance matrix, which is fastest there. Larger ones:
    from singular vectors, by Lanczos iteration if a few are asked for (3,072 values: 0.8 s instead of 5.6).
    Raises `ValueError` unless `code_size` is between 1 and the smaller of the numbers of images and pixels.
    """
    flat = check_images(images).reshape(len(images), -1)
    if not 1 <= code_size <= min(flat.shape):
        raise ValueError(
            f"code_size is {code_size}: {len(flat)} images of {flat.shape[1]} pixels allow 1 to {min(flat.shape)}"
        )
    return PCA(code_size, svd_solver=_exact_solver(*flat.shape, code_size), random_state=0).fit(flat)


def _exact_solver(images: int, values: int, code_size: int) -> str:
    if values > 1000 and code_size <= min(images, values) // 10:
        return "arpack"
    return "covariance_eigh" if values <= max(1000, images) else "full"


def pca_reconstruct(pca: PCA, images) -> np.ndarray:
    """The images projected on the principal plane: same shape; values may leave [0, 1]."""
    flat = check_images(images).reshape(len(images), -1)
    return pca.inverse_transform(pca.transform(flat)).reshape(np.shape(images)).astype("float32")


def captured_variance(columns, images) -> float:
    """Share of the images' variance that the span of `columns`, `(pixels, k)`, captures: tr(Qᵀ Σ Q) / tr(Σ).

    Q is an orthonormal basis of the span and Σ the covariance matrix of the images.
    """
    flat = check_images(images).reshape(len(images), -1)
    centred = flat - flat.mean(axis=0)
    return float(np.square(centred @ orth(check_finite(columns, "columns"))).sum() / np.square(centred).sum())


def sequence_errors(sequences, reconstructions, weights=None) -> np.ndarray:
    """Mean squared error of each sequence, `(n,)`, over its steps and features; a score for anomalies.

    Both `(n, steps, features)`. `weights`: `(n, steps)`, as `pad` returns them: a step of weight 0 does not count.
    Raises `ValueError` for other shapes, NaN, and a sequence without any weight.
    """
    sequences = check_sequences(sequences)
    reconstructions = check_finite(reconstructions, "reconstructions")
    weights = np.ones(sequences.shape[:2]) if weights is None else check_finite(weights, "weights")
    if reconstructions.shape != sequences.shape or weights.shape != sequences.shape[:2]:
        raise ValueError(
            f"sequences, reconstructions and weights have the shapes {sequences.shape}, {reconstructions.shape} and "
            f"{weights.shape}: expected (n, steps, features) twice, and (n, steps)"
        )
    if weights.min() < 0 or weights.sum(axis=1).min() <= 0:
        raise ValueError("a weight is negative, or a sequence has no step with a weight: leave that sequence out")
    steps = np.square(sequences - reconstructions, dtype="float64").mean(axis=2)
    return (weights * steps).sum(axis=1) / weights.sum(axis=1)

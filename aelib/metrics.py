"""Numbers to compare by: reconstruction error, PCA as the baseline, what a classifier makes of codes, noise left.

Introduced in chapters 01, 02 and 06.
"""

import numpy as np
from scipy.linalg import orth
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


def check_images(images, what: str = "images") -> np.ndarray:
    """`images` as an array; `ValueError` unless it is finite, within [0, 1] and of shape `(n, height, width, 1)`."""
    images = check_finite(images, what)
    if images.ndim != 4 or images.shape[3] != 1 or len(images) == 0:
        raise ValueError(f"{what} have the shape {images.shape}: expected (n, height, width, 1) with n at least 1")
    if images.min() < 0 or images.max() > 1:
        raise ValueError(
            f"{what} lie in [{images.min():.3g}, {images.max():.3g}], expected [0, 1]: "
            "divide bytes by 255, or clip a linear model's output with np.clip(…, 0, 1)"
        )
    return images


def check_finite(array, what: str) -> np.ndarray:
    """`array` as an array of numbers; `ValueError` if it holds NaN or infinity."""
    array = np.asarray(array)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{what} hold values of type {array.dtype}, expected numbers: convert them with astype('float32')"
        )
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise ValueError(f"{what} hold {bad} values that are NaN or infinite: did training diverge? Lower the rate")
    return array


def check_pair(images, reconstructions) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; `ValueError` unless the images are images and the reconstructions finite, of the same shape."""
    images = check_images(images)
    reconstructions = check_finite(reconstructions, "reconstructions")
    if images.shape != reconstructions.shape:
        raise ValueError(f"images have the shape {images.shape}, reconstructions {reconstructions.shape}: expected one")
    return images, reconstructions


def squared_error(images, reconstructions) -> float:
    """Squared error summed over an image's pixels, mean over the images (Hinton & Salakhutdinov 2006, Fig. 2).

    `images`: `(n, height, width, 1)` in [0, 1]. `reconstructions`: the same shape, finite; those of a linear model
    may leave [0, 1]. Divide by the number of pixels for Keras's mean squared error. Raises `ValueError` for others.
    """
    images, reconstructions = check_pair(images, reconstructions)
    return float(np.square(images - reconstructions).reshape(len(images), -1).sum(axis=1, dtype="float64").mean())


def psnr(images, reconstructions) -> float:
    """Peak signal-to-noise ratio in dB, mean over the images: 10 · log₁₀(1 / mean squared error of the image).

    `images`: `(n, height, width, 1)` in [0, 1], so the peak is 1. `reconstructions`: the same shape, clipped to [0, 1]
    here. 10 dB more are a tenth of the squared error; an image without error counts as 100 dB. Introduced in chapter
    06. Raises `ValueError` for other shapes and values.
    """
    images, reconstructions = check_pair(images, reconstructions)
    errors = np.square(images - np.clip(reconstructions, 0, 1)).reshape(len(images), -1).mean(axis=1, dtype="float64")
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-10))))


def fit_pca(images, code_size: int) -> PCA:
    """PCA of the flattened images, exact, from their covariance matrix (`sklearn.decomposition.PCA`).

    Raises `ValueError` unless `code_size` is between 1 and the smaller of the numbers of images and pixels.
    """
    flat = check_images(images).reshape(len(images), -1)
    if not 1 <= code_size <= min(flat.shape):
        raise ValueError(
            f"code_size is {code_size}: {len(flat)} images of {flat.shape[1]} pixels allow 1 to {min(flat.shape)}"
        )
    return PCA(code_size, svd_solver="covariance_eigh").fit(flat)


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


def nearest_neighbour_error(train_codes, train_labels, test_codes, test_labels) -> float:
    """Share of the test codes `(n, …)` whose nearest training code (Euclidean) has another label.

    Raises `ValueError` for NaN, and for codes and labels of different lengths.
    """
    return _test_error(KNeighborsClassifier(1), train_codes, train_labels, test_codes, test_labels)


def linear_probe_error(train_codes, train_labels, test_codes, test_labels) -> float:
    """Test error of logistic regression on the codes (or pixels), `(n, …)`: what they offer to a linear classifier.

    The codes are centred and scaled by one number to a total variance of 50, about that of digits in [0, 1]: the
    penalty then means the same for every code, and turning the codes changes nothing. Raises `ValueError` for NaN, and
    for codes and labels of different lengths.
    """
    train, test = (check_finite(c, "codes").reshape(len(c), -1) for c in (train_codes, test_codes))
    mean, scale = train.mean(axis=0), np.sqrt(50 / max(float(train.var(axis=0).sum()), 1e-12))
    classifier = LogisticRegression(tol=1e-3, max_iter=1000)
    return _test_error(classifier, scale * (train - mean), train_labels, scale * (test - mean), test_labels)


def _test_error(classifier, train_codes, train_labels, test_codes, test_labels) -> float:
    pairs = []
    for codes, labels in ((train_codes, train_labels), (test_codes, test_labels)):
        codes = check_finite(codes, "codes")
        if len(codes) != len(labels):
            raise ValueError(
                f"found {len(codes)} codes and {len(labels)} labels: expected as many of the one as of the other"
            )
        pairs += [codes.reshape(len(codes), -1), np.asarray(labels)]
    train, y_train, test, y_test = pairs
    return float(np.mean(classifier.fit(train, y_train).predict(test) != y_test))

"""Numbers to compare by: reconstruction error, PCA as the baseline, what a classifier makes of codes, noise left,
bounds of the likelihood, disentanglement.

Introduced in chapters 01, 02, 06, 09 and 10.
"""

import numpy as np
from scipy.linalg import orth
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
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


def gradient_energy(images) -> float:
    """Squared differences of neighbouring pixels, summed over an image, mean over the images: blurred ones have less.

    `images`: `(n, height, width, 1)` in [0, 1]. Compare with the real images' energy. Introduced in chapter 09.
    """
    images = check_images(images).astype("float64")
    energy = sum(np.square(np.diff(images, axis=axis)).sum(axis=(1, 2, 3)) for axis in (1, 2))
    return float(energy.mean())


def importance_weighted_bound(log_weights) -> np.ndarray:
    """log of the mean of `samples` importance weights, of each image: a lower bound of log p(x), `(n,)`, in nats.

    `log_weights`: log p(x, z) − log q(z|x) of draws z from q(z|x), `(samples, n)`. With one sample its mean is the
    ELBO; with more it comes closer to log p(x) (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519). Raises
    `ValueError` for NaN or another shape. Introduced in chapter 09.
    """
    log_weights = check_finite(log_weights, "log weights").astype("float64")
    if log_weights.ndim != 2 or log_weights.size == 0:
        raise ValueError(f"log weights have the shape {log_weights.shape}: expected (samples, n), each at least 1")
    return logsumexp(log_weights, axis=0) - np.log(len(log_weights))


# ---- disentanglement: do codes stand for the factors of variation, one for one? ----


def mutual_information(codes, factors, bins: int = 20) -> np.ndarray:
    """How much each code tells of each factor: I(z_j; v_k) / H(v_k), `(codes, factors)`, 0 (nothing) to 1 (all).

    `codes`: `(n, codes)`, `factors`: `(n, factors)`. Both are cut into `bins` with equally many images each, so that
    scaling or bending an axis changes nothing; a factor with fewer values keeps them. Take draws from q(z|x), as Chen
    et al. do, not its means: the mean of a code that is switched off moves by a thousandth, and these bins would see
    it. With few images, chance is counted as information, about bins² / (2 n log bins): take 5,000. Raises
    `ValueError` for NaN, factors that never change, and codes and factors of different lengths. Introduced in chapter
    10.
    """
    codes, factors = _check_factors(codes, factors)
    if bins < 2 or bins > len(codes):
        raise ValueError(f"bins is {bins} for {len(codes)} images: expected at least 2, and at most one an image")
    codes, factors = (np.apply_along_axis(_binned, 0, columns, bins) for columns in (codes, factors))
    entropy = [mutual_info_score(factor, factor) for factor in factors.T]
    return np.array([[mutual_info_score(code, factor) for factor in factors.T] for code in codes.T]) / entropy


def mutual_information_gap(codes, factors, bins: int = 20) -> float:
    """MIG: between the two codes that tell most of a factor, the gap in `mutual_information`, mean over the factors.

    1: each factor has a code of its own, which tells all of it. 0: nothing is told, or two codes tell the same. Takes
    and raises what `mutual_information` does; at least two codes. Chen et al. 2018 (arXiv:1802.04942). Introduced in
    chapter 10.
    """
    return _gap(mutual_information(codes, factors, bins))


def sap_score(codes, factors) -> float:
    """Separated attribute predictability: as MIG, with R² of a line from one code to the factor as what a code tells.

    `codes`: `(n, codes)`, at least two; `factors`: `(n, factors)`, numbers. A factor that comes round again, as an
    angle does, has no line: its R² is low for every code. Raises `ValueError` as `mutual_information` does. Kumar,
    Sattigeri & Balakrishnan 2018 (arXiv:1711.00848), the score for continuous factors. Introduced in chapter 10.
    """
    codes, factors = (columns - columns.mean(axis=0) for columns in _check_factors(codes, factors))
    scale = np.linalg.norm(codes, axis=0)[:, None] * np.linalg.norm(factors, axis=0)
    return _gap(np.square(codes.T @ factors / np.maximum(scale, 1e-12)))


def beta_vae_score(codes, factors, *, batches: int = 2000, pairs: int = 64, seed: int = 0) -> float:
    """Share of batches for which a linear classifier names the factor that the images of each pair have in common.

    A batch is `pairs` pairs of images; they agree in one factor, in the others they differ as they like. The classifier
    sees the mean of |z − z'| over the batch, each code scaled to a variance of 1; it learns from one half of the
    batches and is judged on the other. Chance is 1 / factors. `codes`: `(n, codes)`; `factors`: `(n, factors)`. Two
    images *agree* in a factor if they are neighbours when all are sorted by it: with n images spread evenly, to about
    1/n of its range. Give at least 1,000. Raises `ValueError` as `mutual_information` does. Higgins et al. 2017 (ICLR).
    Introduced in chapter 10.
    """
    codes, factors = _check_factors(codes, factors)
    if batches < 10 * factors.shape[1] or pairs < 1:
        raise ValueError(f"batches {batches}, pairs {pairs}: expected at least 10 batches a factor, of 1 pair or more")
    rng = np.random.default_rng(seed)
    codes = codes / np.maximum(codes.std(axis=0), 1e-12)
    order = np.argsort(factors, axis=0, kind="stable")
    labels = np.arange(batches) % factors.shape[1]
    place = rng.integers(0, len(codes) - 1, (batches, pairs))
    one, other = (codes[order[place + step, labels[:, None]]] for step in (0, 1))
    seen = np.abs(one - other).mean(axis=1)
    half = batches // 2
    classifier = LogisticRegression(C=1e4, max_iter=2000).fit(seen[:half], labels[:half])
    return float(classifier.score(seen[half:], labels[half:]))


def _check_factors(codes, factors) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, `(n, …)`; `ValueError` unless finite, as many, two codes or more, no factor constant."""
    codes, factors = check_finite(codes, "codes").astype("float64"), check_finite(factors, "factors").astype("float64")
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) < 2 or codes.shape[1] < 2:
        raise ValueError(
            f"codes have the shape {codes.shape}, factors {factors.shape}: expected (n, codes) with two codes or more, "
            "and (n, factors) with the same n"
        )
    still = np.flatnonzero(np.ptp(factors, axis=0) == 0).tolist()
    if factors.shape[1] == 0 or still:
        raise ValueError(f"the factors {still} never change: nothing can be said of them, leave them out")
    return codes, factors


def _binned(values, bins: int) -> np.ndarray:
    """Which of `bins` parts with equally many values each value is in; equal values stay together."""
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    return np.searchsorted(edges, values, side="right")


def _gap(table: np.ndarray) -> float:
    """Largest minus second largest of each column `(codes, factors)`, mean over the columns."""
    second, first = np.sort(table, axis=0)[-2:]
    return float((first - second).mean())


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

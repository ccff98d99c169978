"""One kind of picture is normal, all others are strangers: preparation, pixel detectors, AUROC kind by kind.

Introduced in chapter 16b. Every score is larger the stranger the picture.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from aelib.measures.anomaly import auroc
from aelib.validate import check_finite


def same_length(images, length: float = 8.0) -> np.ndarray:
    """Each image times a factor that makes its squared values add up to `length`²: float32, of the same shape.

    So a picture with much ink no longer lies far from everything. An image of zeros stays as it is.
    """
    images = check_finite(images, "images")
    norms = np.linalg.norm(images.reshape(len(images), -1), axis=1)
    factors = np.divide(length, norms, out=np.zeros_like(norms), where=norms > 0)
    return (images * factors.reshape(-1, *[1] * (images.ndim - 1))).astype("float32")


def blurred_error(images, rebuilt, sigma: float = 1.0) -> np.ndarray:
    """The squared error of each image, `(n,)`, after its difference has been blurred by a Gaussian of `sigma` pixels.

    `images`, `rebuilt`: `(n, height, width, channels)`; 0 blurs nothing. A stroke that lies a pixel further to the side
    then counts less than one that is missing. Raises `ValueError` for different shapes.
    """
    images, rebuilt = check_finite(images, "images"), check_finite(rebuilt, "reconstructions")
    if images.shape != rebuilt.shape or images.ndim != 4:
        raise ValueError(f"images are {images.shape}, reconstructions {rebuilt.shape}: expected the same four sizes")
    return np.square(gaussian_filter(images - rebuilt, (0, sigma, sigma, 0))).sum(axis=(1, 2, 3))


def pixel_detectors(normal, images, seed: int = 0) -> dict[str, np.ndarray]:
    """What five detectors of scikit-learn say of each of `images` after learning from `normal`: name -> `(n,)`.

    Both are pictures, prepared alike. The squared error of PCA with the components that hold 95 % of the variance; the
    squared distance to the nearest normal picture, and the mean distance to the nearest five; the isolation forest
    (Liu et al. 2008) and the local outlier factor (Breunig et al. 2000) with scikit-learn's settings (20 neighbours).
    Of fewer pictures, all are neighbours. Raises `ValueError` for fewer than two normal pictures, none to score, NaN
    and other sizes.
    """
    normal, images = check_finite(normal, "normal pictures"), check_finite(images, "images")
    if len(normal) < 2 or len(images) == 0 or normal.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"normal pictures are {normal.shape}, images {images.shape}: expected two normal ones or more, one to "
            "score or more, of one size"
        )
    normal, images = normal.reshape(len(normal), -1), images.reshape(len(images), -1)
    pca = PCA(0.95, svd_solver="full").fit(normal)
    forest = IsolationForest(random_state=seed).fit(normal)
    outlier = LocalOutlierFactor(min(20, len(normal) - 1), novelty=True).fit(normal)
    distances = NearestNeighbors(n_neighbors=min(5, len(normal))).fit(normal).kneighbors(images)[0]
    return {
        "PCA's error": np.square(images - pca.inverse_transform(pca.transform(images))).sum(axis=1),
        "nearest neighbour": np.square(distances[:, 0]),
        "five neighbours": distances.mean(axis=1),
        "isolation forest": -forest.score_samples(images),
        "local outlier factor": -outlier.score_samples(images),
    }


def one_against_rest(scores, labels) -> np.ndarray:
    """The AUROC of each kind's detector: `(kinds,)`. Row k of `scores` `(kinds, n)`: the detector of kind k.

    `labels` `(n,)`: 0 to kinds − 1. Pictures of kind k are normal for detector k, all others strangers. Raises
    `ValueError` for other shapes, one kind alone, a kind without a picture, and NaN.
    """
    scores, labels = check_finite(scores, "scores"), np.asarray(labels)
    if scores.ndim != 2 or len(scores) < 2 or labels.shape != scores.shape[1:]:
        raise ValueError(
            f"scores have the shape {scores.shape} and labels {labels.shape}: expected (kinds, n) with two kinds or "
            "more, and (n,)"
        )
    return np.array([auroc(row[labels == kind], row[labels != kind]) for kind, row in enumerate(scores)])

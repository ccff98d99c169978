"""Quality and variety of samples apart: how many look real, and how much of what is real they cover.

Introduced in chapter 15.
"""

import numpy as np
from scipy.spatial.distance import cdist

from aelib.validate import check_finite, is_count


def precision_and_recall(samples, real, k: int = 3) -> tuple[float, float]:
    """Which share of the samples lies among the real ones, and which share of the real ones among the samples.

    `samples`, `real`: features, `(n, d)` and `(m, d)`. A point lies among others if it is nearer to one of them than
    that one's k-th nearest neighbour among its own. Both grow with the numbers of points: compare equal numbers.
    Kynkäänniemi et al. 2019 (arXiv:1904.06991). Raises `ValueError` for other shapes and for too few points.
    """
    samples, real = (check_finite(features, "features").astype("float64") for features in (samples, real))
    if samples.ndim != 2 or real.ndim != 2 or samples.shape[1] != real.shape[1]:
        raise ValueError(f"features have the shapes {samples.shape} and {real.shape}: expected (n, d) and (m, d)")
    if not is_count(k) or min(len(samples), len(real)) <= k:
        raise ValueError(
            f"k is {k!r} for {len(samples)} samples and {len(real)} real ones: expected a whole number, at least 1, "
            "and more points than that of each"
        )
    apart = cdist(samples, real)
    return (
        float((apart <= _reach(real, k)[None, :]).any(axis=1).mean()),
        float((apart <= _reach(samples, k)[:, None]).any(axis=0).mean()),
    )


def _reach(points: np.ndarray, k: int) -> np.ndarray:
    """Each point's distance to its k-th nearest neighbour, itself not counted."""
    return np.partition(cdist(points, points), k, axis=1)[:, k]

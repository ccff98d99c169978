"""What a code of a generator controls: what moves with it, how evenly, and what can be read off it.

Introduced in chapter 15b.
"""

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aelib.data.faces import CONTINUOUS, FACE_FACTORS
from aelib.validate import check_finite, is_number


def factor_movement(before, after, truth) -> np.ndarray:
    """How much each factor of drawn faces differs between two sets of them, `(12,)`.

    `before`, `after`: factors `(n, 12)` of the same n faces, in the order of `FACE_FACTORS`. A continuous factor's mean
    absolute difference is given as a share of that between two independent draws of `truth`, `(m, 12)`, which is the
    mean over all pairs; of glasses and hair style it is the share that changed, over the share of pairs that differ.
    So 0 is no movement, and 1 that of a face drawn anew. Raises `ValueError` for other shapes.
    """
    before, after, truth = (check_finite(a, "factors").astype("float64") for a in (before, after, truth))
    wanted = len(FACE_FACTORS)
    if before.shape != after.shape or any(a.ndim != 2 or a.shape[1] != wanted for a in (before, truth)):
        raise ValueError(
            f"factors have the shapes {before.shape}, {after.shape} and {truth.shape}: expected (n, {wanted}) twice, "
            f"and (m, {wanted})"
        )
    moved = [np.abs(after[:, k] - before[:, k]).mean() for k in range(len(CONTINUOUS))]
    anew = [_mean_difference(truth[:, k]) for k in range(len(CONTINUOUS))]
    moved += [(after[:, k] != before[:, k]).mean() for k in range(len(CONTINUOUS), wanted)]
    anew += [_share_of_different_pairs(truth[:, k]) for k in range(len(CONTINUOUS), wanted)]
    return np.array(moved) / np.array(anew)


def path_length(
    draw: Callable[[np.ndarray], np.ndarray], start, end, places, *, spherical: bool = False, step: float = 1e-2
) -> np.ndarray:
    """Squared speed at which what `draw` makes changes on the way from codes `start` to `end`, both `(n, d)`: `(n,)`.

    `draw`: codes `(n, d)` to features of pictures `(n, f)`. `places`: where on its way each is looked at, `(n,)` in
    [0, 1]. The squared distance between the features there and a `step` further on, over the step's square. The way is
    a straight line, or, if `spherical`, an arc of the sphere on which both lie after division by their lengths. Its
    mean is the perceptual path length of Karras et al. 2019 (arXiv:1812.04948, section 4.1). Raises `ValueError` for
    other shapes and places, and for an impossible step.
    """
    start, end = (check_finite(a, "codes").astype("float64") for a in (start, end))
    places = check_finite(places, "places").astype("float64")
    if start.shape != end.shape or start.ndim != 2 or places.shape != start.shape[:1]:
        raise ValueError(
            f"codes have the shapes {start.shape} and {end.shape}, places {places.shape}: expected (n, d) twice, (n,)"
        )
    if places.min() < 0 or places.max() > 1 or not is_number(step) or step <= 0:
        raise ValueError(
            f"places lie in [{places.min():g}, {places.max():g}], step is {step!r}: expected [0, 1], above 0"
        )
    way = _arc if spherical else _line
    here, there = (np.asarray(draw(way(start, end, t[:, None]).astype("float32"))) for t in (places, places + step))
    return np.square(there.astype("float64") - here).reshape(len(here), -1).sum(axis=1) / step**2


def linear_readability(codes, factors, test_codes, test_factors) -> np.ndarray:
    """How well a linear model reads each factor off unseen codes, `(12,)`: R², or the share read correctly.

    `codes`: `(n, d)`; `factors`: `(n, 12)`, in the order of `FACE_FACTORS`; ridge regression for continuous factors,
    logistic regression for the others, both on standardized codes. Raises `ValueError` for other shapes.
    """
    codes, test_codes = (check_finite(a, "codes") for a in (codes, test_codes))
    factors, test_factors = (check_finite(a, "factors") for a in (factors, test_factors))
    for c, f in ((codes, factors), (test_codes, test_factors)):
        if c.ndim != 2 or f.shape != (len(c), len(FACE_FACTORS)):
            raise ValueError(
                f"codes and factors have the shapes {c.shape} and {f.shape}: expected (n, d) and "
                f"(n, {len(FACE_FACTORS)})"
            )
    scores = []
    for k, name in enumerate(FACE_FACTORS):
        reader = Ridge() if name in CONTINUOUS else LogisticRegression(max_iter=1000)
        model = make_pipeline(StandardScaler(), reader).fit(codes, factors[:, k])
        scores.append(model.score(test_codes, test_factors[:, k]))
    return np.array(scores)


def _mean_difference(values: np.ndarray) -> float:
    """Mean absolute difference over all pairs of different members, from the sorted values."""
    n, values = len(values), np.sort(values)
    return float(2 * (values * (2 * np.arange(n) - n + 1)).sum() / (n * (n - 1)))


def _share_of_different_pairs(values: np.ndarray) -> float:
    n, counts = len(values), np.unique(values, return_counts=True)[1]
    return float(1 - (counts * (counts - 1)).sum() / (n * (n - 1)))


def _line(start, end, t):
    return (1 - t) * start + t * end


def _arc(start, end, t):
    start, end = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (start, end))
    angle = np.arccos(np.clip((start * end).sum(axis=1, keepdims=True), -1, 1))
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.maximum(np.sin(angle), 1e-12)

"""Precision and recall of samples: against a loop, and where the answer is known."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from aelib.measures import precision_and_recall

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(200, 3))


def among(points, others, k):
    """The share of points inside one of the balls that reach from each other point to its k-th neighbour."""
    reach = NearestNeighbors(n_neighbors=k + 1).fit(others).kneighbors(others)[0][:, k]
    inside = [any(np.linalg.norm(p - o) <= r for o, r in zip(others, reach, strict=True)) for p in points]
    return np.mean(inside)


@pytest.mark.parametrize("k", [1, 3])
def test_both_are_those_of_the_definition(k):
    samples = RNG.normal(0.7, 0.6, size=(150, 3))
    expected = among(samples, REAL, k), among(REAL, samples, k)
    assert precision_and_recall(samples, REAL, k) == pytest.approx(expected)
    assert 0.2 < expected[1] < expected[0] < 1


def test_the_same_points_have_both_and_distant_ones_neither():
    assert precision_and_recall(REAL, REAL) == (1, 1)
    assert precision_and_recall(REAL + 100, REAL) == (0, 0)


def test_samples_at_one_place_are_precise_and_cover_little():
    precision, recall = precision_and_recall(1e-3 * RNG.normal(size=(200, 3)), REAL)
    assert precision == 1
    assert recall < 0.02


def test_samples_that_are_spread_too_widely_cover_much_and_are_imprecise():
    precision, recall = precision_and_recall(4 * RNG.normal(size=(200, 3)), REAL)
    assert precision < 0.3
    assert recall > 0.8


@pytest.mark.parametrize(
    ("samples", "k", "message"),
    [
        (np.ones((9, 2)), 3, "expected"),
        (REAL[:3], 3, "more points"),
        (REAL, 0, "k is 0"),
        (np.full((9, 3), np.nan), 3, "NaN"),
    ],
)
def test_what_cannot_be_measured_is_refused(samples, k, message):
    with pytest.raises(ValueError, match=message):
        precision_and_recall(samples, REAL, k)

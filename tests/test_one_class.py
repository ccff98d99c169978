"""One kind is normal: lengths, blurred errors and detectors against definitions, and clear errors."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from aelib.measures import blurred_error, one_against_rest, pixel_detectors, same_length

RNG = np.random.default_rng(0)
NORMAL, STRANGE = RNG.normal(0, 1, (60, 5, 4, 1)), RNG.normal(4, 1, (30, 5, 4, 1))


def test_all_pictures_get_the_same_length_and_keep_their_direction():
    pictures = np.abs(NORMAL) * RNG.uniform(0.1, 9, (60, 1, 1, 1))
    out = same_length(pictures, 3)
    np.testing.assert_allclose(np.square(out).sum(axis=(1, 2, 3)), 9, rtol=1e-5)
    cosine = (out * pictures).sum(axis=(1, 2, 3)) / 3 / np.sqrt(np.square(pictures).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(cosine, 1, rtol=1e-5)
    np.testing.assert_allclose(same_length(7 * pictures, 3), out, rtol=1e-5)


def test_a_black_picture_stays_black():
    assert (same_length(np.zeros((2, 3, 3, 1))) == 0).all()


def test_without_blur_it_is_the_squared_error():
    expected = np.square(NORMAL[:30] - STRANGE).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(blurred_error(NORMAL[:30], STRANGE, 0), expected)


def test_blur_forgives_a_step_aside_more_than_a_missing_stroke():
    stroke, aside, missing = (np.zeros((1, 15, 15, 1)) for _ in range(3))
    stroke[0, 3:12, 7], aside[0, 3:12, 8] = 1, 1
    assert blurred_error(stroke, aside, 0) > blurred_error(stroke, missing, 0)
    assert blurred_error(stroke, aside, 1) < blurred_error(stroke, missing, 1)


def test_every_detector_tells_pictures_that_lie_far_away():
    found = pixel_detectors(NORMAL[:40], np.concatenate([NORMAL[40:], STRANGE]))
    assert len(found) == 5
    for name, scores in found.items():
        assert roc_auc_score(np.repeat([0, 1], [20, 30]), scores) > 0.95, name


def test_neighbours_and_pca_are_those_of_their_definitions():
    found = pixel_detectors(NORMAL, STRANGE)
    normal, strange = NORMAL.reshape(60, -1), STRANGE.reshape(30, -1)
    distances = np.sort(cdist(strange, normal), axis=1)
    np.testing.assert_allclose(found["nearest neighbour"], distances[:, 0] ** 2)
    np.testing.assert_allclose(found["five neighbours"], distances[:, :5].mean(axis=1))
    mean = normal.mean(axis=0)
    _, values, directions = np.linalg.svd(normal - mean)
    kept = directions[: np.searchsorted(np.cumsum(values**2) / np.sum(values**2), 0.95) + 1]
    expected = np.square(strange - mean).sum(axis=1) - np.square((strange - mean) @ kept.T).sum(axis=1)
    np.testing.assert_allclose(found["PCA's error"], expected)


def test_each_kind_is_judged_by_its_own_row():
    labels = np.array([0, 0, 1, 1, 2, 2])
    scores = np.array([[0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1]])
    np.testing.assert_allclose(one_against_rest(scores, labels), [1, 0, 0.5])


def test_bad_input_is_told_in_one_sentence():
    for call, words in (
        (lambda: same_length(np.full((1, 2, 2, 1), np.nan)), "images"),
        (lambda: blurred_error(NORMAL, STRANGE), "expected the same four sizes"),
        (lambda: pixel_detectors(NORMAL[:1], STRANGE), "expected two normal ones or more"),
        (lambda: pixel_detectors(NORMAL, STRANGE[:0]), "one to score or more"),
        (lambda: pixel_detectors(NORMAL, STRANGE[:, :3]), "of one size"),
        (lambda: one_against_rest(np.zeros((1, 6)), np.zeros(6)), "two kinds or more"),
        (lambda: one_against_rest(np.zeros((2, 6)), np.zeros(6)), "missing|expected"),
    ):
        with pytest.raises(ValueError, match=words):
            call()

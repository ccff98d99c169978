"""What a code controls: movement of factors, path length, linear readability, where the answer is known."""

import numpy as np
import pytest

from aelib.data import make_faces
from aelib.measures import factor_movement, linear_readability, path_length

RNG = np.random.default_rng(0)
TRUTH = make_faces(400, seed=5, size=16).factors


def test_a_face_drawn_anew_moves_by_one_and_the_same_face_not_at_all():
    assert (factor_movement(TRUTH, TRUTH, TRUTH) == 0).all()
    other = make_faces(400, seed=6, size=16).factors
    np.testing.assert_allclose(factor_movement(TRUTH, other, TRUTH), 1, atol=0.15)


def test_movement_is_over_the_mean_of_all_pairs():
    few = TRUTH[:7]
    pairs = [(a, b) for i, a in enumerate(few) for j, b in enumerate(few) if i != j]
    anew = np.mean([np.r_[np.abs(a - b)[:10], (a != b)[10:]] for a, b in pairs], axis=0)
    after = few.copy()
    after[:, 3] += 0.25
    after[0, 11] = (after[0, 11] + 1) % 5
    expected = np.zeros(12)
    expected[3], expected[11] = 0.25 / anew[3], (1 / 7) / anew[11]
    np.testing.assert_allclose(factor_movement(few, after, few), expected, rtol=1e-10, atol=1e-12)


def test_factors_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected \(n, 12\) twice"):
        factor_movement(TRUTH[:3], TRUTH[:4], TRUTH)


def test_the_path_length_of_a_linear_map_is_the_squared_length_of_the_whole_way():
    matrix, start, end = RNG.normal(size=(4, 6)), RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    found = path_length(lambda codes: codes @ matrix, start, end, RNG.random(5))
    np.testing.assert_allclose(found, np.square((end - start) @ matrix).sum(axis=1), rtol=1e-2)


def test_an_arc_goes_over_the_sphere_at_one_speed():
    start, end = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    seen = []
    found = path_length(lambda codes: seen.append(codes) or codes, start, end, RNG.random(5), spherical=True)
    np.testing.assert_allclose(np.linalg.norm(seen[0], axis=1), 1, rtol=1e-5)
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (start, end)]
    angle = np.arccos((unit[0] * unit[1]).sum(axis=1))
    np.testing.assert_allclose(found, angle**2, rtol=1e-2)  # a chord is nearly as long as its arc


@pytest.mark.parametrize(
    ("places", "options", "message"),
    [(np.zeros(4), {}, "places"), (np.full(5, 1.1), {}, "places lie in"), (np.zeros(5), {"step": 0}, "step is 0")],
)
def test_impossible_ways_are_refused(places, options, message):
    with pytest.raises(ValueError, match=message):
        path_length(lambda codes: codes, np.ones((5, 4)), np.ones((5, 4)), places, **options)


def test_factors_are_read_off_codes_that_hold_them_and_off_no_others():
    lengths = (TRUTH[:, :11] - TRUTH[:, :11].mean(axis=0)) / TRUTH[:, :11].std(axis=0)
    hidden = np.column_stack([lengths, 3 * np.eye(5)[TRUTH[:, 11].astype(int)]])
    hidden = hidden @ np.linalg.qr(RNG.normal(size=(20, 16)))[0].T  # turned, into more dimensions
    codes = np.column_stack([hidden, RNG.normal(size=(400, 5))])
    scores = linear_readability(codes[:300], TRUTH[:300], codes[300:], TRUTH[300:])
    assert scores.min() > 0.98
    nothing = RNG.normal(size=(400, 25))
    scores = linear_readability(nothing[:300], TRUTH[:300], nothing[300:], TRUTH[300:])
    assert scores[:10].max() < 0.1 and scores[10] < 0.7 and scores[11] < 0.4


def test_a_factor_behind_a_bend_is_not_read_by_a_line():
    codes = RNG.normal(size=(400, 3))
    factors = TRUTH.copy()
    factors[:, 0] = np.square(codes[:, 0])
    assert linear_readability(codes[:300], factors[:300], codes[300:], factors[300:])[0] < 0.2


def test_codes_and_factors_of_other_numbers_are_refused():
    with pytest.raises(ValueError, match=r"expected \(n, d\) and \(n, 12\)"):
        linear_readability(np.ones((3, 2)), TRUTH[:4], np.ones((3, 2)), TRUTH[:3])

"""Counting with the factors of drawn faces: against a count by hand, closed forms, clear errors."""

import numpy as np
import pytest

from aelib.data import make_faces
from aelib.measures import combination_shares, factor_spread, total_variation

FACTORS = make_faces(400, seed=5, size=16).factors


def test_shares_are_those_counted_by_hand():
    counted = {}
    for row in FACTORS:
        place = 4 * int(row[11]) + 2 * int(row[10]) + (row[7] > 0)
        counted[place] = counted.get(place, 0) + 1 / len(FACTORS)
    np.testing.assert_allclose(combination_shares(FACTORS), [counted.get(k, 0) for k in range(20)])


def test_faces_drawn_independently_have_nearly_equal_shares():
    shares = combination_shares(make_faces(4000, seed=6, size=16).factors)
    assert total_variation(shares, np.full(20, 1 / 20)) < 0.06  # 20 counts of about 200 ± 14
    without_glasses = combination_shares(FACTORS[FACTORS[:, 10] == 0])
    assert total_variation(without_glasses, np.full(20, 1 / 20)) >= 0.5 - 1e-12  # half of the combinations are missing


def test_total_variation_is_that_of_lists_known_by_heart():
    assert total_variation([0.5, 0.5], [0.5, 0.5]) == 0
    assert total_variation([1, 0], [0, 1]) == 1
    assert total_variation([0.7, 0.2, 0.1], [0.5, 0.25, 0.25]) == pytest.approx(0.2)


def test_the_spread_is_the_quotient_of_the_standard_deviations():
    narrow = FACTORS.copy()
    narrow[:, 4] = FACTORS[:, 4].mean() + (FACTORS[:, 4] - FACTORS[:, 4].mean()) / 3
    np.testing.assert_allclose(factor_spread(narrow, FACTORS), [1, 1, 1, 1, 1 / 3, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("measure", [combination_shares, lambda a: factor_spread(a, FACTORS)])
@pytest.mark.parametrize("shape", [(4, 11), (12,), (0, 12)])
def test_factors_of_another_shape_are_an_error(measure, shape):
    with pytest.raises(ValueError, match=r"expected \(n, 12\): turn, face width"):
        measure(np.zeros(shape))


@pytest.mark.parametrize("p, q", [([0.5, 0.5], [1.0]), ([0.5, 0.6], [0.5, 0.5]), ([1.5, -0.5], [0.5, 0.5])])
def test_what_is_no_list_of_shares_is_an_error(p, q):
    with pytest.raises(ValueError, match="expected two lists of the same length"):
        total_variation(p, q)

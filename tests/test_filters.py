"""Tuned filters: the best setting is chosen, gain and offset undo what a known lift has done."""

from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, median_filter

from aelib.measures import TunedFilter, psnr, tune_filter

RNG = np.random.default_rng(0)
CLEAN = gaussian_filter(RNG.random((6, 12, 10)), (0, 2, 2))[..., None]
CLEAN = (CLEAN - CLEAN.min()) / np.ptp(CLEAN)


def test_a_filter_is_applied_to_every_picture_alone():
    images = RNG.random((3, 6, 7, 1))
    found = TunedFilter(partial(median_filter, size=3), gain=2.0, offset=-0.5)(images)
    expected = 2 * median_filter(images, size=(1, 3, 3, 1)) - 0.5
    np.testing.assert_allclose(found, expected)


def test_gain_and_offset_undo_a_linear_lift():
    tuned = tune_filter([lambda picture: picture], 0.25 + 0.5 * CLEAN, CLEAN)
    assert tuned.gain == pytest.approx(2) and tuned.offset == pytest.approx(-0.5)
    np.testing.assert_allclose(tuned(0.25 + 0.5 * CLEAN), CLEAN, atol=1e-9)


def test_the_best_setting_is_chosen_after_gain_and_offset():
    noisy = np.clip(CLEAN + RNG.normal(0, 0.3, CLEAN.shape), 0, 1)
    choices = [partial(gaussian_filter, sigma=sigma) for sigma in (0.1, 1.0, 20.0)]
    tuned = tune_filter(choices, noisy, CLEAN)
    assert tuned.filter is choices[1]
    for choice in choices:
        filtered = TunedFilter(choice)(noisy)
        design = np.stack([filtered.ravel(), np.ones(filtered.size)], axis=1)
        gain, offset = np.linalg.lstsq(design, CLEAN.ravel(), rcond=None)[0]
        assert psnr(CLEAN, tuned(noisy)) >= psnr(CLEAN, gain * filtered + offset) - 1e-9
        if choice is tuned.filter:
            assert (tuned.gain, tuned.offset) == pytest.approx((gain, offset))


def test_impossible_input_is_refused():
    with pytest.raises(ValueError, match=r"found no filter to choose from"):
        tune_filter([], CLEAN, CLEAN)
    with pytest.raises(ValueError, match=r"\(6, 12, 10, 1\), .*\(5, 12, 10, 1\)"):
        tune_filter([np.copy], CLEAN[1:], CLEAN)

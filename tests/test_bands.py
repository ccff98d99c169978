"""Bands of images, and how far generated ones are from real ones in each: closed forms, a round trip, clear errors."""

import numpy as np
import pytest

from aelib.data import enlarge, shrink
from aelib.measures import band_distances, image_bands

RNG = np.random.default_rng(0)
REAL = RNG.uniform(0, 1, (600, 16, 16, 3))


def test_the_bands_add_up_to_the_brightness():
    coarse, middle, fine = image_bands(REAL)
    again = enlarge(enlarge(coarse, 2) + middle, 2) + fine
    np.testing.assert_allclose(again, REAL.mean(axis=-1, keepdims=True), atol=1e-12)
    assert [band.shape[1] for band in (coarse, middle, fine)] == [4, 8, 16]


def test_a_band_holds_what_its_size_adds_and_nothing_coarser():
    for band in image_bands(REAL)[1:]:
        np.testing.assert_allclose(shrink(band, 2), 0, atol=1e-12)


def test_a_picture_of_squares_has_nothing_in_the_fine_bands():
    coarse, middle, fine = image_bands(enlarge(RNG.uniform(0, 1, (5, 4, 4, 1)), 4))
    assert coarse.std() > 0.1
    np.testing.assert_allclose(middle, 0, atol=1e-12)
    np.testing.assert_allclose(fine, 0, atol=1e-12)


def test_the_same_images_have_the_distance_0_and_the_mean_image_1():
    np.testing.assert_allclose(band_distances(REAL, REAL), 0, atol=1e-6)
    mean = np.repeat(REAL.mean(axis=0, keepdims=True), 50, axis=0)
    np.testing.assert_allclose(band_distances(mean, REAL), 1, atol=1e-6)


def test_half_of_the_contrast_leaves_a_quarter():
    """With covariances Σ and Σ/4 and equal means, the distance is tr(Σ + Σ/4 − Σ) = tr(Σ) / 4."""
    pale = REAL.mean(axis=0) + (REAL - REAL.mean(axis=0)) / 2
    np.testing.assert_allclose(band_distances(pale, REAL), 0.25, atol=1e-6)


def test_what_is_wrong_in_one_band_shows_there_alone():
    wrong = enlarge(shrink(REAL, 2), 2)  # without the fine band
    np.testing.assert_allclose(band_distances(wrong, REAL), [0, 0, 1], atol=0.01)


def test_small_images_are_compared_in_the_bands_that_they_have():
    assert band_distances(shrink(REAL, 4), REAL)[0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(np.isnan(band_distances(shrink(REAL, 4), REAL)), [False, True, True])
    np.testing.assert_array_equal(np.isnan(band_distances(shrink(REAL, 2), REAL)), [False, False, True])


@pytest.mark.parametrize("size", [5, 32, 2])
def test_other_sizes_are_an_error(size):
    with pytest.raises(ValueError, match="expected the real images' size, or half of it, up to 2 times"):
        band_distances(np.zeros((4, size, size, 3)), REAL)


def test_sides_that_cannot_be_halved_and_no_bands_are_errors():
    with pytest.raises(ValueError, match="expected a divisor of both sides"):
        image_bands(np.zeros((2, 6, 6, 1)), 3)
    with pytest.raises(ValueError, match="levels is 0: expected how many bands"):
        image_bands(REAL, 0)

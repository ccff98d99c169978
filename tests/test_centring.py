"""Pictures moved into the middle: the centre of mass is there afterwards, and a shift makes no difference."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from aelib.data import centred, load


def test_the_centre_of_mass_lies_in_the_middle():
    images = np.zeros((2, 21, 30, 1), "float32")
    images[0, 3:8, 4:12] = np.random.default_rng(0).random((5, 8, 1))
    images[1, 10:17, 15:22] = 0.5
    for image in centred(images):
        np.testing.assert_allclose(center_of_mass(image[..., 0]), (10, 14.5), atol=0.01)


def test_a_digit_that_was_shifted_comes_back_to_the_same_place():
    digits = np.pad(load("digits").x_train[:20], ((0, 0), (4, 4), (4, 4), (0, 0)))  # a frame, so that nothing is lost
    there = centred(np.roll(digits, (3, -4), axis=(1, 2)))
    np.testing.assert_allclose(there, centred(digits), atol=1e-3)
    assert there.dtype == np.float32 and not np.allclose(there, np.roll(digits, (3, -4), axis=(1, 2)), atol=0.1)


def test_the_channels_move_together():
    images = np.zeros((1, 9, 9, 3), "float32")
    images[0, 1, 2] = (0.9, 0.3, 0.0)
    expected = np.zeros_like(images)
    expected[0, 4, 4] = (0.9, 0.3, 0.0)
    np.testing.assert_allclose(centred(images), expected, atol=1e-3)


def test_a_picture_without_light_stays_as_it_is():
    black = np.zeros((1, 8, 6, 1), "float32")
    np.testing.assert_array_equal(centred(black), black)


def test_a_table_is_refused():
    with pytest.raises(ValueError, match=r"shape \(5, 64\): expected \(n, height, width"):
        centred(np.zeros((5, 64)))

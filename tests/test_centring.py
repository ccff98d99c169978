"""Pictures moved into the middle and made upright: the moments afterwards, and what makes no difference any more."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform, center_of_mass

from aelib.data import centred, deslanted, load


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


def lean(image):
    """The slope of the column over the row, by NumPy's own weighted fit of a line."""
    rows, columns = np.indices(image.shape)
    return np.polyfit(rows.ravel(), columns.ravel(), 1, w=np.sqrt(image.ravel()))[0]


def test_a_slanted_bar_stands_upright_in_the_middle():
    bar = np.zeros((1, 41, 41, 1), "float32")
    for row in range(8, 30):
        bar[0, row, 10 + row // 2 : 14 + row // 2] = 1
    upright = deslanted(bar)[0, ..., 0]
    assert lean(bar[0, ..., 0]) == pytest.approx(0.5, abs=0.02) and lean(upright) == pytest.approx(0, abs=0.02)
    np.testing.assert_allclose(center_of_mass(upright), (20, 20), atol=0.05)
    np.testing.assert_allclose(upright.sum(), bar.sum(), rtol=1e-3)


def test_digits_do_not_lean_afterwards_and_a_slant_makes_no_difference():
    digits = np.pad(load("digits").x_train[:20], ((0, 0), (10, 10), (10, 10), (0, 0)))
    sheared = np.stack([affine_transform(d, [[1, 0, 0], [0.3, 1, 0], [0, 0, 1]], (0, -7, 0), order=1) for d in digits])
    there, back = deslanted(digits), deslanted(sheared)
    assert max(abs(lean(image[..., 0])) for image in there) < 0.02
    assert np.square(there - back).sum() < 0.1 * np.square(digits - sheared).sum()
    assert there.dtype == np.float32 and there.shape == digits.shape


@pytest.mark.parametrize("move", [centred, deslanted])
def test_the_channels_move_together(move):
    images = np.zeros((1, 9, 9, 3), "float32")
    images[0, 1, 2] = (0.9, 0.3, 0.0)
    expected = np.zeros_like(images)
    expected[0, 4, 4] = (0.9, 0.3, 0.0)
    np.testing.assert_allclose(move(images), expected, atol=1e-3)


@pytest.mark.parametrize("move", [centred, deslanted])
def test_a_picture_without_light_stays_as_it_is(move):
    black = np.zeros((1, 8, 6, 1), "float32")
    np.testing.assert_array_equal(move(black), black)


@pytest.mark.parametrize("move", [centred, deslanted])
def test_a_table_is_refused(move):
    with pytest.raises(ValueError, match=r"shape \(5, 64\): expected \(n, height, width"):
        move(np.zeros((5, 64)))

"""Sprites: drawn as their factors say, repeatable, different for different factors."""

import numpy as np
import pytest

from aelib.data import DIRECTIONS, FACTORS, directions, draw_shapes, make_shapes

SHAPES = make_shapes(400)


def moments(images):
    """Area, centre (x, y), standard deviations along and across the bar, and its angle in degrees."""
    images = images[..., 0].astype("float64")
    size = images.shape[1]
    x, y = np.arange(size) + 0.5, size - np.arange(size)[:, None] - 0.5
    area = images.sum(axis=(1, 2))
    mean = [(images * place).sum(axis=(1, 2)) / area for place in (x, y)]
    dx, dy = x - mean[0][:, None, None], y - mean[1][:, None, None]
    xx, yy, xy = ((images * product).sum(axis=(1, 2)) / area for product in (dx * dx, dy * dy, dx * dy))
    root = np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    along, across = np.sqrt((xx + yy) / 2 + root), np.sqrt((xx + yy) / 2 - root)
    return area, *mean, along, across, np.degrees(np.arctan2(2 * xy, xx - yy) / 2)


def test_form_and_seed():
    assert SHAPES.images.shape == (400, 28, 28, 1) and SHAPES.images.dtype == np.float32
    assert SHAPES.images.min() == 0 and SHAPES.images.max() == 1
    assert SHAPES.factors.shape == (400, 5) and SHAPES.factor_names == ("x", "y", "length", "width", "angle")
    again, more, other = make_shapes(400), make_shapes(700), make_shapes(400, seed=1)
    np.testing.assert_array_equal(SHAPES.images, again.images)
    np.testing.assert_array_equal(SHAPES.images, more.images[:400])
    assert not np.array_equal(SHAPES.factors, other.factors)
    with pytest.raises(AttributeError):
        SHAPES.images = None


def test_factors_are_independent_and_fill_their_ranges():
    factors = make_shapes(20_000).factors
    for column, (name, (low, high)) in zip(factors.T, FACTORS.items(), strict=True):
        scale = 1 if name == "angle" else 28
        assert low * scale <= column.min() and column.max() <= high * scale
        assert np.ptp(column) > 0.99 * (high - low) * scale
        assert column.mean() == pytest.approx(scale * (low + high) / 2, abs=0.02 * scale * (high - low))
    assert np.abs(np.corrcoef(factors.T) - np.eye(5)).max() < 0.03


@pytest.mark.parametrize("size", [28, 40])
def test_a_bar_is_what_its_factors_say(size):
    """Area, centre and second moments of the pixels against those of a rectangle: side² / 12 (and 1/12 for a pixel)."""
    shapes = make_shapes(300, size=size)
    x, y, length, width, angle = shapes.factors.T
    area, mean_x, mean_y, along, across, tilt = moments(shapes.images)
    np.testing.assert_allclose(area, length * width, rtol=0.05)
    np.testing.assert_allclose([mean_x, mean_y], [x, y], atol=0.1)
    np.testing.assert_allclose(along, np.sqrt((length**2 + 1) / 12), rtol=0.03)
    np.testing.assert_allclose(across, np.sqrt((width**2 + 1) / 12), rtol=0.06)
    long = length > 1.5 * width
    np.testing.assert_allclose(tilt[long], angle[long], atol=1.5)


def test_no_bar_leaves_the_image():
    low, high = 28 * np.array(list(FACTORS.values())[:4]).T
    places = [(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])]
    corners = np.array([(*place, high[2], high[3], angle) for place in places for angle in range(-90, 91)])
    images, wider = draw_shapes(corners), draw_shapes(corners + np.array([6, 6, 0, 0, 0]), size=40)
    np.testing.assert_allclose(images.sum(axis=(1, 2, 3)), wider.sum(axis=(1, 2, 3)), rtol=2e-3)


def test_an_upright_bar_pixel_by_pixel():
    image = draw_shapes([[4, 3, 4, 2, 0]], size=8)[0, :, :, 0]  # the centre 4 from the left and 3 from the bottom
    expected = np.zeros((8, 8))
    expected[4:6, 2:6] = 1
    np.testing.assert_allclose(image, expected, atol=1e-6)
    shifted = draw_shapes([[4.25, 3, 4, 2, 0]], size=8)[0, 4, :, 0]  # a pixel half covered is half as bright
    np.testing.assert_allclose(shifted, [0, 0, 0.75, 1, 1, 1, 0.25, 0], atol=1e-6)
    turned = draw_shapes([[4, 4, 4, 2, 90]], size=8)[0, :, :, 0]
    np.testing.assert_allclose(turned.T, np.roll(expected, -1, 0), atol=1e-6)


def test_half_a_turn_is_the_symmetry():
    factors = SHAPES.factors.copy()
    factors[:, 4] += 180
    np.testing.assert_allclose(draw_shapes(factors), SHAPES.images, atol=2e-5)
    whole = make_shapes(2000, angles=(-90, 90)).factors[:, 4]
    assert whole.min() < -89 and whole.max() > 89


def test_any_change_of_a_factor_changes_the_image_a_little():
    for k, step in enumerate((0.05, 0.05, 0.05, 0.05, 0.5)):
        factors = SHAPES.factors.copy()
        factors[:, k] += step
        change = np.abs(draw_shapes(factors) - SHAPES.images)
        assert (change.sum(axis=(1, 2, 3)) > 0.05).all() and change.max() < 0.15


def test_directions_are_thirds_of_the_angle():
    factors = np.zeros((5, 5))
    factors[:, 4] = (-45, -15.1, 0, 14.9, 45)
    assert [DIRECTIONS[k] for k in directions(factors)] == ["falling", "falling", "level", "level", "rising"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, r"n is 0.*expected at least 1 sprite"),
        ({"n": 5, "size": 8}, r"size 8.*at least 16 pixels a side"),
        ({"n": 5, "angles": (0, 270)}, r"angles \(0, 270\).*up to 180°"),
        ({"n": 5, "angles": (10, 10)}, r"range of angles above 0°"),
    ],
)
def test_impossible_sprites_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_shapes(**arguments)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (np.ones((3, 4)), r"shape \(3, 4\).*x, y, length, width, angle"),
        ([[14, 14, 9, 3, np.nan]], r"finite: False"),
        ([[14, 14, 9, 0.5, 0]], r"narrowest bar is 0.5 wide"),
        ([[14, 14, 3, 9, 0]], r"length − width is -6"),
    ],
)
def test_factors_that_are_no_bar_are_refused(factors, message):
    with pytest.raises(ValueError, match=message):
        draw_shapes(factors)

"""Faces: drawn as their factors say, repeatable, and each factor seen where it belongs and nowhere else."""

import numpy as np
import pytest

from aelib.data import CONTINUOUS, FACE_FACTORS, HAIR_STYLES, draw_faces, load, make_faces

NAMES = tuple(FACE_FACTORS)
FACES = make_faces(200)


def plain(n: int = 1, **values) -> np.ndarray:
    """Factors in the middle of their ranges, with short hair and without glasses, but for `values`."""
    middle = [(low + high) / 2 if name in CONTINUOUS else 0 for name, (low, high) in FACE_FACTORS.items()]
    factors = np.tile(np.array(middle), (n, 1))
    for name, value in values.items():
        factors[:, NAMES.index(name.replace("_", " "))] = value
    return factors


def changed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where two faces of the same factors but for one differ: `(size, size)`."""
    return np.abs(draw_faces(first) - draw_faces(second)).max(axis=(0, 3)) > 1e-6


def test_form_and_seed():
    assert FACES.images.shape == (200, 32, 32, 3) and FACES.images.dtype == np.float32
    assert FACES.images.min() >= 0 and FACES.images.max() <= 1
    assert FACES.factors.shape == (200, 12) and FACES.factor_names == NAMES
    again, other = make_faces(200), make_faces(200, seed=1)
    np.testing.assert_array_equal(FACES.images, again.images)
    assert not np.array_equal(FACES.factors, other.factors)
    np.testing.assert_array_equal(FACES.images, draw_faces(FACES.factors, confetti=FACES.confetti))


def test_factors_are_independent_and_fill_their_ranges():
    faces = make_faces(4000, size=16)
    for column, (name, (low, high)) in zip(faces.factors.T, FACE_FACTORS.items(), strict=True):
        assert low <= column.min() and column.max() <= high and np.ptp(column) > 0.99 * (high - low), name
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.02 * (high - low)), name
    assert np.abs(np.corrcoef(faces.factors.T) - np.eye(12)).max() < 0.06
    assert len(np.unique(faces.factors[:, NAMES.index("hair style")])) == len(HAIR_STYLES) == 5


@pytest.mark.parametrize("size", [64, 96, 128])
def test_a_larger_picture_is_the_same_drawing(size):
    """The means of its pixels' blocks are the small picture's pixels, but for the smoothing of edges."""
    large = make_faces(20, seed=5, size=size)
    small = make_faces(20, seed=5)
    np.testing.assert_array_equal(large.factors, small.factors)
    blocks = large.images.reshape(20, 32, size // 32, 32, size // 32, 3).mean(axis=(2, 4))
    assert np.abs(blocks - small.images).mean() < 0.01


@pytest.mark.parametrize("name", CONTINUOUS)
def test_each_factor_changes_the_picture_smoothly_over_its_range(name):
    low, high = FACE_FACTORS[name]
    factors = plain(41, **{name: np.linspace(low, high, 41)})
    steps = np.abs(np.diff(draw_faces(factors), axis=0)).sum(axis=(1, 2, 3))
    assert steps.min() > 0.05 and steps.max() < 10 * np.median(steps)


def test_a_turn_by_one_moves_eyes_brows_and_mouth_by_a_pixel():
    """The head, its hair and its ears stay."""
    still, turned = (draw_faces(plain(turn=turn, face_width=12))[0] for turn in (0.0, 1.0))
    for rows, left, right in ((slice(12, 20), 9, 22), (slice(23, 27), 11, 20)):
        np.testing.assert_allclose(turned[rows, left + 1 : right + 1], still[rows, left:right], atol=1e-5)
    np.testing.assert_array_equal(turned[:11], still[:11])


def test_lengths_are_what_they_say():
    """At 128 × 128 a unit is four pixels: areas of the white and the iris, the head's width, the mouth's height."""
    three = plain(3, skin=0.0, eye_size=[1.2, 1.7, 2.2], face_width=[9.5, 10.5, 12.0], mouth_opening=[0.5, 2.0, 3.5])
    radius, half_width, opening = (three[:, NAMES.index(n)] for n in ("eye size", "face width", "mouth opening"))
    picture = draw_faces(three, 128)
    skin = np.float32([1.0, 0.88, 0.77])
    eye = picture[:, 56:86, 30:64]  # with a white edge of 0.75, and a white glint of 0.38 of the radius
    share = ((skin - eye) / (skin - np.float32([0.16, 0.1, 0.1])))[
        ..., 2
    ]  # of ink: 1 in the iris, below 0 in the white
    np.testing.assert_allclose(np.maximum(share, 0).sum(axis=(1, 2)) / 16, np.pi * radius**2 * (1 - 0.38**2), rtol=0.1)
    across = np.abs(picture[:, 84] - skin).max(axis=2) < 0.02  # the row through 21.1: skin, and a nose about 2 wide
    height = np.sqrt(1 - ((21.1 - 18) / 11.2) ** 2)
    np.testing.assert_allclose(across.sum(axis=1) / 4 + 2, 2 * (half_width * height - 0.6), atol=0.7)
    lips = np.abs(picture[:, 90:114, 64] - skin).max(axis=2) > 0.1  # 0.6 thick above and below
    np.testing.assert_allclose(lips.sum(axis=1) / 4, opening + 1.2, atol=0.3)


def test_a_smile_has_its_corners_above_its_middle():
    smile, frown = (draw_faces(plain(skin=0.0, mouth_curve=curve), 128)[0, 84:120] for curve in (2.5, -2.5))
    corner, middle = slice(52, 56), slice(62, 66)

    def height(picture, columns):
        dark = 1 - picture[:, columns].mean(axis=(1, 2))
        return (dark * np.arange(len(dark))).sum() / dark.sum()

    assert height(smile, corner) < height(smile, middle) and height(frown, corner) > height(frown, middle)


def test_each_factor_stays_in_its_place():
    rows, columns = np.mgrid[:32, :32]
    assert not changed(plain(mouth_curve=-2.5), plain(mouth_curve=2.5))[:20].any()
    assert not changed(plain(background=0), plain(background=1))[12:25, 9:23].any()
    assert not changed(plain(turn=-1.5), plain(turn=1.5))[:11].any()
    assert not changed(plain(eye_size=1.2), plain(eye_size=2.2))[22:].any()
    for style in range(5):  # no fringe over the brows, whatever the hair
        hair = changed(plain(hair_colour=0, hair_style=style), plain(hair_colour=1, hair_style=style))
        assert hair.any() and not hair[12:26, 9:23].any()
    shown = changed(plain(hair_style=0), plain(hair_style=4))
    assert shown.any() and not shown[(rows > 11) & (np.abs(columns - 15.5) < 8)].any()


@pytest.mark.parametrize("slant", [-30, 0, 30])
def test_glasses_are_never_over_the_brows(slant):
    without, with_glasses = (draw_faces(plain(skin=0.0, brow_slant=slant, glasses=on), 128)[0] for on in (0, 1))
    ink = np.abs(without - [0.16, 0.1, 0.1]).max(axis=2) < 0.02
    ink[66:] = False  # the irises
    assert ink.sum() > 200
    np.testing.assert_allclose(without[ink], with_glasses[ink], atol=1e-6)
    assert np.abs(without - with_glasses).sum() > 100


def test_colours_of_the_background_are_far_from_those_of_skin_and_hair():
    """No face melts into what is behind it, and no two ends of a palette are alike."""
    from aelib.data import faces

    t = np.linspace(0, 1, 50)
    skin, hair, behind = (faces._palette(colours, t) for colours in (faces._SKIN, faces._HAIR, faces._BACKGROUND))
    for other in (skin, hair):
        assert np.linalg.norm(behind[:, None] - other[None], axis=2).min() > 0.2
    for palette in (skin, hair, behind):
        assert np.linalg.norm(palette[0] - palette[-1]) > 0.4


def test_confetti_is_what_no_factor_says():
    bare = draw_faces(FACES.factors)
    dots = np.abs(bare - FACES.images).max(axis=3) > 0.05
    assert 0.01 < dots.mean() < 0.1 and not dots[:, 15:26, 10:22].any()


def test_load_draws_three_splits_with_the_hair_style_as_label():
    data = load("faces")
    assert repr(data) == "faces: 10,000 / 1,000 / 2,000 images (train / valid / test) of 32×32 in colour, 5 classes"
    assert data.class_names == HAIR_STYLES
    for seed, (x, y) in enumerate(((data.x_train, data.y_train), (data.x_valid, data.y_valid))):
        drawn = make_faces(len(x), seed)
        np.testing.assert_array_equal(x, drawn.images)
        np.testing.assert_array_equal(y, drawn.factors[:, -1])


@pytest.mark.parametrize("size", [15, 129, 32.5, "32"])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"size is {size!r}: expected a whole number of pixels from 16 to 128"):
        make_faces(2, size=size)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (plain(mouth_curve=3.0), r"mouth curve is 3 in face 0: expected a number from -2\.5 to 2\.5"),
        (plain(skin=np.nan), r"skin is nan in face 0: expected a number from 0\.0 to 1\.0"),
        (plain(hair_style=1.5), r"hair style is 1\.5 in face 0: expected a whole number from 0 to 4"),
        (plain(glasses=2), r"glasses is 2 in face 0: expected a whole number from 0 to 1"),
        (plain()[:, :11], r"shape \(1, 11\): expected \(n, 12\): turn, face width"),
        (plain()[0], r"shape \(12,\): expected \(n, 12\)"),
    ],
)
def test_impossible_factors_are_refused(factors, message):
    with pytest.raises(ValueError, match=message):
        draw_faces(factors)


def test_no_faces_and_wrong_confetti_are_refused():
    with pytest.raises(ValueError, match="n is 0: expected at least 1 face"):
        make_faces(0)
    for dots in (np.zeros((2, 7, 4)), np.zeros((1, 7, 3)), np.full((1, 7, 4), 2.0)):
        with pytest.raises(ValueError, match=r"confetti has the shape .*expected \(1, dots, 4\)"):
            draw_faces(plain(), confetti=dots)

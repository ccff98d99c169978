"""Sprites drawn by code from known factors: the data set `"shapes"`, in which every cause of an image is known.

Introduced in chapter 10.
"""

from dataclasses import dataclass

import numpy as np

# Each factor's range, in shares of the image's side; the angle in degrees. No bar reaches the edge. A bar looks the
# same after half a turn, so that −90° to 90° would be all angles there are, and −90° and 90° one image: a circle. Half
# of that range has two ends, as the other factors have. Lengths and widths do not overlap: a bar as wide as long would
# look the same after a quarter turn, too. Length and width are the factors; the size of a bar is their product.
FACTORS = {
    "x": (0.34, 0.66),
    "y": (0.34, 0.66),
    "length": (0.3, 0.58),
    "width": (0.1, 0.28),
    "angle": (-45.0, 45.0),
}


DIRECTIONS = ("falling", "level", "rising")
SPLITS = (10_000, 1_000, 1_000)  # training, validation and test sprites of the data set; their seeds are 0, 1 and 2


@dataclass(frozen=True)
class Shapes:
    """`images`: float32 in [0, 1], `(n, size, size, 1)`. `factors`: float64 `(n, 5)`, named by `factor_names`."""

    images: np.ndarray
    factors: np.ndarray
    factor_names: tuple[str, ...] = tuple(FACTORS)


def make_shapes(n: int, seed: int = 0, *, size: int = 28, angles: tuple[float, float] = FACTORS["angle"]) -> Shapes:
    """`n` sprites whose five factors are drawn independently, each uniform over its range in `FACTORS`.

    Position, length and width are in pixels, the angle in degrees. `angles`: another range for it; (−90, 90) is all of
    the bar's symmetry. The same seed gives the same sprites. Raises `ValueError` for no sprites, for sizes below 16, in
    which a narrow bar would be thinner than 1.6 pixels, and for more than half a turn, which would draw images twice.
    """
    if n < 1 or size < 16 or not 0 < angles[1] - angles[0] <= 180:
        raise ValueError(
            f"n is {n}, size {size}, angles {angles}: expected at least 1 sprite, of at least 16 pixels a side, and a "
            "range of angles above 0° and up to 180°, within which no bar looks the same twice"
        )
    low, high = np.array(list((FACTORS | {"angle": angles}).values())).T
    factors = np.random.default_rng(seed).uniform(low, high, (n, len(FACTORS)))
    factors[:, :4] *= size
    return Shapes(draw_shapes(factors, size), factors)


def draw_shapes(factors, size: int = 28) -> np.ndarray:
    """Bars, white on black, `(n, size, size, 1)` in float32, from factors `(n, 5)`: x, y, length, width, angle.

    x and y: the centre in pixels from the left and from the *bottom* edge. Length and width in pixels, the length the
    larger one. Angle: of the length against the horizontal, in degrees, anticlockwise. Edges are smoothed over one
    pixel, so that the image changes with any change of a factor; the sum of a bar's pixels is its area, length × width.
    Raises `ValueError` for factors of another shape, with NaN, and for bars thinner than a pixel or wider than long.
    """
    factors = np.asarray(factors, "float64")
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS) or not np.isfinite(factors).all():
        raise ValueError(
            f"factors have the shape {factors.shape} (finite: {np.isfinite(factors).all()}): expected (n, 5), "
            f"finite: {', '.join(FACTORS)}"
        )
    length, width = factors[:, 2], factors[:, 3]
    if (width < 1).any() or (length < width).any():
        raise ValueError(
            f"the narrowest bar is {width.min():.3g} wide, the least length − width is {(length - width).min():.3g} "
            "pixels: expected widths of 1 or more, and no bar wider than long"
        )
    images = np.empty((len(factors), size, size, 1), "float32")
    for start in range(0, len(factors), 256):  # in parts that fit into the processor's cache
        images[start : start + 256, ..., 0] = _draw(factors[start : start + 256].astype("float32"), size)
    return images


def _draw(factors: np.ndarray, size: int) -> np.ndarray:
    """A bar is the product of two strips, one along it and one across: `(n, size, size)`."""
    x, y, length, width, angle = factors.T[:, :, None, None]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    place = np.arange(size, dtype="float32") + np.float32(0.5)
    right, up = place - x, (size - place)[:, None] - y  # (n, 1, size), (n, size, 1): from the centre to each pixel's
    along, across = np.abs(right * cos + up * sin), np.abs(up * cos - right * sin)
    return np.clip((length + 1) / 2 - along, 0, 1) * np.clip((width + 1) / 2 - across, 0, 1)


def directions(factors) -> np.ndarray:
    """The class of each sprite, int64 `(n,)`: does it fall (below −15°), lie level, or rise (above 15°)?"""
    return np.digitize(np.asarray(factors)[:, 4], (-15, 15)).astype("int64")

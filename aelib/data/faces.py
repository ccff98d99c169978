"""Cartoon faces in colour, drawn by code from twelve known factors: the data set `"faces"`.

Each shape is a signed distance, below 0 inside, in pixels of a picture of 32×32; larger pictures are the same drawing.
Introduced in chapter 14.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HAIR_STYLES = ("short", "long", "bun", "curly", "spiky")
# Each factor's range. Lengths in pixels of a picture of 32×32, the slant in degrees. All but the last two are uniform
# over it; these are whole numbers, each as likely as the others.
FACE_FACTORS = {
    "turn": (-1.5, 1.5),  # how far eyes, brows, nose and mouth are shifted to the right
    "face width": (9.5, 12.0),  # half of it
    "skin": (0.0, 1.0),  # from light to dark
    "hair colour": (0.0, 1.0),  # from black to blond
    "eye size": (1.2, 2.2),  # radius of the iris
    "eye distance": (7.6, 10.0),  # from centre to centre
    "brow slant": (-30.0, 30.0),  # above 0, the inner ends are the lower ones
    "mouth curve": (-2.5, 2.5),  # how far the middle of the mouth lies below its corners: a smile above 0
    "mouth opening": (0.0, 3.5),  # in the middle, from lip to lip
    "background": (0.0, 1.0),  # green, blue, violet, pink: an arc of hues, whose ends differ
    "glasses": (0, 1),
    "hair style": (0, len(HAIR_STYLES) - 1),  # place in HAIR_STYLES
}
CONTINUOUS = tuple(FACE_FACTORS)[:10]
SPLITS = (10_000, 1_000, 2_000)  # training, validation and test faces of the data set; their seeds are 0, 1 and 2
SIZES = (16, 128)  # of a picture, in pixels
CONFETTI = 7  # dots on a picture, those included that the head hides
PARTS = 128  # faces drawn at a time: what a processor's cache holds

_SKIN = ((1.0, 0.88, 0.77), (0.93, 0.74, 0.58), (0.76, 0.54, 0.38), (0.5, 0.33, 0.23))
_HAIR = ((0.1, 0.09, 0.1), (0.34, 0.2, 0.12), (0.62, 0.36, 0.16), (0.95, 0.8, 0.42))
_BACKGROUND = ((0.52, 0.84, 0.66), (0.5, 0.8, 0.95), (0.62, 0.64, 0.96), (0.95, 0.66, 0.9))
_DOTS = np.float32([(1.0, 1.0, 1.0), (1.0, 0.9, 0.3), (0.95, 0.35, 0.4), (0.25, 0.35, 0.75)])
_WHITE, _INK, _FRAME = (1.0, 1.0, 1.0), (0.16, 0.1, 0.1), (0.08, 0.14, 0.45)
_LIPS, _SHIRT = (0.55, 0.1, 0.14), (0.98, 0.98, 0.94)

_MIDDLE, _CHIN, _EYES, _BROWS, _MOUTH = 16.0, 29.2, 17.8, 13.0, 24.6  # the head's axis; places from the upper edge
_HEAD = 11.2  # half of its height


@dataclass(frozen=True)
class Faces:
    """`images`: float32 in [0, 1], `(n, size, size, 3)`. `factors`: float64 `(n, 12)`, named by `factor_names`.

    `confetti`: `(n, 7, 4)`, what no factor says: each dot's x and y, its radius and colour, all drawn from 0 to 1.
    """

    images: np.ndarray
    factors: np.ndarray
    confetti: np.ndarray
    factor_names: tuple[str, ...] = tuple(FACE_FACTORS)


def make_faces(n: int, seed: int = 0, size: int = 32) -> Faces:
    """`n` faces of `size` × `size` pixels whose twelve factors, and the confetti, are drawn independently.

    The same seed gives the same faces, at any size. Raises `ValueError` for no faces and for sizes that are no whole
    number from 16 to 128.
    """
    if n < 1:
        raise ValueError(f"n is {n}: expected at least 1 face")
    rng = np.random.default_rng(seed)
    low, high = np.array(list(FACE_FACTORS.values()), "float64").T
    factors = rng.uniform(low, high, (n, len(low)))
    factors[:, 10:] = rng.integers(low[10:], high[10:] + 1, (n, 2))
    confetti = rng.random((n, CONFETTI, 4))
    return Faces(draw_faces(factors, size, confetti), factors, confetti)


def draw_faces(factors, size: int = 32, confetti=None) -> np.ndarray:
    """Faces from factors `(n, 12)`, in the order of `FACE_FACTORS`: float32 in [0, 1], `(n, size, size, 3)`.

    `confetti`: `(n, dots, 4)` in [0, 1], as `Faces` has it; without, there is none. Edges are smoothed over one pixel,
    so that the picture changes with any change of a continuous factor. Raises `ValueError` for factors of another
    shape or out of their ranges, and for other sizes than 16 to 128.
    """
    factors = np.asarray(factors, "float64")
    dots = np.zeros((len(factors), 0, 4)) if confetti is None else np.asarray(confetti)
    _check(factors, size, dots)
    images = np.empty((len(factors), size, size, 3), "float32")
    for start in range(0, len(factors), PARTS):
        part = slice(start, start + PARTS)
        images[part] = _draw(factors[part].astype("float32"), size, dots[part].astype("float32"))
    return images


def _check(factors: np.ndarray, size: int, dots: np.ndarray) -> None:
    if size not in range(SIZES[0], SIZES[1] + 1):
        raise ValueError(f"size is {size!r}: expected a whole number of pixels from {SIZES[0]} to {SIZES[1]}")
    if factors.ndim != 2 or factors.shape[1] != len(FACE_FACTORS):
        raise ValueError(f"factors have the shape {factors.shape}: expected (n, 12): {', '.join(FACE_FACTORS)}")
    for column, (name, (low, high)) in zip(factors.T, FACE_FACTORS.items(), strict=True):
        whole = name not in CONTINUOUS
        wrong = ~((column >= low) & (column <= high)) | (whole & (column != np.round(column)))
        if wrong.any():
            kind = "a whole number" if whole else "a number"
            raise ValueError(
                f"{name} is {column[wrong][0]:g} in face {wrong.argmax()}: expected {kind} from {low} to {high}"
            )
    if dots.ndim != 3 or dots.shape[::2] != (len(factors), 4) or not ((dots >= 0) & (dots <= 1)).all():
        raise ValueError(
            f"confetti has the shape {dots.shape}: expected ({len(factors)}, dots, 4), with x, y, radius and colour of "
            "each dot from 0 to 1"
        )


# ---- painting ----


class _Canvas:
    """Pictures `(n, 3, size, size)`, on which shapes are painted one over the other."""

    def __init__(self, colour: np.ndarray, size: int):
        self.scale = np.float32(size / 32)  # pixels in a unit of length
        self.places = (np.arange(size, dtype="float32") + np.float32(0.5)) / self.scale
        self.pixels = np.repeat(np.repeat(colour[:, :, None, None], size, axis=2), size, axis=3)

    def window(self, left: float = 0, right: float = 32, top: float = 0, bottom: float = 32):
        """The pixels in a box: their x `(1, 1, columns)` and y `(1, rows, 1)`, and their rows and columns."""
        columns, rows = (
            slice(int(low * self.scale), int(np.ceil(high * self.scale)))
            for low, high in ((left, right), (top, bottom))
        )
        return self.places[None, None, columns], self.places[None, rows, None], (rows, columns)

    def paint(self, box, distance: np.ndarray, colour) -> None:
        """Paint what is inside, with an edge one pixel wide. `distance`: `(n, rows, columns)`; `colour`: `(n, 3)`."""
        share = np.clip(np.float32(0.5) - distance * self.scale, 0, 1)[:, None]
        part = self.pixels[:, :, *box]
        part += share * (np.asarray(colour, "float32").reshape(-1, 3, 1, 1) - part)


def _palette(colours: Sequence[tuple], place: np.ndarray) -> np.ndarray:
    """Colours `(n, 3)` at places from 0 to 1 along a palette."""
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(place, at, channel) for channel in zip(*colours, strict=True)], axis=1).astype("float32")


def _disc(x, y, radius):
    return np.sqrt(x * x + y * y) - radius


def _ellipse(x, y, a, b):
    """Near the edge, the distance to first order: f / |∇f|."""
    u, v = x / a, y / b
    f = np.sqrt(u * u + v * v) + np.float32(1e-6)
    return f * (f - 1) / (np.sqrt(np.square(u / a) + np.square(v / b)) + np.float32(1e-6))


def _box(x, y, a, b, radius):
    """A rectangle of half-sides a and b with rounded corners."""
    u, v = np.abs(x) - (a - radius), np.abs(y) - (b - radius)
    outside = np.sqrt(np.square(np.maximum(u, 0)) + np.square(np.maximum(v, 0)))
    return outside + np.minimum(np.maximum(u, v), 0) - radius


def _draw(factors: np.ndarray, size: int, dots: np.ndarray) -> np.ndarray:
    """From the back to the front."""
    turn, width, skin, tint, eye, between, slant, curve, opening, behind, glasses, style = factors.T[:, :, None, None]
    skin, hair = _palette(_SKIN, skin.ravel()), _palette(_HAIR, tint.ravel())
    canvas = _Canvas(_palette(_BACKGROUND, behind.ravel()), size)
    _paint_confetti(canvas, dots)
    _paint_hair_behind(canvas, width, hair, style.ravel())
    _paint_head(canvas, width, skin)
    _paint_hair_in_front(canvas, width, hair)
    _paint_nose(canvas, turn, skin)
    for side in (np.float32(-1), np.float32(1)):
        _paint_eye(canvas, side, turn, eye, between, glasses)
        _paint_brow(canvas, side, turn, between, slant)
    _paint_mouth(canvas, turn, curve, opening)
    return canvas.pixels.transpose(0, 2, 3, 1)


def _paint_confetti(canvas: _Canvas, dots: np.ndarray) -> None:
    x, y, box = canvas.window()
    for right, down, radius, colour in dots.transpose(1, 2, 0)[..., None, None]:
        which = np.minimum(colour.ravel() * len(_DOTS), len(_DOTS) - 1).astype(int)
        canvas.paint(box, _disc(x - 32 * right, y - 32 * down, np.float32(0.7) * (1 + radius)), _DOTS[which])


# ---- hair ----


def _skull(x, y, width):
    """Hair that lies close to the head, all around it."""
    return _ellipse(x, y - np.float32(_CHIN - _HEAD - 1.5), width + np.float32(1.3), np.float32(_HEAD + 1))


def _long(x, y, width):
    return _box(x, y - 20, width + np.float32(2.2), np.float32(10.5), np.float32(4))


def _bun(x, y, width):
    return _disc(x, y - np.float32(3.6), np.float32(3.3))


def _curly(x, y, width):
    angles = np.radians(np.float32((-14, 12, 38, 64, 90)))
    curls = [
        _disc(x - (width + np.float32(0.3)) * np.cos(angle), y - (15.5 - 10.3 * np.sin(angle)), np.float32(3.4))
        for angle in angles
    ]
    return np.minimum.reduce(curls)


def _spiky(x, y, width):
    teeth = np.abs((x / np.float32(2.1)) % 2 - 1)  # 0 to 1 and back
    top = 1.2 + 3.2 * teeth + 4.5 * np.square(x / np.float32(11.5))
    return np.maximum((top - y) * np.float32(0.55), np.maximum(y - 13, x - width - np.float32(0.9)))


_SHAPES = {"long": _long, "bun": _bun, "curly": _curly, "spiky": _spiky}


def _paint_hair_behind(canvas: _Canvas, width: np.ndarray, hair: np.ndarray, style: np.ndarray) -> None:
    """The silhouette: hair close to the head down to the ears, and what the style adds to it."""
    x, y, box = canvas.window()
    x = np.abs(x - np.float32(_MIDDLE))
    distance = np.maximum(_skull(x, y, width), y - 17)
    for name, shape in _SHAPES.items():
        chosen = style == HAIR_STYLES.index(name)
        distance[chosen] = np.minimum(distance[chosen], shape(x, y, width[chosen]))
    canvas.paint(box, distance, hair / 2)
    canvas.paint(box, distance + np.float32(0.9), hair)


def _paint_hair_in_front(canvas: _Canvas, width: np.ndarray, hair: np.ndarray) -> None:
    """Above the hairline, which ends over the brows. The dark edge around the head is there already."""
    x, y, box = canvas.window(top=3, bottom=18)
    x = x - np.float32(_MIDDLE)
    skull = _skull(x, y, width) + np.float32(0.9)
    line = y - (np.float32(9.6) + np.float32(2.2) * np.square(x / width))
    canvas.paint(box, np.maximum(skull, line), hair / 2)
    canvas.paint(box, np.maximum(skull, line + np.float32(0.75)), hair)


# ---- head and features ----


def _paint_head(canvas: _Canvas, width: np.ndarray, skin: np.ndarray) -> None:
    x, y, box = canvas.window()
    x = np.abs(x - np.float32(_MIDDLE))
    canvas.paint(box, _ellipse(x, y - 33, np.float32(11), np.float32(4.6)), _SHIRT)
    canvas.paint(box, _disc(x - width, y - np.float32(18.6), np.float32(1.9)), skin * np.float32(0.86))  # ears
    head = _ellipse(x, y - np.float32(_CHIN - _HEAD), width, np.float32(_HEAD))
    canvas.paint(box, head, skin * np.float32(0.62))
    canvas.paint(box, head + np.float32(0.6), skin)


def _paint_nose(canvas: _Canvas, turn: np.ndarray, skin: np.ndarray) -> None:
    """It sticks out, so that a turn moves it further than the rest."""
    x, y, box = canvas.window(12, 20, 18, 24)
    x = x - np.float32(_MIDDLE) - np.float32(1.3) * turn
    canvas.paint(box, _ellipse(x, y - 21, np.float32(1), np.float32(0.8)), skin * np.float32(0.72))


def _eye_place(canvas: _Canvas, side: np.float32, turn: np.ndarray, between: np.ndarray):
    """A window around an eye and its brow; x counts outward from the eye's centre."""
    left, right = (4, 17) if side < 0 else (15, 28)
    x, y, box = canvas.window(left, right, 10, 23)
    return (x - np.float32(_MIDDLE) - turn) * side - between / 2, y, box


def _paint_eye(canvas: _Canvas, side, turn, radius, between, glasses) -> None:
    x, y, box = _eye_place(canvas, side, turn, between)
    y = y - np.float32(_EYES)
    canvas.paint(box, _disc(x, y, radius + np.float32(0.75)), _WHITE)
    canvas.paint(box, _disc(x, y, radius), _INK)
    glint = np.float32(0.35) * radius  # to the left, in both eyes
    canvas.paint(box, _disc(x + side * glint, y + glint, np.float32(0.38) * radius), _WHITE)
    rim = np.abs(_box(x, y, np.float32(3.45), np.float32(3.1), np.float32(1.8))) - np.float32(0.38)
    bridge = np.maximum(x + np.float32(3.4), -x - between / 2 - np.float32(0.1))
    frame = np.minimum(rim, np.maximum(np.abs(y + np.float32(0.6)) - np.float32(0.35), bridge))
    canvas.paint(box, np.where(glasses > 0, frame, np.float32(32)), _FRAME)


def _paint_brow(canvas: _Canvas, side, turn, between, slant) -> None:
    x, y, box = _eye_place(canvas, side, turn, between)
    y = y - np.float32(_BROWS)
    cos, sin = np.cos(np.radians(slant)), np.sin(np.radians(slant))
    brow = _box(x * cos - y * sin, x * sin + y * cos, np.float32(2.7), np.float32(0.75), np.float32(0.7))
    canvas.paint(box, brow, _INK)


def _paint_mouth(canvas: _Canvas, turn, curve, opening) -> None:
    """Between two parabolas, 8 wide; teeth under the upper lip."""
    x, y, box = canvas.window(9, 23, 20, 30)
    u = (x - np.float32(_MIDDLE) - turn) / 4
    middle = np.float32(_MOUTH) + curve * (np.float32(0.5) - u * u)
    half = opening / 2 * (1 - u * u)
    above = (middle - half - y) / np.sqrt(1 + np.square(u * (curve - opening / 2) / 2))  # over the length of ∇
    below = (y - middle - half) / np.sqrt(1 + np.square(u * (curve + opening / 2) / 2))
    inside = np.maximum(np.maximum(above, below), 4 * (np.abs(u) - 1))
    canvas.paint(box, inside - np.float32(0.6), _LIPS)
    canvas.paint(box, np.maximum(inside + np.float32(0.35), y - middle + half - np.float32(1.3)), _WHITE)

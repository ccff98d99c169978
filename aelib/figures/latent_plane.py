"""The plane of codes under the pointer: decoded images, computed beforehand, in one piece of HTML without a server.

Introduced in chapter 08. `plane(decoder(grid(xs, ys)), xs, ys)` as a cell's last line shows the view: in Jupyter, in
the saved notebook and on a static page. Where scripts do not run (a notebook that is not trusted), the same HTML shows
all images side by side; where HTML is not shown, there is a PNG.
"""

import base64
import hashlib
import html
import io
import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from aelib.figures.style import COLOURS
from aelib.validate import check_finite, check_images

BITS = (8, 6, 5)  # of a channel: noise in the upper bits alone takes less room
LIMIT = 250_000  # bytes of HTML: with its still picture (60 KB) and the figures, a chapter stays below 700 KB
# The view. Jupyter takes script, style, ids and tabindex out of a notebook that is not trusted, and leaves a <div>, its
# style, and an <img> with a data: address: so everything else is made by the script, and the images stay without it.
# There are no ids: the class is a digest of the content, and the same view may stand on a page twice.
_FOLDER = resources.files("aelib.figures")
VIEW = (_FOLDER / "latent_plane.html").read_text("utf-8")
SCRIPT = (_FOLDER / "latent_plane.js").read_text("utf-8")
LONGER_SIDE = 344  # pixels of the plane on the page


@dataclass(frozen=True)
class LatentPlane:
    """What `plane` returns. Jupyter shows `html`; `png` stands in where HTML is not shown. Introduced in chapter 08."""

    html: str = field(repr=False)  # an HTML fragment of at most 250 KB
    png: bytes = field(repr=False)  # a still picture
    grid: tuple[int, int]  # rows, columns
    image_size: tuple[int, ...]  # height, width in pixels; in colour, and 3

    def _repr_html_(self) -> str:
        return self.html

    def _repr_png_(self) -> bytes:
        return self.png

    def save(self, path: str | Path) -> None:
        """Write the view as a page of its own, which any browser opens without a network."""
        head = (
            '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        )
        Path(path).write_text(f"{head}\n<title>Latent plane</title>\n<body>\n{self.html}\n</body></html>\n", "utf-8")


def grid(xs, ys) -> np.ndarray:
    """The codes of the grid, float32 `(len(ys) · len(xs), 2)`, in the order that `plane` expects: row by row.

    `xs`, `ys`: the values of the first and of the second code, increasing. Raises `ValueError` for others.
    """
    xs, ys = _check_axis(xs, "xs"), _check_axis(ys, "ys")
    return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype("float32")


def grid_size(image_shape: tuple[int, ...]) -> int:
    """How many codes a side a plane of such images can have, an odd number from 3 to 31: 19 for 28×28 pixels.

    `image_shape`: (height, width) in pixels, or (height, width, channels). Leaves room for 0.8 bytes of HTML a pixel
    and channel: decoded digits take 0.6, with noise of standard deviation 0.02 0.77, nothing but noise 1.4 (so
    many of these `plane` refuses).
    """
    side = int((290_000 / np.prod(image_shape)) ** 0.5)
    return min(max(side - (side + 1) % 2, 3), 31)


def plane(
    decoder_images,
    xs,
    ys,
    *,
    points=None,
    labels=None,
    class_names=None,
    title: str = "",
    xlabel: str = "code 1",
    ylabel: str = "code 2",
) -> LatentPlane:
    """A view of the plane of two codes: the pointer, a finger or the arrow keys choose a code, whose image is shown.

    The image shown is the one decoded at the nearest code of the grid: nothing is blended. Introduced in chapter 08.

    `decoder_images`: `(len(ys), len(xs), height, width, channels)` or `(len(ys) · len(xs), height, width, channels)`,
    in [0, 1], grey or in colour: what the decoder makes of `grid(xs, ys)`. `xs`, `ys`: the two codes' values, at least
    2 each, increasing; `xs` grow to the right, `ys` upwards. Each code gets a cell of the same size, evenly spaced or
    not. `points`: `(n, 2)`, codes to be drawn over faint images, in a colour and a shape for each of the `labels` (n
    whole numbers from 0), which `class_names` name; points outside the grid are counted below the plane.

    The HTML loads nothing and depends on the arguments alone. It may have 250 KB (1 KB: 1,000 bytes), of which 19×19
    decoded digits of 28×28 pixels take about 170; see `grid_size`. Where it would have more, images are shown with 64
    levels a channel, or with 32, instead of 256. Raises `ValueError` if it still has more, and for wrong shapes, values
    outside [0, 1], NaN, codes that do not increase, labels that do not fit the points or the names.
    """
    xs, ys = _check_axis(xs, "xs"), _check_axis(ys, "ys")
    images = _check_grid(decoder_images, xs, ys)
    names = (_numbers(xs), _numbers(ys))
    dots, outside = _check_points(points, labels, class_names, xs, ys)
    words = {"xlabel": xlabel, "ylabel": ylabel, "title": title}
    said = {"xs": names[0], "ys": names[1], **words, "dots": dots, "outside": outside}
    for bits in BITS:
        parts = _parts(_rounded(images, bits), said)
        digest = hashlib.sha256("\0".join(parts.values()).encode("utf-8")).hexdigest()[:12]
        text = Template(VIEW.replace("$script", SCRIPT)).substitute(parts, id=f"aelib-plane-{digest}")
        if len(text.encode("utf-8")) <= LIMIT:
            break
    _check_size(len(text.encode("utf-8")), images.shape, len(dots["x"]) if dots else 0)
    return LatentPlane(text, _still(images, names, **words), images.shape[:2], images.shape[2:])


# ---- what comes in ----


def _check_axis(values, what: str) -> np.ndarray:
    values = check_finite(values, what).astype("float64")
    if values.ndim != 1 or len(values) < 2 or not (np.diff(values) > 0).all():
        raise ValueError(
            f"{what} have the shape {values.shape}: expected at least 2 numbers that increase: np.linspace(-3, 3, 21)"
        )
    return values


def _check_grid(images, xs, ys) -> np.ndarray:
    """Bytes `(rows, columns, height, width)`, of images in colour `(rows, columns, height, width, 3)`."""
    images, cells = np.asarray(images), (len(ys), len(xs))
    if not (
        (images.ndim == 5 and images.shape[:2] == cells) or (images.ndim == 4 and len(images) == len(ys) * len(xs))
    ):
        raise ValueError(
            f"decoder_images have the shape {images.shape}: expected {cells} images for {len(ys)} ys and {len(xs)} xs, "
            f"(rows, columns, height, width, channels) or ({len(ys) * len(xs)}, height, width, channels): decode "
            "grid(xs, ys)"
        )
    images = check_images(images.reshape(-1, *images.shape[-3:]), "decoder_images")
    return np.rint(images.astype("float64") * 255).astype("uint8").reshape(*cells, *_size_of(images))


def _size_of(images) -> tuple[int, ...]:
    """`(height, width)` of grey images, `(height, width, 3)` of images in colour."""
    return images.shape[1:3] if images.shape[3] == 1 else images.shape[1:]


def _check_points(points, labels, class_names, xs, ys) -> tuple[dict | None, int]:
    """The points that fall on the plane, in thousandths of its sides, and how many do not."""
    if points is None:
        if labels is not None:
            raise ValueError(f"found {len(labels)} labels and no points: give the codes that they label, (n, 2)")
        return None, 0
    points = check_finite(points, "points")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points have the shape {points.shape}: expected (n, 2), the two codes of each")
    kinds = np.zeros(len(points), int) if labels is None else check_finite(labels, "labels")
    if kinds.shape != (len(points),):
        raise ValueError(f"labels have the shape {kinds.shape} for {len(points)} points: expected one label a point")
    if labels is None:
        names, colours = [""], [COLOURS[0]]
    else:
        count = int(kinds.max(initial=0)) + 1 if class_names is None else len(class_names)
        if kinds.dtype.kind not in "biu" or kinds.min(initial=0) < 0 or kinds.max(initial=0) >= count:
            raise ValueError(
                f"labels are {kinds.dtype}, {kinds.min(initial=0)} to {kinds.max(initial=0)}, for {count} class names: "
                f"expected whole numbers from 0 to {count - 1}"
            )
        names = [str(k) for k in range(count)] if class_names is None else [str(name) for name in class_names]
        colours = [to_hex(matplotlib.colormaps["tab10"](k % 10)) for k in range(count)]
    place = np.stack([_place(points[:, 0], xs), 1 - _place(points[:, 1], ys)], axis=1)
    inside = ((place >= 0) & (place <= 1)).all(axis=1)
    x, y = np.rint(1000 * place[inside]).astype(int).T.tolist()
    dots = {"x": x, "y": y, "kind": kinds[inside].astype(int).tolist(), "names": names, "colours": colours}
    return dots, int((~inside).sum())


def _place(values, axis) -> np.ndarray:
    """Where values stand along an axis of cells of the same size, one a code: 0 to 1, NaN outside."""
    first, last = axis[0] - (axis[1] - axis[0]) / 2, axis[-1] + (axis[-1] - axis[-2]) / 2
    edges, n = np.concatenate([[first], axis, [last]]), len(axis)
    return np.interp(values, edges, np.concatenate([[0], np.arange(n) + 0.5, [n]]) / n, left=np.nan, right=np.nan)


def _check_size(size: int, shape: tuple[int, ...], n_points: int) -> None:
    if size <= LIMIT:
        return
    rows, columns, height, width, *_ = shape
    share = (LIMIT / size) ** 0.5
    raise ValueError(
        f"the view has {size / 1000:.0f} KB with a grid of {rows}×{columns} images of {height}×{width} pixels and "
        f"{n_points} points: expected at most {LIMIT // 1000} KB; decode a grid of about "
        f"{max(2, int(rows * share))}×{max(2, int(columns * share))}, or give fewer points"
    )


# ---- what goes out ----


def _rounded(images: np.ndarray, bits: int) -> np.ndarray:
    """Bytes as the nearest multiples of 2^(8 − bits), and 255: their differences, which a PNG holds, are few, too."""
    step = 2 ** (8 - bits)
    return np.minimum(np.rint(images / step) * step, 255).astype("uint8")


def _parts(images: np.ndarray, data: dict) -> dict[str, str]:
    """What the HTML has blanks for: the images as one picture, what the script reads, sizes, and words for both."""
    rows, columns, height, width, *colours = images.shape
    data = {"rows": rows, "columns": columns, "height": height, "width": width} | data
    sheet = np.vstack([np.hstack(row) for row in images[::-1]])  # the largest y on top
    longer = max(sheet.shape[:2])
    return {
        "title": html.escape(data["title"]),
        "wide": f"{LONGER_SIDE * sheet.shape[1] / longer:.0f}",
        "aspect": f"{columns * width} / {rows * height}",
        "faint": "opacity(.3)" if colours else "invert(1) opacity(.3)",  # on white paper, grey images are ink
        "zoom": str(max(1, 168 // max(height, width)) * width),
        "still": html.escape(
            f"{rows} × {columns} images, decoded on a grid of codes: {data['xlabel']} grows from {data['xs'][0]} "
            f"(left) to {data['xs'][-1]} (right), {data['ylabel']} from {data['ys'][0]} (bottom) to "
            f"{data['ys'][-1]} (top)."
        ),
        "sheet": base64.b64encode(_png(sheet)).decode("ascii"),
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }


def _numbers(values) -> list[str]:
    """The codes as text, with as few decimals as keep them apart (to a twentieth of the smallest step)."""
    step = np.diff(values).min()
    places = next((d for d in range(15) if np.abs(values - np.round(values, d)).max() <= step / 20), 15)
    return [f"{value + 0.0:.{places}f}".replace("-", "−") for value in np.round(values, places)]


def _png(picture: np.ndarray) -> bytes:
    """Bytes `(height, width)` as a PNG of 8-bit grey, `(height, width, 3)` as one in colour."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _still(images: np.ndarray, names, title: str, xlabel: str, ylabel: str) -> bytes:
    """A PNG of at most 11×11 of the images, with axes."""
    strides = [-(-n // 11) for n in images.shape[:2]]
    some = [np.arange((n - 1) % by // 2, n, by) for n, by in zip(images.shape[:2], strides, strict=True)]
    chosen = images[np.ix_(*some)]
    rows, columns, height, width, *colours = chosen.shape
    inches = 4.4 / max(rows * height, columns * width)
    figure = Figure(
        figsize=(columns * width * inches + 0.9, rows * height * inches + 0.9), dpi=80, layout="constrained"
    )
    axis = figure.subplots()
    axis.imshow(np.vstack([np.hstack(row) for row in chosen[::-1]]), cmap="gray", vmin=0, vmax=255)
    across, up = (range(n // 2 % by, n, by) for n, by in ((columns, -(-columns // 6)), (rows, -(-rows // 6))))
    axis.set_xticks([(k + 0.5) * width - 0.5 for k in across], [names[0][some[1][k]] for k in across])
    axis.set_yticks([(rows - k - 0.5) * height - 0.5 for k in up], [names[1][some[0][k]] for k in up])
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axis.grid(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())
    return _png(drawn[:, :, :3] if colours else drawn[:, :, 0])  # without colours it is grey all over

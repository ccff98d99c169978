"""The course's one style, and the figures that several chapters share.

Introduced in chapter 00.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import cycler
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.ticker import LogLocator

from aelib.metrics import check_finite, check_images

# Okabe & Ito 2008: eight colours that people with any kind of colour vision tell apart, in an order of our own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vP*X<>"


def use_style() -> None:
    """Set the course's style for all figures that follow."""
    plt.rcParams.update(
        {
            "figure.dpi": 80,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.grid": True,
            "grid.alpha": 0.25,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
            "legend.frameon": False,
        }
    )


def image_rows(rows: dict[str, np.ndarray], title: str = "", *, columns: int = 10) -> plt.Figure:
    """Rows of images, one row an entry of `rows` (label to images `(n, height, width, 1)`), the originals first.

    The first `columns` images of each; all in [0, 1], so that the rows share one grey scale. Raises `ValueError` for
    images outside [0, 1], with NaN, or of different sizes.
    """
    rows = {label: check_images(images, f"the images of the row {label!r}") for label, images in rows.items()}
    sizes = {images.shape[1:] for images in rows.values()}
    if len(sizes) != 1:
        raise ValueError(
            f"the rows have images of different sizes, or there are no rows (found {sorted(sizes)}): give one size"
        )
    columns = min([columns, *map(len, rows.values())])
    height = next(iter(rows.values())).shape[1]
    cell = 0.9 if len(rows) <= 7 else 0.65  # inches
    figure, axis = plt.subplots(figsize=(1.4 + cell * columns, 0.5 + cell * len(rows)))
    strips = [
        np.hstack(np.pad(images[:columns, :, :, 0], ((0, 0), (1, 1), (1, 1)), constant_values=0.5))
        for images in rows.values()
    ]
    axis.imshow(np.vstack(strips), vmin=0, vmax=1, aspect="equal")
    axis.set_yticks([(height + 2) * (i + 0.5) - 0.5 for i in range(len(rows))], rows)
    _bare(axis)
    axis.set_title(title)
    return figure


def signed_images(rows: dict[str, np.ndarray], title: str = "", *, columns: int = 8) -> plt.Figure:
    """Rows of signed images (components, weights): label to `(n, height, width)`; orange below 0, purple above.

    Each image has its own scale, symmetric about 0. Raises `ValueError` for NaN.
    """
    columns = min([columns, *map(len, rows.values())])
    figure, axes = plt.subplots(len(rows), columns, figsize=(1.15 * columns + 1, 1.15 * len(rows) + 0.4), squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, check_finite(images, f"the images of the row {label!r}"), strict=False):
            top = np.abs(image).max() or 1.0
            axis.imshow(image, cmap="PuOr", vmin=-top, vmax=top)
            _bare(axis)
            axis.set_yticks([])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def code_map(axis, codes, labels, class_names, title: str = "") -> None:
    """Codes `(n, 2)` as a scatter, a colour and a marker for each class, named at the class's median.

    The frame holds the central 97 % of either code and a margin: a few far codes would squeeze all others together.
    """
    codes = check_finite(codes, "codes")
    if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels):
        raise ValueError(f"codes have the shape {codes.shape} for {len(labels)} labels: expected (n, 2) and n labels")
    colours = plt.get_cmap("tab10")
    for k in range(len(class_names)):
        own = codes[np.asarray(labels) == k]
        if len(own):
            axis.scatter(
                *own.T,
                s=16,
                color=colours(k % 10),
                marker=MARKERS[(k + k // 10) % len(MARKERS)],
                alpha=0.7,
                linewidths=0,
            )
    for k, name in enumerate(class_names):
        own = codes[np.asarray(labels) == k]
        if len(own):
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": colours(k % 10), "alpha": 0.9}
            axis.text(*np.median(own, axis=0), name, ha="center", va="center", fontsize=10, weight="bold", bbox=box)
    (left, bottom), (right, top) = np.percentile(codes, (1.5, 98.5), axis=0)
    wide, high = 0.08 * (right - left) or 1.0, 0.08 * (top - bottom) or 1.0
    axis.set(xlim=(left - wide, right + wide), ylim=(bottom - high, top + high))
    axis.set(title=title, xlabel="code 1", ylabel="code 2")


def thumbnails(axis, points, images, *, apart: float = 0.05, zoom: float = 0.6) -> None:
    """Images drawn at `points` `(n, 2)`, but for those nearer than `apart` (share of the range) to one drawn before."""
    points = check_finite(points, "points")
    images = check_images(images)
    if len(points) != len(images):
        raise ValueError(
            f"found {len(points)} points and {len(images)} images: expected as many of the one as the other"
        )
    place = (points - points.min(axis=0)) / np.ptp(points, axis=0).max()
    drawn: list[np.ndarray] = []
    for point, where, image in zip(points, place, images, strict=True):
        if all(np.linalg.norm(where - other) >= apart for other in drawn):
            drawn.append(where)
            box = OffsetImage(image[:, :, 0], cmap="gray_r", zoom=zoom)
            axis.add_artist(AnnotationBbox(box, point, frameon=False))


def draw_curves(axis, curves: dict[str, tuple[list[float], list[float]]], *, ylabel: str = "loss") -> None:
    """Loss (solid) and validation loss (dashed) against the epoch, on a logarithmic scale, the last values written.

    `curves`: `"loss"` and, if there is one, `"val_loss"` to (epochs, values).
    """
    for (name, (epochs, values)), style in zip(curves.items(), ("o-", "s--"), strict=False):
        label = {"loss": "training", "val_loss": "validation"}.get(name, name)
        axis.plot(epochs, values, style, ms=3, label=f"{label}: {values[-1]:.3g}")
    axis.set(xlabel="epoch", ylabel=ylabel)
    if curves:
        axis.set_yscale("log")
        for which in (axis.yaxis.set_major_locator, axis.yaxis.set_minor_locator):
            which(LogLocator(subs=(1, 2, 3, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
        axis.legend()
    axis.xaxis.get_major_locator().set_params(integer=True)


def _bare(axis) -> None:
    """No ticks, frame or grid: a picture, not a plot."""
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)

"""Rows of images, and images at places of a plot.

Introduced in chapter 00.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from aelib.figures.style import bare
from aelib.validate import check_finite, check_images


def image_rows(rows: dict[str, np.ndarray], title: str = "", *, columns: int = 10) -> plt.Figure:
    """Rows of images, one row an entry of `rows` (label to images `(n, height, width, channels)`), the originals first.

    The first `columns` images of each; all in [0, 1], so that the rows share one scale. Raises `ValueError` for
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
        np.hstack(np.pad(images[:columns], ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=0.5))
        for images in rows.values()
    ]
    axis.imshow(np.vstack(strips), vmin=0, vmax=1, aspect="equal")  # three channels are colours to matplotlib, too
    axis.set_yticks([(height + 2) * (i + 0.5) - 0.5 for i in range(len(rows))], rows)
    bare(axis)
    axis.set_title(title)
    return figure


def signed_images(rows: dict[str, np.ndarray], title: str = "", *, columns: int = 8) -> plt.Figure:
    """Rows of signed images (components, weights): label to `(n, height, width)`; orange below 0, purple above.

    Also `(n, height, width, 1)`; with 3 channels, 0 is grey, and each colour is brighter above 0 and darker below.
    Each image has its own scale, symmetric about 0. Raises `ValueError` for NaN.
    """
    columns = min([columns, *map(len, rows.values())])
    figure, axes = plt.subplots(len(rows), columns, figsize=(1.15 * columns + 1, 1.15 * len(rows) + 0.4), squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, check_finite(images, f"the images of the row {label!r}"), strict=False):
            top = np.abs(image).max() or 1.0
            in_colour = image.ndim == 3 and image.shape[2] == 3
            axis.imshow(0.5 + 0.5 * image / top if in_colour else image, cmap="PuOr", vmin=-top, vmax=top)
            bare(axis)
            axis.set_yticks([])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


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
            box = OffsetImage(image, cmap="gray_r", zoom=zoom)
            axis.add_artist(AnnotationBbox(box, point, frameon=False))

"""How well a generator has learned each scale of its pictures: the coarse shapes, and what finer ones add to them.

Introduced in chapter 14.
"""

from itertools import pairwise

import numpy as np

from aelib.data.pyramid import enlarge, shrink
from aelib.measures.samples import frechet_distance
from aelib.validate import check_images, is_count


def image_bands(images, levels: int = 3) -> list[np.ndarray]:
    """The brightness of images `(n, height, width, channels)` in bands of `(n, height, width, 1)`, the coarsest first.

    The first band is the images shrunk by half `levels` − 1 times; each further one, of twice the size, is what that
    size has and the enlarged smaller one has not. A pyramid of Burt & Adelson 1983 (doi:10.1109/TCOM.1983.1095851),
    with averages of 2×2 pixels as its filter. Raises `ValueError` for sides that cannot be halved so often.
    """
    sizes = [check_images(images).mean(axis=-1, keepdims=True, dtype="float64")]
    if not is_count(levels):
        raise ValueError(f"levels is {levels!r}: expected how many bands, a whole number, at least 1")
    for _ in range(levels - 1):
        sizes.insert(0, shrink(sizes[0], 2))
    return sizes[:1] + [size - enlarge(smaller, 2) for smaller, size in pairwise(sizes)]


def band_distances(images, real, levels: int = 3) -> np.ndarray:
    """How far generated images are from real ones in each band of `image_bands(real, levels)`, `(levels,)`.

    The Fréchet distance of the band's values, over their variance in the real images: 0 where both are distributed
    alike (up to mean and covariance), 1 for a generator that always shows the mean image. `images` may be smaller than
    `real`, by a power of 2; the bands that they cannot have are NaN. Raises `ValueError` for other sizes.
    """
    images, real = check_images(images), check_images(real)
    factor = real.shape[1] // images.shape[1]
    missing = factor.bit_length() - 1
    shape = tuple(side // max(factor, 1) for side in real.shape[1:3])
    if factor != 2**missing or shape != images.shape[1:3] or missing >= levels:
        raise ValueError(
            f"images of {images.shape[1]}×{images.shape[2]} and real ones of {real.shape[1]}×{real.shape[2]}, with "
            f"{levels} bands: expected the real images' size, or half of it, up to {levels - 1} times"
        )
    distances = np.full(levels, np.nan)
    pairs = zip(*(image_bands(x, levels - missing) for x in (images, shrink(real, factor))), strict=True)
    for level, pair in enumerate(pairs):
        made, drawn = (band.reshape(len(band), -1) for band in pair)
        distances[level] = frechet_distance(made, drawn) / drawn.var(axis=0, ddof=1).sum()
    return distances

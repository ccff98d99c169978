"""Images at half their size, a quarter, and so on; and enlarged again.

Introduced in chapter 14.
"""

import numpy as np

from aelib.validate import is_count


def shrink(images, factor: int) -> np.ndarray:
    """Images `(n, height, width, channels)` with each square of `factor` × `factor` pixels averaged into one.

    Raises `ValueError` unless the factor divides both sides.
    """
    images = np.asarray(images)
    n, height, width, channels = images.shape
    if not is_count(factor) or height % factor or width % factor:
        raise ValueError(f"images of {height}×{width} and a factor of {factor!r}: expected a divisor of both sides")
    return images.reshape(n, height // factor, factor, width // factor, factor, channels).mean(axis=(2, 4))


def enlarge(images, factor: int) -> np.ndarray:
    """Images `(n, height, width, channels)` with each pixel as a square of `factor` × `factor` of them.

    Raises `ValueError` unless the factor is a whole number, at least 1.
    """
    if not is_count(factor):
        raise ValueError(f"factor is {factor!r}: expected how many times larger, a whole number, at least 1")
    return np.asarray(images).repeat(factor, axis=1).repeat(factor, axis=2)

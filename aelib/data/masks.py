"""Masks that hide blocks of images.

Introduced in chapter 16b.
"""

import math

import numpy as np

from aelib.validate import check_sizes, is_count, is_number


def block_masks(
    count: int, image_shape, rng: np.random.Generator, *, block: int = 4, hidden: float = 0.5
) -> np.ndarray:
    """`count` masks of 0 (hidden) and 1 (seen): float32 `(count, height, width, 1)`, to multiply images by.

    Each square block of `block` pixels is hidden with the probability `hidden`, in all channels alike; blocks at the
    lower and the right edge are cut where the size is no multiple of `block`. Raises `ValueError` for impossible sizes.
    """
    check_sizes(image_shape)
    if not (is_count(count) and is_count(block)):
        raise ValueError(f"count is {count!r}, block {block!r}: expected whole numbers, at least 1")
    if not is_number(hidden) or not 0 <= hidden <= 1:
        raise ValueError(f"hidden is {hidden!r}: expected a probability")
    height, width = image_shape[:2]
    rows, columns = math.ceil(height / block), math.ceil(width / block)
    seen = rng.random((count, rows, columns, 1), "float32") >= hidden
    return seen.repeat(block, axis=1).repeat(block, axis=2)[:, :height, :width].astype("float32")

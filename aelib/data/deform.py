"""Deformed copies of images: training data that a hand could have written.

Introduced in chapter 02.
"""

import numpy as np
from scipy.ndimage import affine_transform


def deformed_copies(images: np.ndarray, copies: int, seed: int = 0) -> np.ndarray:
    """`copies` randomly deformed versions of each image, float32 of shape `(copies · n, height, width, channels)`.

    Each copy is rotated by up to ±12°, scaled by 0.89…1.14 along each axis, sheared by up to ±0.15 and shifted by up
    to 5.5 % of each side (linear interpolation; beyond the edge, the edge's own values), in all its channels alike.
    Copy j of image i stands at index `j · n + i`. Raises `ValueError` unless there are 1 or 3 channels, and a copy.
    Deformations as training data: Simard, Steinkraus & Platt 2003 (ICDAR).
    """
    if copies < 1:
        raise ValueError(f"copies is {copies}: it must be at least 1")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images have the shape {images.shape}: expected (n, height, width, 1 or 3 channels)")
    rng = np.random.default_rng(seed)
    n, height, width, channels = images.shape
    centre = np.array([height - 1, width - 1]) / 2
    out = np.empty((copies * n, height, width, channels), "float32")
    angle = rng.uniform(-np.pi / 15, np.pi / 15, copies * n)
    scale = rng.uniform(0.88, 1.12, (copies * n, 2))
    shear = rng.uniform(-0.15, 0.15, copies * n)
    shift = rng.uniform(-0.055, 0.055, (copies * n, 2)) * (height, width)
    for i in range(copies * n):
        cos, sin = np.cos(angle[i]), np.sin(angle[i])
        matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear[i]], [0, 1]]) @ np.diag(scale[i])
        offset = centre - matrix @ (centre + shift[i])
        for channel in range(channels):
            image, copy = images[i % n, :, :, channel], out[i, :, :, channel]
            affine_transform(image, matrix, offset, output=copy, order=1, mode="nearest")
    return out

"""Pictures moved so that what they show lies in the middle: a known shift is taken away, not learned.

Introduced in chapter 17.
"""

import numpy as np
from scipy.ndimage import center_of_mass, shift

DARK = 1e-6  # added to each pixel, so that a picture that is black everywhere has its centre of mass in the middle


def centred(images: np.ndarray) -> np.ndarray:
    """Each image moved so that its centre of mass lies in the middle: float32, the shape of `images`.

    The mass of a pixel is its brightness, over all channels. Linear interpolation; beyond the edge, the edge's own
    values. MNIST's digits were centred so as well (LeCun et al. 1998, doi:10.1109/5.726791). Raises `ValueError`
    unless there are 1 or 3 channels.
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images have the shape {images.shape}: expected (n, height, width, 1 or 3 channels)")
    middle = (np.array(images.shape[1:3]) - 1) / 2
    out = np.empty(images.shape, "float32")
    for image, moved in zip(images, out, strict=True):
        by = middle - center_of_mass(image.sum(axis=2) + DARK)
        shift(image, (*by, 0), output=moved, order=1, mode="nearest")
    return out

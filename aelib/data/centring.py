"""Pictures moved into the middle, and made upright: a known shift or slant is taken away, not learned.

Introduced in chapter 17.
"""

import numpy as np
from scipy.ndimage import affine_transform, center_of_mass, shift

DARK = 1e-6  # added to each pixel, so that a picture that is black everywhere has its centre of mass in the middle


def centred(images: np.ndarray) -> np.ndarray:
    """Each image moved so that its centre of mass lies in the middle: float32, the shape of `images`.

    The mass of a pixel is its brightness, over all channels. Linear interpolation; beyond the edge, the edge's own
    values. MNIST's digits were centred so as well (LeCun et al. 1998, doi:10.1109/5.726791). Raises `ValueError`
    unless there are 1 or 3 channels.
    """
    middle, out = _middle(images), np.empty(images.shape, "float32")
    for image, moved in zip(images, out, strict=True):
        by = middle - center_of_mass(image.sum(axis=2) + DARK)
        shift(image, (*by, 0), output=moved, order=1, mode="nearest")
    return out


def deslanted(images: np.ndarray) -> np.ndarray:
    """Each image centred, and sheared along its rows until it no longer leans: float32, the shape of `images`.

    How far it leans: the slope of the line that predicts the column of its mass from the row, by least squares; it is
    0 afterwards (up to interpolation and what the edge cuts off). As `centred` otherwise. Introduced in chapter 17b.
    LeCun et al. 1998 deslant MNIST's digits so.
    """
    middle, out = _middle(images), np.empty(images.shape, "float32")
    rows, columns = np.indices(images.shape[1:3])
    for image, moved in zip(images, out, strict=True):
        mass = image.sum(axis=2) + DARK
        centre = np.array(center_of_mass(mass))
        down, across = rows - centre[0], columns - centre[1]
        slope = (mass * down * across).sum() / (mass * down**2).sum()
        shear = np.array([[1, 0, 0], [slope, 1, 0], [0, 0, 1]])
        offset = np.append(centre - shear[:2, :2] @ middle, 0)
        affine_transform(image, shear, offset, output=moved, order=1, mode="nearest")
    return out


def _middle(images: np.ndarray) -> np.ndarray:
    """Row and column of the middle of the images; `ValueError` unless they have 1 or 3 channels."""
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images have the shape {images.shape}: expected (n, height, width, 1 or 3 channels)")
    return (np.array(images.shape[1:3]) - 1) / 2

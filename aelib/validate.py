"""One place for "is this an image, a count, a number, finite?": each function raises one clear sentence."""

import math
import numbers
from collections.abc import Iterable

import numpy as np

CHANNELS = (1, 3)  # of an image: grey, or red, green and blue


def check_finite(array, what: str) -> np.ndarray:
    """`array` as an array of numbers; `ValueError` if it holds NaN or infinity."""
    array = np.asarray(array)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{what} hold values of type {array.dtype}, expected numbers: convert them with astype('float32')"
        )
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise ValueError(f"{what} hold {bad} values that are NaN or infinite: did training diverge? Lower the rate")
    return array


def check_images(images, what: str = "images") -> np.ndarray:
    """`images` as an array; `ValueError` unless it is finite, within [0, 1] and `(n, height, width, 1 or 3)`."""
    images = check_finite(images, what)
    if images.ndim != 4 or images.shape[3] not in CHANNELS or len(images) == 0:
        raise ValueError(
            f"{what} have the shape {images.shape}: expected (n, height, width, channels) with n at least 1, and 1 "
            "channel (grey) or 3 (colour)"
        )
    if images.min() < 0 or images.max() > 1:
        raise ValueError(
            f"{what} lie in [{images.min():.3g}, {images.max():.3g}], expected [0, 1]: "
            "divide bytes by 255, or clip a linear model's output with np.clip(…, 0, 1)"
        )
    return images


def check_grey(images, what: str = "images") -> np.ndarray:
    """`images` as an array, for what is about grey levels alone; `ValueError` unless they are images of 1 channel."""
    images = check_images(images, what)
    if images.shape[3] != 1:
        raise ValueError(
            f"{what} have {images.shape[3]} channels, and this is about grey levels: give it their mean, "
            "images.mean(axis=3, keepdims=True), or load a set of grey images"
        )
    return images


def check_pair(images, reconstructions) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; `ValueError` unless the images are images and the reconstructions finite, of the same shape."""
    images = check_images(images)
    reconstructions = check_finite(reconstructions, "reconstructions")
    if images.shape != reconstructions.shape:
        raise ValueError(f"images have the shape {images.shape}, reconstructions {reconstructions.shape}: expected one")
    return images, reconstructions


def check_sizes(input_shape, *units) -> None:
    """Raise `ValueError` unless `input_shape` is an image's and every number of units is a positive integer."""
    shape = tuple(input_shape) if isinstance(input_shape, Iterable) else input_shape
    if not isinstance(shape, tuple) or len(shape) != 3 or shape[2] not in CHANNELS or not all(map(is_count, shape)):
        raise ValueError(f"input_shape is {shape}: expected (height, width, 1 or 3), as in data.image_shape")
    if not all(map(is_count, units)):
        raise ValueError(f"code size and units are {units}: every layer needs a whole number of units, at least 1")


def is_count(value) -> bool:
    """Whether `value` is a whole number, of Python or NumPy, at least 1; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value > 0


def flat_mean(mean, input_shape) -> np.ndarray:
    """The mean image, of the images' shape or flat, as one row of pixels; `ValueError` if it is something else."""
    mean, pixels = np.asarray(mean), math.prod(input_shape)
    without_channel = tuple(input_shape[:2]) if input_shape[-1] == 1 else (pixels,)
    if mean.shape not in ((pixels,), tuple(input_shape), without_channel) or not np.isfinite(mean).all():
        raise ValueError(
            f"mean has the shape {mean.shape} (NaN or infinite: {not np.isfinite(mean).all()}), an image has "
            f"{tuple(input_shape)}: give the mean of the training images, x_train.mean(axis=0)"
        )
    return mean.reshape(pixels)


def is_number(value) -> bool:
    """Whether `value` is a finite real number, of Python or NumPy."""
    return isinstance(value, numbers.Real) and math.isfinite(value)

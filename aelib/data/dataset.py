"""A data set of small images in three splits, and the error of one that cannot be read.

Introduced in chapter 00.
"""

from dataclasses import dataclass

import numpy as np


class DatasetError(ValueError):
    """A data set that is unknown, incomplete or damaged; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """Images and labels in three splits.

    `x_*`: float32 in [0, 1], shape `(n, height, width, channels)`, 1 channel (grey) or 3 (red, green,
    blue). `y_*`: int64 in 0…k−1, shape `(n,)`.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return tuple(self.x_train.shape[1:])

    @property
    def pixels(self) -> int:
        """Numbers in an image: height × width, three times as many in colour."""
        return int(np.prod(self.image_shape))

    @property
    def is_small(self) -> bool:
        """Whether there are so few training images (under 20,000) that deformed copies of them pay."""
        return len(self.x_train) < 20_000

    def __repr__(self) -> str:
        sizes = " / ".join(f"{len(x):,}" for x in (self.x_train, self.x_valid, self.x_test))
        height, width, channels = self.image_shape
        colour = " in colour" if channels == 3 else ""
        return (
            f"{self.name}: {sizes} images (train / valid / test) of {height}×{width}{colour}, "
            f"{len(self.class_names)} classes"
        )

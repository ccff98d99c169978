"""Classical denoising filters as a fair baseline: tuned on images set aside, with a gain and an offset.

Introduced in chapter 06.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aelib.measures.reconstruction import psnr
from aelib.validate import check_pair


@dataclass(frozen=True)
class TunedFilter:
    """A filter of one picture, followed by `gain · x + offset`.

    Called on images `(n, height, width, channels)` it returns images of that shape; values may leave [0, 1].
    """

    filter: Callable[[np.ndarray], np.ndarray]  # (height, width) to (height, width); of colours, each by itself
    gain: float = 1.0
    offset: float = 0.0

    def __call__(self, images) -> np.ndarray:
        pictures = np.moveaxis(np.asarray(images), 3, 1)  # one of each channel
        filtered = np.stack([[self.filter(channel) for channel in channels] for channels in pictures])
        filtered = np.moveaxis(filtered, 1, 3)
        return self.gain * filtered + self.offset


def tune_filter(choices: Iterable[Callable], noisy, clean) -> TunedFilter:
    """Of several settings of a filter the one with the best PSNR on `noisy` against `clean`, each with its best gain
    and offset (least squares).

    `choices`: functions from `(height, width)` to the same shape, for example
    `functools.partial(scipy.ndimage.median_filter, size=3)`. `noisy`, `clean`: `(n, height, width, channels)`. Raises
    `ValueError` for images of different shapes, and if there is nothing to choose from.
    """
    clean, noisy = check_pair(clean, noisy)
    best, best_score = None, -np.inf
    for choice in choices:
        filtered = TunedFilter(choice)(noisy)
        gain, offset = np.polyfit(filtered.ravel().astype("float64"), clean.ravel(), 1)
        if (score := psnr(clean, gain * filtered + offset)) > best_score:
            best, best_score = TunedFilter(choice, float(gain), float(offset)), score
    if best is None:
        raise ValueError("found no filter to choose from: give at least one function of a picture (height, width)")
    return best

"""How far one voice's spectrogram is from another's.

Introduced in chapter 21.
"""

import numpy as np
from scipy.fft import dct

from aelib.validate import check_finite


def mel_cepstral_distortion(mels, others, coefficients: int = 13) -> float:
    """Mean distance of two log-mel spectrograms, frame by frame, in decibels: 10 / ln 10 · √(2 Σ (c − c′)²).

    `mels`, `others`: natural logarithms of magnitudes, `(…, frames, bands)`. c: the coefficients 1 to `coefficients` of
    a frame's orthonormal discrete cosine transform; 0, the loudness, is left out. Kubichek 1993
    (doi:10.1109/PACRIM.1993.407206), with the magnitudes' cepstrum. Raises `ValueError` for NaN, other shapes, and as
    many coefficients as bands.
    """
    mels, others = (check_finite(x, "spectrograms").astype("float64") for x in (mels, others))
    if mels.shape != others.shape or mels.ndim < 2 or mels.size == 0 or not 1 <= coefficients < mels.shape[-1]:
        raise ValueError(
            f"spectrograms have the shapes {mels.shape} and {others.shape}, coefficients is {coefficients!r}: expected "
            "the same shape, (…, frames, bands), and fewer coefficients than bands"
        )
    apart = dct(mels - others, norm="ortho", axis=-1)[..., 1 : coefficients + 1]
    return float(10 / np.log(10) * np.sqrt(2 * np.square(apart).sum(axis=-1)).mean())

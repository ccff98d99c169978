"""Utterances of many speakers as spectrograms, with all that is known of them, and any words in any voice.

Introduced in chapter 21.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct, idct

from aelib.data.sound import BANDS, log_mel
from aelib.data.voices import RATE, SYLLABLES, WORDS, Timing, draw_timing, synthesize
from aelib.validate import check_finite, is_count


@dataclass(frozen=True)
class Speech:
    """n utterances: `who` says them, ints `(n,)`, places in `speakers`, `(k, 4)`; `syllables`, ints `(n, 4)`; their
    `timing`; and how they sound, `mels`, log-mel spectrograms, float32 `(n, 64, 64)`: frames and bands.
    """

    speakers: np.ndarray
    who: np.ndarray
    syllables: np.ndarray
    timing: Timing
    mels: np.ndarray

    def waves(self, places, who=None, seed: int = 0) -> np.ndarray:
        """The words of the utterances `places`, in their timing, said by the speakers `who`: float32 `(n, 16000)`.

        `who`: places in `speakers`, by default those who said them. This is the true conversion. Jitter, shimmer and
        breath are drawn anew, by `seed`.
        """
        places = np.asarray(places)
        who = self.who[places] if who is None else np.asarray(who)
        timing = Timing(self.timing.durations[places], self.timing.melody[places])
        return synthesize(self.syllables[places], self.speakers[who], timing, seed)


def draw_speech(speakers, each: int, seed: int = 0) -> Speech:
    """`each` utterances of four random syllables by each of the `speakers`, `(k, 4)`; one speaker's follow each other.

    No two speakers say the same on purpose. The same seed gives the same. Raises `ValueError` for none, and for
    speakers that `synthesize` refuses.
    """
    if not is_count(each):
        raise ValueError(f"each is {each!r}: expected how many utterances of each speaker, at least 1")
    speakers = check_finite(speakers, "speakers")
    words, timing, sound = np.random.SeedSequence(seed).generate_state(3)
    who = np.repeat(np.arange(len(speakers)), each)
    syllables = np.random.default_rng(words).integers(len(SYLLABLES), size=(len(who), WORDS))
    timing = draw_timing(len(who), int(timing))
    mels = log_mel(synthesize(syllables, speakers[who], timing, int(sound)))
    return Speech(speakers, who, syllables, timing, mels)


def warp_bands(mels, factors) -> np.ndarray:
    """Moves spectrograms up or down in frequency: what was at f Hz is at f times the factor.

    `mels`: `(n, frames, 64)`; `factors`: one number above 0, or one for each, `(n,)`. Between two bands the value lies
    on a straight line; beyond the last band it is that of the last. A voice with a tract of 0.8 of the length has its
    formants at 1.25 times the frequencies. Raises `ValueError` for other shapes and factors.
    """
    mels = check_finite(mels, "mels")
    factors = np.broadcast_to(check_finite(factors, "factors"), len(mels)).astype("float64")
    if mels.ndim != 3 or mels.shape[2] != BANDS or factors.min() <= 0:
        raise ValueError(
            f"mels have the shape {mels.shape}, the smallest factor is {factors.min():.3g}: expected "
            f"(n, frames, {BANDS}), and factors above 0"
        )
    top = np.log10(1 + RATE / 2 / 700) / (BANDS + 1)  # from band to band; the first is one step above 0
    centres = 700 * (10 ** (top * np.arange(1, BANDS + 1)) - 1)
    places = np.clip(np.log10(1 + centres / factors[:, None] / 700) / top - 1, 0, BANDS - 1)
    below = np.minimum(places.astype(int), BANDS - 2)
    share = (places - below).astype("float32")[:, None]
    low, high = (np.take_along_axis(mels, index[:, None], axis=2) for index in (below, below + 1))
    return low * (1 - share) + high * share


def shift_voice(mels, pitch, formants, smooth: int = 24) -> np.ndarray:
    """Moves a voice: the pitch by the factors `pitch`, the formants by the factors `formants`, `(n,)` or one for all.

    `mels`: `(n, frames, 64)`. The smooth part of each frame, the first `smooth` numbers of its cosine transform, holds
    the formants, more or less; the rest holds the pitch. Raises `ValueError` as `warp_bands` does, and unless `smooth`
    is from 1 to 64.
    """
    if not is_count(smooth) or smooth > BANDS:
        raise ValueError(f"smooth is {smooth!r}: expected a whole number, from 1 to {BANDS}")
    part = dct(check_finite(mels, "mels"), norm="ortho", axis=-1)
    part[..., smooth:] = 0
    part = idct(part, norm="ortho", axis=-1)
    return warp_bands(part, formants) + warp_bands(mels - part, pitch)

"""Voices made by code, of which everything is known: who speaks, which syllables, how high, and how fast.

A source-filter model (Fant 1960): pulses of the vocal folds and breath, shaped by the resonances of the vocal tract,
the *formants*. Introduced in chapter 21.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import istft, stft

from aelib.validate import check_finite, is_count

RATE = 16_000  # samples per second
SECONDS = 1.0  # of an utterance, with a little silence before and after
# The first three formants in Hz: vowels of men, means of Peterson & Barney 1952 (doi:10.1121/1.1906875), "e" as in bet
# and "o" as in bought; consonants in round numbers, without the nasal's zeros.
VOWELS = {"a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010), "o": (570, 840, 2410)}
VOWELS["u"] = (300, 870, 2240)
CONSONANTS = {"m": (280, 1000, 2200), "n": (280, 1700, 2600), "l": (360, 1300, 2700), "w": (290, 610, 2150)}
SYLLABLES = tuple(consonant + vowel for consonant in CONSONANTS for vowel in VOWELS)
WORDS = 4  # syllables in an utterance
HIGHER = (3500, 4500)  # the fourth and fifth formant, of all sounds
BANDWIDTHS = (80, 100, 150, 250, 350)  # of the five formants, Hz
QUIET = 0.35  # how loud a consonant is, beside a vowel
# What makes a speaker: mean pitch in Hz, semitones between a flat and a high syllable, length of the vocal tract
# beside a man's (formants are divided by it), and breath beside the pulses.
SPEAKER = {"pitch": (90.0, 280.0), "span": (1.0, 5.0), "tract": (0.85, 1.2), "breath": (0.0, 0.3)}
HOP, FRAME = 128, 512  # samples between two changes of the filter, and samples that it sees


@dataclass(frozen=True)
class Timing:
    """How utterances are spoken: `durations` of consonant and vowel in turn, seconds, float64 `(n, 8)`; `melody`, the
    height of each syllable from −1 to 1, `(n, 4)`. Both belong to the words, not to the speaker.
    """

    durations: np.ndarray
    melody: np.ndarray


def draw_speakers(n: int, seed: int = 0) -> np.ndarray:
    """`n` speakers, float64 `(n, 4)`: pitch, span, tract and breath as in `SPEAKER`; the pitch uniform in logarithms.

    The same seed gives the same speakers. Raises `ValueError` for none.
    """
    return _speakers(np.random.default_rng(seed).random((_count(n, "speakers"), len(SPEAKER))))


def even_speakers(n: int) -> np.ndarray:
    """`n` speakers spread evenly over all four ranges, in shares of √2, √3, √5 and √7: `(n, 4)`, no chance.

    Multiples of irrational numbers, modulo 1, fill a range evenly (Weyl 1916). Raises `ValueError` for none.
    """
    steps = np.arange(1, _count(n, "speakers") + 1)[:, None]
    return _speakers(steps * np.sqrt([2, 3, 5, 7]) % 1)


def draw_timing(n: int, seed: int = 0) -> Timing:
    """Durations and melodies of `n` utterances, by chance: consonants of 50 to 90 ms, vowels of 100 to 160 ms."""
    rng = np.random.default_rng(seed)
    durations = np.empty((_count(n, "utterances"), 2 * WORDS))
    durations[:, ::2], durations[:, 1::2] = (rng.uniform(*span, (n, WORDS)) for span in ((0.05, 0.09), (0.1, 0.16)))
    return Timing(durations, rng.uniform(-1, 1, (n, WORDS)))


def synthesize(syllables, speakers, timing: Timing, seed: int = 0) -> np.ndarray:
    """The sound of words by speakers, a second each: float32 `(n, 16000)`, root mean square 0.1.

    `syllables`: ints `(n, 4)`, places in `SYLLABLES`. `speakers`: `(n, 4)`, as `draw_speakers` gives them. The same
    words, speakers and timing give the same sound but for jitter, shimmer and breath, which `seed` draws. Raises
    `ValueError` for other shapes, syllables that are none, and speakers without pitch or tract.
    """
    syllables, speakers = _checked(syllables, speakers, timing)
    starts = range(0, len(syllables), 50)  # fifty at a time need little memory

    def make(start: int, rng) -> np.ndarray:
        part = slice(start, start + 50)
        words = syllables[part], Timing(timing.durations[part], timing.melody[part])
        source = _source(speakers[part], words[1], int(RATE * SECONDS), rng).astype("float32")
        sound = _filtered(source, *words, speakers[part, 2])
        return 0.1 * sound / np.sqrt(np.mean(np.square(sound), axis=1, keepdims=True))

    with ThreadPoolExecutor(2) as pool:  # NumPy lets the other thread work meanwhile
        return np.concatenate(list(pool.map(make, starts, np.random.default_rng(seed).spawn(len(starts)))))


def _source(speakers, timing: Timing, samples: int, rng) -> np.ndarray:
    """Derivative of the air's flow through the vocal folds, and breath: `(n, samples)`."""
    pitch, span, _, breath = (column[:, None] for column in speakers.T)
    time = np.arange(samples) / RATE
    begins, ends = _bounds(timing)
    middle = (begins[:, ::2] + ends[:, 1::2]) / 2  # of each syllable
    heights = [np.interp(time, at, height) for at, height in zip(middle, timing.melody, strict=True)]
    frequency = pitch * 2 ** (span / 12 * (np.array(heights) - 0.5 * time))  # speech falls towards its end
    period = np.floor(np.cumsum(frequency, axis=1) / RATE).astype(int)
    jitter, shimmer = (
        np.take_along_axis(1 + size * rng.standard_normal((len(speakers), period.max() + 1)), period, axis=1)
        for size in (0.01, 0.05)  # of the length and the height of each pulse
    )
    phase = np.cumsum(frequency * jitter, axis=1) / RATE % 1
    opening, closing = 0.5 * (1 - np.cos(np.pi * phase / 0.4)), np.cos(np.pi / 2 * (phase - 0.4) / 0.16)
    flow = shimmer * np.where(phase < 0.4, opening, np.where(phase < 0.56, closing, 0))  # Rosenberg 1971
    pulses = np.diff(flow, axis=1, prepend=0)
    hiss = breath * pulses.std(axis=1, keepdims=True) * rng.standard_normal(flow.shape) * (0.5 + flow)
    return pulses + hiss


def _filtered(source, syllables, timing: Timing, tract) -> np.ndarray:
    """The source through the resonances of the vocal tract, which glide from sound to sound: `(n, samples)`."""
    frequencies, times, spectrum = stft(source, RATE, nperseg=FRAME, noverlap=FRAME - HOP)
    begins, ends = _bounds(timing)
    sound = (times[None, :, None] >= begins[:, None, :]).sum(axis=2).clip(1) - 1  # which one, at each frame
    targets = np.array([(*CONSONANTS[name[0]], *VOWELS[name[1]]) for name in SYLLABLES]).reshape(len(SYLLABLES), 2, 3)
    targets = targets[syllables].reshape(len(syllables), -1, 3)  # consonant and vowel in turn
    formants = np.take_along_axis(targets, sound[:, :, None], axis=1).astype(float)
    loud = np.where(sound % 2, 1, QUIET) * (times >= begins[:, :1]) * (times < ends[:, -1:])
    formants, loud = (uniform_filter1d(uniform_filter1d(x, 5, axis=1), 5, axis=1) for x in (formants, loud))
    higher = np.broadcast_to(HIGHER, (*formants.shape[:2], len(HIGHER)))
    formants = np.concatenate([formants, higher], axis=2) / np.asarray(tract)[:, None, None]
    gain = (loud[:, None] * _resonances(formants, np.cos(2 * np.pi * frequencies / RATE))).astype("float32")
    return istft(spectrum * gain, RATE, nperseg=FRAME, noverlap=FRAME - HOP)[1][:, : source.shape[1]]


def _resonances(formants, cosine) -> np.ndarray:
    """How much each frequency is raised by five two-pole resonances in a row, 1 at 0 Hz: `(n, frequencies, frames)`.

    `formants`: Hz, `(n, frames, 5)`. With c the cosine of the frequency's angle, the square of the denominator
    |1 − 2 r cos θ z⁻¹ + r² z⁻²| on the unit circle is a polynomial of degree two in c. No phase is shifted.
    """
    gain, c = 1.0, cosine[:, None]
    for formant, bandwidth in zip(np.moveaxis(formants, 2, 0), BANDWIDTHS, strict=True):
        r, turn = np.exp(-np.pi * bandwidth / RATE), np.cos(2 * np.pi * formant / RATE)[:, None]
        power = 4 * r**2 * c**2 - 4 * r * (1 + r**2) * turn * c + (1 + r**2) ** 2 + 4 * r**2 * (turn**2 - 1)
        gain = gain * (1 - 2 * r * turn + r**2) / np.sqrt(power)
    return gain


def _bounds(timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    """When each sound begins and ends, seconds, `(n, 8)` each: the utterance lies in the middle of its second."""
    ends = np.cumsum(timing.durations, axis=1)
    ends = ends + (SECONDS - ends[:, -1:]) / 2
    return ends - timing.durations, ends


def _speakers(shares: np.ndarray) -> np.ndarray:
    low, high = np.array(list(SPEAKER.values())).T
    speakers = low + (high - low) * shares
    speakers[:, 0] = low[0] * (high[0] / low[0]) ** shares[:, 0]
    return speakers


def _count(n, what: str) -> int:
    if not is_count(n):
        raise ValueError(f"n is {n!r}: expected how many {what}, at least 1")
    return n


def _checked(syllables, speakers, timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    syllables, speakers = np.asarray(syllables), check_finite(speakers, "speakers").astype("float64")
    if syllables.ndim != 2 or syllables.shape[1] != WORDS or syllables.dtype.kind not in "iu" or len(syllables) == 0:
        raise ValueError(
            f"syllables have the shape {syllables.shape} and the type {syllables.dtype}: expected whole numbers, "
            f"(n, {WORDS})"
        )
    if syllables.min() < 0 or syllables.max() >= len(SYLLABLES):
        raise ValueError(f"syllables lie in [{syllables.min()}, {syllables.max()}]: expected 0 to {len(SYLLABLES) - 1}")
    n = len(syllables)
    shapes = speakers.shape, timing.durations.shape, timing.melody.shape
    if shapes != ((n, len(SPEAKER)), (n, 2 * WORDS), (n, WORDS)):
        raise ValueError(
            f"speakers, durations and melody have the shapes {shapes}: expected ({n}, {len(SPEAKER)}), "
            f"({n}, {2 * WORDS}) and ({n}, {WORDS}), a row for each utterance"
        )
    (pitch, _, tract, breath), length = speakers.T, timing.durations.sum(axis=1).max()
    if pitch.min() < 50 or pitch.max() > 500 or tract.min() < 0.5 or breath.min() < 0:
        raise ValueError(
            "a speaker has a pitch outside 50 to 500 Hz, a tract below 0.5 or breath below 0: expected such as "
            "draw_speakers gives them"
        )
    if timing.durations.min() <= 0 or length > SECONDS:
        raise ValueError(
            f"durations go from {timing.durations.min():.3g} s, and add up to {length:.3g} s: expected more than 0, "
            f"and {SECONDS:g} s or less in all"
        )
    return syllables, speakers

"""Voices made by code: the pitch, the formants and the words are those that were asked for."""

import numpy as np
import pytest
from scipy.signal import freqz, welch

from aelib.data import RATE, SPEAKER, SYLLABLES, Timing, draw_speakers, draw_timing, even_speakers, synthesize
from aelib.data.voices import BANDWIDTHS, VOWELS, _resonances

TIMING = draw_timing(3, seed=1)
WORDS = np.array([[0, 5, 10, 15], [4, 9, 14, 19], [1, 6, 11, 16]])
LEVEL = Timing(np.tile([0.02, 0.2], (1, 4)), np.zeros((1, 4)))  # long vowels, a flat melody


def steady(vowel, pitch=100.0, tract=1.0, breath=0.0):
    """The same syllable four times, as one speaker says it: `(samples,)` from the second of them."""
    words = np.full((1, 4), SYLLABLES.index("l" + vowel))
    return synthesize(words, [[pitch, 1.0, tract, breath]], LEVEL, seed=2)[0, 6000:10_000]


@pytest.mark.parametrize("pitch", [90.0, 150.0, 280.0])
def test_the_pitch_is_the_speakers(pitch):
    sound = steady("a", pitch)
    likeness = np.correlate(sound, sound, "full")[len(sound) - 1 :]
    shortest, longest = int(RATE / pitch / 1.4), int(RATE / pitch * 1.4)
    period = shortest + likeness[shortest:longest].argmax()
    assert RATE / period == pytest.approx(pitch * 2 ** (-0.5 / 2 / 12), rel=0.04)  # it falls by half a semitone


@pytest.mark.parametrize("vowel", VOWELS)
@pytest.mark.parametrize("tract", [0.85, 1.2])
def test_the_first_formant_is_that_of_the_vowel_and_the_tract(vowel, tract):
    frequencies, power = welch(steady(vowel, 55.0, tract, breath=0.3), RATE, nperseg=2048)
    expected = VOWELS[vowel][0] / tract
    near = (frequencies > 0.6 * expected) & (frequencies < 1.4 * expected)
    assert abs(frequencies[near][power[near].argmax()] - expected) < 80  # the nearest harmonic, or the one below it


def test_resonances_are_those_of_two_pole_filters():
    formants = np.array([730.0, 1090, 2440, 3500, 4500])
    frequencies = np.linspace(0, 7900, 80)
    expected = np.ones(80)
    for formant, bandwidth in zip(formants, BANDWIDTHS, strict=True):
        r, angle = np.exp(-np.pi * bandwidth / RATE), 2 * np.pi * formant / RATE
        poles = [1, -2 * r * np.cos(angle), r**2]
        expected *= np.abs(freqz([sum(poles)], poles, frequencies, fs=RATE)[1])
    ours = _resonances(formants[None, None], np.cos(2 * np.pi * frequencies / RATE))[0, :, 0]
    np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_breath_adds_what_is_no_harmonic():
    flatness = []
    for breath in (0.0, 0.3):
        power = welch(steady("a", 200.0, breath=breath), RATE, nperseg=2048)[1][200:500]
        flatness.append(np.exp(np.log(power).mean()) / power.mean())
    assert flatness[1] > 2 * flatness[0]


def test_the_same_seed_gives_the_same_sound_and_a_batch_is_its_utterances():
    speakers = draw_speakers(3, seed=4)
    sound = synthesize(WORDS, speakers, TIMING, seed=5)
    np.testing.assert_array_equal(sound, synthesize(WORDS, speakers, TIMING, seed=5))
    assert sound.shape == (3, RATE) and sound.dtype == np.float32 and np.abs(sound).max() <= 1
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(sound), axis=1)), 0.1, rtol=1e-5)
    assert np.abs(sound[:, :400]).max() < 0.02  # silence first
    other = synthesize(WORDS, draw_speakers(3, seed=9), TIMING, seed=5)
    assert not np.allclose(sound, other, atol=0.05)


def test_speakers_lie_in_their_ranges_and_held_out_ones_spread_evenly():
    low, high = np.array(list(SPEAKER.values())).T
    for speakers in (draw_speakers(200, seed=0), even_speakers(20)):
        assert ((speakers >= low) & (speakers <= high)).all()
    shares = (even_speakers(20)[:, 2] - low[2]) / (high[2] - low[2])
    assert np.diff(np.sort([0, *shares, 1])).max() < 0.15  # no gap of three or more of 20 equal parts
    np.testing.assert_array_equal(draw_speakers(5, seed=3), draw_speakers(5, seed=3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"syllables": np.zeros((3, 5), int)}, r"shape \(3, 5\)"),
        ({"syllables": WORDS.astype(float)}, r"type float64: expected whole numbers"),
        ({"syllables": WORDS + 5}, r"lie in \[5, 24\]: expected 0 to 19"),
        ({"speakers": draw_speakers(2)}, r"a row for each utterance"),
        ({"speakers": np.full((3, 4), np.nan)}, r"speakers"),
        ({"speakers": np.tile([20.0, 1, 1, 0], (3, 1))}, r"pitch outside 50 to 500 Hz"),
        ({"timing": Timing(np.full((3, 8), 0.2), TIMING.melody)}, r"add up to 1.6 s: expected"),
        ({"timing": Timing(np.zeros((3, 8)), TIMING.melody)}, r"go from 0 s"),
    ],
)
def test_what_cannot_be_spoken_is_named(change, message):
    right = {"syllables": WORDS, "speakers": draw_speakers(3), "timing": TIMING}
    with pytest.raises(ValueError, match=message):
        synthesize(**(right | change))


@pytest.mark.parametrize("draw", [draw_speakers, even_speakers, draw_timing])
def test_none_is_refused(draw):
    with pytest.raises(ValueError, match=r"n is 0: expected how many"):
        draw(0)

"""Speech: the spectrograms are those of the words and speakers, conversions are true, warps move formants."""

import numpy as np
import pytest

from aelib.data import (
    Timing,
    draw_speakers,
    draw_speech,
    even_speakers,
    log_mel,
    mel_filters,
    shift_voice,
    synthesize,
    warp_bands,
)
from aelib.figures import play

SPEECH = draw_speech(draw_speakers(3, 1), 4, seed=5)


def test_each_speaker_says_as_many_and_the_same_seed_says_the_same():
    assert SPEECH.who.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert SPEECH.mels.shape == (12, 64, 64)
    again, other = (draw_speech(draw_speakers(3, 1), 4, seed) for seed in (5, 6))
    np.testing.assert_array_equal(SPEECH.mels, again.mels)
    assert (SPEECH.syllables != other.syllables).any() and len({tuple(row) for row in SPEECH.syllables}) == 12


def test_a_conversion_is_the_words_by_the_other_speaker():
    places, who = np.array([5, 0]), np.array([2, 1])
    timing = Timing(SPEECH.timing.durations[places], SPEECH.timing.melody[places])
    expected = synthesize(SPEECH.syllables[places], SPEECH.speakers[who], timing, seed=3)
    np.testing.assert_array_equal(SPEECH.waves(places, who, seed=3), expected)
    own = log_mel(SPEECH.waves(places))  # but for jitter and breath what was said
    assert np.abs(own - SPEECH.mels[places]).mean() < 0.5 * np.abs(log_mel(expected) - SPEECH.mels[places]).mean()


def test_warped_bands_are_moved_in_hertz():
    corners = mel_filters().argmax(axis=1) * 16_000 / 1024  # about the middle of each band
    for band, factor in ((30, 1.2), (40, 0.8), (20, 1.0)):
        mels = np.zeros((1, 2, 64), "float32")
        mels[:, :, band] = 1
        moved = warp_bands(mels, factor)[0, 0]
        place = (moved * np.arange(64)).sum() / moved.sum()
        assert np.interp(place, np.arange(64), corners) == pytest.approx(factor * corners[band], rel=0.03)
    np.testing.assert_allclose(warp_bands(SPEECH.mels, 1.0), SPEECH.mels, atol=1e-5)


def test_a_warp_by_the_ratio_of_tracts_brings_a_voice_nearer():
    speakers = np.array([[60.0, 2, 1.15, 0.3], [60.0, 2, 0.9, 0.3]])
    speech = draw_speech(speakers, 3, seed=0)  # so low that bands hold several harmonics
    truth = log_mel(speech.waves(np.arange(3), np.ones(3, int)))
    warped = warp_bands(speech.mels[:3], np.full(3, 1.15 / 0.9))
    assert np.abs(warped - truth).mean() < 0.6 * np.abs(speech.mels[:3] - truth).mean()


def test_a_shift_by_the_same_factor_is_a_warp_and_by_two_moves_pitch_and_formants_apart():
    factors = np.linspace(0.8, 1.25, len(SPEECH.mels))
    np.testing.assert_allclose(shift_voice(SPEECH.mels, factors, factors), warp_bands(SPEECH.mels, factors), atol=1e-4)
    speakers = np.array([[100.0, 2, 1.0, 0.0], [150.0, 2, 1.0, 0.0]])  # one tract, two pitches
    speech = draw_speech(speakers, 3, seed=0)
    truth = log_mel(speech.waves(np.arange(3), np.ones(3, int)))
    right, wrong = (shift_voice(speech.mels[:3], *factors) for factors in ((1.5, 1.0), (1.0, 1.5)))
    assert np.abs(right - truth).mean() < 0.8 * np.abs(wrong - truth).mean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_speech(even_speakers(2), 0), "each is 0"),
        (lambda: warp_bands(SPEECH.mels[0], 1.0), r"\(64, 64\)"),
        (lambda: warp_bands(SPEECH.mels, 0.0), "factors above 0"),
        (lambda: shift_voice(SPEECH.mels, 1.0, 1.0, smooth=65), "smooth is 65"),
        (lambda: play({}), "0 clips"),
        (lambda: play({"silence": np.zeros(16_000)}), "silent"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_players_hold_the_sound_and_its_name(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("aelib.figures.sounds.display", shown.append)
    play({"one < two": SPEECH.waves([0])[0], "other": SPEECH.waves([1])[0]})
    assert shown[0].data.count("data:audio/wav;base64,UklGR") == 2 and "one &lt; two" in shown[0].data
    assert "one < two" in shown[0].metadata["alt"]

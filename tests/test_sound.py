"""Spectrograms in mel bands and back, recordings that cannot be used, and how far two voices are apart."""

import numpy as np
import pytest
from scipy.io import wavfile

from aelib.data import (
    RATE,
    check_wave,
    draw_speakers,
    draw_timing,
    griffin_lim,
    log_mel,
    mel_filters,
    read_wave,
    synthesize,
)
from aelib.measures import mel_cepstral_distortion

RNG = np.random.default_rng(0)
TONE = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)


def test_a_tone_is_loudest_in_its_band():
    mels = log_mel(TONE)
    assert mels.shape == (64, 64) and mels.dtype == np.float32
    filters = mel_filters()
    band = filters[:, round(1000 / (RATE / 2) * 512)].argmax()
    assert (mels[5:-5].argmax(axis=1) == band).all()
    louder = log_mel(2 * TONE)
    np.testing.assert_allclose((louder - mels)[5:-5, band], np.log(2), atol=0.01)
    np.testing.assert_array_equal(log_mel(np.stack([TONE, -TONE]))[0], mels)


def test_each_frequency_counts_once_in_all():
    filters = mel_filters()
    assert filters.shape == (64, 513) and filters.min() == 0 and (filters.sum(axis=1) > 0).all()
    first, last = filters[0].argmax() + 1, filters[-1].argmax()
    np.testing.assert_allclose(filters.sum(axis=0)[first:last], 1)
    mel = 2595 * np.log10(1 + filters.argmax(axis=1) / 512 * RATE / 2 / 700)
    steps = np.diff(mel[20:])  # where a band is several frequencies wide
    assert steps.std() < 0.1 * steps.mean()


def test_the_sound_of_a_spectrogram_has_about_this_spectrogram():
    words = RNG.integers(20, size=(1, 4))
    wave = synthesize(words, draw_speakers(1, seed=1), draw_timing(1, seed=1))[0]
    mels = log_mel(wave)
    sound = griffin_lim(mels, rounds=20)
    again = log_mel(sound)
    assert sound.shape == (63 * 256,) and np.isfinite(sound).all()
    noise = log_mel(griffin_lim(mels[RNG.permutation(len(mels))], rounds=20))  # the same frames in another order
    right, wrong = (mel_cepstral_distortion(mels[1:-1], other[1:-1]) for other in (again, noise))
    assert right < 6 and right < 0.3 * wrong
    loud = mels > -5
    assert np.abs(again - mels)[loud].mean() < 0.15
    np.testing.assert_array_equal(griffin_lim(mels, rounds=2), griffin_lim(mels, rounds=2))


def test_distortion_is_that_of_its_definition_and_does_not_hear_loudness():
    one, other = RNG.normal(size=(2, 5, 7, 16))
    basis = np.cos(np.pi / 16 * (np.arange(16) + 0.5) * np.arange(1, 14)[:, None]) * np.sqrt(2 / 16)
    cepstra = (one - other) @ basis.T
    expected = (10 / np.log(10) * np.sqrt(2 * (cepstra**2).sum(axis=-1))).mean()
    assert mel_cepstral_distortion(one, other) == pytest.approx(expected)
    assert mel_cepstral_distortion(one, one + 2.5) == pytest.approx(0, abs=1e-9)


def test_distortion_refuses_what_cannot_be_compared():
    with pytest.raises(ValueError, match=r"\(7, 16\) and \(6, 16\)"):
        mel_cepstral_distortion(np.zeros((7, 16)), np.zeros((6, 16)))
    with pytest.raises(ValueError, match=r"coefficients is 16: expected"):
        mel_cepstral_distortion(np.zeros((7, 16)), np.zeros((7, 16)), 16)


@pytest.mark.parametrize(
    ("wave", "rate", "message"),
    [
        (TONE, 44_100, r"44,100 samples a second: expected 16,000"),
        (np.stack([TONE, TONE], axis=1), RATE, r"shape \(16000, 2\): expected one channel"),
        ((30_000 * TONE).astype("int16"), RATE, r"whole numbers \(int16\): divide"),
        (TONE[:1000], RATE, r"0.06 s long: expected more than 0.25 s"),
        (1e-5 * TONE, RATE, r"silent"),
        (5 * TONE, RATE, r"up to 1.5: expected \[−1, 1\]"),
        (np.clip(5 * TONE, -1, 1), RATE, r"at the extremes, so peaks are cut off"),
        (np.where(TONE > 0.2, np.nan, TONE), RATE, r"samples"),
    ],
)
def test_a_recording_that_cannot_be_used_says_why(wave, rate, message):
    with pytest.raises(ValueError, match=message):
        check_wave(wave, rate)


def test_a_wav_file_is_read_as_it_was_written(tmp_path):
    samples = np.round(32_767 * TONE).astype("int16")
    wavfile.write(tmp_path / "tone.wav", RATE, samples)
    np.testing.assert_allclose(read_wave(tmp_path / "tone.wav"), samples / 32_768, atol=1e-7)
    (tmp_path / "text.wav").write_text("no sound")
    wavfile.write(tmp_path / "float.wav", RATE, TONE.astype("float32"))
    for name, message in (("text.wav", "no WAV file"), ("missing.wav", "no WAV file"), ("float.wav", "of float32")):
        with pytest.raises(ValueError, match=message):
            read_wave(tmp_path / name)


def test_spectrograms_refuse_what_is_none():
    with pytest.raises(ValueError, match=r"shape \(500,\): expected"):
        log_mel(np.zeros(500))
    with pytest.raises(ValueError, match=r"shape \(64, 63\), rounds is 60"):
        griffin_lim(np.zeros((64, 63)))
    with pytest.raises(ValueError, match=r"rounds is 0"):
        griffin_lim(np.zeros((64, 64)), rounds=0)
    with pytest.raises(ValueError, match=r"bands is 0"):
        mel_filters(0)

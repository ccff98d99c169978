"""Voices in two codes: normalization by its definition, what a content code cannot hold, the model as it is saved."""

import keras
import numpy as np
import pytest

from aelib.models import (
    AdaptiveInstanceNormalization,
    InstanceNormalization,
    content_encoder,
    voice_autoencoder,
)

RNG = np.random.default_rng(0)
MELS = (RNG.normal(size=(6, 16, 10)) - 5).astype("float32")
X = (3 * RNG.normal(size=(4, 9, 5)) + 2).astype("float32")


def normalized(x):
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


def test_each_channel_of_each_sequence_has_mean_0_and_variance_1():
    out = np.asarray(InstanceNormalization()(X))
    np.testing.assert_allclose(out, normalized(X), atol=1e-5)
    np.testing.assert_allclose(np.asarray(InstanceNormalization()(7 * X - 3)), out, atol=1e-4)


def test_a_speakers_code_sets_scale_and_shift():
    layer, speaker = AdaptiveInstanceNormalization(), RNG.normal(size=(4, 3)).astype("float32")
    layer([X, speaker])
    kernel, bias = RNG.normal(size=(3, 10)), RNG.normal(size=10)
    layer.set_weights([kernel, bias])
    scale, shift = np.split((speaker @ kernel + bias)[:, None], 2, axis=-1)
    np.testing.assert_allclose(layer([X, speaker]), (1 + scale) * normalized(X) + shift, atol=1e-4)


def test_the_content_code_cannot_hold_what_is_the_same_at_all_frames():
    """A tone that is added to each frame is gone after the first normalization, and is not without it."""
    steady = MELS + RNG.normal(size=10).astype("float32")
    for normalize in (True, False):
        encoder = content_encoder(16, 10, channels=3, normalize=normalize)
        one, other = (np.asarray(encoder(x)) for x in (MELS, steady))
        assert one.shape == (6, 4, 3)
        assert np.allclose(one, other, atol=1e-4) == normalize


def test_it_takes_the_words_of_one_and_the_voice_of_another():
    model = voice_autoencoder(16, 10, channels=3, size=4)
    content, speaker, decoder = (model.get_layer(name) for name in ("content", "speaker", "decoder"))
    others = MELS[::-1].copy()
    converted = np.asarray(model([MELS, others]))
    np.testing.assert_allclose(converted, decoder([content(MELS), speaker(others)]), atol=1e-5)
    assert converted.shape == MELS.shape
    assert np.abs(np.asarray(model([MELS, MELS])) - converted).max() > 1e-4  # the voice makes a difference


def test_it_learns_saves_loads_and_trains_on(tmp_path):
    model = voice_autoencoder(16, 10, channels=6, size=4)
    model.compile(keras.optimizers.Adam(0.01), "mae", jit_compile=False)
    losses = model.fit([MELS, MELS], MELS, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    model.save(tmp_path / "voice.keras")
    loaded = keras.models.load_model(tmp_path / "voice.keras")
    np.testing.assert_allclose(loaded([MELS, MELS]), model([MELS, MELS]), atol=1e-5)
    assert np.isfinite(loaded.fit([MELS, MELS], MELS, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("wrong", [{"frames": 18}, {"channels": 0}, {"size": 2.5}, {"bands": 0}, {"noise": -1.0}])
def test_impossible_sizes_are_named(wrong):
    with pytest.raises(ValueError, match=r"frames that are a multiple of 4"):
        voice_autoencoder(**({"frames": 16, "bands": 10} | wrong))

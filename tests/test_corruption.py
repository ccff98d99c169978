"""Corruption: the distribution of the noise, none outside training, the same for the same seed, saving and loading."""

import keras
import numpy as np
import pytest
from models_that_are_saved import assert_loads_with_equal_outputs_and_trains, dense_model

from aelib.models import GaussianCorruption, MaskingNoise

GREYS = np.random.default_rng(0).random((40, 20, 25, 1)).astype("float32")  # 20,000 values: standard errors are small


@pytest.mark.parametrize("make", [lambda: GaussianCorruption(0.5), lambda: MaskingNoise(0.5)])
def test_corruption_is_the_identity_outside_training(make):
    for x in (GREYS, GREYS * 3 - 1):  # nor are values clipped then
        np.testing.assert_array_equal(make()(x), x)
        np.testing.assert_array_equal(make()(x, training=False), x)
        inputs = keras.Input(x.shape[1:])
        np.testing.assert_array_equal(keras.Model(inputs, make()(inputs)).predict(x, verbose=0), x)
    assert not np.array_equal(make()(GREYS, training=True), GREYS)


@pytest.mark.parametrize("stddev", [0.1, 0.5, 2.0])
def test_gaussian_noise_has_the_mean_and_the_deviation(stddev):
    noise = np.asarray(GaussianCorruption(stddev, clip=False, seed=1)(GREYS, training=True)) - GREYS
    assert abs(noise.mean()) < 5 * stddev / np.sqrt(noise.size)
    assert abs(noise.std() - stddev) < 5 * stddev / np.sqrt(2 * noise.size)
    assert abs(np.corrcoef(noise.ravel(), GREYS.ravel())[0, 1]) < 5 / np.sqrt(noise.size)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 5 / np.sqrt(noise[0].size)  # not one for all


def test_gaussian_noise_is_clipped_to_grey_values():
    unclipped = np.asarray(GaussianCorruption(0.5, clip=False, seed=3)(GREYS, training=True))
    clipped = np.asarray(GaussianCorruption(0.5, seed=3)(GREYS, training=True))
    assert unclipped.min() < 0 and unclipped.max() > 1
    np.testing.assert_array_equal(clipped, np.clip(unclipped, 0, 1))
    np.testing.assert_array_equal(GaussianCorruption(0)(GREYS, training=True), GREYS)


@pytest.mark.parametrize("rate", [0, 0.25, 0.9])
def test_dropped_share_is_the_rate_and_the_rest_is_unchanged(rate):
    x = GREYS + 1  # no value is 0 before
    corrupted = np.asarray(MaskingNoise(rate, seed=1)(x, training=True))
    dropped = corrupted == 0
    np.testing.assert_array_equal(corrupted, np.where(dropped, 0, x))
    assert abs(dropped.mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / x.size)
    per_image = dropped.mean(axis=(1, 2, 3))  # independent: the shares of the images scatter as a binomial's do
    assert abs(per_image.std() - np.sqrt(rate * (1 - rate) / 500)) <= 5 * np.sqrt(rate * (1 - rate) / 500 / 80)


def test_dropped_share_is_the_rate_in_half_precision():
    x = np.ones((200_000,), "float32")
    for rate in (0.001, 0.999):
        share = np.mean(np.asarray(MaskingNoise(rate, seed=1, dtype="bfloat16")(x, training=True), "float32") == 0)
        assert abs(share - rate) <= 5 * np.sqrt(rate * (1 - rate) / x.size)


def test_dropout_scales_what_it_keeps_and_drop_pixels_does_not():
    x, rate = GREYS + 1, 0.25
    kept = np.asarray(keras.layers.Dropout(rate, seed=1)(x, training=True)) / x
    np.testing.assert_allclose(kept[kept != 0], 1 / (1 - rate), rtol=1e-6)
    kept = np.asarray(MaskingNoise(rate, seed=1)(x, training=True)) / x
    np.testing.assert_array_equal(kept[kept != 0], 1)


@pytest.mark.parametrize(
    "make", [lambda seed: GaussianCorruption(0.3, seed=seed), lambda seed: MaskingNoise(0.3, seed)]
)
def test_same_seed_same_noise(make):
    layer = make(7)
    first, second = (np.asarray(layer(GREYS, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)  # new noise for each batch
    np.testing.assert_array_equal(make(7)(GREYS, training=True), first)
    np.testing.assert_array_equal(type(layer).from_config(layer.get_config())(GREYS, training=True), first)
    assert not np.array_equal(make(8)(GREYS, training=True), first)
    keras.utils.set_random_seed(5)
    third = np.asarray(make(None)(GREYS, training=True))
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(make(None)(GREYS, training=True), third)


def test_impossible_noise_is_refused():
    for stddev in (-0.1, float("nan"), float("inf"), "0.5", None):
        with pytest.raises(ValueError, match=r"stddev is "):
            GaussianCorruption(stddev)
    for rate in (-0.1, 1, 1.5, float("nan"), "0.5", None):
        with pytest.raises(ValueError, match=r"rate is "):
            MaskingNoise(rate)


@pytest.mark.parametrize("layer", [GaussianCorruption(0.3, clip=False, seed=4), MaskingNoise(0.3, seed=4)])
def test_saved_models_load_with_equal_outputs_and_train(layer, tmp_path):
    assert_loads_with_equal_outputs_and_trains(dense_model(layer, keras.layers.Dense(6)), tmp_path)

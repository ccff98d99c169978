"""The discretized logistic loss: oracle, sum to 1, gradients, and a VAE that trains with it."""

import keras
import numpy as np
import pytest
from scipy.stats import logistic

from aelib.measures import log_importance_weights
from aelib.models import VAE, logistic_nats, stacked_vae

SHAPE = (6, 5, 1)
RNG = np.random.default_rng(0)
LEVELS = (RNG.integers(0, 256, (30, *SHAPE)) / 255).astype("float32")


def logistic_parameters(images, channels=1):
    """Means and log scales, some far beside the image, some scales far under a level and far over the whole range."""
    means = RNG.uniform(-0.5, 1.5, (*images.shape[:-1], channels))
    return np.concatenate([means, RNG.uniform(-6, 2, means.shape)], axis=-1).astype("float32")


def test_logistic_nats_are_scipys_intervals_summed_over_the_pixels():
    images = RNG.integers(0, 256, (30, *SHAPE)) / 255
    parameters = logistic_parameters(images)
    model = logistic(parameters[..., :1].astype("float64"), np.exp(parameters[..., 1:].astype("float64")))
    low, high = np.where(images == 0, -np.inf, images - 0.5 / 255), np.where(images == 1, np.inf, images + 0.5 / 255)
    # log(P(x > low) − P(x > high)) where both are near 0, log(P(x ≤ high) − P(x ≤ low)) where they are near 1
    log_sf, log_cdf = (np.stack([of(low), of(high)]) for of in (model.logsf, model.logcdf))
    with np.errstate(divide="ignore"):
        expected = np.maximum(
            log_sf[0] + np.log1p(-np.exp(log_sf[1] - log_sf[0])),
            log_cdf[1] + np.log1p(-np.exp(log_cdf[0] - log_cdf[1])),
        )
    nats = np.asarray(logistic_nats(images.astype("float32"), parameters))
    np.testing.assert_allclose(nats, -expected.sum(axis=(1, 2, 3)), rtol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_probabilities_of_all_256_levels_add_up_to_1(channels):
    levels = np.broadcast_to(np.arange(256)[:, None, None, None] / 255, (256, 1, 1, channels)).astype("float32")
    parameters = np.repeat(logistic_parameters(levels[:1], channels), 256, axis=0)
    each = [logistic_nats(levels[..., c : c + 1], parameters[..., [c, channels + c]]) for c in range(channels)]
    for nats in each:
        np.testing.assert_allclose(np.exp(-np.asarray(nats, "float64")).sum(), 1, rtol=1e-3)
    np.testing.assert_allclose(logistic_nats(levels, parameters), np.sum(each, axis=0), rtol=1e-5)


def test_logistic_nats_have_finite_gradients_however_narrow_the_scale():
    images = np.array([0, 1 / 255, 0.5, 1], "float32").reshape(4, 1, 1, 1)
    images = np.round(255 * images) / np.float32(255)
    for log_scale in (-50, -7, 0, 50):
        at = keras.Variable(np.float32([0.2, log_scale]).reshape(1, 1, 1, 2))
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = keras.ops.sum(logistic_nats(images, keras.ops.tile(at, (4, 1, 1, 1))))
            assert np.isfinite(tape.gradient(loss, at.value)).all()
        assert np.isfinite(logistic_nats(images, np.tile(at, (4, 1, 1, 1)))).all()


def grey_vae():
    keras.utils.set_random_seed(0)
    encoder = stacked_vae(SHAPE, (8,), 2).encoder
    codes = keras.Input((2,))
    outputs = keras.layers.Reshape((*SHAPE[:2], 2))(keras.layers.Dense(2 * SHAPE[0] * SHAPE[1])(codes))
    return VAE(encoder, keras.Model(codes, outputs))


def test_mean_of_the_grey_log_importance_weights_is_the_elbo():
    vae, images = grey_vae(), (RNG.integers(0, 256, (20, *SHAPE)) / 255).astype("float32")
    vae.compile("sgd", logistic_nats, jit_compile=False)
    weights = log_importance_weights(vae, images, 300, nats=logistic_nats)
    reported = np.mean([vae.evaluate(images, images, verbose=0, return_dict=True)["loss"] for _ in range(60)])
    assert weights.shape == (300, 20)
    assert abs(-weights.mean() - reported) < 0.02 * reported


def test_vae_of_grey_levels_learns_from_its_loss_and_loads_again(tmp_path):
    vae, images = grey_vae(), LEVELS
    vae.compile(keras.optimizers.Adam(0.01), logistic_nats, jit_compile=False)
    losses = vae.fit(images, images, batch_size=8, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert loaded.loss is logistic_nats
    np.testing.assert_array_equal(loaded.decoder(np.ones((1, 2))), vae.decoder(np.ones((1, 2))))

"""The VAE: the divergence and the likelihoods against SciPy, the draws, the control, saving, and bad input."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy.stats import bernoulli, multivariate_normal, norm

from aelib.measures import gradient_energy, importance_weighted_bound, log_importance_weights
from aelib.models import VAE, Sampling, as_vae, bernoulli_nats, kl_to_prior, stacked_autoencoder, stacked_vae

SHAPE = (6, 5, 1)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, *SHAPE)).astype("float32")
BINARY = (IMAGES > 0.5).astype("float32")


def trained(epochs=3, **options):
    keras.utils.set_random_seed(0)
    vae = stacked_vae(SHAPE, (12,), 3, mean=IMAGES.mean(axis=0), **options)
    vae.compile(keras.optimizers.Adam(0.01), bernoulli_nats, jit_compile=False)
    vae.fit(IMAGES, IMAGES, batch_size=8, epochs=epochs, verbose=0)
    return vae


def test_divergence_agrees_with_numerical_integration():
    z = np.linspace(-30, 30, 400_001)
    for mu, sigma in ((0, 1), (1.5, 0.3), (-2, 2.5)):
        q = norm(mu, sigma)
        integral = np.trapezoid(q.pdf(z) * (q.logpdf(z) - norm.logpdf(z)), z)
        np.testing.assert_allclose(kl_to_prior([[mu]], [[2 * np.log(sigma)]]), [[integral]], rtol=1e-4, atol=1e-6)


def test_divergence_summed_over_codes_is_that_of_the_vector():
    mean, log_variance = RNG.normal(size=(1, 4)), RNG.normal(size=(1, 4))
    q = multivariate_normal(mean[0], np.diag(np.exp(log_variance[0])))
    draws = q.rvs(200_000, random_state=1)
    sampled = q.logpdf(draws) - multivariate_normal(np.zeros(4)).logpdf(draws)
    formula = float(np.sum(kl_to_prior(mean, log_variance)))
    assert abs(formula - sampled.mean()) < 5 * sampled.std() / len(draws) ** 0.5


def test_bernoulli_nats_are_scipys_summed_over_the_pixels():
    p = RNG.uniform(0.01, 0.99, BINARY.shape).astype("float32")
    expected = -bernoulli(p).logpmf(BINARY.astype(int)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(bernoulli_nats(BINARY, p), expected, rtol=1e-5)


def test_grey_values_stand_for_the_mean_over_binarised_images():
    p = RNG.uniform(0.1, 0.9, SHAPE).astype("float32")
    many = (RNG.random((20_000, *SHAPE)) < IMAGES[0]).astype("float32")
    sampled = np.asarray(bernoulli_nats(many, np.broadcast_to(p, many.shape)))
    grey = float(bernoulli_nats(IMAGES[:1], p[None])[0])
    assert abs(grey - sampled.mean()) < 5 * sampled.std() / len(many) ** 0.5


def test_impossible_probabilities_cost_much_but_not_infinitely_much():
    assert np.isfinite(bernoulli_nats(np.ones((1, *SHAPE)), np.zeros((1, *SHAPE), "float32"))).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_bernoulli_nats_are_finite_in_half_precision(dtype):
    """There, 1 − 1e-6 is 1: whoever is sure and wrong would lose infinitely many nats."""
    sure = keras.ops.ones((1, *SHAPE), dtype)
    nats = np.asarray(bernoulli_nats(keras.ops.zeros((1, *SHAPE), dtype), sure))
    np.testing.assert_allclose(nats, 30 * np.log(1e6), rtol=1e-2)


def test_bernoulli_nats_of_a_decoder_are_those_of_its_logits():
    """Against the closed form log(1 + exp(logit)) − image · logit in double precision, far out as well."""
    decoder = stacked_vae((1, 5, 1), (), 5).decoder
    decoder.get_layer("pixels").set_weights([np.eye(5), np.zeros(5)])  # the codes are the logits
    logits = np.array([[-10, -3, 0.5, 4, 10], [-40, -20, 0, 20, 40]])
    for image in (0.0, 0.3, 1.0):
        images = np.full((2, 1, 5, 1), image, "float32")
        expected = (np.logaddexp(0, logits) - image * logits).sum(axis=1)
        np.testing.assert_allclose(bernoulli_nats(images, decoder(logits.astype("float32"))), expected, rtol=1e-5)


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("logit", [-20.0, -3.0, 20.0])
def test_a_decoder_that_is_sure_and_wrong_still_has_a_gradient(logit, graph):
    """By the logit it is p − image, however large the logit is: one step of gradient descent shows it."""
    vae = stacked_vae(SHAPE, (), 2)
    pixels = vae.decoder.get_layer("pixels")
    pixels.set_weights([np.zeros((2, 30)), np.full(30, logit)])
    vae.compile(keras.optimizers.SGD(1.0), bernoulli_nats, jit_compile=False, run_eagerly=not graph)
    wrong = np.full((4, *SHAPE), float(logit < 0), "float32")
    vae.fit(wrong, wrong, verbose=0)
    p = 1 / (1 + np.exp(-logit))
    np.testing.assert_allclose(np.asarray(pixels.bias), logit - (p - (logit < 0)), rtol=1e-5)


def test_draws_have_the_mean_and_deviation_that_they_are_told():
    mean, log_variance = np.full((50_000, 2), (1.0, -3.0)), np.full((50_000, 2), (0.0, -2.0))
    z = np.asarray(Sampling(seed=1)([mean.astype("float32"), log_variance.astype("float32")]))
    assert np.abs(z.mean(axis=0) - mean[0]).max() < 0.03
    np.testing.assert_allclose(z.std(axis=0), np.exp(log_variance[0] / 2), rtol=0.03)
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.03


def test_gradient_passes_through_the_draw():
    mean = keras.Variable(np.full((1, 1), 2.0))
    log_variance = keras.Variable(np.zeros((1, 1)))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        z = Sampling(seed=3)([mean.value, log_variance.value])
        target = keras.ops.sum(z)
    to_mean, to_log_variance = tape.gradient(target, [mean.value, log_variance.value])
    np.testing.assert_allclose(to_mean, [[1.0]])
    np.testing.assert_allclose(to_log_variance, (z - 2) / 2, rtol=1e-5)  # dz/d log σ² = σε/2 = (z − μ)/2


def test_loss_is_reconstruction_plus_beta_times_divergence_at_any_batch_size():
    vae = trained()
    logs = {}
    for beta in (0.0, 1.0, 4.0):
        vae.beta = beta
        for batch in (8, 40):
            keras.utils.set_random_seed(1)
            vae.sampling.seed_generator.state.assign([1, 2])
            logs[beta, batch] = vae.evaluate(IMAGES, IMAGES, batch_size=batch, verbose=0, return_dict=True)
    mean, log_variance = vae.encoder(IMAGES)
    divergence = float(np.sum(kl_to_prior(mean, log_variance))) / len(IMAGES)
    for (_, _), log in logs.items():
        assert log["kl"] == pytest.approx(divergence, rel=1e-4)
    for batch in (8, 40):  # the draws are the same for each beta: only the weight differs
        for beta in (1.0, 4.0):
            more = logs[beta, batch]["loss"] - logs[0.0, batch]["loss"]
            assert more == pytest.approx(beta * divergence, rel=1e-3)


def test_kl_is_the_mean_per_image_when_the_last_batch_is_smaller():
    """40 images in batches of 16, 16 and 8; the posteriors of the last 8 are far from the prior."""
    vae = trained()
    images = np.concatenate([IMAGES[:32], 20 * IMAGES[32:]])
    logs = vae.evaluate(images, IMAGES, batch_size=16, verbose=0, return_dict=True)
    divergence = np.sum(kl_to_prior(*vae.encoder(images)), axis=1)
    assert logs["kl"] == pytest.approx(divergence.mean(), rel=1e-4)
    assert divergence[32:].mean() > 2 * divergence[:32].mean() and logs["loss"] > logs["kl"]


def test_a_sample_weight_weighs_both_parts_of_the_loss():
    """Weight 0 leaves an image out of both; weight 2 counts it twice; the mean is over all images, as in Keras."""
    vae, weights = trained(), np.tile([0.0, 2.0], 20)
    logs = []
    for images, weight in ((IMAGES, weights), (IMAGES[1::2], None)):
        vae.sampling.seed_generator.state.assign([1, 2])
        draw = vae.evaluate(images, images, sample_weight=weight, batch_size=40, verbose=0, return_dict=True)
        logs.append(draw)
    assert logs[0]["kl"] == pytest.approx(logs[1]["kl"], rel=1e-4)
    assert logs[0]["loss"] - logs[0]["kl"] == pytest.approx(logs[1]["loss"] - logs[1]["kl"], rel=0.05)  # other draws
    history = vae.fit(IMAGES, IMAGES, sample_weight=np.zeros(40), epochs=1, verbose=0).history
    assert history["loss"] == [0] and history["kl"] == [0]


def test_called_on_images_a_vae_has_no_losses_and_leaves_its_metric_alone():
    """The divergence belongs to training and evaluation: `compute_loss`."""
    vae = trained()
    vae.reset_metrics()
    shown = np.asarray(vae(IMAGES))
    assert shown.shape == IMAGES.shape and not np.array_equal(shown, vae(IMAGES))  # a new draw
    assert vae.losses == [] and float(vae.kl.result()) == 0


def test_posterior_draws_have_the_posterior_s_mean_and_deviation():
    vae = trained()
    mean, log_variance = (np.asarray(part) for part in vae.encoder(IMAGES[:2]))
    draws = vae.draw_posterior(np.repeat(IMAGES[:2], 5000, axis=0), seed=1).reshape(2, 5000, 3)
    deviation = np.exp(log_variance / 2)
    assert (np.abs(draws.mean(axis=1) - mean) < 5 * deviation / 5000**0.5).all()
    np.testing.assert_allclose(draws.std(axis=1), deviation, rtol=0.06)
    np.testing.assert_array_equal(vae.draw_posterior(IMAGES, 3), vae.draw_posterior(IMAGES, 3))
    rng = np.random.default_rng(3)
    first, second = vae.draw_posterior(IMAGES, rng), vae.draw_posterior(IMAGES, rng)
    np.testing.assert_array_equal(first, vae.draw_posterior(IMAGES, 3))
    assert not np.array_equal(first, second)  # the generator goes on


def test_elbo_of_the_weights_is_that_of_training():
    vae = trained()
    weights = log_importance_weights(vae, BINARY, 400)
    losses = [vae.evaluate(BINARY, BINARY, verbose=0, return_dict=True)["loss"] for _ in range(30)]
    assert weights.shape == (400, 40)
    assert abs(-weights.mean() - np.mean(losses)) < 5 * np.std(losses) / 30**0.5 + 0.02


def test_bound_tends_to_the_likelihood_of_a_model_that_can_be_summed():
    """A decoder that ignores its code: log p(x) is known, and q(z|x) is not the prior."""
    inputs, codes = keras.Input(SHAPE), keras.Input((2,))
    x = keras.layers.Flatten()(inputs)
    heads = [keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer=b)(x) for b in ("ones", "zeros")]
    pixels = keras.layers.Dense(30, "sigmoid", kernel_initializer="zeros")(codes)
    vae = VAE(keras.Model(inputs, heads), keras.Model(codes, keras.layers.Reshape(SHAPE)(pixels)))
    true = -30 * np.log(2)
    weights = log_importance_weights(vae, BINARY, 3000)
    assert weights.mean() == pytest.approx(true - 1.0, abs=0.05)  # KL(N(1, 1) ‖ N(0, 1)) = ½, twice
    assert importance_weighted_bound(weights).mean() == pytest.approx(true, abs=0.1)


def test_bound_agrees_with_numpy_grows_with_the_samples_and_refuses_nonsense():
    weights = RNG.normal(-100, 3, (6, 5))
    np.testing.assert_allclose(importance_weighted_bound(weights), np.log(np.exp(weights).mean(axis=0)))
    np.testing.assert_allclose(importance_weighted_bound(weights[:1]), weights[0])
    assert np.isfinite(importance_weighted_bound(weights - 5000)).all()  # no underflow
    with pytest.raises(ValueError, match=r"\(samples, n\)"):
        importance_weighted_bound(weights[0])
    with pytest.raises(ValueError, match="NaN"):
        importance_weighted_bound(np.full((2, 2), np.nan))


def test_gradient_energy_of_known_images():
    flat, edge = np.full((1, 4, 6, 1), 0.5), np.zeros((1, 4, 6, 1))
    edge[:, :, 3:] = 1
    assert gradient_energy(flat) == 0 and gradient_energy(edge) == 4  # one step in each of four rows
    assert gradient_energy(np.concatenate([flat, edge])) == 2
    with pytest.raises(ValueError, match="expected"):
        gradient_energy(edge[0])


def test_a_large_beta_collapses_the_posterior():
    vae = stacked_vae(SHAPE, (12,), 3, mean=IMAGES.mean(axis=0), beta=1000)
    vae.compile(keras.optimizers.Adam(0.01), bernoulli_nats, jit_compile=False)
    vae.fit(IMAGES, IMAGES, batch_size=8, epochs=60, verbose=0)
    assert np.max(np.mean(kl_to_prior(*vae.encoder(IMAGES)), axis=0)) < 0.01


def test_autoencoder_read_as_vae_is_the_same_function_with_codes_in_order():
    keras.utils.set_random_seed(0)
    plain = stacked_autoencoder(SHAPE, (12,), 3, activation="silu")
    codes = np.asarray(plain.encoder(IMAGES))
    vae = as_vae(plain, codes, 0.2)
    mean, log_variance = (np.asarray(part) for part in vae.encoder(IMAGES))
    np.testing.assert_allclose(mean.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(mean.T), np.eye(3), atol=1e-3)
    np.testing.assert_allclose(np.exp(log_variance / 2), 0.2, rtol=1e-5)
    np.testing.assert_allclose(vae.decoder(mean), plain(IMAGES), atol=1e-5)
    for bad in ({"stddev": 0}, {"codes": codes[:3]}):
        with pytest.raises(ValueError, match="expected stddev > 0"):
            as_vae(plain, **{"codes": codes, "stddev": 0.2, **bad})


def test_a_dead_code_is_named():
    keras.utils.set_random_seed(0)
    plain = stacked_autoencoder(SHAPE, (12,), 4, activation="silu")
    codes = np.array(plain.encoder(IMAGES))
    codes[:, 1], codes[:, 3] = 0.1, 0
    with pytest.raises(ValueError, match=r"codes 1, 3 of 4 are the same for all images: .*a smaller code"):
        as_vae(plain, codes, 0.2)
    codes = np.array(plain.encoder(IMAGES))
    codes[:, 2] = codes[:, 0] - codes[:, 1]
    with pytest.raises(ValueError, match=r"a linear function of the others"):
        as_vae(plain, codes, 0.2)


def test_saved_vae_loads_in_a_new_process_and_trains_on(tmp_path):
    vae = trained(beta=2.5)
    vae.save(tmp_path / "vae.keras")
    np.savez(tmp_path / "expected.npz", *vae.encoder(IMAGES), vae.decoder(np.ones((4, 3))), images=IMAGES)
    script = """
import sys, pathlib, keras, numpy as np
import aelib
folder = pathlib.Path(sys.argv[1])
vae, expected = keras.models.load_model(folder / "vae.keras"), np.load(folder / "expected.npz")
found = [*vae.encoder(expected["images"]), vae.decoder(np.ones((4, 3)))]
for i, value in enumerate(found):
    np.testing.assert_allclose(value, expected[f"arr_{i}"], rtol=1e-5, atol=1e-6)
assert vae.beta == 2.5 and len(vae.trainable_variables) == 10, (vae.beta, len(vae.trainable_variables))
steps = int(vae.optimizer.iterations)
vae.fit(expected["images"], expected["images"], batch_size=8, verbose=0)
assert int(vae.optimizer.iterations) == steps + 5 == 20
print("all equal")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "all equal", done.stderr[-3000:]


@pytest.mark.parametrize("beta", [-0.1, float("nan"), float("inf"), "1", None])
def test_impossible_beta(beta):
    with pytest.raises(ValueError, match=r"beta is .*at least 0"):
        stacked_vae(SHAPE, (4,), 2, beta=beta)
    vae = stacked_vae(SHAPE, (4,), 2)
    with pytest.raises(ValueError, match=r"beta is .*at least 0"):
        vae.beta = beta
    assert vae.beta == 1


def test_parts_that_do_not_belong_together():
    one, other = stacked_vae(SHAPE, (4,), 2), stacked_vae(SHAPE, (4,), 3)
    with pytest.raises(ValueError, match="a mean and a log-variance"):
        VAE(one.encoder, other.decoder)
    plain = stacked_autoencoder(SHAPE, (4,), 2)
    with pytest.raises(ValueError, match="a mean and a log-variance"):
        VAE(plain.encoder, plain.decoder)


@pytest.mark.parametrize("sizes", [((4,), 0), ((0,), 2), ((4,), 2.5)])
def test_impossible_sizes(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        stacked_vae(SHAPE, *sizes)


def test_weights_need_binary_images_and_a_sample():
    vae = stacked_vae(SHAPE, (4,), 2)
    with pytest.raises(ValueError, match="other than 0 and 1"):
        log_importance_weights(vae, IMAGES, 2)
    with pytest.raises(ValueError, match="at least 1"):
        log_importance_weights(vae, BINARY, 0)

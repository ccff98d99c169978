"""The GAN's step, the ring of Gaussians, and what the two refuse."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from aelib.data import CENTRES, SPREAD, make_ring, ring_images
from aelib.figures import draw_field, draw_noise_plane
from aelib.measures import Watch, distance_to_ring, mode_shares, modes_covered, tournament
from aelib.models import GAN, MinibatchStdDev, flat_gradient, ring_networks
from aelib.training import seed_everything


def compiled(networks=None, **options) -> GAN:
    seed_everything(0)
    gan = GAN(*(networks or ring_networks(8)), **options)
    gan.compile(
        keras.optimizers.Adam(0.01, beta_1=0.5),
        keras.optimizers.Adam(0.02, beta_1=0.5),
        jit_compile=False,
        steps_per_execution=2,
    )
    return gan


def conditional(classes: int = 3):
    """Noise and label to a point; a point and its label to a logit."""
    noise, label = keras.Input((2,)), keras.Input((), dtype="int32")
    x = layers.Concatenate()([noise, layers.Embedding(classes, 4)(label)])
    generator = keras.Model([noise, label], layers.Dense(2)(x))
    point, label = keras.Input((2,)), keras.Input((), dtype="int32")
    x = layers.Concatenate()([point, layers.Embedding(classes, 4)(label)])
    return generator, keras.Model([point, label], layers.Dense(1)(x))


def networks(make=(2,), take=(2,), logits=1, batch_norm=False):
    noise = keras.Input((3,))
    x = layers.BatchNormalization()(noise) if batch_norm else noise
    generator = keras.Model(noise, layers.Reshape(make)(layers.Dense(int(np.prod(make)))(x)))
    samples = keras.Input(take)
    return generator, keras.Model(samples, layers.Dense(logits)(layers.Flatten()(samples)))


def both(gan):
    """Copies of the generator's weights, and of the discriminator's."""
    return [[np.array(weight) for weight in network.weights] for network in (gan.generator, gan.discriminator)]


def equal(ones, others) -> list[bool]:
    return [np.array_equal(one, other) for one, other in zip(ones, others, strict=True)]


# ---- the step ----


def test_each_phase_changes_its_own_network_and_no_other():
    gan = compiled()
    start = both(gan)
    gan.discriminator_step(make_ring(32))
    first = both(gan)
    gan.generator_step(32)
    second = both(gan)
    assert all(equal(start[0], first[0])) and not any(equal(start[1], first[1]))
    assert not any(equal(first[0], second[0])) and all(equal(first[1], second[1]))


def test_a_step_is_the_first_phase_and_then_the_second():
    x = make_ring(64)
    by_fit, by_hand = compiled(), compiled()
    start = by_fit.get_weights()
    for gan in (by_fit, by_hand):
        gan.restart(start)
        gan.seed_generator.state.assign([1, 2])
    by_fit.fit(x, batch_size=32, shuffle=False, verbose=0)
    for batch in (x[:32], x[32:]):
        by_hand.discriminator_step(batch)
        by_hand.generator_step(32)
    for one, other in zip(by_fit.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_discriminator_descends_the_cross_entropy(smoothing):
    """One step of plain gradient descent, against the formula −mean[(1−s) log D + s log(1−D)] − mean log(1−D)."""
    gan = GAN(*networks(), smoothing=smoothing)
    gan.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0))
    kernel, bias = (np.array(weight, "float64") for weight in gan.discriminator.weights)
    real = make_ring(16)
    gan.seed_generator.state.assign([3, 4])
    fake = np.asarray(gan.generate(16))
    gan.seed_generator.state.assign([3, 4])
    gan.discriminator_step(real)
    d_real, d_fake = (1 / (1 + np.exp(-(x @ kernel + bias))) for x in (real, fake))
    on_real, on_fake = (d_real - (1 - smoothing)) / 16, d_fake / 16  # the loss by each logit
    expected = kernel - (real.T @ on_real + fake.T @ on_fake), bias - (on_real.sum(axis=0) + on_fake.sum(axis=0))
    for weight, value in zip(gan.discriminator.weights, expected, strict=True):
        np.testing.assert_allclose(weight, value, atol=1e-5)
    loss = -np.mean((1 - smoothing) * np.log(d_real) + smoothing * np.log(1 - d_real)) - np.mean(np.log(1 - d_fake))
    assert float(gan.discriminator_loss.result()) == pytest.approx(loss, rel=1e-4)
    told = np.mean(np.concatenate([d_real > 0.5, d_fake <= 0.5]))
    assert float(gan.accuracy.result()) == pytest.approx(told)


def test_the_two_generator_losses_have_the_same_direction_and_other_sizes():
    gan = compiled()
    logit = tf.Variable(np.linspace(-6, 6, 25, dtype="float32"))
    with tf.GradientTape(persistent=True) as tape:
        minimax = -gan.cross_entropy(tf.zeros_like(logit), logit) * 25
        labelled = gan.cross_entropy(tf.ones_like(logit), logit) * 25
    sigmoid = 1 / (1 + np.exp(-logit.numpy()))
    np.testing.assert_allclose(tape.gradient(minimax, logit), -sigmoid, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(labelled, logit), sigmoid - 1, atol=1e-6)


@pytest.mark.parametrize("minimax", [False, True])
def test_generator_gradient_is_that_of_its_loss(minimax):
    gan = compiled(minimax=minimax)
    noise = np.array([3, 5], "uint32")
    gan.seed_generator.state.assign(noise)
    loss, gradient = gan.generator_gradient(64)
    gan.seed_generator.state.assign(noise)
    logits = np.asarray(gan.discriminator(gan.generate(64)), "float64")
    softplus = np.logaddexp(0, logits if minimax else -logits).mean()
    assert float(loss) == pytest.approx(-softplus if minimax else softplus, rel=1e-5)
    assert [part.shape for part in gradient] == [weight.shape for weight in gan.generator.trainable_variables]
    flat = flat_gradient(gan, 64, minimax=minimax)
    assert flat.shape == (gan.generator.count_params(),)
    np.testing.assert_array_equal(flat, flat_gradient(gan, 64, minimax=minimax))
    assert not np.allclose(flat, flat_gradient(gan, 64, minimax=not minimax))


def test_instance_noise_has_its_size_and_none_by_default():
    point = keras.Input((2,))
    seeing = keras.Model(point, layers.Dense(1, use_bias=False, kernel_initializer="ones")(point))
    x = np.zeros((20_000, 2), "float32")
    for noise in (0, 0.3):
        logits = np.asarray(GAN(networks()[0], seeing, noise=noise).discriminate(x))
        assert logits.std() == pytest.approx(noise * 2**0.5, rel=0.03)


# ---- training ----


def test_it_learns_the_ring():
    gan = compiled(ring_networks(64))
    gan.generator_optimizer.learning_rate, gan.discriminator_optimizer.learning_rate = 0.001, 0.003
    gan.compile(gan.generator_optimizer, gan.discriminator_optimizer, jit_compile=False, steps_per_execution=50)
    watch = Watch(100)
    gan.fit(make_ring(128 * 600), batch_size=128, verbose=0, callbacks=[watch])
    assert watch.at_the_end("covered") >= 6 and watch.at_the_end("near") > 0.4


@pytest.mark.parametrize("kind", ["plain", "minibatch_stddev", "pack", "conditional"])
def test_saved_it_loads_with_equal_samples_and_trains_on_alike(kind, tmp_path):
    parts = {
        "plain": ring_networks(8),
        "minibatch_stddev": ring_networks(8, minibatch_stddev=True),
        "pack": ring_networks(8, pack=2),
        "conditional": conditional(),
    }[kind]
    gan = compiled(parts, smoothing=0.1, noise=0.05, minimax=True)
    x, y = make_ring(64), np.arange(64, dtype="int32") % 3 if kind == "conditional" else None
    gan.fit(x, y, batch_size=16, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert (loaded.smoothing, loaded.noise, loaded.minimax) == (0.1, 0.05, True)
    noise = np.random.default_rng(0).normal(size=(16, 2)).astype("float32")
    inputs = noise if y is None else [noise, y[:16]]
    np.testing.assert_array_equal(gan(inputs), loaded(inputs))
    for name in ("generator_optimizer", "discriminator_optimizer"):
        ones, others = (getattr(model, name).variables for model in (gan, loaded))
        assert all(equal(ones, others))
    for model in (gan, loaded):
        model.seed_generator.state.assign([0, 1])
        model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    for one, other in zip(gan.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_restarted_with_the_same_seed_it_repeats_itself():
    gan, x, runs = compiled(), make_ring(64), []
    for seed in (5, 6, 5):
        seed_everything(seed)
        gan.restart()
        gan.fit(x, batch_size=16, shuffle=False, verbose=0)
        runs.append(gan.get_weights())
    assert all(equal(runs[0], runs[2])) and not any(equal(runs[0], runs[1]))
    assert float(gan.generator_optimizer.learning_rate) == pytest.approx(0.01)
    gan.restart(runs[1])
    assert all(equal(gan.get_weights(), runs[1]))
    assert int(gan.generator_optimizer.iterations) == int(gan.discriminator_optimizer.iterations) == 0


def test_restarted_optimizers_start_from_their_initial_values():
    """Adagrad's sums of squares start at 0.1, not at 0."""
    gan, x, ends = GAN(*ring_networks(8)), make_ring(64), []
    start = gan.get_weights()
    gan.compile(keras.optimizers.Adagrad(0.05), keras.optimizers.Adagrad(0.05), jit_compile=False)
    for again in (False, True):
        if again:
            gan.restart(start)
        gan.seed_generator.state.assign([1, 2])
        gan.fit(x, batch_size=16, shuffle=False, verbose=0)
        ends.append(gan.get_weights())
    assert all(equal(*ends))


def test_conditional_gan_generates_what_it_is_given():
    gan = compiled(conditional())
    x, y = make_ring(32), np.arange(32, dtype="int32") % 3
    assert set(gan.fit(x, y, batch_size=16, verbose=0).history) == {"generator_loss", "discriminator_loss", "accuracy"}
    assert gan([np.zeros((3, 2), "float32"), np.arange(3)]).shape == (3, 2)


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_in_half_precision_both_phases_step_as_in_single_precision(half_precision):
    """The loss is scaled before the gradient is taken and the gradient scaled back, in both phases."""
    half = GAN(*ring_networks(8))
    keras.config.set_dtype_policy("float32")
    single = GAN(*ring_networks(8))
    half.set_weights(single.get_weights())
    start, moved = both(single), {}
    for gan in (half, single):
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), jit_compile=False)
        gan.seed_generator.state.assign([1, 2])
        gan.fit(make_ring(64), batch_size=64, shuffle=False, verbose=0)
        moved[gan] = [[b - a for a, b in zip(*pair, strict=True)] for pair in zip(start, both(gan), strict=True)]
    for ones, others in zip(moved[half], moved[single], strict=True):
        for one, other in zip(ones, others, strict=True):
            np.testing.assert_allclose(one, other, atol=0.02 * np.abs(other).max() + 1e-6)


def test_in_half_precision_it_trains_with_noise_saves_and_loads(half_precision, tmp_path):
    gan = compiled(noise=0.1, replay=8)
    gan.fit(make_ring(64), batch_size=16, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    losses = loaded.fit(make_ring(64), batch_size=16, verbose=0).history
    assert np.isfinite([*losses.values()]).all()
    for name in ("generator_optimizer", "discriminator_optimizer"):
        assert isinstance(getattr(loaded, name), keras.optimizers.LossScaleOptimizer)
        assert int(getattr(loaded, name).iterations) == 8


def test_uncompiled_it_saves_and_loads(tmp_path):
    gan, noise = GAN(*ring_networks(8), smoothing=0.1), np.ones((3, 2), "float32")
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(gan(noise), loaded(noise))
    assert not loaded.compiled and loaded.smoothing == 0.1


# ---- what is refused ----


@pytest.mark.parametrize(
    ("unused", "message"),
    [
        ({"validation_data": (make_ring(8),)}, "found validation_data.*measure generated samples"),
        ({"validation_split": 0.25}, "found validation_split.*measure generated samples"),
        ({"sample_weight": np.ones(32)}, "found sample_weight.*every sample counts the same"),
        ({"class_weight": {0: 2.0}}, "found class_weight.*every sample counts the same"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_a_gan_s_fit_has_no_use_for_is_refused_before_training(unused, message):
    gan = compiled()
    start = gan.get_weights()
    with pytest.raises(ValueError, match=message):
        gan.fit(make_ring(32), verbose=0, **unused)
    gan.fit(make_ring(32), verbose=0, validation_data=None, validation_split=0.0)  # Keras's own defaults are fine
    assert not all(equal(start, gan.get_weights()))


def test_weights_within_a_data_set_are_refused_before_training():
    gan = compiled(conditional())
    start, y = gan.get_weights(), np.zeros(32, "int32")
    batches = tf.data.Dataset.from_tensor_slices((make_ring(32), y, np.ones(32, "float32"))).batch(16)
    with pytest.raises(ValueError, match="found sample_weight"):
        gan.fit(batches, verbose=0)
    assert all(equal(start, gan.get_weights()))


def test_labels_that_are_missing_or_too_many_are_refused():
    x, y = make_ring(32), np.zeros(32, "int32")
    with pytest.raises(ValueError, match=r"found no labels, but the generator takes 1: call fit\(x, y\)"):
        compiled(conditional()).fit(x, verbose=0)
    with pytest.raises(ValueError, match=r"found labels, but the generator takes none: call fit\(x\) without y"):
        compiled().fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="found no labels"):
        compiled(conditional()).fit(tf.data.Dataset.from_tensor_slices(x).batch(16), shuffle=False, verbose=0)


@pytest.mark.parametrize("kind", ["batch normalization", "nested", "minibatch_stddev"])
@pytest.mark.parametrize(("n", "batch_size", "fits"), [(33, 32, 33), (8, 1, 2), (9, 2, 3), (5, 4, 5), (65, None, 33)])
def test_a_batch_of_one_is_refused_where_the_batch_matters(kind, n, batch_size, fits):
    generator, discriminator = networks(batch_norm=kind == "batch normalization")
    if kind == "minibatch_stddev":
        _, discriminator = ring_networks(8, minibatch_stddev=True)
    elif kind == "nested":
        noise = keras.Input((3,))
        inner = keras.Sequential([layers.Dense(2), layers.BatchNormalization()])
        generator = keras.Model(noise, inner(noise))
    gan = compiled((generator, discriminator))
    with pytest.raises(ValueError, match=rf"{n} samples in batches of {batch_size or 32} leave a batch of one"):
        gan.fit(make_ring(n), batch_size=batch_size, verbose=0)
    with pytest.raises(ValueError, match=rf"such as {fits}$"):
        gan.fit(make_ring(n), batch_size=batch_size, verbose=0)
    gan.fit(make_ring(n), batch_size=fits, verbose=0)


def test_a_single_image_is_refused_and_a_batch_of_one_is_fine_where_it_does_not_matter():
    with pytest.raises(ValueError, match=r"choose another batch_size, such as 2, and more samples"):
        compiled(ring_networks(8, minibatch_stddev=True)).fit(make_ring(1), verbose=0)
    losses = compiled().fit(make_ring(5), batch_size=4, verbose=0).history
    assert np.isfinite([*losses.values()]).all()


@pytest.mark.parametrize(("n", "batch_size"), [(31, 8), (32, 5), (30, 8)])
def test_batches_that_make_no_packs_are_refused(n, batch_size):
    with pytest.raises(ValueError, match=rf"{n} samples in batches of {batch_size} do not make packs of 4"):
        compiled(ring_networks(8, pack=4)).fit(make_ring(n), batch_size=batch_size, verbose=0)


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, 1, float("nan"), "0.1", None])
def test_impossible_smoothing_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"smoothing is .*: expected at least 0 .* and less than 0\.5"):
        GAN(*networks(), smoothing=smoothing)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf"), "0.1", None])
def test_impossible_noise_is_refused(noise):
    with pytest.raises(ValueError, match=r"noise is .*: expected a standard deviation, a finite number, at least 0"):
        GAN(*networks(), noise=noise)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (networks((4, 4, 1), (5, 5, 1)), r"samples of the shape \(4, 4, 1\), but the discriminator takes \(5, 5, 1\)"),
        (networks(logits=2), r"discriminator gives the shape \(None, 2\): expected a logit for each sample"),
        ((conditional()[0], networks()[1]), r"1 inputs for labels.* and the discriminator 0, .*or neither"),
        ((networks()[0], conditional()[1]), r"0 inputs for labels.* and the discriminator 1, .*or neither"),
    ],
    ids=["shapes", "logits", "only the generator", "only the discriminator"],
)
def test_networks_that_do_not_fit_each_other_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        GAN(*parts)


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"x has samples of the shape \(3,\), but the generator makes \(2,\)"):
        compiled().fit(np.zeros((32, 3), "float32"), verbose=0)


# ---- the ring ----


def test_the_ring_has_eight_modes_of_the_stated_width():
    x = make_ring(20_000)
    assert x.shape == (20_000, 2) and x.dtype == "float32"
    nearest = np.linalg.norm(x[:, None] - CENTRES, axis=2).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / 20_000, 1 / 8, atol=0.01)
    np.testing.assert_allclose((x - CENTRES[nearest]).std(axis=0), SPREAD, rtol=0.03)
    np.testing.assert_allclose(np.linalg.norm(CENTRES, axis=1), 1, atol=1e-6)
    assert mode_shares(x).sum() == pytest.approx(1 - np.exp(-4.5), abs=0.003)
    assert modes_covered(x) == 8
    assert distance_to_ring(x) == pytest.approx(SPREAD * (np.pi / 2) ** 0.5, rel=0.03)
    np.testing.assert_array_equal(make_ring(10, seed=1), make_ring(10, seed=1))
    assert not np.array_equal(make_ring(10, seed=1), make_ring(10, seed=2))


def test_measures_are_counted():
    samples = np.concatenate([np.repeat(CENTRES[:1], 95, axis=0), np.repeat(CENTRES[3:4], 4, axis=0), [[0.5, 0.1]]])
    assert mode_shares(samples).tolist() == [0.95, 0, 0, 0.04, 0, 0, 0, 0]
    assert mode_shares(samples, np.inf).tolist() == [0.96, 0, 0, 0.04, 0, 0, 0, 0]
    assert modes_covered(samples) == 2  # 4 in 100 is more than a quarter of an eighth
    assert modes_covered(samples[:97]) == 1  # 2 in 97 is less
    assert distance_to_ring(samples) == pytest.approx(np.hypot(0.5, 0.1) / 100, rel=1e-5)


@pytest.mark.parametrize("measure", [mode_shares, modes_covered, distance_to_ring])
def test_impossible_samples_are_refused(measure):
    for shape in ((0, 2), (4, 3), (4,)):
        with pytest.raises(ValueError, match=r"expected points in the plane"):
            measure(np.zeros(shape))
    with pytest.raises(ValueError, match="NaN or infinite"):
        measure(np.full((3, 2), np.nan))


def test_watch_logs_means_since_the_last_look_and_keeps_weights():
    gan, x = compiled(), make_ring(16 * 12)
    every_step = []
    by_step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: every_step.append(dict(logs)))
    watch = Watch(4, frames=(0, 6, 12))
    start = gan.get_weights()
    gan.fit(x, batch_size=16, verbose=0, callbacks=[watch, by_step])
    assert watch.history["step"] == [4, 8, 12]
    assert {len(values) for values in watch.history.values()} == {3}
    for name in ("generator_loss", "discriminator_loss", "accuracy"):
        assert np.mean(watch.history[name]) == pytest.approx(every_step[-1][name], rel=1e-4)
        assert watch.history[name][0] == pytest.approx(every_step[1][name], rel=1e-4)  # two steps an execution
    assert list(watch.kept) == [0, 6, 12]
    assert all(equal(watch.kept[0], start)) and all(equal(watch.kept[12], gan.get_weights()))
    assert watch.at_the_end("step") == 12 and watch.at_the_end("step", 1) == 8
    np.testing.assert_allclose(np.sum(watch.history["nearest"], axis=1), 1)


def test_tournament_is_played_by_everyone_and_leaves_the_gan_as_it_was():
    gan = compiled()
    watch = Watch(4, frames=(2, 4, 8))
    gan.fit(make_ring(16 * 8), batch_size=16, verbose=0, callbacks=[watch])
    own = gan.get_weights()
    accuracy = tournament(gan, watch.kept)
    assert accuracy.shape == (3, 3) and ((accuracy >= 0) & (accuracy <= 1)).all()
    assert all(equal(own, gan.get_weights()))
    gan.set_weights(watch.kept[8])
    told = [np.mean(np.asarray(gan.discriminator(make_ring(1000, seed=1))) > 0)]
    gan.set_weights(watch.kept[2])
    fake = np.asarray(gan.generator(watch.noise))
    gan.set_weights(watch.kept[8])
    told.append(np.mean(np.asarray(gan.discriminator(fake)) <= 0))
    assert accuracy[2, 0] == pytest.approx(np.mean(told))


def test_ring_images_show_the_point():
    images = ring_images(np.array([[1.0, 0.0], [0.0, 1.2], [9.0, 0.0]]), size=29)
    assert images.shape == (3, 29, 29, 1) and images.dtype == "float32"
    assert images.min() >= 0 and images.max() <= 1
    places = [np.unravel_index(image[..., 0].argmax(), (29, 29)) for image in images]
    assert places == [(14, 24), (2, 14), (14, 28)]  # rows count downwards


@pytest.mark.parametrize("options", [{}, {"minibatch_stddev": True}, {"pack": 2}, {"noise_size": 5}])
def test_ring_networks_fit_each_other(options):
    generator, discriminator = ring_networks(8, **options)
    samples = generator(np.zeros((6, options.get("noise_size", 2)), "float32"))
    assert samples.shape == (6, 2)
    assert discriminator(samples).shape == (3 if "pack" in options else 6, 1)
    assert any(isinstance(layer, MinibatchStdDev) for layer in discriminator.layers) == ("minibatch_stddev" in options)


def test_figures_show_every_sample():
    gan = compiled()
    figure, axis = plt.subplots()
    draw_field(axis, gan, title="the field")
    assert axis.get_title(loc=plt.rcParams["axes.titlelocation"]) == "the field"
    assert [len(scatter.get_offsets()) for scatter in axis.collections if len(scatter.get_offsets()) > 1] == [8, 500]
    plt.close(figure)

    noise = np.random.default_rng(0).normal(size=(30, 2))
    samples = np.concatenate([CENTRES, np.zeros((22, 2))])
    figure = draw_noise_plane(noise, samples)
    for axis in figure.axes:
        counts = [len(scatter.get_offsets()) for scatter in axis.collections]
        assert counts == [1] * 8 + [22]  # one near each mode; the last: those near none
    plt.close(figure)

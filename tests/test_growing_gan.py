"""A GAN that grows: its layers against NumPy, its stages against one another, the penalty against a closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from aelib.data import batches, enlarge, shrink
from aelib.models import (
    GAN,
    R1GAN,
    EqualizedConv2D,
    EqualizedConv2DTranspose,
    EqualizedDense,
    Fade,
    MinibatchStdDev,
    PixelNorm,
    growing_discriminator,
    growing_generator,
    set_fade,
    without_device,
)
from aelib.training import FadeIn, averaged, seed_everything

WIDTHS = (6, 5, 4)
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def stages(shape=(16, 16, 3), **options):
    pair = growing_generator(shape, 7, WIDTHS, **options), growing_discriminator(shape, WIDTHS, **options)
    return list(zip(*pair, strict=True))


def compiled(gan, **options):
    adam = keras.optimizers.Adam
    gan.compile(adam(0.01, use_ema=True, ema_momentum=0.9), adam(0.01), jit_compile=False, **options)
    return gan


# ---- layers ----


def test_pixelwise_normalization_makes_the_mean_square_one_at_every_place():
    x = normal(3, 4, 5, 6)
    expected = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(PixelNorm()(x), expected, rtol=1e-5)
    assert np.isfinite(PixelNorm()(np.zeros((2, 3), "float32"))).all()


def test_fade_mixes_old_and_new_and_no_optimizer_moves_alpha():
    old, new, layer = normal(2, 3), normal(2, 3), Fade()
    np.testing.assert_array_equal(layer([old, new]), old)
    layer.alpha.assign(0.3)
    np.testing.assert_allclose(layer([old, new]), 0.7 * old + 0.3 * new, rtol=1e-5)
    assert not layer.trainable_weights


def test_an_equalized_dense_layer_is_a_product_with_scaled_weights():
    layer = EqualizedDense(4, gain=1.5)
    x = normal(5, 9)
    layer.build(x.shape)
    layer.bias.assign(normal(4))
    expected = x @ (np.asarray(layer.kernel) * 1.5 / 3) + np.asarray(layer.bias)  # √9 inputs
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_an_equalized_convolution_is_a_convolution_with_scaled_weights():
    layer, x = EqualizedConv2D(4, 3, strides=2), normal(2, 8, 6, 5)
    usual = layers.Conv2D(4, 3, strides=2, padding="same")
    for each in (layer, usual):
        each.build(x.shape)
    layer.bias.assign(normal(4))
    usual.set_weights([np.asarray(layer.kernel) * np.sqrt(2 / 45), np.asarray(layer.bias)])  # 3 × 3 × 5 inputs
    np.testing.assert_allclose(layer(x), usual(x), rtol=1e-4, atol=1e-5)


def test_an_equalized_transposed_convolution_counts_the_inputs_of_its_outputs():
    layer, x = EqualizedConv2DTranspose(4, 4, strides=2, gain=1), normal(2, 3, 5, 6)
    usual = layers.Conv2DTranspose(4, 4, strides=2, padding="same")
    for each in (layer, usual):
        each.build(x.shape)
    usual.set_weights([np.asarray(layer.kernel) / np.sqrt(24), np.zeros(4)])  # of 4 × 4 places 2 × 2 meet an output
    np.testing.assert_allclose(layer(x), usual(x), rtol=1e-4, atol=1e-5)
    assert layer(x).shape == (2, 6, 10, 4)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (EqualizedDense(200, gain=1), (500, 300)),
        (EqualizedConv2D(50, 3, gain=1), (4, 16, 16, 30)),
        (EqualizedConv2DTranspose(50, 4, strides=2, gain=1), (4, 16, 16, 30)),
    ],
)
def test_an_equalized_layer_keeps_the_variance_of_what_comes_in(layer, shape):
    out = np.asarray(layer(normal(*shape)))
    inner = out[:, 2:-2, 2:-2] if out.ndim == 4 else out  # at the edges some inputs are zeros
    assert inner.var() == pytest.approx(1, abs=0.1)
    assert np.asarray(layer.kernel).std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("gain", [0, -1, float("nan"), "2"])
def test_an_impossible_gain_is_refused(gain):
    with pytest.raises(ValueError, match=r"gain is .*expected a number above 0"):
        EqualizedDense(3, gain=gain)


# ---- stages ----


@pytest.mark.parametrize("shape", [(16, 16, 3), (28, 28, 1), (16, 24, 3)])
def test_each_stage_has_half_the_size_of_the_next(shape):
    sizes = [pair[0].output_shape[1:] for pair in stages(shape)]
    assert sizes == [(shape[0] // k, shape[1] // k, shape[2]) for k in (4, 2, 1)]
    assert [pair[1].input_shape[1:] for pair in stages(shape)] == sizes
    assert all(pair[1].output_shape == (None, 1) for pair in stages(shape))


@pytest.mark.parametrize("level", [1, 2])
def test_with_alpha_0_a_stage_does_what_the_one_before_does(level):
    pairs = stages()
    noise, images = normal(5, 7), RNG.random((5, *pairs[level][0].output_shape[1:])).astype("float32")
    (g1, d1), (g2, d2) = pairs[level - 1 : level + 1]
    set_fade(1, g1, d1)  # the stage before has come in wholly
    np.testing.assert_allclose(g2(noise), enlarge(g1(noise), 2), atol=1e-6)
    np.testing.assert_allclose(d2(images), d1(shrink(images, 2)), atol=1e-5)


def test_with_alpha_1_a_stage_is_the_network_without_a_fade():
    pairs, plain = stages(), stages(fade=False)
    noise, images = normal(5, 7), RNG.random((5, 16, 16, 3)).astype("float32")
    for network, other, x in zip(pairs[2], plain[2], (noise, images), strict=True):
        set_fade(1, network)
        kept = [w for w in network.trainable_weights if _reaches(network, w)]
        assert [w.shape for w in kept] == [w.shape for w in other.trainable_weights]
        other.set_weights([np.asarray(w) for w in kept])
        np.testing.assert_allclose(network(x), other(x), atol=1e-5)


def _reaches(network, weight) -> bool:
    """Whether the output depends on the weight: with α = 1 it does not on the old picture's layer."""
    x = normal(4, *network.input_shape[1:])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.square(network(x)))
    slope = tape.gradient(total, weight.value)
    return bool(np.abs(slope).max() > 0) or weight is network.trainable_weights[-1]


def test_stages_share_their_layers():
    (g1, d1), (g2, d2), _ = stages()
    shared = {id(w) for w in g1.trainable_weights} & {id(w) for w in g2.trainable_weights}
    assert len(shared) == len(g1.trainable_weights)  # the first picture is what the fade starts from
    assert {id(w) for w in d1.trainable_weights} <= {id(w) for w in d2.trainable_weights}
    gan = compiled(R1GAN(g2, d2))
    before = [np.array(w) for w in g1.trainable_weights]
    gan.fit(RNG.random((8, 8, 8, 3)).astype("float32"), batch_size=4, verbose=0)
    assert any((np.asarray(w) != old).any() for w, old in zip(g1.trainable_weights, before, strict=True))


@pytest.mark.parametrize(
    ("shape", "widths", "message"),
    [
        ((30, 30, 3), WIDTHS, "multiples of 4, at least 16"),
        ((16, 18, 3), WIDTHS, "multiples of 4"),
        ((8, 8, 3), WIDTHS, "at least 16"),
        ((16, 16, 3), (), "at least one width"),
        ((16, 16, 4), WIDTHS, r"expected \(height, width, 1 or 3\)"),
        ((16, 16, 3), (6, 0, 4), "at least 1"),
    ],
)
@pytest.mark.parametrize("build", [lambda s, w: growing_generator(s, 7, w), growing_discriminator])
def test_sizes_that_cannot_be_built_are_refused(build, shape, widths, message):
    with pytest.raises(ValueError, match=message):
        build(shape, widths)


# ---- fading in ----


def test_alpha_rises_in_the_first_steps_of_fit_and_stays_at_1():
    generator, discriminator = stages()[1]
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            fades = [layer for model in (generator, discriminator) for layer in model.layers if isinstance(layer, Fade)]
            seen.append([float(layer.alpha.value) for layer in fades])

    gan = compiled(R1GAN(generator, discriminator))
    images = RNG.random((24, 8, 8, 3)).astype("float32")
    for _ in range(2):  # the second fit begins at 0 again
        seen.clear()
        gan.fit(images, batch_size=4, verbose=0, callbacks=[FadeIn(4), Look()])
        assert seen == [[pytest.approx(alpha)] * 2 for alpha in (0.25, 0.5, 0.75, 1, 1, 1)]


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), "1"])
def test_an_impossible_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match=r"alpha is .*expected a number from 0"):
        set_fade(alpha)


@pytest.mark.parametrize("steps", [0, 2.5, None])
def test_an_impossible_fade_is_refused(steps):
    with pytest.raises(ValueError, match=r"steps is .*at least 1"):
        FadeIn(steps)


# ---- R1 ----


def linear_pair(weights=(1.0, -2.0, 2.0)):
    """A discriminator whose slope is known: its weights."""
    generator = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    discriminator = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    discriminator.set_weights([np.array(weights, "float32")[:, None], np.zeros(1, "float32")])
    return generator, discriminator


def test_the_penalty_is_the_squared_slope_of_the_logit():
    assert float(R1GAN(*linear_pair()).penalty(normal(5, 3))) == pytest.approx(9)


def test_the_penalty_step_goes_down_the_penalty_and_leaves_the_last_bias():
    gan = compiled(R1GAN(*linear_pair(), gamma=2, every=4))
    gan.discriminator_optimizer = keras.optimizers.SGD(0.01)
    gan.penalty_step(normal(5, 3))
    kernel, bias = gan.discriminator.get_weights()
    # 4 · 2/2 · ‖w‖² has the gradient 8 w
    np.testing.assert_allclose(kernel[:, 0], np.array([1, -2, 2]) * (1 - 0.08), rtol=1e-5)
    assert bias == 0


@pytest.mark.parametrize(("gamma", "every", "extra"), [(1.0, 3, 3), (1.0, 1, 7), (0.0, 1, 0)])
def test_the_penalty_comes_in_every_so_many_steps(gamma, every, extra):
    gan = compiled(R1GAN(*linear_pair(), gamma=gamma, every=every))
    gan.fit(normal(14, 3), batch_size=2, verbose=0)
    assert int(gan.generator_optimizer.iterations) == 7
    assert int(gan.discriminator_optimizer.iterations) == 7 + extra  # of 7 steps the first, fourth and seventh


def test_without_the_penalty_it_trains_as_a_gan_does():
    x, results = normal(12, 3), []
    for kind, options in ((GAN, {}), (R1GAN, {"gamma": 0})):
        seed_everything(0)
        gan = compiled(kind(*linear_pair(), **options))
        gan.fit(x, batch_size=4, shuffle=False, verbose=0)
        results.append(gan.discriminator.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"gamma": -1}, "gamma is -1"), ({"gamma": float("inf")}, "gamma is inf"), ({"every": 0}, "every is 0")],
)
def test_impossible_penalties_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        R1GAN(*linear_pair(), **options)


# ---- the whole ----


def test_a_growing_gan_saves_loads_and_trains_on(tmp_path):
    gan = compiled(R1GAN(*stages()[1], gamma=0.3, every=2), steps_per_execution=2)
    images = RNG.random((16, 8, 8, 3)).astype("float32")
    gan.fit(batches(images, 4), verbose=0, callbacks=[FadeIn(2)])
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    noise = normal(5, 7)
    np.testing.assert_array_equal(gan(noise), loaded(noise))
    np.testing.assert_array_equal(gan.discriminator(images), loaded.discriminator(images))
    assert (loaded.gamma, loaded.every) == (0.3, 2)
    assert np.isfinite(loaded.fit(batches(images, 4), verbose=0).history["discriminator_loss"]).all()
    assert any(isinstance(layer, Fade) and float(layer.alpha.value) == 1 for layer in loaded.generator.layers)


def test_the_average_of_a_growing_generator_has_its_alpha():
    gan = compiled(R1GAN(*stages()[1]))
    gan.fit(RNG.random((8, 8, 8, 3)).astype("float32"), batch_size=4, verbose=0, callbacks=[FadeIn(8)])
    assert [float(layer.alpha.value) for layer in averaged(gan).layers if isinstance(layer, Fade)] == [0.25]


# ---- one device less ----


def test_each_device_can_be_left_out():
    generator, discriminator = stages(fade=False)[-1]
    noise, images = normal(5, 7), RNG.random((5, 16, 16, 3)).astype("float32")
    for device, kinds in (
        ("pixelwise normalization", PixelNorm),
        ("minibatch standard deviation", MinibatchStdDev),
        ("equalized learning rate", (EqualizedDense, EqualizedConv2D, EqualizedConv2DTranspose)),
    ):
        for network, x in ((generator, noise), (discriminator, images)):
            other = without_device(network, device)
            assert not any(isinstance(layer, kinds) for layer in other.layers)
            assert other(x).shape == network(x).shape
    with pytest.raises(ValueError, match="device is 'growing': expected one of 'equalized"):
        without_device(generator, "growing")


def test_without_the_equalized_rate_weights_begin_as_small_as_equalized_ones_are_used():
    generator = growing_generator((16, 16, 3), 40, (60, 50, 40), fade=False)[-1]
    other = without_device(generator, "equalized learning rate")
    for layer, usual in zip(generator.layers, other.layers, strict=True):
        if hasattr(layer, "gain") and layer.kernel.shape[-1] > 3:
            ratio = np.asarray(usual.kernel).std() / (layer.scale * np.asarray(layer.kernel).std())
            assert ratio == pytest.approx(1, abs=0.06)


# ---- sizes of images ----


def test_shrinking_averages_squares_and_undoes_enlarging():
    images = RNG.random((2, 4, 6, 3)).astype("float32")
    expected = images[:, ::2, ::2] + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]
    np.testing.assert_allclose(shrink(images, 2), expected / 4, rtol=1e-5)
    np.testing.assert_allclose(shrink(enlarge(images, 3), 3), images, rtol=1e-5)
    assert enlarge(images, 2).shape == (2, 8, 12, 3)


@pytest.mark.parametrize("factor", [3, 0, 1.5])
def test_factors_that_do_not_divide_are_refused(factor):
    with pytest.raises(ValueError, match="expected a divisor of both sides"):
        shrink(np.zeros((1, 4, 6, 3)), factor)
    if factor != 3:
        with pytest.raises(ValueError, match="how many times larger"):
            enlarge(np.zeros((1, 4, 6, 3)), factor)

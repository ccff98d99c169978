"""StyleGAN: modulated convolution against kernels of each image's own, styles, truncation, mixtures, saving."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from aelib.models import (
    R1GAN,
    AddNoise,
    EqualizedDense,
    LearnedConstant,
    ModulatedConv2D,
    NoiseMaps,
    SlowDense,
    Styles,
    growing_discriminator,
    mapping_network,
    mean_style,
    mix_styles,
    noise_maps,
    style_generator,
    synthesize,
    truncate,
)
from aelib.training import averaged

WIDTHS = (6, 5, 4)
SHAPE = (16, 16, 3)
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def generator(shape=SHAPE, **options):
    return style_generator(shape, 7, WIDTHS, **options)


# ---- modulated convolution ----


def kernels_of_each_image(layer, style):
    """What the paper's equations 1 and 3 say: `(n, height, width, channels, filters)`."""
    kernels = np.asarray(layer.kernel)[None] * style[:, None, None, :, None] * layer.scale
    if layer.demodulate:
        kernels = layer.gain * kernels / np.sqrt(np.square(kernels).sum(axis=(1, 2, 3), keepdims=True))
    return kernels


@pytest.mark.parametrize("demodulate", [True, False])
def test_scaling_inputs_and_outputs_is_a_kernel_for_each_image(demodulate):
    layer, maps, style = ModulatedConv2D(4, 3, demodulate=demodulate), normal(3, 6, 5, 7), normal(3, 7)
    out = layer([maps, style])
    layer.bias.assign(normal(4))
    out = layer([maps, style])
    usual = keras.layers.Conv2D(4, 3, padding="same")
    usual.build(maps.shape)
    for image, kernel, made in zip(maps, kernels_of_each_image(layer, style), out, strict=True):
        usual.set_weights([kernel, np.asarray(layer.bias)])
        np.testing.assert_allclose(made, usual(image[None])[0], rtol=1e-3, atol=1e-4)


def test_a_modulated_convolution_is_a_grouped_convolution_of_all_images_at_once():
    layer, maps, style = ModulatedConv2D(4, 3), normal(3, 6, 5, 7), normal(3, 7)
    out = np.asarray(layer([maps, style]))
    side_by_side = np.concatenate(maps, axis=-1)[None]  # (1, height, width, images × channels)
    kernels = np.concatenate(kernels_of_each_image(layer, style), axis=-1)  # (…, channels, images × filters)
    grouped = np.asarray(keras.ops.conv(side_by_side, kernels.astype("float32"), padding="same"))[0]
    np.testing.assert_allclose(np.stack(np.split(grouped, 3, axis=-1)), out, rtol=1e-3, atol=1e-4)


def test_whatever_the_style_the_deviation_of_the_output_is_the_gain():
    layer = ModulatedConv2D(80, 3, gain=1.5)
    maps = normal(4, 20, 20, 30)
    for size in (0.01, 1, 100):
        inner = np.asarray(layer([maps, size * normal(4, 30)]))[:, 1:-1, 1:-1]
        assert inner.std() == pytest.approx(1.5, rel=0.1)
    small, large = (np.asarray(layer([maps, size * np.ones((4, 30), "float32")])) for size in (1, 10))
    np.testing.assert_allclose(small, large, rtol=1e-2, atol=1e-3)  # only ratios of a style's numbers count


def test_without_demodulation_the_style_scales_the_output():
    layer, maps, style = ModulatedConv2D(2, 1, demodulate=False), normal(2, 3, 3, 4), normal(2, 4)
    np.testing.assert_allclose(layer([maps, 3 * style]), 3 * np.asarray(layer([maps, style])), rtol=1e-4, atol=1e-5)


def test_a_style_for_other_maps_is_refused():
    with pytest.raises(ValueError, match="a style of 5 numbers for 4 maps"):
        ModulatedConv2D(2, 3)([normal(2, 3, 3, 4), normal(2, 5)])


# ---- constant, noise, styles ----


def test_the_constant_is_the_same_for_all_and_learns():
    layer = LearnedConstant((2, 3, 4))
    out = np.asarray(layer(normal(5, 7)))
    assert out.shape == (5, 2, 3, 4)
    assert (out == np.asarray(layer.maps)).all()
    assert len(layer.trainable_weights) == 1


def test_noise_begins_without_effect_and_then_is_added_with_a_weight_for_each_map():
    layer, maps, noise = AddNoise(), normal(2, 3, 4, 5), normal(2, 3, 4, 1)
    np.testing.assert_array_equal(layer([maps, noise]), maps)
    strength = normal(5)
    layer.strength.assign(strength)
    np.testing.assert_allclose(layer([maps, noise]), maps + noise * strength, rtol=1e-5)


def test_noise_maps_are_standard_normal_and_new_at_every_call():
    layer = NoiseMaps([(20, 30), (40, 10)])
    first, second = layer(normal(50, 3)), layer(normal(50, 3))
    assert [tuple(noise.shape) for noise in first] == [(50, 20, 30, 1), (50, 40, 10, 1)]
    assert np.asarray(first[0]).std() == pytest.approx(1, abs=0.05)
    assert np.asarray(first[0]).mean() == pytest.approx(0, abs=0.05)
    assert not np.allclose(first[0], second[0])


def test_styles_are_w_at_every_level_unless_it_trains():
    w = normal(9, 4)
    styles = np.asarray(Styles(3, mixing=1)(w))
    assert (styles == w[:, None]).all()


def test_mixing_takes_the_levels_from_one_on_from_the_image_beside_it():
    w = normal(2000, 2)
    styles = np.asarray(Styles(4, mixing=0.9)(w, training=True))
    own = (styles == w[:, None]).all(axis=2)
    beside = (styles == np.roll(w, 1, axis=0)[:, None]).all(axis=2)
    assert (own ^ beside).all()
    assert own[:, 0].all()  # the coarsest level is always one's own
    assert (np.diff(own.astype(int), axis=1) <= 0).all()  # and after the first exchanged level all are
    assert (~own[:, 3]).mean() == pytest.approx(0.9, abs=0.03)
    assert (~own[:, 1]).mean() == pytest.approx(0.3, abs=0.03)  # a third of them from level 1 on


@pytest.mark.parametrize("mixing", [-0.1, 1.1, float("nan"), "half"])
def test_an_impossible_share_of_mixing_is_refused(mixing):
    with pytest.raises(ValueError, match=r"mixing is .*from 0 to 1"):
        Styles(3, mixing)


# ---- the mapping network ----


def test_a_slow_layer_computes_what_an_equalized_one_does_and_learns_a_share_as_fast():
    fast, slow, x = EqualizedDense(4), SlowDense(4, speed=0.1), normal(50, 9)
    for layer in (fast, slow):
        layer.build(x.shape)
        layer.bias.assign(normal(4))
    kernel, bias = (np.asarray(w) for w in fast.weights)
    slow.set_weights([10 * kernel, 10 * bias])  # it is drawn so much larger, too
    np.testing.assert_allclose(slow(x), fast(x), rtol=1e-3, atol=1e-4)
    moved = []
    for layer in (fast, slow):
        model = keras.Sequential([layer])
        model.compile(keras.optimizers.Adam(0.001), "mse", jit_compile=False)
        before = np.asarray(model(x))
        model.fit(x, np.zeros((50, 4)), batch_size=50, verbose=0)
        moved.append(np.abs(np.asarray(model(x)) - before).max())
    assert moved[1] == pytest.approx(0.1 * moved[0], rel=0.05)


def test_a_slow_layer_keeps_the_variance_of_what_comes_in():
    layer = SlowDense(200, gain=1)
    assert np.asarray(layer(normal(500, 300))).var() == pytest.approx(1, abs=0.1)
    assert np.asarray(layer.kernel).std() == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("speed", [0, -1, float("nan"), "slow"])
def test_an_impossible_speed_is_refused(speed):
    with pytest.raises(ValueError, match=r"speed is .*expected a number above 0"):
        SlowDense(3, speed=speed)


# ---- the generator ----


@pytest.mark.parametrize(("shape", "widths"), [((32, 32, 3), (6, 5, 4, 3)), ((28, 28, 1), WIDTHS), ((16, 24, 3), (4,))])
def test_a_generator_makes_images_of_its_shape(shape, widths):
    network = style_generator(shape, 7, widths)
    images = np.asarray(network(normal(3, 7)))
    assert images.shape == (3, *shape)
    assert images.min() >= 0 and images.max() <= 1
    synthesis = network.get_layer("synthesis")
    assert synthesis.input_shape[0] == (None, len(widths), 7)
    assert [s[1] for s in synthesis.input_shape[1:]] == [shape[0] // 2**k for k in reversed(range(len(widths)))]


def test_the_generator_is_its_parts():
    network = generator()
    z = normal(4, 7)
    w = network.get_layer("mapping")(z)
    np.testing.assert_allclose(synthesize(network, w), network(z), atol=1e-5)  # the noise has no weight yet


def test_without_depth_the_style_is_z_normalized():
    z = normal(4, 7)
    w = np.asarray(mapping_network(7, 0)(z))
    np.testing.assert_allclose(w, z / np.sqrt(np.square(z).mean(axis=1, keepdims=True)), rtol=1e-4)
    assert not mapping_network(7, 0).weights
    assert len(mapping_network(7, 3).weights) == 6


@pytest.mark.parametrize("depth", [-1, 1.5, True])
def test_an_impossible_depth_is_refused(depth):
    with pytest.raises(ValueError, match=r"depth is .*how many layers the mapping network has"):
        mapping_network(7, depth)


def test_sizes_that_cannot_be_built_are_refused():
    with pytest.raises(ValueError, match="multiples of 4"):
        generator((18, 18, 3))


def test_each_level_s_style_reaches_its_own_size_alone():
    network = generator()
    styles, noise = normal(1, 3, 7), noise_maps(network, 1)
    synthesis = network.get_layer("synthesis")
    inner = keras.Model(synthesis.inputs, [x.output for x in synthesis.layers if isinstance(x, ModulatedConv2D)])
    before = inner([styles, *noise])
    for level in range(3):
        other = mix_styles(mix_styles(styles, normal(1, 3, 7), level), styles, level + 1)  # this level alone
        changed = [not np.allclose(a, b) for a, b in zip(before, inner([other, *noise]), strict=True)]
        assert changed == [k >= level for k in range(4)]  # it, and what is made from it; the picture is the fourth


def test_noise_moves_the_picture_once_it_has_a_weight():
    network = generator()
    w = network.get_layer("mapping")(normal(2, 7))
    one, two = (synthesize(network, w, noise_maps(network, 2, seed)) for seed in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)
    for layer in network.get_layer("synthesis").layers:
        if isinstance(layer, AddNoise):
            layer.strength.assign(np.ones(layer.strength.shape))
    one, two, again = (synthesize(network, w, noise_maps(network, 2, seed)) for seed in (1, 2, 1))
    assert np.abs(one - two).max() > 0.01
    np.testing.assert_array_equal(one, again)


# ---- truncation and mixtures ----


def test_truncation_draws_styles_to_the_mean():
    styles, mean = normal(5, 3, 7), normal(7)
    np.testing.assert_allclose(truncate(styles, mean, 1), styles, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(truncate(styles, mean, 0), np.broadcast_to(mean, styles.shape), rtol=1e-6)
    np.testing.assert_allclose(truncate(styles[:, 0], mean, 0.5), (styles[:, 0] + mean) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("psi", [-0.1, float("nan"), "1"])
def test_an_impossible_truncation_is_refused(psi):
    with pytest.raises(ValueError, match=r"psi is .*expected at least 0"):
        truncate(normal(2, 7), normal(7), psi)


def test_a_mean_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"the mean has the shape \(6,\)"):
        truncate(normal(2, 7), normal(6), 1)


def test_the_mean_style_is_the_mean_of_many():
    network = generator()
    z = np.random.default_rng(5).normal(size=(10_000, 7)).astype("float32")
    expected = np.asarray(network.get_layer("mapping")(z)).mean(axis=0)
    np.testing.assert_allclose(mean_style(network), expected, atol=0.05)


def test_a_mixture_has_the_coarse_levels_of_one_and_the_fine_ones_of_the_other():
    coarse, fine = normal(2, 3, 7), normal(2, 3, 7)
    np.testing.assert_array_equal(mix_styles(coarse, fine, 0), fine)
    np.testing.assert_array_equal(mix_styles(coarse, fine, 3), coarse)
    mixed = mix_styles(coarse, fine, 1)
    np.testing.assert_array_equal(mixed[:, 0], coarse[:, 0])
    np.testing.assert_array_equal(mixed[:, 1:], fine[:, 1:])


@pytest.mark.parametrize("level", [-1, 4, 1.5])
def test_a_level_that_is_not_there_is_refused(level):
    with pytest.raises(ValueError, match=r"level is .*from 0, all, to 3, none"):
        mix_styles(normal(2, 3, 7), normal(2, 3, 7), level)


def test_styles_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="expected one shape"):
        mix_styles(normal(2, 3, 7), normal(2, 3, 6), 1)
    network = generator()
    for shape in ((2, 6), (2, 4, 7)):
        with pytest.raises(ValueError, match=r"expected \(n, 7\) or \(n, 3, 7\)"):
            synthesize(network, normal(*shape))


# ---- training and saving ----


def gan():
    model = R1GAN(generator(), growing_discriminator(SHAPE, WIDTHS, fade=False)[-1], every=2)
    adam = keras.optimizers.Adam
    model.compile(adam(0.01, use_ema=True, ema_momentum=0.9), adam(0.01), jit_compile=False)
    return model


def test_every_weight_learns():
    model = gan()
    before = [w.numpy() for w in model.generator.trainable_variables]
    model.fit(RNG.random((16, *SHAPE), "float32"), batch_size=4, verbose=0)
    after = [w.numpy() for w in model.generator.trainable_variables]
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_a_style_gan_saves_loads_and_trains_on(tmp_path):
    model, images, z = gan(), RNG.random((16, *SHAPE), "float32"), normal(3, 7)
    model.fit(images, batch_size=4, verbose=0)
    model.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    w = np.asarray(model.generator.get_layer("mapping")(z))
    noise = noise_maps(model.generator, 3)
    np.testing.assert_array_equal(synthesize(loaded.generator, w, noise), synthesize(model.generator, w, noise))
    loaded.fit(images, batch_size=4, verbose=0)
    assert np.abs(synthesize(loaded.generator, w, noise) - synthesize(model.generator, w, noise)).max() > 0


def test_a_saved_generator_loads_in_a_new_process_that_imports_aelib_alone(tmp_path):
    network = generator()
    network.save(tmp_path / "generator.keras")
    np.save(tmp_path / "w.npy", normal(2, 7))
    script = """if True:
        import sys
        import aelib, keras, numpy as np
        network = keras.models.load_model(sys.argv[1] + "/generator.keras")
        from aelib.models import synthesize
        np.save(sys.argv[1] + "/images.npy", synthesize(network, np.load(sys.argv[1] + "/w.npy")))
    """
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    expected = synthesize(network, np.load(tmp_path / "w.npy"))
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), expected, atol=1e-6)


def test_the_average_of_a_style_generator_is_a_copy_of_its_own():
    model, z = gan(), normal(3, 7)
    model.fit(RNG.random((16, *SHAPE), "float32"), batch_size=4, verbose=0)
    copy = averaged(model)
    w = [np.asarray(network.get_layer("mapping")(z)) for network in (model.generator, copy)]
    assert copy.get_layer("synthesis") is not model.generator.get_layer("synthesis")
    assert all(np.isfinite(each).all() for each in w)

"""DCGAN: the five guidelines, layer by layer; sizes; the conditional pair; experience replay; what is refused."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from aelib.data import batches
from aelib.models import (
    GAN,
    Autoencoder,
    dcgan_autoencoder,
    dcgan_discriminator,
    dcgan_generator,
    interpolate,
    leave_out,
    noise_slice,
)
from aelib.models.guidelines import INSTEAD
from aelib.training import Snapshots, averaged

SHAPE = (10, 9, 1)
SMALL = {"filters": (6, 4), "kernel_size": 3}  # 10×9 → 5×5 → 3×3


def images(n=12, shape=SHAPE):
    return np.random.default_rng(1).random((n, *shape)).astype("float32")


def noise(n=12, size=3):
    return np.random.default_rng(2).normal(size=(n, size)).astype("float32")


def labels(n=12, classes=3):
    return (np.arange(n) % classes).astype("int32")


def pair(classes=None, **options):
    options = {**SMALL, "classes": classes, **options}
    discriminator = {**options, "filters": tuple(reversed(options["filters"]))}
    return dcgan_generator(SHAPE, 3, **options), dcgan_discriminator(SHAPE, **discriminator)


def compiled(classes=None, ema=False, networks=None, **options):
    gan = GAN(*(networks or pair(classes)), **options)
    adam = keras.optimizers.Adam(0.01, beta_1=0.5, use_ema=ema, ema_momentum=0.9)
    gan.compile(adam, keras.optimizers.Adam(0.01, beta_1=0.5), jit_compile=False)
    return gan


def layers(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def activations(network):
    return [layer.activation.__name__ for layer in layers(network, keras.layers.Activation)]


def before(network, layer):
    """The layer that feeds `layer`."""
    return layer.input._keras_history.operation


# ---- the guidelines ----


def test_the_guidelines_hold_by_default():
    generator, discriminator = dcgan_generator((28, 28, 1)), dcgan_discriminator((28, 28, 1))
    up, down = layers(generator, keras.layers.Conv2DTranspose), layers(discriminator, keras.layers.Conv2D)
    down = [layer for layer in down if layer not in up]
    assert [layer.strides for layer in up] == [layer.strides for layer in down] == [(2, 2)] * 3
    assert not layers(discriminator, keras.layers.MaxPooling2D) and not layers(generator, keras.layers.UpSampling2D)
    # normalized: the first maps and all but the last convolution; all but the first convolution
    assert len(layers(generator, keras.layers.BatchNormalization)) == 3
    normalized = [before(discriminator, layer) for layer in layers(discriminator, keras.layers.BatchNormalization)]
    assert normalized == down[1:]
    assert len(layers(generator, keras.layers.Dense)) == len(layers(discriminator, keras.layers.Dense)) == 1
    assert activations(generator) == ["relu"] * 3 + ["tanh"]
    assert activations(discriminator) == ["leaky_relu"] * 3


def test_images_lie_in_0_1_outside_and_in_tanh_s_range_inside():
    generator = dcgan_generator(SHAPE, 3, **SMALL)
    made = np.asarray(generator(100 * noise()))
    assert made.min() >= 0 and made.max() <= 1
    discriminator = dcgan_discriminator(SHAPE, **SMALL)
    inner = keras.Model(discriminator.input, discriminator.get_layer("to_tanh").output)
    np.testing.assert_allclose(np.asarray(inner(images())), 2 * images() - 1, atol=1e-6)


def test_tanh_scaled_is_the_sigmoid_of_twice_the_logit():
    generator = dcgan_generator(SHAPE, 3, **SMALL)
    logits = keras.Model(generator.input, layers(generator, keras.layers.Activation)[-1].input)
    expected = 1 / (1 + np.exp(-2 * np.asarray(logits(noise())).astype("float64")))
    np.testing.assert_allclose(np.asarray(generator(noise())), expected, atol=1e-6)


# ---- sizes ----


@pytest.mark.parametrize("size", [(28, 28), (20, 24), (16, 16), (17, 31), (33, 16)])
def test_every_size_from_16_on_is_built_with_three_steps(size):
    generator, discriminator = dcgan_generator((*size, 1)), dcgan_discriminator((*size, 1))
    made = generator(noise(2, 16))
    assert made.shape == (2, *size, 1) and discriminator(made).shape == (2, 1)


@pytest.mark.parametrize("builder", [dcgan_generator, dcgan_discriminator])
def test_sizes_that_cannot_be_built_are_refused_and_those_that_can_are_named(builder):
    with pytest.raises(
        ValueError, match=r"all sizes from 16×16 on can be built; with 2, from 8×8 on; with 1, from 4×4"
    ):
        builder((28, 15, 1))
    with pytest.raises(ValueError, match=r"\(3, 9, 1\).*all sizes from 4×4 on"):
        builder((3, 9, 1), filters=(4,))
    assert builder((8, 9, 1), filters=(4, 4)) is not None
    with pytest.raises(ValueError, match="at least one"):
        builder((28, 28, 1), filters=())
    with pytest.raises(ValueError, match="height, width, 1 or 3"):
        builder((28, 28, 2))


@pytest.mark.parametrize("builder", [dcgan_generator, dcgan_discriminator])
def test_other_impossible_arguments_are_refused(builder):
    with pytest.raises(ValueError, match="classes is 1: expected the number of classes, at least 2"):
        builder(SHAPE, classes=1, **SMALL)
    with pytest.raises(ValueError, match="at least 1"):
        builder(SHAPE, filters=(4, 0))


def test_an_autoencoder_takes_no_classes():
    with pytest.raises(ValueError, match=r"classes is 3: .*an autoencoder's decoder takes the code alone"):
        dcgan_autoencoder(SHAPE, 3, classes=3, **SMALL)


# ---- with a choice of class ----


def test_the_number_of_classes_may_be_numpy_s(tmp_path):
    for network in pair(classes=np.int64(3)):
        network.save(tmp_path / "network.keras")
        assert keras.models.load_model(tmp_path / "network.keras").count_params() == network.count_params()
    for classes in (True, 2.0, np.int64(1)):
        with pytest.raises(ValueError, match="expected the number of classes, at least 2"):
            dcgan_generator(SHAPE, 3, classes=classes, **SMALL)


def test_conditional_networks_use_the_label():
    generator, discriminator = pair(classes=3)
    ones = [np.asarray(generator([noise(), np.full(12, label)])) for label in (0, 1)]
    assert ones[0].shape == (12, *SHAPE) and np.abs(ones[0] - ones[1]).max() > 0
    # The projection starts at zero: then the label decides nothing, until it has been trained.
    logits = [np.asarray(discriminator([images(), np.full(12, label)])) for label in (0, 1)]
    np.testing.assert_array_equal(*logits)
    table = layers(discriminator, keras.layers.Embedding)[0].embeddings
    table.assign(np.random.default_rng(0).normal(size=table.shape))
    logits = [np.asarray(discriminator([images(), np.full(12, label)])) for label in (0, 1)]
    assert np.abs(logits[0] - logits[1]).min() > 0


def test_conditional_gan_without_labels_is_refused():
    gan = compiled(classes=3)
    with pytest.raises(ValueError, match=r"found no labels, but the generator takes 1: call fit\(x, y\)"):
        gan.fit(images(), batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="found no labels"):
        gan.fit(batches(images(), 4), verbose=0)
    with pytest.raises(ValueError, match="found 12 images and 11 labels"):
        batches(images(), 4, labels(11))


# ---- training ----


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("replay", [0, 10])
def test_saved_it_loads_with_equal_samples_and_trains_on_alike(classes, replay, tmp_path):
    gan, y = compiled(classes, noise=0.1, replay=replay), labels() if classes else None
    gan.fit(batches(images(), 4, y), verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.replay == replay
    shown = noise() if classes is None else [noise(), y]
    np.testing.assert_array_equal(np.asarray(gan(shown)), np.asarray(loaded(shown)))
    for one, other in zip(gan._memory, loaded._memory, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    for model in (gan, loaded):
        model.seed_generator.state.assign([0, 1])
        model.fit(images(), y, batch_size=4, shuffle=False, verbose=0)
    for one, other in zip(gan.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("classes", [None, 3])
def test_a_dcgan_learns_which_pixels_are_bright(classes):
    """Each class has its own bright column (without classes, one for all)."""
    keras.utils.set_random_seed(0)
    y = labels(64)
    x = np.zeros((64, *SHAPE), "float32")
    columns = 3 * y + 1 if classes else np.full(64, 4)
    x[np.arange(64), :, columns] = 1
    gan = compiled(classes, noise=0.1)
    gan.fit(batches(x, 16, y if classes else None), epochs=60, verbose=0)
    shown = noise(30) if classes is None else [noise(30), labels(30)]
    brightest = np.asarray(gan(shown))[..., 0].mean(axis=1).argmax(axis=1)
    assert np.mean(brightest == (3 * labels(30) + 1 if classes else 4)) > 0.8


def test_a_batch_of_one_image_is_refused():
    with pytest.raises(ValueError, match="batch normalization"):
        compiled().fit(images(9), batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="batch_size is 1 for 12 images: expected at least 2"):
        batches(images(), 1)
    with pytest.raises(ValueError, match="at most the number of images"):
        batches(images(), 13)


def test_batches_are_full_shuffled_and_of_matching_labels():
    x = np.arange(10, dtype="float32").reshape(10, 1, 1, 1)
    rounds = [[(np.asarray(a).ravel(), np.asarray(b)) for a, b in batches(x, 4, np.arange(10))] for _ in range(2)]
    for epoch in rounds:
        assert [len(a) for a, _ in epoch] == [4, 4]
        assert all(np.array_equal(a, b) for a, b in epoch)
        assert len(set(np.concatenate([a for a, _ in epoch]))) == 8
    repeated = [np.asarray(batch).ravel() for batch in batches(x, 10).repeat(3)]
    assert all(sorted(batch) == list(range(10)) for batch in repeated)
    assert not all(np.array_equal(repeated[0], batch) for batch in repeated)


# ---- replay ----


def test_replay_keeps_the_newest_and_shows_half_old_ones():
    gan = compiled(networks=pair(), replay=6)
    for step in range(4):
        new = np.full((4, *SHAPE), step + 1, "float32")
        (shown,) = gan._replayed([tf.constant(new)])
        shown = np.asarray(shown)[:, 0, 0, 0]
        assert len(shown) == 4 and (shown[:2] == step + 1).all()
        newest = np.repeat([1, 2, 3, 4], 4)[: 4 * (step + 1)][-6:]
        assert set(shown) <= set(newest)
        assert sorted(np.asarray(gan._memory[1])[:, 0, 0, 0]) == sorted(np.pad(newest, (6 - len(newest), 0)))
    assert int(gan._memory[0]) == 16


def test_replay_keeps_each_sample_s_label():
    gan = compiled(classes=3, replay=8)
    for _ in range(5):
        told = labels(4)
        new = np.ones((4, *SHAPE), "float32") * told[:, None, None, None]
        shown, kept = gan._replayed([tf.constant(new), tf.constant(told)])
        np.testing.assert_array_equal(np.asarray(shown)[:, 0, 0, 0], np.asarray(kept))


@pytest.mark.parametrize("n", [1, 3, 4])
def test_replay_shows_as_many_as_it_is_given(n):
    gan = compiled(replay=50)
    assert gan._replayed([tf.zeros((n, *SHAPE))])[0].shape[0] == n


def test_without_replay_nothing_is_kept_and_nonsense_is_refused():
    assert compiled()._memory == []
    for replay in (-1, 2.5, "many"):
        with pytest.raises(ValueError, match="replay is"):
            GAN(*pair(), replay=replay)


def test_restart_empties_the_memory():
    gan = compiled(replay=6)
    gan.fit(batches(images(), 4), verbose=0)
    assert int(gan._memory[0]) == 12
    gan.restart()
    assert int(gan._memory[0]) == 0 and not np.asarray(gan._memory[1]).any()


# ---- the helpers of chapter 12 ----


def test_averaged_generator_is_the_mean_of_the_weights_so_far():
    gan, seen = compiled(ema=True), []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append([np.array(v) for v in self.model.generator.trainable_variables])
            self.average = averaged(self.model)
            self.last = [np.array(v) for v in self.model.generator.trainable_variables]

    watch = Watch()
    gan.fit(batches(images(), 4), verbose=0, callbacks=[watch])
    for k, variable in enumerate(watch.average.trainable_variables):
        expected = seen[0][k]
        for step in seen[1:]:
            expected = 0.9 * expected + 0.1 * step[k]
        np.testing.assert_allclose(np.asarray(variable), expected, atol=1e-6)
    for one, other in zip(seen[-1], watch.last, strict=True):
        np.testing.assert_array_equal(one, other)  # averaging a copy leaves the generator alone
    with pytest.raises(ValueError, match="use_ema=True"):
        averaged(compiled())


def test_snapshots_look_when_told_and_keep_the_clock():
    gan = compiled(ema=True)
    looked = Snapshots(lambda network: np.asarray(network(noise())), (1, 3), average=True)
    gan.fit(batches(images(), 4), epochs=3, verbose=0, callbacks=[looked])
    assert list(looked.kept) == list(looked.kept_average) == [1, 3] and list(looked.seconds) == [1, 2, 3]
    assert not np.array_equal(looked.kept[1], looked.kept[3])
    assert list(looked.seconds.values()) == sorted(looked.seconds.values())
    assert {"generator_loss", "accuracy"} <= set(looked.logs[2])


def test_autoencoder_s_decoder_fits_into_the_generator():
    model = dcgan_autoencoder(SHAPE, 3, **SMALL)
    assert isinstance(model, Autoencoder)
    generator = dcgan_generator(SHAPE, 3, **SMALL)
    generator.set_weights(model.decoder.get_weights())
    np.testing.assert_array_equal(np.asarray(generator(noise())), np.asarray(model.decoder(noise())))
    codes = np.asarray(model.encoder(images(200), training=True))
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(codes.std(axis=0), 1, atol=0.05)


def test_walks_stay_as_long_as_draws_and_meet_their_ends():
    starts, ends = noise(4000, 5), np.random.default_rng(3).normal(size=(4000, 5)).astype("float32")
    path = interpolate(starts, ends, 9)
    assert path.shape == (4000, 9, 5)
    np.testing.assert_allclose(path[:, 0], starts, atol=1e-6)
    np.testing.assert_allclose(path[:, -1], ends, atol=1e-6)
    np.testing.assert_allclose(np.square(path).sum(axis=2).mean(axis=0), 5, rtol=0.05)


def test_slice_is_a_plane_through_0_row_by_row():
    xs, ys = np.linspace(-1, 1, 3), np.linspace(-1, 1, 5)
    codes = noise_slice(8, xs, ys)
    assert codes.shape == (15, 8) and np.linalg.matrix_rank(codes, tol=1e-4) == 2
    np.testing.assert_allclose(codes[7], 0, atol=1e-6)
    np.testing.assert_allclose(np.square(codes[-1]).sum(), 8, rtol=1e-5)
    np.testing.assert_allclose(codes[1] - codes[0], codes[2] - codes[1], atol=1e-6)  # x runs along a row
    with pytest.raises(ValueError, match="at least 2 numbers"):
        noise_slice(1, xs, ys)


def test_every_guideline_is_named_where_it_acts():
    source = inspect.getsource(dcgan_generator) + inspect.getsource(dcgan_discriminator)
    assert all(f"guideline {k}" in source or f"guidelines {k}" in source or f"and {k}" in source for k in range(1, 6))


# ---- without a guideline ----


@pytest.mark.parametrize("guideline", list(INSTEAD))
@pytest.mark.parametrize("classes", [None, 3])
def test_without_a_guideline_inputs_and_outputs_stay_and_a_gan_of_the_two_trains(guideline, classes):
    networks = [leave_out(network, guideline) for network in pair(classes)]
    for network, original in zip(networks, pair(classes), strict=True):
        assert network.output_shape == original.output_shape
        assert [i.shape for i in network.inputs] == [i.shape for i in original.inputs]
    gan = compiled(networks=networks, noise=0.1)
    before = [np.array(v) for v in gan.trainable_variables]
    gan.fit(images(), None if classes is None else labels(), batch_size=4, verbose=0)
    assert all(np.isfinite(np.asarray(v)).all() for v in gan.trainable_variables)
    moved = [np.abs(np.asarray(v) - old).max() > 0 for v, old in zip(gan.trainable_variables, before, strict=True)]
    assert np.mean(moved) > 0.9  # biases before a normalization have no gradient but for rounding
    made = np.asarray(networks[0](noise() if classes is None else [noise(), labels()]))
    assert made.min() >= 0 and made.max() <= 1


def inner_layers(network):
    """The layers of a network, those inside its stand-ins included."""
    return [each for layer in network.layers for each in getattr(layer, "layers", [layer])]


def test_each_guideline_is_left_out_and_no_other():
    def count(network, kind):
        return sum(isinstance(layer, kind) for layer in inner_layers(network))

    def without(guideline):
        return [leave_out(network, guideline) for network in pair()]

    whole = pair()
    norms = [count(network, keras.layers.BatchNormalization) for network in whole]
    generator, discriminator = without("strides")
    assert count(generator, keras.layers.UpSampling2D) == count(discriminator, keras.layers.MaxPooling2D) == 2
    assert count(generator, keras.layers.Conv2DTranspose) == 0
    down = [layer for layer in inner_layers(discriminator) if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.strides for layer in down] == [(1, 1)] * 2
    assert [count(n, keras.layers.BatchNormalization) for n in (generator, discriminator)] == norms
    assert [count(n, keras.layers.BatchNormalization) for n in without("normalization")] == [0, 0]
    assert [count(n, keras.layers.BatchNormalization) for n in without("its place")] == [n + 1 for n in norms]
    for network in without("no hidden layer"):
        assert 256 in [layer.units for layer in inner_layers(network) if isinstance(layer, keras.layers.Dense)]
    names = [
        [each.activation.__name__ for each in inner_layers(n) if isinstance(each, keras.layers.Activation)]
        for n in without("activations")
    ]
    assert names == [["leaky_relu", "leaky_relu", "sigmoid"], ["relu", "relu"]]


def test_pooling_and_repeated_pixels_have_the_parameters_of_strides_and_weights_are_drawn_anew():
    for network in pair():
        other = leave_out(network, "strides")
        assert other.count_params() == network.count_params()
        kernels = [[w for w in n.get_weights() if w.ndim > 1 and w.any()] for n in (network, other)]
        assert all(not np.array_equal(a, b) for a, b in zip(*kernels, strict=True))


def test_an_unknown_guideline_is_refused():
    with pytest.raises(ValueError, match="guideline is 'sixth': expected one of 'strides', 'normalization'"):
        leave_out(pair()[0], "sixth")

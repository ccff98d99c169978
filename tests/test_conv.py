"""Convolutional autoencoders: every way up on sizes that do and do not divide, against loops in NumPy."""

import itertools

import keras
import numpy as np
import pytest

from aelib.models import (
    WAYS_UP,
    Autoencoder,
    MaskingNoise,
    MaxPoolWithSwitches,
    MaxUnpool,
    around_mean,
    conv_autoencoder,
    describe,
    up_block,
)

RNG = np.random.default_rng(0)
KINDS = [(up, pooling) for up in WAYS_UP for pooling in (True, False) if pooling or up != "switches"]
SIZES = [(8, 8), (27, 21), (5, 7), (6, 5), (1, 1), (28, 3)]


def images(size, n=4):
    return np.random.default_rng(1).random((n, *size, 1)).astype("float32")


def parts(codes):
    return codes if isinstance(codes, list) else [codes]


@pytest.mark.parametrize(("up", "pooling"), KINDS)
def test_any_image_size_comes_back_and_parts_make_the_whole(up, pooling):
    for size in SIZES:
        x = images(size)
        model = conv_autoencoder((*size, 1), (3, 4), 5, up=up, pooling=pooling, hidden=(6,), mean=x.mean(axis=0))
        assert isinstance(model, Autoencoder) and model.decoder.output_shape == (None, *size, 1)
        codes = model.encoder(x)
        assert parts(codes)[0].shape == (4, 5)
        np.testing.assert_allclose(np.asarray(model.decoder(codes)), np.asarray(model(x)), rtol=1e-5, atol=1e-6)
        assert np.min(model(x)) >= 0 and np.max(model(x)) <= 1


@pytest.mark.parametrize(("up", "pooling"), KINDS)
def test_maps_halve_and_round_up(up, pooling):
    model = conv_autoencoder((27, 21, 1), (3, 4), 5, up=up, pooling=pooling)
    flat = next(layer for layer in model.encoder.layers if isinstance(layer, keras.layers.Flatten))
    assert flat.input.shape == (None, 7, 6, 4)  # 27 → 14 → 7 and 21 → 11 → 6
    convolutions = [layer for layer in model.encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [3, 4]
    assert all(layer.strides == ((1, 1) if pooling else (2, 2)) for layer in convolutions)


@pytest.mark.parametrize(("up", "pooling"), KINDS)
def test_decoder_starts_at_the_mean(up, pooling):
    """Where the maps are zeros, as they are for a code of zeros before training."""
    mean = images((5, 7)).mean(axis=0)
    model = conv_autoencoder((5, 7, 1), (3, 4), 5, up=up, pooling=pooling, mean=mean)
    inputs = [np.zeros((1, *tensor.shape[1:]), "float32") for tensor in model.decoder.inputs]
    answer = np.asarray(model.decoder(inputs if len(inputs) > 1 else inputs[0]))[0]
    np.testing.assert_allclose(answer, mean, atol=1e-5)


def test_around_mean_adds_the_log_odds():
    mean = images((5, 7))[0]
    maps = RNG.normal(size=(3, 5, 7, 1)).astype("float32")
    expected = 1 / (1 + np.exp(-(maps + np.log(mean / (1 - mean)))))
    inputs = keras.Input((5, 7, 1))
    for form in (mean, mean[:, :, 0], mean.ravel()):
        model = keras.Model(inputs, around_mean(inputs, form))
        np.testing.assert_allclose(np.asarray(model(maps)), expected, atol=1e-5)
    plain = np.asarray(keras.Model(inputs, around_mean(inputs))(maps))
    np.testing.assert_allclose(plain, 1 / (1 + np.exp(-maps)), atol=1e-6)


def test_mean_of_black_and_white_pixels_is_kept_finite():
    for value, expected in ((0, 0.01), (1, 0.99)):
        model = conv_autoencoder((6, 6, 1), (2,), 3, mean=np.full((6, 6, 1), value))
        np.testing.assert_allclose(np.asarray(model.decoder(np.zeros((1, 3), "float32"))), expected, atol=1e-5)


# ---- switches ----


def test_codes_of_the_switches_model_are_a_list_that_its_decoder_takes():
    x = images((7, 5))
    model = conv_autoencoder((7, 5, 1), (3, 4), 6, up="switches")
    codes, *switches = model.encoder(x)
    assert codes.shape == (4, 6)
    assert [tuple(where.shape) for where in switches] == [(4, 7, 5, 3), (4, 4, 3, 4)]  # levels 1 and 2
    for where in switches:
        assert set(np.unique(where)) == {0, 1}
    assert [tensor.shape[1:] for tensor in model.decoder.inputs] == [(6,), (7, 5, 3), (4, 3, 4)]


def test_switches_of_another_image_change_the_answer():
    x = images((8, 8))
    model = conv_autoencoder((8, 8, 1), (3, 4), 6, up="switches")
    codes, *switches = (np.asarray(part) for part in model.encoder(x))
    own = np.asarray(model.decoder([codes, *switches]))
    swapped = np.asarray(model.decoder([codes, *(where[::-1] for where in switches)]))
    assert np.abs(own - swapped).max() > 1e-3


@pytest.mark.parametrize("up", ["transposed", "repeat"])
def test_models_without_switches_have_none(up):
    model = conv_autoencoder((8, 8, 1), (3,), 5, up=up)
    assert len(model.decoder.inputs) == len(model.encoder.outputs) == 1
    kinds = [type(layer) for part in (model.encoder, model.decoder) for layer in part.layers]
    assert MaxPoolWithSwitches not in kinds and MaxUnpool not in kinds


# ---- one level up, by hand ----


def convolved(x, kernel, bias):
    """A convolution of stride 1 with zeros around, as Keras does it: a cross-correlation."""
    size = kernel.shape[0]
    before, (n, height, width, _) = (size - 1) // 2, x.shape
    padded = np.pad(x.astype("float64"), ((0, 0), (before, size - 1 - before), (before, size - 1 - before), (0, 0)))
    out = np.zeros((n, height, width, kernel.shape[3]))
    for row, column in itertools.product(range(size), range(size)):
        out += padded[:, row : row + height, column : column + width] @ kernel[row, column]
    return out + bias


def level_up(x, to, count, up, size, activation=None, switches=()):
    inputs = [keras.Input(array.shape[1:]) for array in (x, *switches)]
    outputs = up_block(inputs[0], to, count, up=up, switches=inputs[1:], size=size, activation=activation)
    model = keras.Model(inputs, outputs)
    model.set_weights([RNG.normal(size=w.shape).astype("float32") for w in model.get_weights()])  # biases, too
    return np.asarray(model([x, *switches])), *model.get_weights()


@pytest.mark.parametrize(("to", "size"), [((6, 8), 1), ((5, 7), 2), ((6, 7), 3), ((5, 8), 5)])
def test_grow_by_repeat_is_numpys_repeat_and_a_convolution(to, size):
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    found, kernel, bias = level_up(x, to, 3, "repeat", size, "relu")
    blocks = x.repeat(2, axis=1).repeat(2, axis=2)[:, : to[0], : to[1]]
    np.testing.assert_allclose(found, np.maximum(convolved(blocks, kernel, bias), 0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("to", [(6, 8), (5, 7)])
def test_grow_by_switches_is_unpooling_and_a_convolution(to):
    full = RNG.normal(size=(2, *to, 5)).astype("float32")
    x, switches = (np.asarray(part) for part in MaxPoolWithSwitches(2)(full))
    found, kernel, bias = level_up(x, to, 3, "switches", 3, switches=[switches])
    np.testing.assert_allclose(found, convolved(full * switches, kernel, bias), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("to", "size"), [((6, 8), 2), ((5, 7), 3), ((5, 8), 4), ((6, 7), 3)])
def test_grow_by_transposed_convolution_is_the_loop(to, size):
    """Every input value lays a multiple of the kernel on the output, two places on from the one before."""
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    found, kernel, bias = level_up(x, to, 3, "transposed", size)
    n, height, width, _ = x.shape
    full = np.zeros((n, 2 * height + size - 2, 2 * width + size - 2, 3))
    for i, j in itertools.product(range(height), range(width)):
        for row, column in itertools.product(range(size), range(size)):
            full[:, 2 * i + row, 2 * j + column] += x[:, i, j].astype("float64") @ kernel[row, column].T
    start = (size - 2) // 2  # "same": what stands over twice the size is cut, the odd one below and on the right
    same = full[:, start : start + 2 * height, start : start + 2 * width]
    np.testing.assert_allclose(found, same[:, : to[0], : to[1]] + bias, rtol=1e-4, atol=1e-4)


# ---- refusals, corruption, description, saving ----


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (((8, 8, 1), (3,), 5), {"up": "bilinear"}, r"up='bilinear'.*transposed, repeat, switches"),
        (((8, 8, 1), (3,), 5), {"up": None}, r"up=None"),
        (((8, 8, 1), (), 5), {}, r"filters=\(\)"),
        (((8, 8, 1), (3,), 5), {"up": "switches", "pooling": False}, r"pooling=False"),
        (((8, 8, 1), (3, 0), 5), {}, r"at least 1"),
        (((8, 8, 1), (3,), -5), {}, r"at least 1"),
        (((8, 8, 1), (3,), 2.5), {}, r"whole number of units"),
        (((8, 8, 1), (3,), 5), {"hidden": (0,)}, r"at least 1"),
        (((8, 8, 1), (3,), 5), {"kernel_size": 0}, r"at least 1"),
        (((8, 8), (3,), 5), {}, r"input_shape is \(8, 8\)"),
        (((8, 8, 2), (3,), 5), {}, r"\(height, width, 1 or 3\)"),
        (((0, 8, 1), (3,), 5), {}, r"\(height, width, 1 or 3\)"),
        (((8, 8, 1), (3,), 5), {"mean": np.zeros((4, 4))}, r"mean has the shape \(4, 4\)"),
        (((8, 8, 1), (3,), 5), {"mean": np.full((8, 8), np.nan)}, r"NaN or infinite: True"),
    ],
)
def test_impossible_models_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        conv_autoencoder(*arguments, **options)


def test_corruption_stands_before_the_first_convolution_in_training_only():
    keras.utils.set_random_seed(0)  # three filters: now and then they hardly see the pixels
    x = images((6, 6), n=8)
    model = conv_autoencoder((6, 6, 1), (3,), 4, corruption=MaskingNoise(0.9, seed=1))
    assert isinstance(model.encoder.layers[1], MaskingNoise)
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(model(x)))
    assert np.abs(np.asarray(model(x, training=True)) - np.asarray(model(x))).max() > 1e-3


@pytest.mark.parametrize(("up", "pooling"), KINDS)
def test_describe_names_sizes_and_counts_parameters(up, pooling):
    model = conv_autoencoder((7, 5, 1), (3, 4), 6, up=up, pooling=pooling, hidden=(9,))
    lines = describe(model).splitlines()
    halves = " → 7×5×3 → 4×3×3 → 4×3×4 → 2×2×4" if pooling else " → 4×3×3 → 2×2×4"
    assert lines[0] == f"encoder: 7×5×1{halves} → 16 → 9 → 6 · {model.encoder.count_params():,} parameters"
    assert lines[1].startswith("decoder: 6 → 9 → 16 → 2×2×4 → ") and " → 7×5×1 · " in lines[1]
    assert lines[2] == f"together: {sum(w.size for w in model.get_weights()):,} parameters"


def test_describe_shows_the_switches_beside_the_code():
    model = conv_autoencoder((7, 5, 1), (3, 4), 6, up="switches")
    assert describe(model).splitlines()[1].startswith("decoder: 6 → 16 → 2×2×4 → 4×3×4 → 4×3×3 → 7×5×3 → 7×5×1 ·")


@pytest.mark.parametrize(("up", "pooling"), [("transposed", False), ("switches", True)])
def test_it_trains(up, pooling):
    keras.utils.set_random_seed(0)  # how far a few steps lead depends on where they start
    x = images((7, 5), n=16)
    model = conv_autoencoder((7, 5, 1), (3, 4), 6, up=up, pooling=pooling, mean=x.mean(axis=0))
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    before = model.get_weights()
    losses = model.fit(x, x, batch_size=8, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))

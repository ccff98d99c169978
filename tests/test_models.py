"""Layers and builders: against NumPy, through saving and loading in a new process, and with impossible sizes."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from aelib import dense
from aelib.dense import (
    Autoencoder,
    describe,
    linear_autoencoder,
    one_neuron_autoencoder,
    source,
    stacked_autoencoder,
)
from aelib.layers import FourierExpansion, TransposedDense

SHAPE = (6, 5, 1)
IMAGES = np.random.default_rng(0).random((12, *SHAPE)).astype("float32")
MEAN = IMAGES.mean(axis=0)
# Every kind of model that a chapter builds.
BUILDERS = {
    "linear": lambda: linear_autoencoder(SHAPE, 3, mean=MEAN),
    "linear tied": lambda: linear_autoencoder(SHAPE, 3, mean=MEAN, tied=True),
    "linear uncentred": lambda: linear_autoencoder(SHAPE, 3),
    "overcomplete": lambda: linear_autoencoder(SHAPE, 40, mean=MEAN, tied=True),
    "deep linear": lambda: stacked_autoencoder(SHAPE, (9, 7), 3, activation=None, output_activation=None, mean=MEAN),
    "sigmoid": lambda: stacked_autoencoder(SHAPE, (9,), 4, activation="sigmoid", code_activation="sigmoid"),
    "stacked": lambda: stacked_autoencoder(SHAPE, (9, 7), 3, activation="silu", mean=MEAN),
    "stacked tied": lambda: stacked_autoencoder(SHAPE, (9, 7), 3, mean=MEAN, tied=True),
    "one neuron": lambda: one_neuron_autoencoder(SHAPE, 16),
}


def compiled(model):
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    return model


def outputs(model):
    """Of the whole, the encoder, and the decoder on the encoder's codes."""
    codes = np.asarray(model.encoder(IMAGES))
    return [np.asarray(model(IMAGES)), codes, np.asarray(model.decoder(codes))]


@pytest.mark.parametrize("kind", BUILDERS)
def test_shapes_and_parts(kind):
    model = BUILDERS[kind]()
    whole, codes, rebuilt = outputs(model)
    assert whole.shape == rebuilt.shape == IMAGES.shape and codes.ndim == 2
    np.testing.assert_allclose(whole, rebuilt, rtol=1e-5, atol=1e-6)
    assert isinstance(model.encoder, keras.Model) and isinstance(model.decoder, keras.Model)


def test_saved_models_load_in_a_new_process_and_train_on(tmp_path):
    for kind, build in BUILDERS.items():
        model = compiled(build())
        model.fit(IMAGES, IMAGES, epochs=2, batch_size=4, verbose=0)
        model.save(tmp_path / f"{kind}.keras")
        model.fit(IMAGES, IMAGES, epochs=1, batch_size=12, verbose=0)
        np.savez(
            tmp_path / f"{kind}.npz", *outputs(keras.models.load_model(tmp_path / f"{kind}.keras")), *outputs(model)
        )
    np.save(tmp_path / "images.npy", IMAGES)
    script = """
import sys, pathlib
import aelib, aelib.dense, keras, numpy as np
folder = pathlib.Path(sys.argv[1])
images = np.load(folder / "images.npy")
def outputs(model):
    codes = np.asarray(model.encoder(images))
    return [np.asarray(model(images)), codes, np.asarray(model.decoder(codes))]
for file in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(file)
    found = outputs(model)
    model.fit(images, images, epochs=1, batch_size=12, verbose=0)  # the optimizer's state came along
    found += outputs(model)
    expected = np.load(file.with_suffix(".npz"))
    for key, value in zip(expected.files, found, strict=True):
        np.testing.assert_allclose(value, expected[key], rtol=1e-4, atol=1e-5, err_msg=f"{file.stem}, {key}")
    if "tied" in file.stem or "over" in file.stem:
        mirrored = [layer.dense for layer in model.decoder.layers if hasattr(layer, "dense")]
        assert mirrored and all(layer in model.encoder.layers for layer in mirrored), file.stem
print("all equal")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "all equal", done.stderr[-3000:]


def test_tied_model_shares_its_kernels_after_loading_and_a_step(tmp_path):
    model = compiled(stacked_autoencoder(SHAPE, (9, 7), 3, tied=True))
    model.fit(IMAGES, IMAGES, verbose=0)
    model.save(tmp_path / "tied.keras")
    for copy in (keras.models.load_model(tmp_path / "tied.keras"), compiled(keras.models.clone_model(model))):
        before = [w.copy() for w in copy.get_weights()]
        copy.fit(IMAGES, IMAGES, verbose=0)
        assert any(not np.array_equal(a, b) for a, b in zip(before, copy.get_weights(), strict=True))
        down = [layer for layer in copy.encoder.layers if isinstance(layer, keras.layers.Dense)]
        up = [layer for layer in copy.decoder.layers if isinstance(layer, TransposedDense)]
        assert [layer.dense for layer in up] == down[::-1]
        assert len(copy.trainable_variables) == 3 + 3 + 3  # kernels, the encoder's biases, the decoder's


def test_tied_decoder_saved_alone_keeps_its_kernels(tmp_path):
    model = stacked_autoencoder(SHAPE, (9,), 3, tied=True)
    model.decoder.save(tmp_path / "decoder.keras")
    codes = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "decoder.keras")
    np.testing.assert_allclose(np.asarray(loaded(codes)), np.asarray(model.decoder(codes)), rtol=1e-5)


def test_tied_halves_the_kernels_only():
    def kernels(tied):
        return sum(w.size for w in stacked_autoencoder(SHAPE, (9, 7), 3, tied=tied).get_weights() if w.ndim == 2)

    assert kernels(tied=False) == 2 * kernels(tied=True) == 2 * (30 * 9 + 9 * 7 + 7 * 3)


def test_transposed_dense_is_a_product_with_the_transpose():
    layer = keras.layers.Dense(4)
    layer.build((None, 7))
    transposed = TransposedDense(layer, "tanh")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    expected = np.tanh(x @ layer.get_weights()[0].T)
    np.testing.assert_allclose(np.asarray(transposed(x)), expected, rtol=1e-5, atol=1e-6)
    assert transposed.compute_output_shape((None, 4)) == (None, 7)


def test_transposed_dense_refuses_what_it_cannot_mirror():
    with pytest.raises(ValueError, match=r"a Dense layer that is built"):
        TransposedDense(keras.layers.Dense(4))
    layer = keras.layers.Dense(4)
    layer.build((None, 7))
    with pytest.raises(ValueError, match=r"last axis has length 5, the kernel of .* makes 4"):
        TransposedDense(layer)(np.zeros((2, 5), "float32"))


def test_fourier_expansion_against_numpy():
    z = np.linspace(-1, 1, 5, dtype="float32")[:, None]
    angles = np.pi * z * np.arange(1, 4)
    expected = np.hstack([np.sin(angles), np.cos(angles)])
    np.testing.assert_allclose(np.asarray(FourierExpansion(3)(z)), expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"frequencies is 0"):
        FourierExpansion(0)


def test_linear_autoencoder_is_the_formula():
    model = linear_autoencoder(SHAPE, 3, mean=MEAN)
    encoder, decoder = model.get_weights()
    flat, mean = IMAGES.reshape(12, -1), MEAN.reshape(-1)
    expected = (flat - mean) @ encoder @ decoder + mean
    np.testing.assert_allclose(np.asarray(model(IMAGES)).reshape(12, -1), expected, rtol=1e-4, atol=1e-5)
    tied = linear_autoencoder(SHAPE, 3, mean=MEAN, tied=True)
    (kernel,) = tied.get_weights()
    expected = (flat - mean) @ kernel @ kernel.T + mean
    np.testing.assert_allclose(np.asarray(tied(IMAGES)).reshape(12, -1), expected, rtol=1e-4, atol=1e-5)


def test_stacked_autoencoder_is_the_formula():
    model = stacked_autoencoder(SHAPE, (9,), 3, activation="tanh")
    h = IMAGES.reshape(12, -1).astype("float64")
    for i, activation in enumerate((np.tanh, lambda a: a, np.tanh, lambda a: 1 / (1 + np.exp(-a)))):
        kernel, bias = model.get_weights()[2 * i : 2 * i + 2]
        h = activation(h @ kernel + bias)
    np.testing.assert_allclose(np.asarray(model(IMAGES)).reshape(12, -1), h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("output", ["sigmoid", None])
@pytest.mark.parametrize("tied", [False, True])
def test_mean_is_where_the_output_starts(output, tied):
    model = stacked_autoencoder(SHAPE, (9,), 3, output_activation=output, mean=MEAN, tied=tied)
    zero = np.asarray(model.decoder(np.zeros((1, 3), "float32")))[0]  # zero codes, zero biases: only the output's bias
    np.testing.assert_allclose(zero, MEAN, atol=1e-5)


def test_mean_of_black_pixels_is_kept_finite():
    model = stacked_autoencoder(SHAPE, (9,), 3, mean=np.zeros(SHAPE))
    np.testing.assert_allclose(np.asarray(model.decoder(np.zeros((1, 3), "float32"))), 0.01, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SHAPE, (9,), 0), "at least 1"),
        ((SHAPE, (9, -4), 3), "at least 1"),
        ((SHAPE, (9, 2.5), 3), "whole number of units"),
        ((SHAPE, (9,), "3"), "whole number of units"),
        (((28, 28), (9,), 3), r"input_shape is \(28, 28\): expected \(height, width, 1\)"),
        (((28, 28, 3), (9,), 3), r"expected \(height, width, 1\)"),
        (((0, 28, 1), (9,), 3), r"expected \(height, width, 1\)"),
        ((784, (9,), 3), r"input_shape is 784: expected \(height, width, 1\)"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        stacked_autoencoder(*arguments)
    if arguments[1] == (9,):
        with pytest.raises(ValueError, match=message):
            linear_autoencoder(arguments[0], arguments[2])


def test_mean_of_another_shape_is_refused():
    for build in (
        lambda m: linear_autoencoder(SHAPE, 3, mean=m),
        lambda m: stacked_autoencoder(SHAPE, (9,), 3, mean=m),
    ):
        for mean in (np.zeros((2, 2)), np.zeros((5, 6)), np.full(SHAPE, np.nan)):
            with pytest.raises(ValueError, match=r"mean has the shape .* an image has \(6, 5, 1\)"):
                build(mean)
    with pytest.raises(ValueError, match=r"needs the output activation 'sigmoid' or None, found 'tanh'"):
        stacked_autoencoder(SHAPE, (9,), 3, output_activation="tanh", mean=MEAN)


def test_loss_means_the_same_at_any_batch_size():
    model = compiled(BUILDERS["stacked"]())
    losses = [model.evaluate(IMAGES, IMAGES, batch_size=size, verbose=0) for size in (1, 5, 12)]
    np.testing.assert_allclose(losses, np.mean((np.asarray(model(IMAGES)) - IMAGES) ** 2), rtol=1e-5)


def test_describe_counts_what_keras_counts():
    model = stacked_autoencoder(SHAPE, (9, 7), 3)
    assert describe(stacked_autoencoder(SHAPE, (9, 9), 3)).startswith("encoder: 6×5×1 → 30 → 9 → 9 → 3 ·")
    assert describe(linear_autoencoder(SHAPE, 3, mean=MEAN)).startswith("encoder: 6×5×1 → 30 → 3 ·")
    lines = describe(model).splitlines()
    assert lines[0] == f"encoder: 6×5×1 → 30 → 9 → 7 → 3 · {model.encoder.count_params():,} parameters"
    assert lines[1] == f"decoder: 3 → 7 → 9 → 30 → 6×5×1 · {model.decoder.count_params():,} parameters"
    assert lines[2] == f"together: {sum(w.size for w in model.get_weights()):,} parameters"


def test_source_is_the_code_without_the_docstring():
    text = source(linear_autoencoder)
    assert text.startswith("def linear_autoencoder(") and '"""' not in text and "Autoencoder(encoder, decoder)" in text
    assert Autoencoder is dense.Autoencoder

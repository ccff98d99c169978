"""Layers and builders: against NumPy, through saving and loading in a new process, and with impossible sizes."""

import copy
import subprocess
import sys

import keras
import numpy as np
import pytest
from every_builder import BUILDERS, IMAGES, MEAN, SHAPE, outputs

from aelib.models import (
    GAN,
    Autoencoder,
    FourierExpansion,
    GaussianCorruption,
    KLSparsity,
    KSparse,
    MaskingNoise,
    TransposedDense,
    dense,
    describe,
    linear_autoencoder,
    ring_networks,
    source,
    sparse_autoencoder,
    stacked_autoencoder,
    stacked_vae,
)


def compiled(model):
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    return model


def set_noise(model):
    """Keras saves no state of random numbers (nor of its own Dropout): set it, so that the same noise follows."""
    for layer in model.encoder.layers:
        if hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign([1, 2])


@pytest.mark.parametrize("kind", BUILDERS)
def test_shapes_and_parts(kind):
    model = BUILDERS[kind]()
    whole, rebuilt, codes, *_ = outputs(model)
    assert whole.shape == rebuilt.shape == IMAGES.shape and codes.ndim == 2
    np.testing.assert_allclose(whole, rebuilt, rtol=1e-5, atol=1e-6)
    assert isinstance(model.encoder, keras.Model) and isinstance(model.decoder, keras.Model)


def test_saved_models_load_in_a_new_process_and_train_on(tmp_path):
    for kind, build in BUILDERS.items():
        model = compiled(build())
        model.fit(IMAGES, IMAGES, epochs=2, batch_size=4, verbose=0)
        model.save(tmp_path / f"{kind}.keras")
        set_noise(model)
        model.fit(IMAGES, IMAGES, epochs=1, batch_size=12, shuffle=False, verbose=0)
        np.savez(
            tmp_path / f"{kind}.npz", *outputs(keras.models.load_model(tmp_path / f"{kind}.keras")), *outputs(model)
        )
    np.save(tmp_path / "images.npy", IMAGES)
    script = """
import sys, pathlib
import aelib, keras, numpy as np
folder = pathlib.Path(sys.argv[1])
images = np.load(folder / "images.npy")
def outputs(model):
    codes = model.encoder(images)
    return [np.asarray(part) for part in (model(images), model.decoder(codes), *keras.tree.flatten(codes))]
for file in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(file)
    found = outputs(model)
    for layer in model.encoder.layers:
        if hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign([1, 2])
    # The optimizer's state came along.
    model.fit(images, images, epochs=1, batch_size=12, shuffle=False, verbose=0)
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


def gan():
    return GAN(*ring_networks(8), smoothing=0.1)


@pytest.mark.parametrize("make", [BUILDERS["stacked tied"], lambda: stacked_vae(SHAPE, (9,), 3, beta=2), gan])
def test_a_model_is_made_of_its_config_which_stays_as_it_was(make):
    model = make()
    config = model.get_config()
    before = copy.deepcopy(config)
    twin = type(model).from_config(config)
    assert config == before
    for other in (twin, type(model).from_config(config), keras.models.clone_model(model)):
        assert type(other) is type(model) and other is not model
        assert [weight.shape for weight in other.weights] == [weight.shape for weight in model.weights]
        other.set_weights(model.get_weights())
        inputs = IMAGES if type(model) is not GAN else np.ones((3, 2), "float32")
        part = "generator" if type(model) is GAN else "encoder"
        np.testing.assert_array_equal(getattr(other, part)(inputs), getattr(model, part)(inputs))


def test_tied_model_shares_its_kernels_after_loading_and_a_step(tmp_path):
    model = compiled(stacked_autoencoder(SHAPE, (9, 7), 3, tied=True))
    model.fit(IMAGES, IMAGES, verbose=0)
    model.save(tmp_path / "tied.keras")
    for twin in (keras.models.load_model(tmp_path / "tied.keras"), compiled(keras.models.clone_model(model))):
        before = [w.copy() for w in twin.get_weights()]
        twin.fit(IMAGES, IMAGES, verbose=0)
        assert any(not np.array_equal(a, b) for a, b in zip(before, twin.get_weights(), strict=True))
        down = [layer for layer in twin.encoder.layers if isinstance(layer, keras.layers.Dense)]
        up = [layer for layer in twin.decoder.layers if isinstance(layer, TransposedDense)]
        assert [layer.dense for layer in up] == down[::-1]
        assert len(twin.trainable_variables) == 3 + 3 + 3  # kernels, the encoder's biases, the decoder's


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
        (((28, 28), (9,), 3), r"input_shape is \(28, 28\): expected \(height, width, 1 or 3\)"),
        (((28, 28, 2), (9,), 3), r"expected \(height, width, 1 or 3\)"),
        (((0, 28, 1), (9,), 3), r"expected \(height, width, 1 or 3\)"),
        ((784, (9,), 3), r"input_shape is 784: expected \(height, width, 1 or 3\)"),
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


# ---- sparse autoencoders ----


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_sparse_autoencoder_is_the_formula(tied, k):
    model = sparse_autoencoder(SHAPE, 40, code_activation=None if k else "sigmoid", k=k, mean=MEAN, tied=tied)
    kernel, bias, *rest = (w.astype("float64") for w in model.get_weights())
    back, back_bias = (kernel.T, rest[0]) if tied else rest
    codes = (IMAGES.reshape(12, -1) - MEAN.reshape(-1)) @ kernel + bias
    if k:
        threshold = np.sort(codes, axis=1)[:, -k, None]
        codes = np.where(codes >= threshold, codes, 0)
        assert (np.count_nonzero(np.asarray(model.encoder(IMAGES)), axis=1) == k).all()
    else:
        codes = 1 / (1 + np.exp(-codes))
    np.testing.assert_allclose(np.asarray(model.encoder(IMAGES)), codes, rtol=1e-4, atol=1e-5)
    expected = 1 / (1 + np.exp(-(codes @ back + back_bias)))
    np.testing.assert_allclose(np.asarray(model(IMAGES)).reshape(12, -1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_mean_is_where_a_sparse_autoencoder_starts(tied):
    for mean in (MEAN, MEAN.ravel(), MEAN[:, :, 0]):
        model = sparse_autoencoder(SHAPE, 8, mean=mean, tied=tied)
        zero = np.asarray(model.decoder(np.zeros((1, 8), "float32")))[0]
        np.testing.assert_allclose(zero, MEAN, atol=1e-5)
    codes = np.asarray(sparse_autoencoder(SHAPE, 8, code_activation=None, mean=MEAN).encoder(MEAN[None]))
    np.testing.assert_allclose(codes, 0, atol=1e-5)  # it is subtracted first
    at_zero = np.asarray(sparse_autoencoder(SHAPE, 8, tied=tied).decoder(np.zeros((1, 8), "float32")))
    np.testing.assert_allclose(at_zero, 0.5, atol=1e-6)  # without one, nothing is known


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_l1_penalty_is_the_sum_of_an_images_activations_at_any_batch_size(batch_size):
    model = compiled(BUILDERS["sparse L1"]())
    codes = np.asarray(model.encoder(IMAGES), "float64")
    expected = np.mean((np.asarray(model(IMAGES)) - IMAGES) ** 2) + 1e-3 * codes.sum(axis=1).mean()
    assert model.evaluate(IMAGES, IMAGES, batch_size=batch_size, verbose=0) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("copies", [1, 8])
def test_kl_penalty_is_the_divergence_of_the_batch_at_any_batch_size(copies):
    model = compiled(BUILDERS["sparse KL"]())
    images = np.tile(IMAGES, (copies, 1, 1, 1))
    q = np.asarray(model.encoder(IMAGES), "float64").mean(axis=0)
    divergence = np.sum(0.1 * np.log(0.1 / q) + 0.9 * np.log(0.9 / (1 - q)))
    expected = np.mean((np.asarray(model(IMAGES)) - IMAGES) ** 2) + 1e-2 * divergence
    assert model.evaluate(images, images, batch_size=len(images), verbose=0) == pytest.approx(expected, rel=1e-4)


def test_k_sparse_keeps_its_penalty_on_all_activations():
    """A penalty given beside k counts what the units computed, not the few that were kept."""
    model = sparse_autoencoder(SHAPE, 8, k=3, activity_regularizer=keras.regularizers.L1(1.0))
    model(IMAGES)
    before = keras.Model(model.encoder.input, model.encoder.get_layer("code").output)
    assert float(model.losses[0]) == pytest.approx(np.asarray(before(IMAGES)).sum() / 12, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"activity_regularizer": KLSparsity(0.1, 1), "code_activation": "relu"},
            r"KLSparsity needs activations from 0 to 1, found code_activation 'relu': use 'sigmoid'",
        ),
        ({"activity_regularizer": KLSparsity(0.1, 1), "code_activation": None}, r"found code_activation None"),
        ({"k": 9}, r"k is 9, but the last axis has length 8: choose a k from 1 to that length"),
        ({"k": 0}, r"k is 0: expected a whole number, at least 1"),
        ({"k": 2.5}, r"k is 2.5: expected a whole number"),
        ({"mean": np.zeros((2, 2))}, r"mean has the shape \(2, 2\)"),
    ],
)
def test_impossible_sparse_autoencoders_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sparse_autoencoder(SHAPE, 8, **options)


def test_impossible_sizes_of_a_sparse_autoencoder_are_refused():
    for shape, size in ((SHAPE, 0), (SHAPE, 2.5), ((28, 28), 8), ((28, 28, 4), 8)):
        with pytest.raises(ValueError, match=r"at least 1|expected \(height, width, 1 or 3\)"):
            sparse_autoencoder(shape, size)


def test_k_sparse_layer_stands_last_in_the_encoder():
    assert isinstance(BUILDERS["k-sparse tied"]().encoder.layers[-1], KSparse)
    assert not any(isinstance(layer, KSparse) for layer in BUILDERS["sparse L1"]().encoder.layers)


@pytest.mark.parametrize("corruption", [GaussianCorruption(0.5), MaskingNoise(0.5)])
def test_a_stacked_autoencoder_corrupts_its_images_in_training_only(corruption):
    model = stacked_autoencoder(SHAPE, (9,), 3, corruption=corruption)
    assert model.encoder.layers[1] is corruption
    np.testing.assert_array_equal(np.asarray(model(IMAGES)), np.asarray(model(IMAGES)))
    assert not np.allclose(np.asarray(model(IMAGES, training=True)), np.asarray(model(IMAGES)), atol=1e-3)

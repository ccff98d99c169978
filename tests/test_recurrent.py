"""Recurrent autoencoders: against NumPy, with padding, through saving and loading in a new process, bad input."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from aelib.data import as_images, pad, rows_as_steps
from aelib.measures import sequence_errors
from aelib.models import describe, recurrent_autoencoder, source

SHAPE = (7, 3)
X = np.random.default_rng(0).random((10, *SHAPE)).astype("float32")
RAGGED = [np.random.default_rng(i).normal(size=(length, 3)) for i, length in enumerate((7, 1, 4, 6))]
BUILDERS = {
    "gru": lambda: recurrent_autoencoder(SHAPE, 6, 4, mean=X.mean(axis=0)),
    "lstm": lambda: recurrent_autoencoder(SHAPE, 6, 4, cell="lstm"),
    "gru both ways": lambda: recurrent_autoencoder(SHAPE, 6, 4, bidirectional=True, output_activation=None),
    "lstm both ways": lambda: recurrent_autoencoder(SHAPE, 6, 4, cell="lstm", bidirectional=True, mean=X.mean(axis=0)),
    "gru start": lambda: recurrent_autoencoder(SHAPE, 6, 4, initial_state=True),
    "lstm start": lambda: recurrent_autoencoder(SHAPE, 6, 4, cell="lstm", initial_state=True, output_activation=None),
    "gru padded": lambda: recurrent_autoencoder(SHAPE, 6, 4, padding=-1.0, bidirectional=True),
    "lstm padded": lambda: recurrent_autoencoder(SHAPE, 6, 4, cell="lstm", padding=-1.0),
}


def compiled(model):
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    return model


def outputs(model):
    """Of the whole, the encoder, and the decoder on the encoder's codes."""
    codes = np.asarray(model.encoder(X))
    return [np.asarray(model(X)), codes, np.asarray(model.decoder(codes))]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize("kind", BUILDERS)
def test_shapes_and_parts(kind):
    whole, codes, rebuilt = outputs(BUILDERS[kind]())
    assert whole.shape == rebuilt.shape == X.shape and codes.shape == (len(X), 4)
    np.testing.assert_allclose(whole, rebuilt, rtol=1e-5, atol=1e-6)


def test_saved_models_load_in_a_new_process_and_train_on(tmp_path):
    for kind in ("gru", "lstm both ways", "lstm start", "gru padded"):
        model = compiled(BUILDERS[kind]())
        model.fit(X, X, epochs=1, batch_size=5, verbose=0)
        model.save(tmp_path / f"{kind}.keras")
        before = outputs(model)
        model.fit(X, X, epochs=1, batch_size=10, verbose=0)
        np.savez(tmp_path / f"{kind}.npz", *before, *outputs(model))
    np.save(tmp_path / "x.npy", X)
    script = """
import sys, pathlib
import aelib, keras, numpy as np
folder = pathlib.Path(sys.argv[1])
x = np.load(folder / "x.npy")
def outputs(model):
    codes = np.asarray(model.encoder(x))
    return [np.asarray(model(x)), codes, np.asarray(model.decoder(codes))]
for file in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(file)
    found = outputs(model)
    model.fit(x, x, epochs=1, batch_size=10, verbose=0)
    found += outputs(model)
    expected = np.load(file.with_suffix(".npz"))
    for key, value in zip(expected.files, found, strict=True):
        np.testing.assert_allclose(value, expected[key], rtol=1e-4, atol=1e-5, err_msg=f"{file.stem}, {key}")
print("all equal")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "all equal", done.stderr[-3000:]


def gru_by_hand(x, kernel, recurrent, bias):
    """Keras's GRU (`reset_after`), one sequence: the states after each step. Gates in the order update, reset, new."""
    units = recurrent.shape[0]
    state, states = np.zeros(units), []
    for step in x:
        a, b = step @ kernel + bias[0], state @ recurrent + bias[1]
        update, reset = sigmoid(a[:units] + b[:units]), sigmoid(a[units : 2 * units] + b[units : 2 * units])
        new = np.tanh(a[2 * units :] + reset * b[2 * units :])
        state = update * state + (1 - update) * new
        states.append(state)
    return np.array(states)


def test_gru_autoencoder_is_the_loop():
    mean = X.mean(axis=0)
    model = recurrent_autoencoder(SHAPE, 6, 4, mean=mean)
    for layer in (model.encoder.layers[-2], model.encoder.layers[-1], *model.decoder.layers[2:4]):
        layer.set_weights([w + 0.1 for w in layer.get_weights()])  # biases that count
    reader, to_code = model.encoder.layers[-2:]
    writer, to_step = model.decoder.get_layer("state"), model.decoder.get_layer("step")
    for sequence in X[:3]:
        code = gru_by_hand(sequence - mean, *reader.get_weights())[-1] @ to_code.kernel + to_code.bias
        states = gru_by_hand(np.repeat(np.asarray(code)[None], 7, axis=0), *writer.get_weights())
        clipped = np.clip(mean, 0.01, 0.99)
        expected = sigmoid(states @ np.asarray(to_step.kernel) + to_step.bias + np.log(clipped / (1 - clipped)))
        np.testing.assert_allclose(np.asarray(model.encoder(sequence[None]))[0], code, atol=1e-5)
        np.testing.assert_allclose(np.asarray(model(sequence[None]))[0], expected, atol=1e-5)


@pytest.mark.parametrize("output", ["sigmoid", None])
def test_output_starts_at_the_mean(output):
    mean = 0.1 + 0.8 * X.mean(axis=0)
    model = recurrent_autoencoder(SHAPE, 6, 4, mean=mean, output_activation=output)
    zero = np.asarray(model.decoder(np.zeros((1, 4), "float32")))[0]  # zero code, zero state: only the mean is left
    np.testing.assert_allclose(zero, mean, atol=1e-5)


def test_the_dense_layer_is_time_distributed():
    model = BUILDERS["gru"]()
    dense = model.decoder.get_layer("step")
    states = np.random.default_rng(1).normal(size=(2, 7, 6)).astype("float32")
    expected = np.asarray(keras.layers.TimeDistributed(dense)(states))
    np.testing.assert_allclose(np.asarray(dense(states)), expected, atol=1e-6)


def test_repeated_code_or_nothing_is_what_the_decoder_sees():
    codes = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    for kind, layer, expected in (("gru", "repeat", codes), ("gru start", "nothing", 0 * codes)):
        decoder = BUILDERS[kind]().decoder
        seen = np.asarray(keras.Model(decoder.input, decoder.get_layer(layer).output)(codes))
        np.testing.assert_array_equal(seen, np.repeat(expected[:, None], 7, axis=1))


# ---- gradients ----


def gradients(model, x):
    """The gradient of the squared error of each trainable variable, by its path."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - x) ** 2)
    variables = model.trainable_variables
    found = tape.gradient(loss, variables)
    return {v.path: np.asarray(g) for v, g in zip(variables, found, strict=True)}


@pytest.mark.parametrize("kind", BUILDERS)
def test_every_weight_learns_but_those_that_see_nothing(kind):
    found = gradients(BUILDERS[kind](), X)
    cell, *options = kind.split()
    cells = 3 if "both" in options or kind == "gru padded" else 2  # kernel, recurrent kernel, bias each
    starts = (1 if cell == "gru" else 2) if "start" in options else 0  # a Dense for each state of the cell
    assert len(found) == 3 * cells + 2 * (2 + starts)  # and kernel and bias of "code" and "step"
    still = [path for path, gradient in found.items() if np.abs(gradient).max() < 1e-9]
    # A cell that gets the code as its first state sees zeros at every step: its kernel for the input learns nothing.
    assert still == ([f"state/{cell}_cell/kernel"] if starts else [])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_gradient_reaches_a_skipped_step(cell, bidirectional):
    model = recurrent_autoencoder(SHAPE, 6, 4, cell=cell, bidirectional=bidirectional, padding=-9.0)
    padded, weights = pad(RAGGED, -9.0)
    with tf.GradientTape() as tape:
        tape.watch(inputs := tf.constant(padded))
        loss = tf.reduce_sum(model.encoder(inputs) ** 2)
    size = np.abs(tape.gradient(loss, inputs)).max(axis=2)
    np.testing.assert_array_equal(size > 0, weights == 1)


# ---- padding ----


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_does_not_change_the_code(cell, bidirectional):
    model = recurrent_autoencoder(SHAPE, 6, 4, cell=cell, bidirectional=bidirectional, padding=-9.0)
    padded, _ = pad(RAGGED, -9.0)
    wider = np.pad(padded, ((0, 0), (0, 5), (0, 0)), constant_values=-9.0)
    alone = np.concatenate([np.asarray(model.encoder(s[None].astype("float32"))) for s in RAGGED])
    np.testing.assert_allclose(np.asarray(model.encoder(padded)), alone, atol=1e-6)
    np.testing.assert_allclose(np.asarray(model.encoder(wider)), alone, atol=1e-6)


def test_without_a_mask_padding_does_change_the_code():
    model = recurrent_autoencoder(SHAPE, 6, 4)
    padded, _ = pad(RAGGED, -9.0)
    masked = recurrent_autoencoder(SHAPE, 6, 4, padding=-9.0)
    masked.set_weights(model.get_weights())
    assert np.abs(np.asarray(model.encoder(padded)) - np.asarray(masked.encoder(padded)))[1:].max() > 1e-2


def test_pad_and_its_weights():
    padded, weights = pad(RAGGED, -9.0)
    assert padded.shape == (4, 7, 3) and padded.dtype == np.float32
    assert weights.sum(axis=1).tolist() == [7, 1, 4, 6]
    for row, weight, sequence in zip(padded, weights, RAGGED, strict=True):
        np.testing.assert_allclose(row[weight == 1], sequence, rtol=1e-6)
        assert (row[weight == 0] == -9).all()


def test_padded_steps_do_not_count_in_the_loss():
    model = recurrent_autoencoder(SHAPE, 6, 4, padding=-9.0, output_activation=None)
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    model.compile("sgd", loss, jit_compile=False)
    padded, weights = pad(RAGGED, -9.0)
    rebuilt = np.asarray(model(padded))
    by_hand = np.mean(np.concatenate([(r[: len(s)] - s).ravel() ** 2 for r, s in zip(rebuilt, RAGGED, strict=True)]))
    np.testing.assert_allclose(model.evaluate(padded, padded, sample_weight=weights, verbose=0), by_hand, rtol=1e-5)
    other = np.where(weights[..., None] > 0, padded, 1e3)  # another target there: no other loss
    np.testing.assert_allclose(model.evaluate(padded, other, sample_weight=weights, verbose=0), by_hand, rtol=1e-5)


def test_sequence_errors_against_numpy():
    padded, weights = pad(RAGGED, -9.0)
    expected = [np.mean((s - 1) ** 2) for s in RAGGED]
    np.testing.assert_allclose(sequence_errors(padded, np.ones_like(padded), weights), expected, rtol=1e-6)
    np.testing.assert_allclose(sequence_errors(X, 0 * X), np.mean(X.astype("float64") ** 2, axis=(1, 2)), rtol=1e-6)


# ---- images ----


def test_rows_of_images_and_back():
    images = np.random.default_rng(0).random((3, 5, 4, 1))
    rows = rows_as_steps(images)
    assert rows.shape == (3, 5, 4)
    np.testing.assert_array_equal(rows[1, 2], images[1, 2, :, 0])  # step 2 is row 2
    np.testing.assert_array_equal(as_images(rows), images)


def test_describe_and_source_work_here_too():
    assert describe(BUILDERS["lstm"]()).startswith("encoder: 7×3 → 6 → 4 ·")
    assert "RepeatVector(steps" in source(recurrent_autoencoder)


# ---- bad input ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((7,), 6, 4), r"input_shape is \(7,\)"),
        ((7, 6, 4), r"input_shape is 7"),
        (((28, 28, 1), 6, 4), r"rows_as_steps"),
        (((0, 3), 6, 4), r"expected \(steps, features\)"),
        (((None, 3), 6, 4), r"expected \(steps, features\)"),
        ((SHAPE, 0, 4), r"expected whole numbers, at least 1"),
        ((SHAPE, 6, 2.5), r"expected whole numbers, at least 1"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        recurrent_autoencoder(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "rnn"}, r"cell='rnn'.*gru, lstm"),
        ({"bidirectional": True, "units": 5}, r"units=5.*even"),
        ({"mean": np.zeros(SHAPE), "padding": -1.0}, r"padded steps have no mean"),
        ({"mean": np.zeros((3, 7))}, r"mean has the shape \(3, 7\)"),
        ({"mean": np.zeros(SHAPE), "output_activation": "tanh"}, r"found 'tanh'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        recurrent_autoencoder(SHAPE, **{"units": 6, "code_size": 4, **options})


def test_sequences_without_a_time_axis_are_refused():
    flat = np.zeros((5, 3))
    with pytest.raises(ValueError, match=r"the shape \(5, 3\)"):
        sequence_errors(flat, flat)
    with pytest.raises(ValueError, match=r"the shape \(5, 3\)"):
        as_images(flat)
    with pytest.raises(ValueError, match=r"shapes \(3,\), \(4,\)"):
        pad([np.zeros(4), np.zeros(3)], -1.0)


def test_sequences_that_cannot_be_padded_are_refused():
    with pytest.raises(ValueError, match=r"found sequences of the shapes none"):
        pad([], -1.0)
    with pytest.raises(ValueError, match=r"one number of features"):
        pad([np.zeros((4, 2)), np.zeros((4, 3))], -1.0)
    with pytest.raises(ValueError, match=r"1 real steps"):
        pad([np.array([[1.0, 0.0], [0.0, 0.0]])], 0.0)


def test_errors_that_cannot_be_measured_are_refused():
    with pytest.raises(ValueError, match=r"expected \(n, steps, features\) twice"):
        sequence_errors(X, X[:, :-1])
    with pytest.raises(ValueError, match=r"NaN or infinite"):
        sequence_errors(X, X * np.nan)
    with pytest.raises(ValueError, match=r"no step with a weight"):
        sequence_errors(X, X, np.zeros(X.shape[:2]))

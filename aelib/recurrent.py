"""Recurrent autoencoders: a sequence is read into one code, and written out of it again.

Introduced in chapter 05. Sequences have the shape `(n, steps, features)`. `Autoencoder` takes them as it takes images:
what goes in comes out in the same shape. An image becomes the sequence of its rows with `rows_as_steps`, and a
sequence an image again with `as_images`.
"""

import numbers
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from aelib.dense import Autoencoder, flat_mean
from aelib.metrics import check_finite, check_images

CELLS = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
CODE_AT = ("every step", "start")


def recurrent_autoencoder(
    input_shape,
    units: int,
    code_size: int,
    *,
    cell: str = "gru",
    both_ways: bool = False,
    code_at: str = "every step",
    output_activation="sigmoid",
    mean=None,
    padding: float | None = None,
) -> Autoencoder:
    """Sequence to code to sequence, with a GRU or an LSTM on each side (Srivastava et al. 2015, arXiv:1502.04681).

    `input_shape`: `(steps, features)`. `units`: of the decoder's cell and of the encoder's, which with `both_ways` is
    two cells of half as many, one reading forwards and one backwards (Schuster & Paliwal 1997). Encoder: sequences to
    codes `(n, code_size)`, from the state after the last step. Decoder: codes to sequences; it gets the code at every
    step (`RepeatVector`), or, with `code_at="start"`, as its initial state only. `mean`: the mean training sequence,
    subtracted from the input, and where the output starts. `padding`: the value of padded steps, which the encoder
    then skips; it accepts any length, the decoder always writes `steps` steps. Introduced in chapter 05.
    Raises `ValueError` for impossible sizes, an unknown cell, and a mean together with padding.
    """
    check_sequence_sizes(input_shape, units, code_size)
    if cell not in CELLS or code_at not in CODE_AT or (both_ways and units % 2):
        raise ValueError(
            f"found cell={cell!r}, code_at={code_at!r}, units={units}, both_ways={both_ways}: expected a cell of "
            f"{', '.join(CELLS)}, code_at of {', '.join(CODE_AT)}, and an even number of units to read both ways"
        )
    if padding is not None and mean is not None:
        raise ValueError("found a mean and padding: padded steps have no mean; leave one of them out")
    steps, features = input_shape
    x = inputs = keras.Input((steps if padding is None else None, features))
    if padding is not None:
        x = keras.layers.Masking(padding)(x)
    reader = CELLS[cell](units // 2 if both_ways else units)
    x = (keras.layers.Bidirectional(reader) if both_ways else reader)(_shifted(x, mean, sign=-1))
    encoder = keras.Model(inputs, keras.layers.Dense(code_size, name="code")(x), name="encoder")

    codes = keras.Input((code_size,))
    each_step = keras.layers.RepeatVector(steps, name="repeat")(codes)
    state = None
    if code_at == "start":
        each_step = keras.layers.Rescaling(0.0, name="nothing")(each_step)  # a cell needs some input
        state = [keras.layers.Dense(units, "tanh")(codes) for _ in range(2 if cell == "lstm" else 1)]
    x = CELLS[cell](units, return_sequences=True, name="state")(each_step, initial_state=state)
    x = keras.layers.Dense(features, name="step")(x)  # one Dense for all steps, as TimeDistributed(Dense) would be
    output = keras.layers.Activation(output_activation)
    x = _shifted(x, _before(output.activation, mean), sign=1)
    return Autoencoder(encoder, keras.Model(codes, output(x), name="decoder"))


def _shifted(x, mean, sign: int):
    """Sequences plus (`sign` 1) or minus (−1) the mean sequence; as they are if there is none."""
    if mean is None:
        return x
    mean = flat_mean(mean, x.shape[1:]).reshape(x.shape[1:])
    return keras.layers.Normalization(axis=(1, 2), mean=-sign * mean, variance=np.ones_like(mean))(x)


def _before(activation, mean):
    """What gives `mean` after the output's activation: its log-odds for the sigmoid (kept 0.01 away from 0 and 1)."""
    if mean is None or activation is keras.activations.linear:
        return mean
    if activation is not keras.activations.sigmoid:
        raise ValueError(
            f"mean needs the output activation 'sigmoid' or None, found {activation.__name__!r}: leave mean out"
        )
    mean = np.clip(mean, 0.01, 0.99)
    return np.log(mean / (1 - mean))


def check_sequence_sizes(input_shape, *units) -> None:
    """Raise `ValueError` unless `input_shape` is `(steps, features)` and every number of units a positive integer."""
    shape = tuple(input_shape) if isinstance(input_shape, Iterable) else input_shape
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(map(_is_count, shape)):
        raise ValueError(
            f"input_shape is {shape}: expected (steps, features); one number a step is (steps, 1), "
            "and rows_as_steps makes sequences of images"
        )
    if not all(map(_is_count, units)):
        raise ValueError(f"units and code size are {units}: expected whole numbers, at least 1")


def _is_count(size) -> bool:
    return isinstance(size, numbers.Integral) and not isinstance(size, bool) and size > 0


def check_sequences(sequences, what: str = "sequences") -> np.ndarray:
    """`sequences` as an array; `ValueError` unless it is finite and of shape `(n, steps, features)`, none of them 0."""
    sequences = check_finite(sequences, what)
    if sequences.ndim != 3 or 0 in sequences.shape:
        raise ValueError(
            f"{what} have the shape {sequences.shape}: expected (n, steps, features); "
            "add a missing axis with x[:, :, None] (one number a step) or x[None] (one sequence)"
        )
    return sequences


def rows_as_steps(images) -> np.ndarray:
    """Images `(n, height, width, 1)` as sequences of their rows, top to bottom: `(n, height, width)`."""
    return check_images(images)[..., 0]


def as_images(sequences) -> np.ndarray:
    """Sequences of rows `(n, height, width)` as images `(n, height, width, 1)`: undoes `rows_as_steps`."""
    return check_sequences(sequences)[..., None]


def pad(sequences: Sequence[np.ndarray], padding: float) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of different lengths as one array, filled up at the end, and the weight of each step.

    `sequences`: arrays `(length, features)`. Returns `(n, longest, features)` in float32, and `(n, longest)`: 1 for a
    real step, 0 for a padded one, as `fit` takes it for `sample_weight`. Raises `ValueError` for sequences without a
    time axis, for different numbers of features, and for a real step that has `padding` everywhere: the encoder's
    mask would skip it.
    """
    shapes = [np.shape(sequence) for sequence in sequences]
    if not shapes or any(len(shape) != 2 or 0 in shape for shape in shapes) or len({shape[1] for shape in shapes}) != 1:
        found = ", ".join(map(str, sorted(set(shapes))[:5])) or "none"
        raise ValueError(f"found sequences of the shapes {found}: expected (length, features), one number of features")
    padded = np.full((len(shapes), max(length for length, _ in shapes), shapes[0][1]), padding, "float32")
    weights = np.zeros(padded.shape[:2], "float32")
    for row, weight, sequence in zip(padded, weights, sequences, strict=True):
        row[: len(sequence)] = check_finite(sequence, "sequences")
        weight[: len(sequence)] = 1
    skipped = int(np.sum(weights.astype(bool) & (padded == np.float32(padding)).all(axis=2)))
    if skipped:
        raise ValueError(f"{skipped} real steps have the padding value {padding} everywhere: choose one that is unused")
    return padded, weights


def sequence_errors(sequences, reconstructions, weights=None) -> np.ndarray:
    """Mean squared error of each sequence, `(n,)`, over its steps and features; a score for anomalies.

    Both `(n, steps, features)`. `weights`: `(n, steps)`, as `pad` returns them: a step of weight 0 does not count.
    Raises `ValueError` for other shapes, NaN, and a sequence without any weight.
    """
    sequences = check_sequences(sequences)
    reconstructions = check_finite(reconstructions, "reconstructions")
    weights = np.ones(sequences.shape[:2]) if weights is None else check_finite(weights, "weights")
    if reconstructions.shape != sequences.shape or weights.shape != sequences.shape[:2]:
        raise ValueError(
            f"sequences, reconstructions and weights have the shapes {sequences.shape}, {reconstructions.shape} and "
            f"{weights.shape}: expected (n, steps, features) twice, and (n, steps)"
        )
    if weights.min() < 0 or weights.sum(axis=1).min() <= 0:
        raise ValueError("a weight is negative, or a sequence has no step with a weight: leave that sequence out")
    steps = np.square(sequences - reconstructions, dtype="float64").mean(axis=2)
    return (weights * steps).sum(axis=1) / weights.sum(axis=1)

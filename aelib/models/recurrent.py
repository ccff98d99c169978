"""Recurrent autoencoders: a sequence `(n, steps, features)` is read into one code, and written out of it again.

Introduced in chapter 05.
"""

from collections.abc import Iterable

import keras
import numpy as np

from aelib.models.autoencoder import Autoencoder
from aelib.validate import flat_mean, is_count

CELLS = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


def recurrent_autoencoder(
    input_shape,
    units: int,
    code_size: int,
    *,
    cell: str = "gru",
    bidirectional: bool = False,
    initial_state: bool = False,
    output_activation="sigmoid",
    mean=None,
    padding: float | None = None,
) -> Autoencoder:
    """Sequence to code to sequence, with a GRU or an LSTM on each side (Srivastava et al. 2015, arXiv:1502.04681).

    `input_shape`: `(steps, features)`. `units`: of the decoder's cell and of the encoder's, which with `bidirectional`
    is two cells of half as many, one reading forwards and one backwards (Schuster & Paliwal 1997). Encoder: sequences
    to codes `(n, code_size)`, from the state after the last step. Decoder: codes to sequences; it gets the code at
    every step (`RepeatVector`), or, with `initial_state`, only as the state it starts from. `mean`: the mean training
    sequence, subtracted from the input, and where the output starts. `padding`: the value of padded steps, which the
    encoder then skips; it accepts any length, the decoder always writes `steps` steps. Introduced in chapter 05.
    Raises `ValueError` for impossible sizes, an unknown cell, and a mean together with padding.
    """
    check_sequence_sizes(input_shape, units, code_size)
    if cell not in CELLS or (bidirectional and units % 2):
        raise ValueError(
            f"found cell={cell!r}, units={units}, bidirectional={bidirectional}: expected a cell of "
            f"{', '.join(CELLS)}, and an even number of units to read both ways"
        )
    if padding is not None and mean is not None:
        raise ValueError("found a mean and padding: padded steps have no mean; leave one of them out")
    steps, features = input_shape
    x = inputs = keras.Input((steps if padding is None else None, features))
    if padding is not None:
        x = keras.layers.Masking(padding)(x)
    reader = CELLS[cell](units // 2 if bidirectional else units)
    x = (keras.layers.Bidirectional(reader) if bidirectional else reader)(_shifted(x, mean, sign=-1))
    encoder = keras.Model(inputs, keras.layers.Dense(code_size, name="code")(x), name="encoder")

    codes = keras.Input((code_size,))
    each_step = keras.layers.RepeatVector(steps, name="repeat")(codes)
    state = None
    if initial_state:
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
    return keras.layers.Rescaling(1.0, sign * mean)(x)


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
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(map(is_count, shape)):
        raise ValueError(
            f"input_shape is {shape}: expected (steps, features); one number a step is (steps, 1), "
            "and rows_as_steps makes sequences of images"
        )
    if not all(map(is_count, units)):
        raise ValueError(f"units and code size are {units}: expected whole numbers, at least 1")

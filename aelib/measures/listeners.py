"""Listeners: small networks that name the speaker or the syllables of a spectrogram, or of a code over time.

Introduced in chapter 21.
"""

import keras
import numpy as np

from aelib.training import compile_options, one_cycle
from aelib.validate import check_finite, is_count

BATCH, RATE, LONG = 32, 0.006, 32  # from LONG frames on, the convolutions have stride 2


def listener(frames: int, channels: int, classes: int, words: int = 0) -> keras.Model:
    """Probabilities of classes, from what has `frames` and `channels`: `(n, classes)`, or `(n, words, classes)`.

    Two convolutions over time, of five frames. Then a mean over time, for what holds for all of it, such as the
    speaker; with `words` all frames side by side, for what is here or there, such as syllables. The layer `scale` is
    to be adapted to the data.
    """
    x = inputs = keras.Input((frames, channels))
    x = keras.layers.Normalization(name="scale")(x)
    for _ in range(2):
        x = keras.layers.Conv1D(64, 5, 2 if frames >= LONG else 1, "same", activation="relu")(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Flatten()(x) if words else keras.layers.GlobalAveragePooling1D()(x)
    x = keras.layers.Dense(max(words, 1) * classes)(keras.layers.Dropout(0.3)(x))
    return keras.Model(inputs, keras.layers.Softmax()(keras.layers.Reshape((words, classes))(x) if words else x))


def train_listener(x, labels, epochs: int = 12) -> keras.Model:
    """A `listener`, trained: `x`, `(n, frames, channels)`, to `labels`, ints `(n,)`, or `(n, words)`.

    What is random in it is drawn by Keras's seed. Raises `ValueError` for other shapes, and for a single class.
    """
    x, labels = check_finite(x, "x"), np.asarray(labels)
    if x.ndim != 3 or labels.ndim not in (1, 2) or len(x) != len(labels) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"x has the shape {x.shape}, labels {labels.shape} and {labels.dtype}: expected (n, frames, channels), and "
            "whole numbers, (n,) or (n, words)"
        )
    classes = int(labels.max()) + 1
    if classes < 2 or labels.min() < 0 or not is_count(epochs):
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}, epochs is {epochs!r}: expected at least two classes, "
            "from 0 on, and at least one epoch"
        )
    model = listener(*x.shape[1:], classes, labels.shape[1] if labels.ndim == 2 else 0)
    model.get_layer("scale").adapt(x)
    optimizer = keras.optimizers.Adam(one_cycle(RATE, epochs * -(-len(x) // BATCH)))
    options = compile_options("random", 1)  # dropout draws random numbers
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    model.fit(x, labels, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def heard(model: keras.Model, x, labels) -> float:
    """Share of `labels` that the listener names correctly, from `x`."""
    return float((model.predict(x, batch_size=256, verbose=0).argmax(axis=-1) == np.asarray(labels)).mean())

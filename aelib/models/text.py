"""A deep autoencoder over the words of texts: shares of words in, probabilities of words out.

Introduced in chapter 18.
"""

import keras
import numpy as np

from aelib.models.autoencoder import Autoencoder
from aelib.validate import is_count, is_number


def text_autoencoder(shares, hidden: tuple[int, ...], code_size: int, noise: float = 0.3) -> Autoencoder:
    """Dense layers down to the code and up again; the output, a softmax, is a probability for each word.

    `shares`: of the words in the training texts, `(n, words)`, each row with the sum 1. Their mean is about what the
    untrained network answers, and the encoder divides by their root mean square, so that its input is of order 1.
    `hidden`: units of the encoder's hidden layers, `(500, 250, 125)` in the paper; the decoder has the same in reverse.
    Encoder: shares `(n, words)` to codes `(n, code_size)`. Decoder: codes to probabilities `(n, words)`. Trained with
    the categorical cross-entropy −Σ p log p̂. In training only, half of the words are hidden at random, and normal noise
    of this standard deviation is added to the codes, each of which has mean 0 and variance 1 over the batch. Raises
    `ValueError` for shares that are none, impossible sizes, and noise below 0.

    Hinton & Salakhutdinov 2006 (doi:10.1126/science.1127647), there with sigmoid units, pretrained, and without noise.
    """
    shares = _checked(shares, code_size, hidden, noise)
    size = np.sqrt(np.mean(np.square(shares)))
    x = inputs = keras.Input(shares.shape[1:])
    x = keras.layers.Rescaling(float(1 / size))(x)
    x = keras.layers.Dropout(0.5)(x)
    for units in hidden:
        x = keras.layers.Dense(units, "silu", kernel_initializer="he_normal")(x)
    x = keras.layers.Dense(code_size)(x)
    x = keras.layers.BatchNormalization(center=False, scale=False, momentum=0.9, name="code")(x)
    encoder = keras.Model(inputs, x, name="encoder")
    x = codes = keras.Input((code_size,))
    x = keras.layers.GaussianNoise(noise)(x)
    for units in reversed(hidden):
        x = keras.layers.Dense(units, "silu", kernel_initializer="he_normal")(x)
    words = keras.layers.Dense(shares.shape[1], "softmax", name="words")
    decoder = keras.Model(codes, words(x), name="decoder")
    words.bias.assign(np.log(np.maximum(shares.mean(axis=0), 1e-6)))  # the softmax of the bias alone: the mean text
    return Autoencoder(encoder, decoder)


def _checked(shares, code_size: int, hidden: tuple[int, ...], noise: float) -> np.ndarray:
    """`shares` as an array; `ValueError` unless they are rows of numbers, at least 0, each with the sum 1."""
    if not all(map(is_count, (code_size, *hidden))):
        raise ValueError(f"hidden is {hidden}, code_size {code_size}: expected whole numbers, at least 1")
    if not is_number(noise) or noise < 0:
        raise ValueError(f"noise is {noise!r}: expected a standard deviation, 0 or more")
    shares = np.asarray(shares, "float32")
    if shares.ndim != 2 or len(shares) == 0 or shares.shape[1] < 2:
        raise ValueError(f"shares have the shape {shares.shape}: expected (texts, words), of two words or more")
    sums = shares.sum(axis=1)
    if not (shares >= 0).all() or not np.allclose(sums, 1, atol=1e-3):
        raise ValueError(
            f"shares go down to {shares.min():.3g}, their sums from {sums.min():.3g} to {sums.max():.3g}: expected 0 "
            "or more, and sums of 1; divide each text's counts by their sum, and leave out texts without a word"
        )
    return shares

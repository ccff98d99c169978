"""Sparse autoencoders: a wide code with few active units.

Introduced in chapter 07.
"""

import math
import numbers

import keras
import numpy as np
from keras import ops

from aelib.models.autoencoder import Autoencoder, init_output_bias
from aelib.models.tied import TransposedDense
from aelib.validate import check_sizes, flat_mean, is_number


@keras.saving.register_keras_serializable("aelib")
class KSparse(keras.layers.Layer):
    """Keeps the `k` largest values of each row (the last axis) and sets the others to 0, in training and after it.

    `(…, units)` to the same shape. Largest, not largest in size: a kept value may be negative. Of equal values the
    first are kept, so that there are exactly k. The gradient goes to the kept values only. Raises `ValueError` if k
    is not a whole number from 1 to `units`. Introduced in chapter 07. Makhzani & Frey 2013 (arXiv:1312.5663).
    """

    def __init__(self, k: int, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(k, numbers.Integral) or k < 1:
            raise ValueError(f"k is {k!r}: expected a whole number, at least 1")
        self.k = int(k)

    def build(self, input_shape):
        units = input_shape[-1]
        if units is None or units < self.k:
            raise ValueError(f"k is {self.k}, but the last axis has length {units}: choose a k from 1 to that length")

    def call(self, x):
        values, places = ops.top_k(x, self.k)
        threshold, last = values[..., -1:], places[..., -1:]
        # Several values may equal the threshold. `top_k` takes the first of them, the last taken stands at `last`: that
        # saves a running count of the ties, or a one-hot row per kept value (both 1.6 times slower for 25 of 1000).
        tied = ops.logical_and(ops.equal(x, threshold), ops.arange(x.shape[-1]) <= last)
        return ops.where(ops.logical_or(x > threshold, tied), x, ops.zeros_like(x))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable("aelib")
class KLSparsity(keras.regularizers.Regularizer):
    """The penalty `weight · Σⱼ KL(target ‖ qⱼ)`, with qⱼ the mean of activation j over the batch, for sigmoid units.

    KL(p ‖ q) = p log(p/q) + (1−p) log((1−p)/(1−q)), in nats. To be given to a layer as its `activity_regularizer`;
    activations: `(n, units)`, in [0, 1]. `target`: the mean activation wanted, between 0 and 1; `weight`: 0 or more.
    Raises `ValueError` for others. Introduced in chapter 07. Ng 2011, "Sparse autoencoder" (CS294A notes, Stanford).
    """

    def __init__(self, target: float, weight: float):
        if not is_number(target) or not 0 < target < 1:
            raise ValueError(f"target is {target!r}: expected a mean activation, more than 0 and less than 1")
        if not is_number(weight) or weight < 0:
            raise ValueError(f"weight is {weight!r}: expected a finite number, at least 0")
        self.target = float(target)
        self.weight = float(weight)

    def __call__(self, activations):
        p, n = self.target, ops.shape(activations)[0]
        q = ops.mean(ops.cast(activations, "float32"), axis=0)  # in half precision, 1 − 1e-6 would be 1
        q = ops.clip(q, 1e-6, 1 - 1e-6)  # a unit that is always off or always on would cost infinitely much
        divergence = p * ops.log(p / q) + (1 - p) * ops.log((1 - p) / (1 - q))
        # Keras (from 3.14 on) divides what an activity regularizer returns by the batch size. A mean over the batch is
        # no sum over it: without the factor n the penalty would be weaker, the larger the batch.
        return self.weight * ops.sum(divergence) * ops.cast(n, "float32")

    def get_config(self):
        return {"target": self.target, "weight": self.weight}


def sparse_autoencoder(
    input_shape,
    code_size: int,
    *,
    code_activation="sigmoid",
    activity_regularizer=None,
    k: int | None = None,
    mean=None,
    tied: bool = False,
) -> Autoencoder:
    """One hidden layer, the code: as wide as you like, with few active units. Introduced in chapter 07 (Ng 2011).

    `input_shape`: `(height, width, channels)`. `activity_regularizer`: a penalty on the activations, such as
    `keras.regularizers.L1(weight)` or `KLSparsity(target, weight)`; its weight counts in the unit of the loss. `k`:
    keep the k largest activations of each image and set the others to 0 (`KSparse`; Makhzani & Frey 2013 use it with
    `code_activation=None`, and `tied`). With neither it is a plain autoencoder. `mean`: the mean training image; it is
    subtracted first, and the output starts at it. With `tied` the decoder's kernel is the transpose of the encoder's.
    Encoder: images to codes `(n, code_size)`. Decoder: codes to images. Raises `ValueError` for impossible sizes, and
    for a `KLSparsity` on units that are not sigmoids.
    """
    check_sizes(input_shape, code_size)
    if isinstance(activity_regularizer, KLSparsity) and code_activation != "sigmoid":
        raise ValueError(
            f"KLSparsity needs activations from 0 to 1, found code_activation {code_activation!r}: use 'sigmoid'"
        )
    pixels = math.prod(input_shape)
    centre = np.zeros(pixels) if mean is None else flat_mean(mean, input_shape)
    to_code = keras.layers.Dense(code_size, code_activation, activity_regularizer=activity_regularizer, name="code")
    x = inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(x)
    x = to_code(keras.layers.Rescaling(1.0, -centre, name="centre")(x))
    encoder = keras.Model(inputs, x if k is None else KSparse(k)(x), name="encoder")

    codes = keras.Input((code_size,))
    if tied:
        to_pixels = TransposedDense(to_code, "sigmoid", name="pixels")
    else:
        to_pixels = keras.layers.Dense(pixels, "sigmoid", name="pixels")
    decoder = keras.Model(codes, keras.layers.Reshape(input_shape)(to_pixels(codes)), name="decoder")
    if mean is not None:
        init_output_bias(to_pixels, centre)
    return Autoencoder(encoder, decoder)

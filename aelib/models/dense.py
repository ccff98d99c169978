"""Dense autoencoders: the builders of chapters 01 and 02."""

import math

import keras
import numpy as np
from keras import ops

from aelib.models.autoencoder import Autoencoder, init_output_bias
from aelib.models.tied import TransposedDense
from aelib.validate import check_sizes, flat_mean


@keras.saving.register_keras_serializable("aelib")
class FourierExpansion(keras.layers.Layer):
    """The sines and cosines of a number: `(n, 1)` to `(n, 2J)`, sin(πjz) and cos(πjz) for j = 1…J.

    A linear layer on top of it can draw any curve through any number of points, if J is large enough. Introduced in
    chapter 02b, to show what a strong decoder can do with a code of one number.
    """

    def __init__(self, frequencies: int, **kwargs):
        super().__init__(**kwargs)
        if frequencies < 1:
            raise ValueError(f"frequencies is {frequencies}: it must be at least 1")
        self.frequencies = frequencies

    def call(self, z):
        angles = math.pi * z * ops.arange(1, self.frequencies + 1, dtype=z.dtype)
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def get_config(self):
        return {**super().get_config(), "frequencies": self.frequencies}


def linear_autoencoder(input_shape, code_size: int, *, mean=None, tied: bool = False) -> Autoencoder:
    """`z = W(x − μ)`, `x̂ = V z + μ`, with V = Wᵀ if `tied`. Introduced in chapter 01 (Baldi & Hornik 1989).

    `input_shape`: `(height, width, channels)`. `mean`: μ, of that shape; without it nothing is centred, and nothing has
    a bias. Encoder: images to `(n, code_size)`. Decoder: back. Raises `ValueError` for impossible sizes.
    """
    check_sizes(input_shape, code_size)
    pixels = math.prod(input_shape)
    mean = np.zeros(pixels) if mean is None else flat_mean(mean, input_shape)
    to_code = keras.layers.Dense(code_size, use_bias=False, name="code")
    x = inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Rescaling(1.0, -mean, name="centre")(x)
    encoder = keras.Model(inputs, to_code(x), name="encoder")

    x = codes = keras.Input((code_size,))
    if tied:
        x = TransposedDense(to_code, use_bias=False, name="pixels")(x)
    else:
        x = keras.layers.Dense(pixels, use_bias=False, name="pixels")(x)
    x = keras.layers.Rescaling(1.0, mean, name="uncentre")(x)
    decoder = keras.Model(codes, keras.layers.Reshape(input_shape)(x), name="decoder")
    return Autoencoder(encoder, decoder)


def stacked_autoencoder(
    input_shape,
    hidden: tuple[int, ...],
    code_size: int,
    *,
    activation="gelu",
    code_activation=None,
    output_activation="sigmoid",
    kernel_initializer="he_normal",
    mean=None,
    tied: bool = False,
    corruption: keras.layers.Layer | None = None,
) -> Autoencoder:
    """Dense layers down to the code and, mirrored, up again. Introduced in chapter 02 (Hinton & Salakhutdinov 2006).

    `input_shape`: `(height, width, channels)`. `hidden`: units of the encoder's hidden layers, `(1000, 500, 250)` say;
    the decoder has the same in reverse. Encoder: images to codes `(n, code_size)`. Decoder: codes to images. `mean`:
    the mean training image; the untrained network then answers with it, instead of having to learn it first. With
    `tied` every kernel of the decoder is the transpose of the encoder's. `corruption`: a layer through which images
    pass first, such as `GaussianCorruption(0.5)`: chapter 06. Raises `ValueError` for impossible sizes.
    """
    check_sizes(input_shape, code_size, *hidden)
    down = [keras.layers.Dense(u, activation, kernel_initializer=kernel_initializer) for u in hidden]
    down.append(keras.layers.Dense(code_size, code_activation, kernel_initializer=kernel_initializer, name="code"))
    x = inputs = keras.Input(input_shape)
    if corruption is not None:
        x = corruption(x)
    x = keras.layers.Flatten()(x)
    for layer in down:
        x = layer(x)
    encoder = keras.Model(inputs, x, name="encoder")

    x = codes = keras.Input((code_size,))
    for layer, units in zip(reversed(down), [*reversed(hidden), math.prod(input_shape)], strict=True):
        to = output_activation if layer is down[0] else activation
        if tied:
            x = TransposedDense(layer, to)(x)
        else:
            x = keras.layers.Dense(units, to, kernel_initializer=kernel_initializer)(x)
    decoder = keras.Model(codes, keras.layers.Reshape(input_shape)(x), name="decoder")
    if mean is not None:
        init_output_bias(decoder.layers[-2], flat_mean(mean, input_shape))
    return Autoencoder(encoder, decoder)

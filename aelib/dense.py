"""Dense autoencoders: the `Autoencoder` model, and the builders of chapters 01, 02 and 07."""

import ast
import copy
import inspect
import math
import numbers
import textwrap
from collections.abc import Iterable

import keras
import numpy as np

from aelib.layers import FourierExpansion, KLSparsity, KSparse, TransposedDense


@keras.saving.register_keras_serializable("aelib")
class Autoencoder(keras.Model):
    """An encoder followed by a decoder; both are `keras.Model`s and survive saving and loading.

    Maps images `(n, height, width, 1)` to reconstructions of the same shape. `compile` and `fit` are Keras's own.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.build(encoder.input_shape)

    def call(self, inputs, training=None):
        return self.decoder(self.encoder(inputs, training=training), training=training)

    def build(self, input_shape):
        self.built = True  # encoder and decoder are built by their builders

    def get_config(self):
        parts = {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in ("encoder", "decoder")}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        decoder = copy.deepcopy(config["decoder"])
        # A layer that holds another layer would get a copy of it: hand it the encoder's own, so that it stays tied.
        for layer in decoder["config"]["layers"]:
            if layer["class_name"] == TransposedDense.__name__:
                layer["config"]["dense"] = encoder.get_layer(layer["config"]["dense"]["config"]["name"])
        decoder = keras.saving.deserialize_keras_object(decoder)
        return cls(**{**config, "encoder": encoder, "decoder": decoder})


def linear_autoencoder(input_shape, code_size: int, *, mean=None, tied: bool = False) -> Autoencoder:
    """`z = W(x − μ)`, `x̂ = V z + μ`, with V = Wᵀ if `tied`. Introduced in chapter 01 (Baldi & Hornik 1989).

    `input_shape`: `(height, width, 1)`. `mean`: μ, of that shape; without it nothing is centred, and nothing has a
    bias. Encoder: images to `(n, code_size)`. Decoder: back. Raises `ValueError` for impossible sizes.
    """
    check_sizes(input_shape, code_size)
    pixels = math.prod(input_shape)
    mean = np.zeros(pixels) if mean is None else flat_mean(mean, input_shape)
    to_code = keras.layers.Dense(code_size, use_bias=False, name="code")
    x = inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Normalization(mean=mean, variance=np.ones(pixels), name="centre")(x)
    encoder = keras.Model(inputs, to_code(x), name="encoder")

    x = codes = keras.Input((code_size,))
    if tied:
        x = TransposedDense(to_code, use_bias=False, name="pixels")(x)
    else:
        x = keras.layers.Dense(pixels, use_bias=False, name="pixels")(x)
    x = keras.layers.Normalization(mean=mean, variance=np.ones(pixels), invert=True, name="uncentre")(x)
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

    `input_shape`: `(height, width, 1)`. `hidden`: units of the encoder's hidden layers, `(1000, 500, 250)` say; the
    decoder has the same in reverse. Encoder: images to codes `(n, code_size)`. Decoder: codes to images. `mean`: the
    mean training image; the untrained network then answers with it, instead of having to learn it first. With `tied`
    every kernel of the decoder is the transpose of the encoder's. `corruption`: a layer through which images pass
    first, such as `GaussianCorruption(0.5)`: chapter 06. Raises `ValueError` for impossible sizes.
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
        start_at(decoder.layers[-2], flat_mean(mean, input_shape))
    return Autoencoder(encoder, decoder)


def one_neuron_autoencoder(input_shape, frequencies: int = 512) -> Autoencoder:
    """A code of one number, `tanh(w·x + b)` with random w that is never trained, and a decoder that can memorize.

    The decoder expands the number into sines and cosines and is linear from there (as logistic regression is, up to
    the sigmoid). Introduced in chapter 02 as a warning. Raises `ValueError` for impossible sizes.
    """
    check_sizes(input_shape, 1)
    neuron = keras.layers.Dense(1, "tanh", trainable=False, name="code")
    inputs = keras.Input(input_shape)
    encoder = keras.Model(inputs, neuron(keras.layers.Flatten()(inputs)), name="encoder")

    codes = keras.Input((1,))
    x = FourierExpansion(frequencies)(codes)
    x = keras.layers.Dense(math.prod(input_shape), "sigmoid")(x)
    decoder = keras.Model(codes, keras.layers.Reshape(input_shape)(x), name="decoder")
    return Autoencoder(encoder, decoder)


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

    `input_shape`: `(height, width, 1)`. `activity_regularizer`: a penalty on the activations, such as
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
    x = to_code(keras.layers.Normalization(mean=centre, variance=np.ones(pixels), name="centre")(x))
    encoder = keras.Model(inputs, x if k is None else KSparse(k)(x), name="encoder")

    codes = keras.Input((code_size,))
    if tied:
        to_pixels = TransposedDense(to_code, "sigmoid", name="pixels")
    else:
        to_pixels = keras.layers.Dense(pixels, "sigmoid", name="pixels")
    decoder = keras.Model(codes, keras.layers.Reshape(input_shape)(to_pixels(codes)), name="decoder")
    if mean is not None:
        start_at(to_pixels, centre)
    return Autoencoder(encoder, decoder)


def start_at(layer, mean) -> None:
    """Set the bias of an output layer so that its output starts at `mean`, one number a unit.

    The layer's activation is the identity or the sigmoid; the mean is kept 0.01 away from 0 and 1
    for the latter.
    """
    if layer.activation not in (keras.activations.sigmoid, keras.activations.linear):
        raise ValueError(
            f"mean needs the output activation 'sigmoid' or None, found {layer.activation.__name__!r}: leave mean out"
        )
    if layer.activation is keras.activations.sigmoid:
        mean = np.clip(mean, 0.01, 0.99)
        mean = np.log(mean / (1 - mean))
    layer.bias.assign(mean)


def check_sizes(input_shape, *units) -> None:
    """Raise `ValueError` unless `input_shape` is an image's and every number of units is a positive integer."""
    shape = tuple(input_shape) if isinstance(input_shape, Iterable) else input_shape
    if not isinstance(shape, tuple) or len(shape) != 3 or shape[2] != 1 or not all(map(_is_count, shape)):
        raise ValueError(f"input_shape is {shape}: expected (height, width, 1), as in data.image_shape")
    if not all(map(_is_count, units)):
        raise ValueError(f"code size and units are {units}: every layer needs a whole number of units, at least 1")


def _is_count(size) -> bool:
    return isinstance(size, numbers.Integral) and size > 0


def flat_mean(mean, input_shape) -> np.ndarray:
    """The mean image, of the images' shape or flat, as one row of pixels; `ValueError` if it is something else."""
    mean, pixels = np.asarray(mean), math.prod(input_shape)
    if mean.shape not in ((pixels,), tuple(input_shape), tuple(input_shape[:2])) or not np.isfinite(mean).all():
        raise ValueError(
            f"mean has the shape {mean.shape} (NaN or infinite: {not np.isfinite(mean).all()}), an image has "
            f"{tuple(input_shape)}: give the mean of the training images, x_train.mean(axis=0)"
        )
    return mean.reshape(pixels)


def describe(autoencoder: Autoencoder) -> str:
    """The layers of encoder and decoder, a line each: sizes of the outputs, and the number of parameters.

    Of several inputs or outputs the first is named: of pooling with switches, the pooled map.
    """
    lines = []
    for part in (autoencoder.encoder, autoencoder.decoder):
        steps = ["×".join(map(str, part.inputs[0].shape[1:]))]
        for layer in part.layers:
            if isinstance(layer, keras.layers.InputLayer):
                continue
            size = "×".join(map(str, keras.tree.flatten(layer.output)[0].shape[1:]))
            if size != steps[-1] or layer.weights:  # a layer that only shifts its input adds nothing to the picture
                steps.append(size)
        lines.append(f"{part.name}: {' → '.join(steps)} · {part.count_params():,} parameters")
    return "\n".join([*lines, f"together: {autoencoder.count_params():,} parameters"])


def source(function) -> str:
    """The source of a builder or a method, without its docstring, as a chapter prints it."""
    text = textwrap.dedent(inspect.getsource(function))
    first = ast.parse(text).body[0].body[0]
    lines = text.splitlines(keepends=True)
    if function.__doc__:
        del lines[first.lineno - 1 : first.end_lineno]
    return "".join(lines)

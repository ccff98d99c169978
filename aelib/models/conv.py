"""Convolutional autoencoders: convolution and pooling down, and three ways up again.

Introduced in chapter 04.
"""

import math

import keras
import numpy as np

from aelib.models.autoencoder import Autoencoder
from aelib.models.unpooling import MaxPoolWithSwitches, MaxUnpool
from aelib.validate import check_sizes, flat_mean

WAYS_UP = ("transposed", "repeat", "switches")


def conv_autoencoder(
    input_shape,
    filters: tuple[int, ...],
    code_size: int,
    *,
    up: str = "transposed",
    pooling: bool = True,
    hidden: tuple[int, ...] = (),
    kernel_size: int = 3,
    activation="silu",
    mean=None,
    corruption: keras.layers.Layer | None = None,
) -> Autoencoder:
    """Convolutions that halve the image once per entry of `filters`, a dense code, and as many steps up again.

    `input_shape`: `(height, width, channels)`, of any size: odd sizes are rounded up, and cropped on the way back.
    Down: see `down_block`, a convolution and max pooling, or, without `pooling`, a convolution with stride 2. Up: see
    `up_block`. `hidden`: units of dense layers between the maps and the code, mirrored. Codes: `(n, code_size)`; with
    `up="switches"` the encoder returns, and the decoder takes, a list `[codes, switches of level 1, 2, …]`. `mean`: the
    mean training image, with which an output of zeros answers. `corruption`: a layer through which images pass first
    (chapter 06). Introduced in chapter 04 (Masci et al. 2011, ICANN). Raises `ValueError` for impossible sizes, and for
    switches without pooling.
    """
    check_sizes(input_shape, code_size, kernel_size, *filters, *hidden)
    if up not in WAYS_UP or not filters or (up == "switches" and not pooling):
        raise ValueError(
            f"found up={up!r}, pooling={pooling}, filters={filters}: expected up to be one of {', '.join(WAYS_UP)}, "
            "filters for at least one level, and pooling if there are to be switches"
        )
    x = inputs = keras.Input(input_shape)
    if corruption is not None:
        x = corruption(x)
    sizes, switches = [], []
    for count in filters:
        sizes.append(x.shape[1:3])
        x, where = down_block(
            x, count, pooling=pooling, switches=up == "switches", size=kernel_size, activation=activation
        )
        switches += where
    maps = x.shape[1:]
    x = keras.layers.Flatten()(x)
    for units in hidden:
        x = keras.layers.Dense(units, activation, kernel_initializer="he_normal")(x)
    x = keras.layers.Dense(code_size, name="code")(x)
    encoder = keras.Model(inputs, [x, *switches] if switches else x, name="encoder")

    x = codes = keras.Input((code_size,))
    places = [keras.Input(where.shape[1:]) for where in switches]
    for units in [*reversed(hidden), math.prod(maps)]:
        x = keras.layers.Dense(units, activation, kernel_initializer="he_normal")(x)
    x = keras.layers.Reshape(maps)(x)
    for level in reversed(range(len(filters))):
        count, to = (filters[level - 1], activation) if level else (input_shape[2], None)
        x = up_block(x, sizes[level], count, up=up, switches=places[level : level + 1], size=kernel_size, activation=to)
    decoder = keras.Model([codes, *places] if places else codes, around_mean(x, mean), name="decoder")
    return Autoencoder(encoder, decoder)


def down_block(x, count: int, *, pooling: bool = True, switches: bool = False, size: int = 3, activation=None):
    """One level down: maps `x` to `count` maps of half the height and width, and a list of the switches, if any.

    A convolution and max pooling or, without `pooling`, a convolution of stride 2.
    """
    x = _convolution(count, size, activation, strides=1 if pooling else 2)(x)
    if switches:
        x, where = MaxPoolWithSwitches(2)(x)
        return x, [where]
    return (keras.layers.MaxPooling2D(2, padding="same")(x) if pooling else x), []


def up_block(x, to, count: int, *, up: str, switches=(), size: int = 3, activation=None):
    """One level up: maps `x` to `count` maps of twice the height and width, cropped to `to`.

    `up`: `"transposed"`, a convolution of stride 2 turned round; or a plain convolution after `"repeat"` (each value
    becomes a block of 2×2) or `"switches"` (`MaxUnpool`: each value goes where the encoder's maximum was).
    """
    if up == "transposed":
        transposed = keras.layers.Conv2DTranspose
        return crop(_convolution(count, size, activation, strides=2, layer=transposed)(x), to)
    x = MaxUnpool(2)([x, *switches]) if up == "switches" else crop(keras.layers.UpSampling2D(2)(x), to)
    return _convolution(count, size, activation)(x)


def around_mean(x, mean=None):
    """Maps of real numbers to grey values or colours: sigmoid, after the log-odds of `mean` have been added to each.

    A convolution has one bias for all pixels of a map; this constant tells it which of them are bright on average.
    """
    shape = x.shape[1:]
    if mean is not None:
        mean = np.clip(flat_mean(mean, shape).reshape(shape), 0.01, 0.99)
        log_odds = np.log(mean / (1 - mean))
        x = keras.layers.Rescaling(1.0, log_odds, name="around_mean")(x)
    return keras.layers.Activation("sigmoid")(x)


def _convolution(count, size, activation, *, strides=1, layer=keras.layers.Conv2D):
    """After He, since the activations here are relatives of ReLU."""
    return layer(count, size, strides=strides, padding="same", activation=activation, kernel_initializer="he_normal")


def crop(x, to):
    """Maps cut below and on the right to the height and width `to`: what "same" had added there."""
    more = [have - want for have, want in zip(x.shape[1:3], to, strict=True)]
    return keras.layers.Cropping2D([(0, more[0]), (0, more[1])])(x) if any(more) else x

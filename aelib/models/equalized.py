"""Layers with an equalized learning rate: a step of Adam is the same share of the weights in all of them.

Introduced in chapter 14. Karras et al. 2018 (arXiv:1710.10196), section 4.1. Each draws its weights from N(0, 1) and
uses them times gain / √fan-in, where fan-in is how many inputs a unit has. Other layers draw their weights from
N(0, gain² / fan-in) instead, which is the same at the start; but Adam's steps do not depend on how large the weights
are. A gain that is no positive number raises `ValueError`. Options are those of Keras's own layers.
"""

import math

import keras
from keras import ops

from aelib.validate import is_number

GAIN = math.sqrt(2)  # before a ReLU, which halves the mean square: He et al. 2015 (arXiv:1502.01852)


@keras.saving.register_keras_serializable("aelib")
class EqualizedDense(keras.layers.Dense):
    """`(n, inputs)` to `(n, units)`."""

    def __init__(self, units: int, *, gain: float = GAIN, **options):
        super().__init__(units, **(_standard_normal() | options))
        self.gain = _checked(gain)

    @property
    def scale(self) -> float:
        """What the weights are multiplied by: gain / √fan-in."""
        return self.gain / math.sqrt(self.kernel.shape[0])

    def call(self, x):
        return self.activation(ops.matmul(x, self.scale * self.kernel) + self.bias)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("aelib")
class EqualizedConv2D(keras.layers.Conv2D):
    """Maps `(n, height, width, channels)` to `(n, height / stride, width / stride, filters)`, rounded up."""

    def __init__(self, filters: int, kernel_size, *, gain: float = GAIN, **options):
        super().__init__(filters, kernel_size, **(_standard_normal() | {"padding": "same"} | options))
        self.gain = _checked(gain)

    @property
    def scale(self) -> float:
        """What the weights are multiplied by: gain / √fan-in."""
        height, width, channels, _ = self.kernel.shape
        return self.gain / math.sqrt(height * width * channels)

    def convolution_op(self, maps, kernel):
        """What Keras calls with the maps and the weights; it adds the bias afterwards."""
        return super().convolution_op(maps, self.scale * kernel)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("aelib")
class EqualizedConv2DTranspose(keras.layers.Conv2DTranspose):
    """Maps `(n, height, width, channels)` to `(n, stride × height, stride × width, filters)`.

    Each of its outputs has kernel height × kernel width / stride² inputs per channel.
    """

    def __init__(self, filters: int, kernel_size, *, strides: int, gain: float = GAIN, **options):
        super().__init__(filters, kernel_size, strides, **(_standard_normal() | {"padding": "same"} | options))
        self.gain = _checked(gain)

    @property
    def scale(self) -> float:
        """What the weights are multiplied by: gain / √fan-in."""
        height, width, _, channels = self.kernel.shape
        return self.gain / math.sqrt(height * width * channels / math.prod(self.strides))

    def call(self, maps):
        grown = ops.conv_transpose(maps, self.scale * self.kernel, self.strides, self.padding)
        return self.activation(grown + self.bias)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


def _standard_normal() -> dict:
    return {"kernel_initializer": keras.initializers.RandomNormal(0.0, 1.0)}


def _checked(gain) -> float:
    if not is_number(gain) or gain <= 0:
        raise ValueError(f"gain is {gain!r}: expected a number above 0, √2 before a ReLU, 1 before no activation")
    return float(gain)

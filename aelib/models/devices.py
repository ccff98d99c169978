"""Leave out one of the devices of a growing GAN: a copy of a network in which other layers stand in for some.

Introduced in chapter 14b. The devices are those of Karras et al. 2018 (arXiv:1710.10196).
"""

from collections.abc import Callable

import keras

from aelib.models.equalized import EqualizedConv2D, EqualizedConv2DTranspose, EqualizedDense
from aelib.models.growing_gan import PixelNorm
from aelib.models.minibatch import MinibatchStdDev

USUAL = {
    EqualizedDense: keras.layers.Dense,
    EqualizedConv2D: keras.layers.Conv2D,
    EqualizedConv2DTranspose: keras.layers.Conv2DTranspose,
}


def without_device(network: keras.Model, device: str) -> keras.Model:
    """A copy of a network of `growing_generator` or `growing_discriminator` with new weights, without one device.

    `device`: `"equalized learning rate"` (Keras's own layers, whose weights are drawn as small as the equalized ones
    are used: N(0, gain² / fan-in)), `"pixelwise normalization"`, or `"minibatch standard deviation"`. Inputs and
    outputs stay as they are. Raises `ValueError` for another device.
    """
    if device not in INSTEAD:
        raise ValueError(f"device is {device!r}: expected one of {', '.join(map(repr, INSTEAD))}")

    def copy(layer: keras.Layer) -> keras.Layer:
        """The layer's stand-in, or a copy of it, with weights that are drawn anew."""
        return INSTEAD[device](layer) or type(layer).from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=copy)


def _usual(layer: keras.Layer) -> keras.Layer | None:
    if type(layer) not in USUAL:
        return None
    config = layer.get_config()
    del config["gain"]
    config["kernel_initializer"] = keras.initializers.RandomNormal(0.0, layer.scale)
    return USUAL[type(layer)].from_config(config)


def _identity_for(kind: type) -> Callable[[keras.Layer], keras.Layer | None]:
    return lambda layer: keras.layers.Identity() if isinstance(layer, kind) else None


INSTEAD: dict[str, Callable[[keras.Layer], keras.Layer | None]] = {
    "equalized learning rate": _usual,
    "pixelwise normalization": _identity_for(PixelNorm),
    "minibatch standard deviation": _identity_for(MinibatchStdDev),
}

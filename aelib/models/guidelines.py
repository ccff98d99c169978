"""Leave out one of the guidelines of a DCGAN: a copy of a network in which other layers stand in for some.

Introduced in chapter 13. The guidelines are those of Radford, Metz & Chintala 2016 (arXiv:1511.06434).
"""

from collections.abc import Callable

import keras
from keras import layers

OTHER_ACTIVATION = {"relu": "leaky_relu", "tanh": "sigmoid", "leaky_relu": "relu"}


def leave_out(network: keras.Model, guideline: str) -> keras.Model:
    """A copy of a `dcgan_generator` or a `dcgan_discriminator` with new weights, without one of the guidelines.

    `guideline`: `"strides"` (pixels are repeated on the way up, maps pooled on the way down), `"normalization"`
    (none), `"its place"` (normalization at the generator's output and behind the discriminator's first convolution as
    well), `"no hidden layer"` (a dense one of 256 units at the maps' small end), `"activations"` (leaky ReLU and a
    sigmoid at the output in the generator, ReLU in the discriminator). Inputs and outputs stay as they are. Raises
    `ValueError` for another guideline.
    """
    if guideline not in INSTEAD:
        raise ValueError(f"guideline is {guideline!r}: expected one of {', '.join(map(repr, INSTEAD))}")

    def copy(layer: keras.Layer) -> keras.Layer:
        """The layer's stand-ins, or a copy of it, with weights that are drawn anew."""
        instead = INSTEAD[guideline](layer)
        return keras.Sequential(instead) if instead else type(layer).from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=copy)


# ---- what stands in for a layer; None: a copy of it ----


def _without_strides(layer: keras.Layer) -> list[keras.Layer] | None:
    """Guideline 1."""
    if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose)):
        convolution = layers.Conv2D(layer.filters, layer.kernel_size, padding="same")
        up = isinstance(layer, layers.Conv2DTranspose)
        return [layers.UpSampling2D(2), convolution] if up else [convolution, layers.MaxPooling2D(2, padding="same")]
    return None


def _without_normalization(layer: keras.Layer) -> list[keras.Layer] | None:
    """Guideline 2, its first half."""
    return [layers.Identity()] if isinstance(layer, layers.BatchNormalization) else None


def _normalized_everywhere(layer: keras.Layer) -> list[keras.Layer] | None:
    """Guideline 2, its second half."""
    if layer.name == "from_image":
        return [layers.Conv2D.from_config(layer.get_config()), layers.BatchNormalization()]
    if isinstance(layer, layers.Activation) and layer.activation is keras.activations.tanh:
        return [layers.BatchNormalization(), layers.Activation("tanh")]
    return None


def _with_a_hidden_layer(layer: keras.Layer) -> list[keras.Layer] | None:
    """Guideline 3: before the generator's maps, behind the discriminator's, whose number of features stays."""
    hidden = [layers.Dense(256), layers.BatchNormalization()]
    if isinstance(layer, layers.Dense) and layer.units > 1:
        return [*hidden, layers.ReLU(), layers.Dense(layer.units)]
    if isinstance(layer, layers.Flatten):
        return [layers.Flatten(), *hidden, layers.LeakyReLU(), layers.Dense(layer.output.shape[-1])]
    return None


def _with_other_activations(layer: keras.Layer) -> list[keras.Layer] | None:
    """Guidelines 4 and 5. A sigmoid needs no scaling to [0, 1]."""
    if isinstance(layer, layers.Activation):
        return [layers.Activation(OTHER_ACTIVATION[layer.activation.__name__])]
    return [layers.Identity()] if layer.name == "to_0_1" else None


INSTEAD: dict[str, Callable[[keras.Layer], list[keras.Layer] | None]] = {
    "strides": _without_strides,
    "normalization": _without_normalization,
    "its place": _normalized_everywhere,
    "no hidden layer": _with_a_hidden_layer,
    "activations": _with_other_activations,
}

"""The model that every builder returns: an encoder followed by a decoder.

Introduced in chapter 01.
"""

import keras
import numpy as np

from aelib.models.parts import MadeOfParts
from aelib.models.tied import TransposedDense


@keras.saving.register_keras_serializable("aelib")
class Autoencoder(MadeOfParts, keras.Model):
    """An encoder followed by a decoder; both are `keras.Model`s and survive saving and loading.

    Maps images `(n, height, width, channels)` to reconstructions of the same shape. `compile` and `fit` are Keras's
    own.
    """

    parts = ("encoder", "decoder")

    def __init__(self, encoder: keras.Model, decoder: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.build(encoder.input_shape)

    def call(self, inputs, training=None):
        return self.decoder(self.encoder(inputs, training=training), training=training)

    def build(self, input_shape):
        self.built = True  # encoder and decoder are built by their builders

    @classmethod
    def load_parts(cls, configs):
        """The encoder, and a decoder that is tied to it if it was."""
        encoder = keras.saving.deserialize_keras_object(configs["encoder"])
        # A layer that holds another layer would get a copy of it: hand it the encoder's own, so that it stays tied.
        for layer in configs["decoder"]["config"]["layers"]:
            if layer["class_name"] == TransposedDense.__name__:
                layer["config"]["dense"] = encoder.get_layer(layer["config"]["dense"]["config"]["name"])
        return {"encoder": encoder, "decoder": keras.saving.deserialize_keras_object(configs["decoder"])}


def init_output_bias(layer, mean, activation=None) -> None:
    """Set the bias of an output layer so that its output starts at `mean`, one number per unit.

    `activation`: the identity or the sigmoid, where it is not the layer's own but comes later. For the sigmoid the mean
    is kept 0.01 away from 0 and 1.
    """
    activation = layer.activation if activation is None else keras.activations.get(activation)
    if activation not in (keras.activations.sigmoid, keras.activations.linear):
        raise ValueError(
            f"mean needs the output activation 'sigmoid' or None, found {activation.__name__!r}: leave mean out"
        )
    if activation is keras.activations.sigmoid:
        mean = np.clip(mean, 0.01, 0.99)
        mean = np.log(mean / (1 - mean))
    layer.bias.assign(mean)

"""The model that every builder returns: an encoder followed by a decoder.

Introduced in chapter 01.
"""

import copy

import keras
import numpy as np

from aelib.models.tied import TransposedDense


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


def init_output_bias(layer, mean) -> None:
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

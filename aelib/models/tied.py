"""A dense layer that shares the kernel of another one, transposed.

Introduced in chapter 01.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("aelib")
class TransposedDense(keras.layers.Layer):
    """A dense layer whose kernel is the transpose of another's: `activation(x Wᵀ + b)`.

    `dense` is the `keras.layers.Dense` that owns W, of shape `(inputs, units)`, and is built already. Maps
    `(…, units)` to `(…, inputs)`; only the bias b, of shape `(inputs,)`, is new
    (none without `use_bias`). Introduced in chapter 01. Tied weights: Vincent et al. 2010 (JMLR 11), section 2.2.
    """

    def __init__(self, dense: keras.layers.Dense, activation=None, use_bias: bool = True, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(dense, keras.layers.Dense) or not dense.built:
            raise ValueError(
                f"TransposedDense ties itself to a Dense layer that is built, found {dense!r}: "
                "call the Dense layer on its input first"
            )
        self.dense = dense
        self.use_bias = use_bias
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        inputs, units = self.dense.kernel.shape
        if input_shape[-1] != units:
            raise ValueError(
                f"the last axis has length {input_shape[-1]}, the kernel of {self.dense.name} makes {units}"
            )
        self.bias = self.add_weight(shape=(inputs,), initializer="zeros", name="bias") if self.use_bias else None

    def call(self, x):
        x = ops.matmul(x, ops.transpose(self.dense.kernel))
        return self.activation(x if self.bias is None else x + self.bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.dense.kernel.shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "dense": keras.saving.serialize_keras_object(self.dense),
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config):
        # `Autoencoder.from_config` puts the encoder's live layer here; a decoder saved alone gets a copy of its own.
        dense = config["dense"]
        if not isinstance(dense, keras.layers.Layer):
            dense = keras.saving.deserialize_keras_object(dense)
        return cls(**{**config, "dense": dense})

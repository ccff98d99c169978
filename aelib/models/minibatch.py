"""Layers that show a discriminator several samples at once.

Introduced in chapter 11.
"""

import numbers

import keras
from keras import ops


@keras.saving.register_keras_serializable("aelib")
class MinibatchStdDev(keras.layers.Layer):
    """Adds one feature, the same for all samples of a batch: how much the batch varies, `(n, …, c)` to `(n, …, c + 1)`.

    It is the standard deviation over the batch, of each feature at each place, mean over all of them. To a
    discriminator it shows at once that a generator makes always the same. A sample's output thus depends on those
    beside it; of a batch of one it is 0. Introduced in chapter 11. Karras et al. 2018 (arXiv:1710.10196), section 3,
    after the minibatch discrimination of Salimans et al. 2016 (arXiv:1606.03498).
    """

    def call(self, x):
        # in float32, and √(variance + ε): the root's own gradient is infinite where nothing varies
        variance = ops.var(ops.cast(x, "float32"), axis=0)
        deviation = ops.cast(ops.mean(ops.sqrt(variance + 1e-8)), x.dtype)
        return ops.concatenate([x, ops.broadcast_to(deviation, (*ops.shape(x)[:-1], 1))], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)


@keras.saving.register_keras_serializable("aelib")
class Pack(keras.layers.Layer):
    """Puts `m` samples side by side, for a discriminator that judges them together: `(n, …, c)` to `(n/m, …, m c)`.

    Samples that follow one another make a pack; n must be a multiple of m. One sample can hide that it is always the
    same; two beside each other cannot. Raises `ValueError` for an impossible m. Introduced in chapter 11. PacGAN:
    Lin et al. 2018 (arXiv:1712.04086).
    """

    def __init__(self, m: int = 2, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(m, numbers.Integral) or m < 1:
            raise ValueError(f"m is {m!r}: expected how many samples make a pack, a whole number, at least 1")
        self.m = int(m)

    def call(self, x):
        shape = self.compute_output_shape(x.shape)
        x = ops.reshape(x, (-1, self.m, *x.shape[1:]))
        return ops.reshape(ops.moveaxis(x, 1, -2), (-1, *shape[1:]))

    def compute_output_shape(self, input_shape):
        n, *places, features = input_shape
        if n is not None and n % self.m:
            raise ValueError(f"{n} samples do not make packs of {self.m}: choose a batch_size that is a multiple of it")
        return None if n is None else n // self.m, *places, self.m * features

    def get_config(self):
        return {**super().get_config(), "m": self.m}

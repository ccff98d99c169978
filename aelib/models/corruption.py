"""What a denoising autoencoder is shown instead of the image: noise, or missing pixels.

Introduced in chapter 06.
"""

import keras
from keras import ops

from aelib.validate import is_number


class Corruption(keras.layers.Layer):
    """What the corruptions have in common: random numbers of their own, and an output of the input's shape."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("aelib")
class GaussianCorruption(Corruption):
    """Adds noise from N(0, stddev²) to every value, in training only; otherwise it hands its input on.

    `stddev`: in the units of the input (grey values, of 0 to 1). `clip`: the noisy values are clipped to [0, 1], so
    that they are grey values again. Any shape. `seed`: an int makes the noise the same in every run. Raises
    `ValueError` for an impossible `stddev`. Introduced in chapter 06. Vincent et al. 2008 (ICML), 2010 (JMLR 11).
    """

    def __init__(self, stddev: float, clip: bool = True, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not is_number(stddev) or stddev < 0:
            raise ValueError(f"stddev is {stddev!r}: expected a finite number, at least 0")
        self.stddev = float(stddev)
        self.clip = clip

    def call(self, x, training=None):
        if not training:
            return x
        noise = keras.random.normal(
            ops.shape(x), stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )
        return ops.clip(x + noise, 0, 1) if self.clip else x + noise

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev, "clip": self.clip}


@keras.saving.register_keras_serializable("aelib")
class MaskingNoise(Corruption):
    """Sets values to 0 with probability `rate`, in training only; the rest stays as it is.

    Each value by itself; but of images, `(n, height, width, channels)`, each pixel, in all of its channels.

    That is the difference from `keras.layers.Dropout`, which scales the rest by 1 / (1 − rate): a denoising
    autoencoder is to fill in what is missing, from pixels that are as bright as ever. `rate`: 0 or more, less than 1.
    Any shape. `seed`: an int makes the noise the same in every run. Raises `ValueError` for an impossible
    `rate`. Introduced in chapter 06. Masking noise: Vincent et al. 2008 (ICML).
    """

    def __init__(self, rate: float, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not is_number(rate) or not 0 <= rate < 1:
            raise ValueError(f"rate is {rate!r}: expected the share of values to drop, at least 0 and less than 1")
        self.rate = float(rate)

    def call(self, x, training=None):
        if not training:
            return x
        # float32 even where the layer computes in less: float16 has no fine enough numbers for the rate to come true
        shape = ops.shape(x) if len(x.shape) != 4 else (*ops.shape(x)[:3], 1)
        dropped = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator) < self.rate
        return ops.where(dropped, ops.zeros_like(x), x)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}

"""Learned compression: noise in place of rounding, a learned density of the codes, and the loss rate + λ · distortion.

After Ballé et al. 2017 (arXiv:1611.01704). Introduced in chapter 19.
"""

import math

import keras
import numpy as np
from keras import ops

from aelib.models.parts import MadeOfParts
from aelib.validate import check_finite, is_count, is_number

LEVELS = 255.0
SPEED = 10.0  # the density's numbers change this much faster than the weights: they have farther to go


@keras.saving.register_keras_serializable("aelib")
class NoisyRounding(keras.layers.Layer):
    """Rounds codes to whole numbers; in training adds noise from −½ to ½ instead, which lets gradients pass.

    Codes of any shape, to the same shape. Ballé et al. 2017 (arXiv:1611.01704), section 3.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, codes, training=None):
        if not training:
            return ops.round(codes)
        return codes + keras.random.uniform(ops.shape(codes), -0.5, 0.5, codes.dtype, seed=self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("aelib")
class FactorizedDensity(keras.layers.Layer):
    """How many bits each code needs, −log₂ of its probability: `(…, channels)` to the same shape.

    Each channel has a density of its own, a mixture of `components` logistic ones. With F its distribution function, a
    code y has the probability F(y + ½) − F(y − ½): that of the whole number y, and, under noise from −½ to ½, a
    density (Ballé et al. 2018, arXiv:1802.01436, appendix 6.1, where F is a monotone network; the mixture is this
    course's choice). All codes are counted as independent.
    """

    def __init__(self, components: int = 3, **kwargs):
        super().__init__(**kwargs)
        if not is_count(components):
            raise ValueError(f"components is {components!r}: expected a whole number, at least 1")
        self.components = int(components)

    def build(self, input_shape):
        shape = (input_shape[-1], self.components)
        widths = np.linspace(-1, 3, self.components) / SPEED  # from e⁻¹ to e³: whatever the codes, one is near
        self.centres = self.add_weight(name="centres", shape=shape, initializer="zeros")
        self.log_scales = self.add_weight(name="log_scales", shape=shape, initializer="zeros")
        self.log_scales.assign(np.tile(widths, (shape[0], 1)))
        self.logits = self.add_weight(name="logits", shape=shape, initializer="zeros")

    def call(self, codes):
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b − a)), in logarithms: so the farthest code still has a slope.
        offset, scale = ops.expand_dims(codes, -1) - SPEED * self.centres, ops.exp(SPEED * self.log_scales)
        above, below = ops.log_sigmoid((offset + 0.5) / scale), ops.log_sigmoid((0.5 - offset) / scale)
        inside = above + below + ops.log(-ops.expm1(-1 / scale))
        return -ops.logsumexp(ops.log_softmax(SPEED * self.logits, axis=-1) + inside, axis=-1) / math.log(2)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "components": self.components}


@keras.saving.register_keras_serializable("aelib")
class CompressionModel(MadeOfParts, keras.Model):
    """`encoder`: images to codes `(n, …, channels)`; `decoder`: codes to images; both `keras.Model`s.

    Called on images, it rounds their codes and decodes them. In `fit` and `evaluate` the loss is
    `rate` + `trade` · `distortion`: bits per value of a picture (a grey pixel has one, a coloured one three) by the
    learned density, and the mean squared error in levels of 255, squared; the layers' regularizers are added. Compile
    it with an optimizer and no loss. `trade` is λ, and can be assigned between runs. Raises `ValueError` for a trade
    that is not above 0, for an encoder and a decoder that do not belong together, and in `fit` for sample weights.
    """

    parts = ("encoder", "decoder")

    def __init__(self, encoder: keras.Model, decoder: keras.Model, trade: float = 0.01, **kwargs):
        super().__init__(**kwargs)
        if tuple(encoder.output_shape[1:]) != tuple(decoder.input_shape[1:]):
            raise ValueError(
                f"the encoder gives codes {encoder.output_shape[1:]} and the decoder takes {decoder.input_shape[1:]}: "
                "expected the same shape"
            )
        self.encoder, self.decoder = encoder, decoder
        self.rounding, self.density = NoisyRounding(), FactorizedDensity()
        self.density.build(encoder.output_shape)
        self.rate, self.distortion = (keras.metrics.Mean(name=name) for name in ("rate", "distortion"))
        channels = encoder.output_shape[-1]
        self.medians = self.add_weight(name="medians", shape=(channels,), initializer="zeros", trainable=False)
        self._bits = None  # of the last batch, between `call` and `compute_loss`
        self._trade = self.add_weight(name="trade", shape=(), initializer="zeros", trainable=False)
        self.trade = trade  # a variable: another one needs no new graph
        self.build(encoder.input_shape)

    @property
    def trade(self) -> float:
        """λ: how many bits per value a squared level of error costs."""
        return float(self._trade)

    @trade.setter
    def trade(self, trade: float) -> None:
        """Another λ, also between two calls of `fit`. Raises `ValueError` unless it is finite and above 0."""
        if not is_number(trade) or trade <= 0:
            raise ValueError(f"trade is {trade!r}: expected a finite number above 0, such as 0.01")
        self._trade.assign(trade)

    def build(self, input_shape):
        self.built = True  # encoder and decoder are built by their builders

    def call(self, images, training=None):
        codes = self.rounding(self.encoder(images, training=training) - self.medians, training=training) + self.medians
        self._bits = ops.sum(self.density(codes))
        return self.decoder(codes, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Rate + λ · distortion, and regularizers: Keras calls this in each step, after the model."""
        if sample_weight is not None:
            raise ValueError("found sample weights: expected none, this loss counts all pictures alike")
        bits, self._bits = self._bits, None
        rate = bits / ops.cast(ops.prod(ops.shape(x)), bits.dtype)
        distortion = ops.mean(ops.square(LEVELS * (ops.cast(y, y_pred.dtype) - y_pred)))
        self.rate.update_state(rate)
        self.distortion.update_state(distortion)
        return rate + self._trade * distortion + sum(self.losses)  # of regularizers, if there are any

    def centre(self, images) -> None:
        """Set the medians of the codes of these images, after training: the median is then rounded without error.

        Noise does not care where whole numbers lie, rounding does. `images`: those of training. Raises `ValueError` if
        codes are not finite.
        """
        codes = check_finite(self.encoder.predict(images, batch_size=500, verbose=0), "codes")
        self.medians.assign(np.median(codes.reshape(-1, codes.shape[-1]), axis=0))

    def codes(self, images) -> np.ndarray:
        """The rounded codes of images, whole numbers `(n, …, channels)`, counted from the medians.

        Raises `ValueError` if codes are not finite.
        """
        codes = self.encoder.predict(images, batch_size=500, verbose=0) - np.asarray(self.medians)
        return np.round(check_finite(codes, "codes")).astype("int64")

    def decode(self, codes) -> np.ndarray:
        """The pictures of such codes, cut to [0, 1]: `(n, height, width, channels)`."""
        exact = (codes + np.asarray(self.medians)).astype("float32")
        return np.clip(self.decoder.predict(exact, batch_size=500, verbose=0), 0, 1)

    def get_config(self):
        return {**super().get_config(), "trade": self.trade}

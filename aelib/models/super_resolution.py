"""Super-resolution: a network that enlarges small pictures, and a GAN whose generator it is.

Introduced in chapter 15d. Ledig et al. 2017 (SRGAN, arXiv:1609.04802).
"""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from aelib.models.r1_gan import R1GAN
from aelib.validate import check_sizes, is_count, is_number


def super_resolution_network(small_shape, widths: Sequence[int] = (64, 32, 16), blocks: int = 4) -> keras.Model:
    """Small pictures `(n, height, width, channels)` to those of twice the size for each width but the first.

    `widths`: maps at each size, the smallest first. `blocks`: residual blocks at the smallest size (He et al. 2016,
    arXiv:1512.03385). Each pixel becomes a square; what the network adds has the mean 0 in every square, so that the
    mean of each square stays the small picture's pixel. Untrained, it adds nothing. Values may leave [0, 1].
    Raises `ValueError` for sizes that cannot be built.
    """
    check_sizes(small_shape, *widths)
    if len(widths) < 2 or not is_count(blocks):
        raise ValueError(
            f"widths is {tuple(widths)!r} and blocks {blocks!r}: expected one width for the small size and one for "
            "each doubling, and at least one block"
        )
    factor, relu = 2 ** (len(widths) - 1), {"padding": "same", "activation": "relu"}
    small = keras.Input(small_shape, name="small")
    x = keras.layers.Conv2D(widths[0], 3, **relu)(small)
    for _ in range(blocks):
        change = keras.layers.Conv2D(widths[0], 3, padding="same")(keras.layers.Conv2D(widths[0], 3, **relu)(x))
        x = keras.layers.Add()([x, change])
    for features in widths[1:]:
        x = keras.layers.Conv2DTranspose(features, 4, strides=2, **relu)(x)
    detail = keras.layers.Conv2D(small_shape[2], 3, padding="same", kernel_initializer="zeros")(x)
    means = keras.layers.UpSampling2D(factor)(keras.layers.AveragePooling2D(factor)(detail))
    detail = keras.layers.Subtract()([detail, means])  # 0 in the mean of each square
    return keras.Model(small, keras.layers.Add()([keras.layers.UpSampling2D(factor)(small), detail]), name="enlarger")


@keras.saving.register_keras_serializable("aelib")
class SRGAN(R1GAN):
    """An `R1GAN` whose generator enlarges small pictures: `fit` takes the large ones, and shrinks them itself.

    The generator's loss is the squared error, mean over the pixels, plus `adversarial` times the cross-entropy of the
    discriminator's logits with "real" (Ledig et al. 2017, equation 3, there on features of another network).
    `generator`: small pictures to large ones; `discriminator`: large ones to logits `(n, 1)`. Other arguments as for
    `R1GAN`. Raises `ValueError` for networks that do not fit, and for impossible arguments.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model, *, adversarial: float = 0.01, **options):
        super().__init__(generator, discriminator, **options)
        if not is_number(adversarial) or adversarial < 0:
            raise ValueError(
                f"adversarial is {adversarial!r}: expected the weight of the discriminator's verdict, a finite number, "
                "at least 0"
            )
        if self.replay or self.minimax:
            raise ValueError(
                f"replay is {self.replay} and minimax is {self.minimax}: an enlarging GAN has neither, leave it out"
            )
        (_, height, width, _), (_, tall, wide, _) = generator.input_shape, generator.output_shape
        self.adversarial, self.factor = float(adversarial), tall // height
        if (tall, wide) != (self.factor * height, self.factor * width) or self.factor < 2:
            raise ValueError(
                f"found a generator from {height}×{width} to {tall}×{wide} pixels: expected one that enlarges both "
                "sides by the same whole number, at least 2, such as super_resolution_network"
            )

    def train_step(self, data):
        """One step of the discriminator, then one of the generator, on the same pictures."""
        real, *_ = keras.utils.unpack_x_y_sample_weight(data)
        small = ops.average_pool(real, self.factor)
        self.discriminator_step(real, [small])
        self.enlarging_step(real, [small])
        means = (self.generator_loss, self.discriminator_loss, self.accuracy)
        return {mean.name: mean.result() for mean in means}

    def enlarging_step(self, real, small):
        """One step of the generator: near the real pictures, and taken for real."""
        with tf.GradientTape() as tape:
            enlarged = self.generate(None, small)
            logits = self.discriminate(enlarged)
            loss = ops.mean(ops.square(real - enlarged))
            loss += self.adversarial * self.cross_entropy(ops.ones_like(logits), logits)
            scaled = self.generator_optimizer.scale_loss(loss)
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(scaled, weights), weights)
        self.generator_loss.update_state(loss)

    def generate(self, n, labels=()):
        """The enlarged pictures; what a GAN with labels is given as such are here the small ones, `[small]`."""
        return self.generator(*labels, training=True)

    def discriminate(self, samples, labels=()):
        """The discriminator sees large pictures alone."""
        return super().discriminate(samples)

    def get_config(self):
        return {**super().get_config(), "adversarial": self.adversarial}

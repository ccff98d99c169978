"""A GAN whose discriminator is kept flat at the real samples.

Introduced in chapter 14. Mescheder et al. 2018 (arXiv:1801.04406).
"""

import keras
import tensorflow as tf
from keras import ops

from aelib.models.gan import GAN
from aelib.validate import is_count, is_number


@keras.saving.register_keras_serializable("aelib")
class R1GAN(GAN):
    """A `GAN` with the penalty R1: γ/2 times the mean of ‖∇D‖², the squared slope of the logit at real samples.

    `gamma`: γ; 0 for none. `every`: the penalty is `every` times as large, and has a step of its own after each
    `every`-th step of the discriminator (lazy regularization, Karras et al. 2020, arXiv:1912.04958, section 3.1).
    Other arguments as for `GAN`. Raises `ValueError` for impossible ones.
    """

    def __init__(
        self, generator: keras.Model, discriminator: keras.Model, *, gamma: float = 0.5, every: int = 16, **options
    ):
        super().__init__(generator, discriminator, **options)
        if not is_number(gamma) or gamma < 0:
            raise ValueError(f"gamma is {gamma!r}: expected the penalty's weight, a finite number, at least 0")
        if not is_count(every):
            raise ValueError(f"every is {every!r}: expected after how many steps the penalty comes, at least 1")
        self.gamma, self.every = float(gamma), int(every)

    def discriminator_step(self, real, labels=()):
        """The step of `GAN`, and in every `every`-th one a second step, down the penalty."""
        super().discriminator_step(real, labels)
        if self.gamma:
            due = self.generator_optimizer.iterations.value % self.every == 0
            tf.cond(due, lambda: self.penalty_step(real, labels), lambda: None)

    def penalty_step(self, real, labels=()):
        """One step of the discriminator down the penalty alone."""
        with tf.GradientTape() as tape:
            penalty = self.every * self.gamma / 2 * self.penalty(real, labels)
            scaled = self.discriminator_optimizer.scale_loss(penalty)
        weights = self.discriminator.trainable_variables
        gradients = tape.gradient(scaled, weights)
        known = [ops.zeros_like(w) if g is None else g for g, w in zip(gradients, weights, strict=True)]
        self.discriminator_optimizer.apply(known, weights)  # the last bias shifts the logit: no slope depends on it

    def penalty(self, real, labels=()):
        """Mean over the samples of ‖∇D‖²: the slope of each sample's logit for its own values, squared and summed."""
        real = tf.convert_to_tensor(real)
        with tf.GradientTape() as tape:
            tape.watch(real)
            logits = ops.sum(self.discriminate(real, labels))
        slope = ops.cast(tape.gradient(logits, real), "float32")
        return ops.mean(ops.sum(ops.square(slope), axis=range(1, len(slope.shape))))

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma, "every": self.every}

"""How the layers of a new size come in while a GAN grows.

Introduced in chapter 14.
"""

import keras

from aelib.models.growing_gan import set_fade
from aelib.validate import is_count


class FadeIn(keras.callbacks.Callback):
    """α of all `Fade` layers rises from 0 to 1 in the first `steps` steps of `fit`, and stays there.

    It moves as often as Keras comes back from its graph, once in `steps_per_execution` steps. Raises `ValueError`
    unless `steps` is a whole number, at least 1. Introduced in chapter 14. Karras et al. 2018 (arXiv:1710.10196).
    """

    def __init__(self, steps: int):
        super().__init__()
        if not is_count(steps):
            raise ValueError(f"steps is {steps!r}: expected over how many steps the new size comes in, at least 1")
        self.steps = int(steps)

    def on_train_begin(self, logs=None):
        """What the old layers make alone."""
        self.begun = int(self.model.generator_optimizer.iterations)
        self._set(0)

    def on_train_batch_end(self, batch, logs=None):
        """A little more of the new ones."""
        self._set(int(self.model.generator_optimizer.iterations) - self.begun)

    def _set(self, done: int) -> None:
        set_fade(min(1.0, done / self.steps), self.model.generator, self.model.discriminator)

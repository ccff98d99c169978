"""What a GAN's generator makes at chosen epochs, and the average of its weights.

Introduced in chapter 12.
"""

import time

import keras

from aelib.models.gan import GAN


def averaged(gan: GAN) -> keras.Model:
    """A copy of the generator with the average of its weights over the last steps, if its optimizer keeps one.

    Compile with `Adam(…, use_ema=True, ema_momentum=0.99)`: the average then remembers about 100 steps. (When `fit`
    ends, Keras gives the average to the generator itself.) Raises `ValueError` if there is none. Introduced in
    chapter 12.
    """
    if not gan.generator_optimizer.use_ema:
        raise ValueError("the generator's optimizer keeps no average: compile with Adam(…, use_ema=True)")
    copy = keras.models.clone_model(gan.generator)
    copy.set_weights(gan.generator.get_weights())  # with the moving means of the batch normalization
    gan.generator_optimizer.finalize_variable_values(copy.trainable_variables)
    return copy


class Snapshots(keras.callbacks.Callback):
    """While a GAN trains, `measure(generator)` at the ends of the epochs `at` (1 is the first), on its own time.

    `kept`: epoch to what `measure` returned. `seconds`: epoch to the seconds that training took until then, the
    measuring not included. `average`: measure the averaged generator (see `averaged`), too: `kept_average`.
    Introduced in chapter 12.
    """

    def __init__(self, measure, at, *, average: bool = False):
        super().__init__()
        self.measure, self.at, self.average = measure, set(at), average

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.kept, self.kept_average, self.seconds, self.logs = {}, {}, {}, {}
        self.away, self.started = 0.0, time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Measure, if it is time to."""
        now = time.monotonic()
        self.seconds[epoch + 1], self.logs[epoch + 1] = now - self.started - self.away, dict(logs or {})
        if epoch + 1 in self.at:
            self.kept[epoch + 1] = self.measure(self.model.generator)
            if self.average:
                self.kept_average[epoch + 1] = self.measure(averaged(self.model))
        self.away += time.monotonic() - now

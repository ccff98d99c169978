"""What every training run shares: the seed, the learning-rate schedule and the live learning curve.

Introduced in chapter 01.
"""

import io
import math
import time

import keras
import numpy as np
from IPython import get_ipython
from IPython.display import Image, display
from matplotlib.figure import Figure

from aelib import plots


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and Keras's backend, so that a notebook run top to bottom repeats itself."""
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}: expected a whole number from 0 to 2³² − 1 (AELIB_SEED, or 0 by default)")
    keras.utils.set_random_seed(seed)


def one_cycle(peak: float, steps: int, warm_up: float = 0.3) -> keras.optimizers.schedules.LearningRateSchedule:
    """A learning rate that climbs to `peak` during the first `warm_up` of the steps, then falls along a cosine to 0.

    `steps`: optimizer steps in all, `epochs × ceil(images / batch_size)`. After Smith & Topin 2018 (arXiv:1708.07120),
    with Keras's `CosineDecay` (Loshchilov & Hutter 2017, arXiv:1608.03983).
    """
    if peak <= 0 or steps < 1 or not 0 <= warm_up < 1:
        raise ValueError(
            f"peak {peak}, steps {steps}, warm_up {warm_up}: expected peak > 0, steps ≥ 1, 0 ≤ warm_up < 1"
        )
    climb = max(1, round(warm_up * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 25, warmup_target=peak, warmup_steps=climb, decay_steps=max(1, steps - climb)
    )


def budget(images: int, batch_size: int, shown: int) -> tuple[int, int]:
    """Epochs and optimizer steps that show a network about `shown` images, `images` an epoch; one epoch at least."""
    if min(images, batch_size, shown) < 1:
        raise ValueError(f"images {images}, batch_size {batch_size}, shown {shown}: each must be at least 1")
    epochs = max(1, round(shown / images))
    return epochs, epochs * math.ceil(images / batch_size)


def restart(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Give a compiled model these weights, and its optimizer an empty memory: the next `fit` starts anew.

    One compiled model trains several times this way, without the second that tracing a new one costs. `weights`: as
    `model.get_weights()` returns them. Introduced in chapter 03.
    """
    model.set_weights(weights)
    for variable in model.optimizer.variables:
        if variable is not model.optimizer.learning_rate:  # a constant rate is a variable, too
            variable.assign(keras.ops.zeros_like(variable))


class LearningCurve(keras.callbacks.Callback):
    """Draw the loss while `fit(…, verbose=0, callbacks=[LearningCurve()])` runs.

    In a notebook: one small figure, redrawn at most once in `every` seconds; the last one stays in the saved file. On
    a terminal: a progress bar over the epochs. `per_image`: factor from Keras's loss to the unit shown, for example
    the number of pixels, to show the squared error summed over an image.
    """

    def __init__(
        self, title: str = "Learning curve", *, per_image: float = 1.0, ylabel: str = "loss", every: float = 1.0
    ):
        super().__init__()
        self.title, self.per_image, self.ylabel, self.every = title, per_image, ylabel, every

    def on_train_begin(self, logs=None):
        """Show the empty figure, or make the progress bar."""
        self.curves: dict[str, tuple[list[float], list[float]]] = {}
        self.epochs, self.steps = self.params["epochs"], self.params["steps"]
        self.parts = max(1, 20 // self.epochs)  # points an epoch: few epochs need more than one
        self.started = self.drawn = time.monotonic()
        shell = get_ipython()
        in_notebook = shell is not None and hasattr(shell, "kernel")
        self.handle = display(self._picture(), display_id=True) if in_notebook else None
        self.bar = None if in_notebook else keras.utils.Progbar(self.epochs, unit_name="epoch")

    def on_epoch_begin(self, epoch, logs=None):
        """Forget the mean of the epoch before: Keras begins a new one."""
        self.epoch, self.last = epoch, (0, 0.0)

    def on_train_batch_end(self, batch, logs=None):
        """Add a point within the epoch, if there are few epochs."""
        done, before = batch + 1, self.last[0]
        if self.steps and done < self.steps and (done - before) * self.parts >= self.steps:
            self._add_training(done, logs)
            self._redraw_if_due()

    def on_epoch_end(self, epoch, logs=None):
        """Add the epoch's last points; redraw, or move the bar on."""
        self._add_training(self.steps or 1, logs)
        if "val_loss" in logs:
            self._add("val_loss", epoch + 1, logs["val_loss"])
        if self.bar:
            self.bar.update(epoch + 1, [(name, values[-1]) for name, (_, values) in self.curves.items()])
        self._redraw_if_due()

    def _redraw_if_due(self):
        if self.handle and time.monotonic() - self.drawn > self.every:
            self._redraw()

    def _add_training(self, done, logs):
        """Keras logs the mean since the epoch began; what is drawn is the mean since the last point."""
        before, mean_before = self.last
        mean = float(logs["loss"])
        if done > before:
            self._add(
                "loss", self.epoch + done / (self.steps or 1), (mean * done - mean_before * before) / (done - before)
            )
        self.last = (done, mean)

    def _add(self, name, epoch, value):
        epochs, values = self.curves.setdefault(name, ([], []))
        epochs.append(epoch)
        values.append(self.per_image * float(value))

    def on_train_end(self, logs=None):
        """Leave the whole curve in the notebook."""
        if self.handle:
            self._redraw()

    def _redraw(self):
        self.handle.update(self._picture())
        self.drawn = time.monotonic()

    def _picture(self) -> Image:
        """The curves so far as a PNG. A figure of its own, so that pyplot's current figure is left alone."""
        figure = Figure(figsize=(5, 2.4), dpi=80, layout="constrained")
        axis = figure.subplots()
        plots.draw_curves(axis, self.curves, ylabel=self.ylabel)
        axis.set_title(f"{self.title} ({time.monotonic() - self.started:.0f} s)")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        return Image(buffer.getvalue())

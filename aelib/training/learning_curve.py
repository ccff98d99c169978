"""The live learning curve of `fit`.

Introduced in chapter 01.
"""

import time

import keras
from IPython import get_ipython
from IPython.display import Image, display
from matplotlib.figure import Figure

from aelib.figures.curves import curve_name, draw_curves
from aelib.figures.display import picture


class LearningCurve(keras.callbacks.Callback):
    """Draw the loss while `fit(…, verbose=0, callbacks=[LearningCurve()])` runs; of a GAN, both losses.

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
        """Forget the means of the epoch before: Keras begins new ones."""
        self.epoch, self.last = epoch, (0, {})

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
        before, means_before = self.last
        means = {name: float(logs[name]) for name in _training_losses(logs)}
        if done > before:
            for name, mean in means.items():
                added = mean * done - means_before.get(name, 0.0) * before
                self._add(name, self.epoch + done / (self.steps or 1), added / (done - before))
        self.last = (done, means)

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
        draw_curves(axis, self.curves, ylabel=self.ylabel)
        axis.set_title(f"{self.title} ({time.monotonic() - self.started:.0f} s)")
        return picture(figure, self._alt())

    def _alt(self) -> str:
        """What the curves say in words: the last values, and how many epochs it took."""
        ends = [f"{curve_name(name)} ends at {values[-1]:.3g}" for name, (_, values) in self.curves.items()]
        return f"{self.title}: {self.ylabel} against the epoch, {self.epochs} epochs. {'; '.join(ends)}"


def _training_losses(logs: dict) -> list[str]:
    """The loss; where there is none, those that have names of their own, as a GAN's two have."""
    return ["loss"] if "loss" in logs else [name for name in logs if name.endswith("_loss") and name[:4] != "val_"]

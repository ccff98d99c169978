"""The DCGANs of part 1: the textbook's networks and optimizers and the course's, for the same seconds."""

import time

import keras
import numpy as np

from aelib.data import Dataset, batches
from aelib.measures import frechet_floor, sample_quality, train_classifier
from aelib.models import GAN, dcgan_discriminator, dcgan_generator
from aelib.training import seed_everything

from . import textbook
from .report import table

BATCH = 32
SAMPLES = 2000


class StopAfter(keras.callbacks.Callback):
    """Ends training when its seconds are over."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.steps, self.began = 0, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Count, and stop in time."""
        self.steps = int(self.model.optimizer.iterations)
        if time.perf_counter() - self.began > self.seconds:
            self.model.stop_training = True


def textbook_gan(steps: int) -> GAN:
    """The textbook's networks, with RMSprop. The training step is ours, one graph for both phases, where the textbook
    calls `train_on_batch` twice.
    """
    gan = GAN(*textbook.gan_networks())
    gan.compile(keras.optimizers.RMSprop(), keras.optimizers.RMSprop(), jit_compile=False, steps_per_execution=16)
    return gan


def course_gan(steps: int) -> GAN:
    """Chapter 12's."""
    gan = GAN(dcgan_generator((28, 28, 1)), dcgan_discriminator((28, 28, 1)), noise=0.1)
    rates = [keras.optimizers.schedules.CosineDecay(peak, steps) for peak in (0.004, 0.002)]
    optimizers = [keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.99) for rate in rates]
    gan.compile(*optimizers, jit_compile=False, steps_per_execution=16)
    return gan


def compare(data: Dataset, seed: int, seconds: float, say) -> dict:
    """Both for so many seconds of training; the Fréchet distance of their samples from the validation images."""
    judge = train_classifier(data, seed)
    real, row = data.x_valid[:SAMPLES], {"seed": seed, "seconds": seconds}
    row["floor"] = frechet_floor(judge, data.x_valid[: 2 * SAMPLES])
    for name, build in (("textbook", textbook_gan), ("course", course_gan)):
        keras.backend.clear_session()
        seed_everything(seed)
        images = batches(data.x_train, BATCH).repeat()
        steps = _steps_within(build, images, seconds)
        gan, clock = build(steps), StopAfter(seconds)
        gan.fit(images, steps_per_epoch=16, epochs=steps // 16, verbose=0, callbacks=[clock])
        noise = np.random.default_rng(seed).standard_normal((SAMPLES, gan.generator.input_shape[-1]))
        samples = gan.generator.predict(noise.astype("float32"), batch_size=500, verbose=0)
        quality = sample_quality(judge, samples, real)
        row[name] = {"steps": clock.steps, "frechet": quality.frechet, "confidence": quality.confidence}
        row[name]["rarest"] = float(quality.coverage.min())
        say(f"DCGAN, {name}, seed {seed}: {row[name]}")
    return row


def _steps_within(build, images, seconds: float) -> int:
    """How many steps fit into the time: from a short run of a copy that is thrown away."""
    gan, clock = build(1000), StopAfter(float("inf"))
    gan.fit(images, steps_per_epoch=16, epochs=1, verbose=0)
    gan.fit(images, steps_per_epoch=16, epochs=8, verbose=0, callbacks=[clock])
    each = (time.perf_counter() - clock.began) / 128
    return max(16, int(0.95 * (seconds - 1.5) / each) // 16 * 16)  # 1.5 s: the tracing


def report(rows: list[dict]) -> str:
    """The GANs' table."""
    head = ["DCGAN", "seed", "seconds", "steps", "Fréchet distance", "confidence", "rarest digit"]
    lines = []
    for row in rows:
        for name in ("textbook", "course"):
            got = row[name]
            cells = [name, row["seed"], f"{row['seconds']:.0f}", f"{got['steps']:,}", f"{got['frechet']:.1f}"]
            lines.append([*cells, f"{got['confidence']:.2f}", f"{100 * got['rarest']:.1f} %"])
    floors = ", ".join(f"{row['floor']:.1f}" for row in rows)
    return (
        f"Both for the same seconds; {SAMPLES:,} samples against as many real images, by the course's own judge (two "
        f"halves of the real ones: {floors}).\n\n{table(head, lines)}"
    )

"""Part 2: floating-point operations a second in training, as a share of the machine's matrix-product rate.

Operations are counted from the layers' products; activations, losses and the optimizer count as no work, but take time.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from aelib.data import load
from aelib.models import stacked_autoencoder
from aelib.training import seed_everything

from . import adversarial, families
from .machine import matrix_product_rate
from .report import table

TITLE = "Share of the machine"
STEPS = 192  # of an epoch that is timed


def operations(model: keras.Model) -> int:
    """Multiplications and additions of one image's way through the model, those of products and convolutions."""
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer) -> int:
    if hasattr(layer, "layers"):
        return operations(layer)
    if isinstance(layer, (keras.layers.LSTM, keras.layers.Bidirectional)):
        both = isinstance(layer, keras.layers.Bidirectional)
        cells = [layer.forward_layer.cell, layer.backward_layer.cell] if both else [layer.cell]
        weights = [w for cell in cells for w in (cell.kernel, cell.recurrent_kernel)]
        return 2 * layer.input.shape[1] * sum(math.prod(w.shape) for w in weights)
    if isinstance(layer, (keras.layers.Conv2DTranspose, keras.layers.Conv2D)):
        # Each place of the smaller side meets the whole kernel: of the output or, transposed, of the input.
        transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        places = (layer.input if transposed else layer.output).shape[1:3]
        return 2 * math.prod(layer.kernel.shape) * math.prod(places)
    if hasattr(layer, "kernel"):  # dense; at every step of a sequence, if there are any
        return 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    if hasattr(layer, "dense"):  # tied: its kernel is another's
        return 2 * math.prod(layer.dense.kernel.shape)
    return 0


def training_operations(model: keras.Model) -> int:
    """Operations of one image in training: forward, and twice that backward, but for the first layer's, whose input
    needs no gradient.
    """
    first = next(count for count in map(_of_layer, _flat(model)) if count)
    return 3 * operations(model) - first


def gan_operations(generator: keras.Model, discriminator: keras.Model) -> int:
    """Operations of one image in a GAN's step: the discriminator learns from two images, the generator from one, whose
    gradient passes through the discriminator.
    """
    generate, judge = operations(generator), operations(discriminator)
    of_images = next(count for count in map(_of_layer, _flat(discriminator)) if count)
    of_noise = next(count for count in map(_of_layer, _flat(generator)) if count)
    return generate + 2 * (3 * judge - of_images) + 3 * generate - of_noise + 2 * judge


def _flat(model) -> list:
    return [inner for layer in model.layers for inner in (_flat(layer) if hasattr(layer, "layers") else [layer])]


# ---- timing ----


@dataclass(frozen=True)
class Setting:
    """One way to train one network: `build` returns it compiled; `count`: operations of an image in training."""

    family: str
    how: str
    build: Callable[[], keras.Model]
    images: np.ndarray
    batch_size: int
    count: Callable[[keras.Model], int] = training_operations
    pairs: bool = True  # whether the images are their own targets
    policy: str = "float32"


class Clock(keras.callbacks.Callback):
    """The seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.began)


def step_seconds(model: keras.Model, setting: Setting, constant: bool = False) -> float:
    """Seconds of a training step: of the fastest of three epochs after a first one, in which the graph is traced.

    `constant`: the same batch again and again, so that preparing batches takes no time.
    """
    steps, clock = min(STEPS, len(setting.images) // setting.batch_size), Clock()
    options = {"epochs": 4, "verbose": 0, "callbacks": [clock]}
    x = setting.images[: setting.batch_size if constant else steps * setting.batch_size]
    if constant:
        x = tf.constant(x)
        same = tf.data.Dataset.from_tensors((x, x) if setting.pairs else x).repeat()
        model.fit(same, steps_per_epoch=steps, shuffle=False, **options)
    else:
        model.fit(x, x if setting.pairs else None, batch_size=setting.batch_size, **options)
    return min(clock.seconds[1:]) / steps


def _deep(images, batch_size: int, how: str, policy: str = "float32", **compiled) -> Setting:
    def build():
        model = stacked_autoencoder((28, 28, 1), (1000, 500, 250), 30, activation="silu", mean=images.mean(axis=0))
        model.compile(keras.optimizers.Adam(0.001), "mse", **compiled)
        return model

    return Setting("deep, 784-1000-500-250-30", how, build, images, batch_size, policy=policy)


QUICKLY = {"jit_compile": False, "steps_per_execution": 16}


def settings() -> list[Setting]:
    """Every family's textbook network by plain `fit`, the course's by plain `fit`, and with the course's settings."""
    images = load("mnist").x_train
    every = [
        _deep(images, 128, "plain `fit`, batch 128"),
        _deep(images, 500, "course, batch 500", **QUICKLY),
        _deep(images, 1000, "course, batch 1000, mixed bfloat16", "mixed_bfloat16", **QUICKLY),
    ]
    for family in families.FAMILIES:
        for how, recipe in (("textbook", family.textbook), ("plain `fit`", family.course), ("course", family.course)):
            build = _built(recipe, images, plain=how == "plain `fit`")
            batch_size = 32 if how == "plain `fit`" else recipe.batch_size
            every.append(Setting(family.name, f"{how}, batch {batch_size}", build, recipe.images(images), batch_size))
    for how, build in (("textbook", adversarial.textbook_gan), ("course", adversarial.course_gan)):
        count = _of_gan
        every.append(
            Setting("DCGAN", f"{how}, batch 32", lambda build=build: build(10_000), images, 32, count, pairs=False)
        )
    return every


def _of_gan(gan) -> int:
    return gan_operations(gan.generator, gan.discriminator)


def _built(recipe: families.Recipe, images, plain: bool) -> Callable[[], keras.Model]:
    def build():
        model = recipe.build(recipe.images(images), 10_000)
        if plain:
            loss = model.loss
            model.compile(keras.optimizers.Adam(0.001), loss)
        return model

    return build


def measure(setting: Setting) -> dict:
    """The share of the matrix-product rate, and what a step's time goes to: found by leaving parts out."""
    keras.backend.clear_session()
    seed_everything(0)
    keras.config.set_dtype_policy(setting.policy)
    try:
        model = setting.build()
        step = step_seconds(model, setting)
        without_input = step_seconds(model, setting, constant=True)
        row = {"family": setting.family, "how": setting.how, "batch_size": setting.batch_size, "seconds": step}
        row["rate"] = setting.count(model) * setting.batch_size / step / 1e9
        row["input"] = max(0.0, 1 - without_input / step)
        if setting.pairs:
            same = {"jit_compile": model.jit_compile, "steps_per_execution": model.steps_per_execution}
            model.compile(keras.optimizers.SGD(0.0), model.loss, **same)
            row["optimizer"] = max(0.0, (without_input - step_seconds(model, setting, constant=True)) / step)
    finally:
        keras.config.set_dtype_policy("float32")
    return row


def run(say, quick: bool = False) -> dict:
    """All settings; the matrix-product rate is measured again before each, and the best counts for all."""
    rows, rates = [], []
    for setting in settings():
        rates.append(matrix_product_rate())
        rows.append(measure(setting))
        say(f"{setting.family}, {setting.how}: {rows[-1]['rate']:.0f} of {rates[-1]:.0f} GFLOP/s")
    half = matrix_product_rate("bfloat16")
    return {"rate": max(rates), "slowest": min(rates), "bfloat16": half, "rows": rows}


def report(result: dict) -> str:
    """One table."""
    head = ["family", "how", "ms a step", "images/s", "GFLOP/s", "share", "of a step: input", "optimizer"]
    rows = []
    for row in result["rows"]:
        images = row["batch_size"] / row["seconds"]
        cells = [row["family"], row["how"], f"{1000 * row['seconds']:.1f}", f"{images:,.0f}"]
        cells += [
            f"{row['rate']:.0f}",
            f"**{100 * row['rate'] / result['rate']:.0f} %**",
            f"{100 * row['input']:.0f} %",
        ]
        rows.append([*cells, f"{100 * row['optimizer']:.0f} %" if "optimizer" in row else ""])
    return (
        "Operations of products and convolutions in training, counted from the layers, over the best rate of float32 "
        f"matrix products, {result['rate']:.0f} GFLOP/s (at the machine's slowest moment {result['slowest']:.0f}; in "
        f"bfloat16 {result['bfloat16']:.0f}). Input: the part of a step that goes if the same batch is fed again and "
        "again. Optimizer: what goes if Adam is replaced by plain gradient descent. The rest is layers and loss.\n\n"
        f"{table(head, rows)}\n\n{FINDINGS}"
    )


FINDINGS = """What holds them back, and what was tried (seconds on the machine of 2026-11-21):

- The deep network: its products alone, in the same shapes, reach 85 to 90 % of the rate at batches of 256 to 1,024. In
  float32 the goal of 70 % is missed by a little; with mixed precision, where the processor multiplies bfloat16, it is
  met. Adam is a tenth of a step: it reads and writes every weight three times whatever the batch. An Adam in one fused
  operation took a step of 512 images from 34.6 to 28.5 ms; larger batches and mixed precision do more, without code.
- The small dense networks, the VAE among them: a step is 2 to 5 ms, in which activations, loss and optimizer touch as
  many numbers as the products do. Larger batches would raise the share further and teach less per image. What plain
  `fit` loses is the batch of 32 and `steps_per_execution`, without which Python is asked after every step.
- Denoising: drawing the noise adds a quarter to the step of the same network without it. Under XLA it would take the
  step to five times as long (3,900 images a second instead of 23,000 with a deeper network), so these recipes do
  without XLA.
- Convolutions: 16 and 32 maps make small products. The textbook's DCGAN, with 64 and 128 maps and kernels of 5×5, uses
  more of the machine than ours, and learns less in the same seconds: the share is not the goal.
- LSTMs: 28 products of 64 images after one another, each too small for two cores, and a loop that hands over between
  them. In one try each, unrolling the loop and batches of 128 made an epoch no faster, and a GRU was slower.
- Input takes 0 to 17 %: the shuffling of arrays, one batch after another."""

"""Part 10: does each device of a growing GAN earn its place? One left out at a time, and three losses side by side."""

import time
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from aelib.data import batches, load, shrink
from aelib.measures import frechet_distance, train_face_reader
from aelib.models import GAN, R1GAN, growing_discriminator, growing_generator, without_device
from aelib.training import FadeIn, seed_everything

from .report import table

TITLE = "A growing GAN: each device, and three losses"
BATCH = 8
STEPS = 1_200  # at full size; about the seconds of
GROWING = (160, 480, 800)  # at 8×8, 16×16 and 32×32 pixels
RATES = (0.01, 0.02, 0.04)  # tried first; the best may not be the smallest or the largest: then more are tried
TUNING_SEED, SEEDS = 100, (0, 1, 2)


class WassersteinGAN(GAN):
    """Gulrajani et al. 2017 (arXiv:1704.00028), with the small drift term of Karras et al. 2018: λ = 10, ε = 0.001."""

    def discriminator_step(self, real, labels=()):
        """Down E[D(generated)] − E[D(real)], with the slope between the two held near 1."""
        fake = self.generate(ops.shape(real)[0])
        share = keras.random.uniform((ops.shape(real)[0], 1, 1, 1), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            on_real, on_fake = self.discriminate(real), self.discriminate(fake)
            loss = ops.mean(on_fake) - ops.mean(on_real)
            between = share * real + (1 - share) * fake
            with tf.GradientTape() as inner:
                inner.watch(between)
                logits = ops.sum(self.discriminate(between))
            slope = ops.sqrt(ops.sum(ops.square(inner.gradient(logits, between)), axis=(1, 2, 3)) + 1e-12)
            total = loss + 10 * ops.mean(ops.square(slope - 1)) + 0.001 * ops.mean(ops.square(on_real))
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(total, weights), weights)
        self.discriminator_loss.update_state(loss)

    def loss_of_new_samples(self, n, labels=(), minimax=None):
        """−E[D(generated)]."""
        return -ops.mean(self.discriminate(self.generate(n)))


@dataclass(frozen=True)
class Variant:
    """What is changed. `device`: left out; `loss`: the GAN's class; `growing`, `fade`: from 8×8 pixels on, and how."""

    name: str
    device: str | None = None
    loss: type = R1GAN
    growing: bool = False
    fade: bool = True
    rates: tuple[float, ...] = RATES


BASE = Variant("full size from the start, all other devices, R1")
VARIANTS = (
    BASE,
    replace(BASE, name="without pixelwise normalization", device="pixelwise normalization"),
    replace(BASE, name="without minibatch standard deviation", device="minibatch standard deviation"),
    replace(
        BASE,
        name="without equalized learning rate",
        device="equalized learning rate",
        rates=(0.001, 0.002, 0.004),
    ),
    replace(BASE, name="without R1: non-saturating loss alone", loss=GAN),
    replace(BASE, name="WGAN-GP instead", loss=WassersteinGAN),
    replace(BASE, name="growing, with fade-in", growing=True),
    replace(BASE, name="growing, without fade-in", growing=True, fade=False),
)


class Bench:
    """The data, the judge and the noise that all runs share."""

    def __init__(self):
        self.data = load("faces")
        self.reader = train_face_reader(0)
        self.noise = np.random.default_rng(0).normal(size=(2_000, 32)).astype("float32")

    def quality(self, generator, real) -> dict:
        """Fréchet distance on the reader's features, and the median distance of a picture from its redrawing."""
        images = generator.predict(self.noise[: len(real)], batch_size=250, verbose=0)
        distance = frechet_distance(self.reader.features(images), self.reader.features(real))
        return {"frechet": distance, "redrawing": float(np.median(self.reader.redrawing_distance(images)))}

    def train(self, variant: Variant, rate: float, seed: int, real) -> dict:
        """One run: its quality with averaged and with last weights, and its seconds of training."""
        keras.backend.clear_session()
        seed_everything(seed)
        stages = _stages(self.data.image_shape, variant)
        steps = GROWING if variant.growing else (STEPS,)
        seconds = 0.0
        for level, ((generator, discriminator), length) in enumerate(zip(stages, steps, strict=True)):
            gan = _compiled(variant.loss(generator, discriminator), rate)
            images = shrink(self.data.x_train, self.data.image_shape[0] // generator.output_shape[1])
            lessons = batches(images, BATCH).repeat()
            gan.fit(lessons, steps_per_epoch=16, verbose=0)  # the second or two of compiling
            fading = [FadeIn(length // 2)] if variant.growing and variant.fade and level else []
            began = time.perf_counter()
            gan.fit(lessons, steps_per_epoch=length - 16, verbose=0, callbacks=[*fading, Last()])
            seconds += time.perf_counter() - began
        row = {"variant": variant.name, "rate": rate, "seed": seed, "seconds": seconds}
        row |= self.quality(gan.generator, real)  # when `fit` ends, Keras gives the generator its average
        gan.generator.set_weights(gan.last)
        return row | {"frechet_last": self.quality(gan.generator, real)["frechet"]}


class Last(keras.callbacks.Callback):
    """Keeps the generator's weights as they are before Keras replaces them by their average."""

    def on_epoch_end(self, epoch, logs=None):
        """The only epoch's."""
        self.model.last = self.model.generator.get_weights()


def _stages(image_shape, variant: Variant) -> list:
    fade = variant.growing and variant.fade
    generators = growing_generator(image_shape, fade=fade)
    discriminators = growing_discriminator(image_shape, fade=fade)
    stages = list(zip(generators, discriminators, strict=True))[0 if variant.growing else -1 :]
    if variant.device:
        stages = [tuple(without_device(network, variant.device) for network in pair) for pair in stages]
    return stages


def _compiled(gan: GAN, rate: float) -> GAN:
    adam = {"learning_rate": rate, "beta_1": 0.0, "beta_2": 0.99}
    average = keras.optimizers.Adam(**adam, use_ema=True, ema_momentum=0.99)
    gan.compile(average, keras.optimizers.Adam(**adam), jit_compile=False, steps_per_execution=16)
    return gan


def run(say, quick: bool = False) -> dict:
    """Rates are chosen per variant on validation faces with a seed of their own; then three seeds, on test faces."""
    bench, rows, tuning = Bench(), [], []
    for variant in VARIANTS:
        tried = {}
        waiting = list(variant.rates)
        while waiting:
            rate = waiting.pop()
            tuning.append(bench.train(variant, rate, TUNING_SEED, bench.data.x_valid))
            tried[rate] = tuning[-1]["frechet"]
            say(f"tuning {tuning[-1]}")
            best = min(tried, key=tried.get)
            if not waiting and best in (min(tried), max(tried)) and len(tried) < 6:
                waiting = [best / 2 if best == min(tried) else best * 2]
        for seed in SEEDS:
            rows.append(bench.train(variant, best, seed, bench.data.x_test))
            say(str(rows[-1]))
    floor = bench.reader.features(bench.data.x_train[:2000]), bench.reader.features(bench.data.x_test)
    real = float(np.median(bench.reader.redrawing_distance(bench.data.x_test)))
    return {"rows": rows, "tuning": tuning, "floor": frechet_distance(*floor), "redrawing": real}


def report(result: dict) -> str:
    """One table."""
    head = ["", "rate", "Fréchet distance", "with the last weights", "from its redrawing"]
    lines = []
    for name in dict.fromkeys(row["variant"] for row in result["rows"]):
        of_name = [row for row in result["rows"] if row["variant"] == name]
        cells = [[row[key] for row in of_name] for key in ("frechet", "frechet_last", "redrawing")]
        spread = [f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}" for values in cells[:2]]
        lines.append([name, of_name[0]["rate"], *spread, f"{np.mean(cells[2]):.0f}"])
    return (
        f"Faces of 32×32, batches of {BATCH}: {STEPS:,} steps at full size, or {' + '.join(map(str, GROWING))} while "
        f"growing. Mean and standard deviation of {len(SEEDS)} seeds, on test faces; each variant's learning rate was "
        "chosen on validation faces, with another seed, so that neither neighbour at half and twice the rate is better."
        f" Averaged weights, unless it says otherwise. Real training faces: {result['floor']:.2f}; a test face is "
        f"{result['redrawing']:.0f} from its redrawing (median).\n\n{table(head, lines)}"
    )

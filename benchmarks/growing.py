"""Part 10: does each device of a growing GAN earn its place? One left out at a time, losses side by side, a DCGAN."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from aelib.data import batches, load, shrink
from aelib.measures import frechet_distance, train_face_reader
from aelib.models import (
    GAN,
    R1GAN,
    dcgan_discriminator,
    dcgan_generator,
    growing_discriminator,
    growing_generator,
    without_device,
)
from aelib.training import FadeIn, compile_options, seed_everything

from .report import table

TITLE = "A growing GAN: each device, and three losses"
BATCH = 8
STEPS = 960  # at full size; about the seconds of
GROWING = (320, 320, 640)  # at 8×8, 16×16 and 32×32 pixels, and of
DCGAN_STEPS = 1_760
RATES = (0.01, 0.02, 0.04)  # tried first; the best may not be the smallest or the largest: then more are tried
TIE = 1.1  # rates whose distances differ by less than this factor while tuning are both kept
TUNING_SEEDS, SEEDS = (100, 101), (0, 1, 2, 3, 4)


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
    dcgan: bool = False
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
    Variant("DCGAN of chapter 12", loss=GAN, dcgan=True, rates=(0.001, 0.002, 0.004)),
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
        """One run: its quality with averaged and with last weights."""
        keras.backend.clear_session()
        seed_everything(seed)
        stages = _stages(self.data.image_shape, variant)
        lengths = GROWING if variant.growing else (DCGAN_STEPS,) if variant.dcgan else (STEPS,)
        for level, ((generator, discriminator), steps) in enumerate(zip(stages, lengths, strict=True)):
            shrunk = self.data.image_shape[0] // generator.output_shape[1]
            gan = _compiled(variant, generator, discriminator, rate, steps, shrunk)
            lessons = batches(shrink(self.data.x_train, shrunk), BATCH).repeat()
            gan.fit(lessons, steps_per_epoch=16, verbose=0)  # as in the chapter, where the clock stands still for these
            fading = [FadeIn(steps // 2)] if variant.growing and variant.fade and level else []
            gan.fit(lessons, steps_per_epoch=steps, verbose=0, callbacks=[*fading, Last()])
        row = {"variant": variant.name, "rate": rate, "seed": seed}
        row |= self.quality(gan.generator, real)  # when `fit` ends, Keras gives the generator its average
        gan.generator.set_weights(gan.last)
        return row | {"frechet_last": self.quality(gan.generator, real)["frechet"]}


class Last(keras.callbacks.Callback):
    """Keeps the generator's weights as they are before Keras replaces them by their average."""

    def on_epoch_end(self, epoch, logs=None):
        """The only epoch's."""
        self.model.last = self.model.generator.get_weights()


def _stages(image_shape, variant: Variant) -> list:
    if variant.dcgan:
        return [(dcgan_generator(image_shape, 32), dcgan_discriminator(image_shape))]
    fade = variant.growing and variant.fade
    generators = growing_generator(image_shape, fade=fade)
    discriminators = growing_discriminator(image_shape, fade=fade)
    stages = list(zip(generators, discriminators, strict=True))[0 if variant.growing else -1 :]
    if variant.device:
        stages = [tuple(without_device(network, variant.device) for network in pair) for pair in stages]
    return stages


def _compiled(variant: Variant, generator, discriminator, rate: float, steps: int, shrunk: int) -> GAN:
    """As chapter 14 trains it; a DCGAN as chapter 12 does, whose discriminator has half of the generator's rate."""
    gan = variant.loss(generator, discriminator, **({"noise": 0.1} if variant.dcgan else {}))
    if variant.loss is R1GAN:
        gan.gamma = 0.5 / shrunk**2
    beta_1, other = (0.5, rate / 2) if variant.dcgan else (0.0, rate)
    average = keras.optimizers.Adam(rate, beta_1, 0.99, use_ema=True, ema_momentum=0.99)
    family = "gan" if variant.dcgan else "growing gan"
    gan.compile(average, keras.optimizers.Adam(other, beta_1, 0.99), **compile_options(family, steps))
    return gan


def run(say, quick: bool = False, variants: Sequence[Variant] = VARIANTS) -> dict:
    """Rates are chosen per variant on validation faces with seeds of their own; then five seeds, on test faces."""
    bench, rows, tuning = Bench(), [], []
    for variant in variants:
        tried, waiting = {}, list(variant.rates)
        while waiting:
            rate = waiting.pop()
            tuning += [bench.train(variant, rate, seed, bench.data.x_valid) for seed in TUNING_SEEDS]
            tried[rate] = np.mean(np.log([row["frechet"] for row in tuning[-len(TUNING_SEEDS) :]]))
            say(f"tuning {tuning[-len(TUNING_SEEDS) :]}")
            best = min(tried, key=tried.get)
            if not waiting and best in (min(tried), max(tried)) and len(tried) < 6:
                waiting = [best / 2 if best == min(tried) else best * 2]
        as_good = [rate for rate in sorted(tried, key=tried.get) if tried[rate] < tried[best] + np.log(TIE)]
        for rate in as_good:
            for seed in SEEDS:
                rows.append(bench.train(variant, rate, seed, bench.data.x_test))
                say(str(rows[-1]))
    floor = bench.reader.features(bench.data.x_train[:2000]), bench.reader.features(bench.data.x_test)
    real = float(np.median(bench.reader.redrawing_distance(bench.data.x_test)))
    return {"rows": rows, "tuning": tuning, "floor": frechet_distance(*floor), "redrawing": real}


def report(result: dict) -> str:
    """One table."""
    head = ["", "rate", "Fréchet distance", "with the last weights", "from its redrawing"]
    lines = []
    for name, rate in dict.fromkeys((row["variant"], row["rate"]) for row in result["rows"]):
        of_name = [row for row in result["rows"] if (row["variant"], row["rate"]) == (name, rate)]
        cells = [[row[key] for row in of_name] for key in ("frechet", "frechet_last", "redrawing")]
        spread = [f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}" for values in cells[:2]]
        lines.append([name, rate, *spread, f"{np.mean(cells[2]):.0f}"])
    return (
        f"Faces of 32×32, batches of {BATCH}: {STEPS:,} steps at full size, or {' + '.join(map(str, GROWING))} while "
        f"growing, or {DCGAN_STEPS:,} of the DCGAN, which take about equally long. Mean and standard deviation of "
        f"{len(SEEDS)} seeds, on test faces; each variant's learning rate (a DCGAN's generator's) was chosen on "
        f"validation faces, by the mean logarithm over {len(TUNING_SEEDS)} other seeds, so that neither neighbour at "
        "half and twice the rate is better; where two rates were within a tenth, both have a row. Averaged weights, "
        f"unless it says otherwise. Real training faces: {result['floor']:.2f}; a test face is "
        f"{result['redrawing']:.0f} from its redrawing (median).\n\n"
        f"{table(head, lines)}"
    )

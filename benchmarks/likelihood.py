"""Part 4: nats of unseen binarised digits under a VAE with one stochastic layer, by importance weighting."""

import time

import keras
import numpy as np
import tensorflow as tf

from aelib.data import batches, load
from aelib.measures import importance_weighted_bound, log_importance_weights
from aelib.models import VAE, bernoulli_nats, stacked_vae
from aelib.training import one_cycle, seed_everything

from .report import table

TITLE = "Published: nats of a VAE with one stochastic layer"
SOURCE = "Burda, Grosse & Salakhutdinov 2016 (arXiv:1509.00519), table 1"
EPOCHS, BATCH, PEAK = 100, 256, 0.005
IMAGES, SAMPLES = 1000, 5000


def binarised(images: np.ndarray, seed: int) -> np.ndarray:
    """Each pixel 1 with the probability of its grey value: as a test set, drawn once."""
    return (np.random.default_rng(seed).random(images.shape) < images).astype("float32")


def drawn_anew(images: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Pairs of the same batch, binarised anew each time that an image is shown."""

    def draw(grey):
        drawn = tf.cast(tf.random.uniform(tf.shape(grey)) < grey, "float32")
        return drawn, drawn

    return batches(images, batch_size).map(draw).prefetch(4)


def train(images: np.ndarray, epochs: int, hidden=(512, 512), codes: int = 40) -> VAE:
    """784-512-512-40 and back, trained on draws from the grey images."""
    vae = stacked_vae(images.shape[1:], hidden, codes, mean=images.mean(axis=0))
    steps = epochs * (len(images) // BATCH)
    optimizer = keras.optimizers.Adam(one_cycle(PEAK, steps, warm_up=0.1), beta_2=0.99)
    vae.compile(optimizer, bernoulli_nats, jit_compile=False, steps_per_execution=16)
    vae.fit(drawn_anew(images, BATCH), epochs=epochs, shuffle=False, verbose=0)
    return vae


def run(say, quick: bool = False) -> dict:
    """Train on all 60,000 training images; bound the nats of 1,000 test images, drawn from the 10,000."""
    data = load("mnist")
    seed_everything(0)
    began = time.perf_counter()
    vae = train(np.concatenate([data.x_train, data.x_valid]), EPOCHS)
    seconds = time.perf_counter() - began
    say(f"{EPOCHS} epochs, {seconds:.0f} s")
    chosen = np.random.default_rng(0).permutation(len(data.x_test))[:IMAGES]
    weights = log_importance_weights(vae, binarised(data.x_test[chosen], seed=0), SAMPLES)
    bounds = {}
    for samples in (1, 50, SAMPLES):
        nats = -weights.mean(axis=0) if samples == 1 else -importance_weighted_bound(weights[:samples])
        bounds[str(samples)] = float(nats.mean()), float(nats.std(ddof=1) / len(nats) ** 0.5)
        say(f"{samples} samples: {bounds[str(samples)][0]:.2f} ± {bounds[str(samples)][1]:.2f}")
    return {"epochs": EPOCHS, "seconds": seconds, "bounds": bounds}


def report(result: dict) -> str:
    """One table."""
    published = {"1": "", "50": "", str(SAMPLES): "86.76"}
    names = {"1": "−ELBO", "50": "−log p, bound by 50 draws", str(SAMPLES): "−log p, bound by 5,000 draws"}
    rows = [
        [names[key], f"{mean:.2f} ± {error:.2f}", published[key]] for key, (mean, error) in result["bounds"].items()
    ]
    return (
        f"784-512-512-40 and back, {result['epochs']} epochs ({result['seconds']:.0f} s) on 60,000 training images "
        f"that are binarised anew each time. Nats per image: mean and standard error over {IMAGES:,} of the test "
        f"images, drawn at random and binarised once. Published: {SOURCE}: 784-200-200-50, mean over all 10,000.\n\n"
        f"{table(['', 'here', 'published'], rows)}"
    )

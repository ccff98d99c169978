"""Which modes of the ring of Gaussians a GAN covers, at the end and while it trains.

Introduced in chapter 11.
"""

import keras
import numpy as np

from aelib.data.ring import MODES, NEAR, make_ring, nearest_mode
from aelib.models.noise import fixed_noise

COVERED = 0.25  # of a mode's fair share of the samples


def mode_shares(samples, within: float = NEAR) -> np.ndarray:
    """The share of the samples that belong to each of the eight centres, `(8,)`: nearest to it, and near.

    `within`: how near, by default 3 standard deviations of a mode. The sum over the centres is the share of samples
    that are near any. Raises `ValueError` for NaN or another shape than `(n, 2)`.
    """
    nearest, distance = nearest_mode(samples)
    return np.bincount(nearest[distance < within], minlength=MODES) / len(nearest)


def modes_covered(samples) -> int:
    """How many of the eight centres have at least a quarter of their fair share (1/8) of the samples near them."""
    return int((mode_shares(samples) >= COVERED / MODES).sum())


def distance_to_ring(samples) -> float:
    """Distance of a sample from the nearest centre, mean over the samples. Real ones: 0.05 √(π/2) = 0.063."""
    return float(nearest_mode(samples)[1].mean())


class Watch(keras.callbacks.Callback):
    """Looks at a GAN on the ring while it trains, every `every` steps of one epoch: `fit(…, callbacks=[watch])`.

    `every`: a multiple of the GAN's `steps_per_execution`. Each list of `history` has one entry a look: "step";
    "nearest" (the share of the samples to which each mode is the nearest, `(8,)`), modes "covered", "near" (the share
    near any mode) and "distance" (to the nearest centre, mean), of 1,000 samples from the same noise;
    "generator_loss", "discriminator_loss" and "accuracy" (the discriminator's), means over the steps since the last
    look. At the steps in `frames` it keeps the GAN's weights, in `kept`.
    """

    def __init__(self, every: int = 50, frames: tuple[int, ...] = ()):
        super().__init__()
        self.every, self.frames = every, frames

    def on_train_begin(self, logs=None):
        """Forget the run before."""
        self.noise = fixed_noise(self.model, 1000)
        self.history: dict[str, list] = {}
        self.kept: dict[int, list[np.ndarray]] = {}
        self.last = (0, dict.fromkeys(("generator_loss", "discriminator_loss", "accuracy"), 0.0))
        if 0 in self.frames:
            self.kept[0] = self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        """Look, if it is time: Keras logs means since the epoch began, kept are those since the last look."""
        done, (before, means) = batch + 1, self.last
        if done in self.frames:
            self.kept[done] = self.model.get_weights()
        if done % self.every:
            return
        samples = np.asarray(self.model.generator(self.noise))
        entry = {"step": done, "nearest": mode_shares(samples, np.inf), "covered": modes_covered(samples)}
        entry |= {"near": mode_shares(samples).sum(), "distance": distance_to_ring(samples)}
        for name, mean in means.items():
            entry[name] = (logs[name] * done - mean * before) / (done - before)
        for name, value in entry.items():
            self.history.setdefault(name, []).append(value)
        self.last = (done, {name: logs[name] for name in means})

    def at_the_end(self, name: str, share: float = 0.25) -> float:
        """The mean of one list of `history` over the last part of the run."""
        values = self.history[name]
        return float(np.mean(values[-max(1, round(share * len(values))) :]))


def tournament(gan, kept: dict[int, list[np.ndarray]]) -> np.ndarray:
    """Every discriminator against every generator of one run: its accuracy on 1,000 real and 1,000 generated samples.

    `kept`: step to the GAN's weights, as `Watch` keeps them; in the order of the steps, row: discriminator, column:
    generator. The GAN has its own weights again at the end. After Olsson et al. 2018 (arXiv:1808.04888).
    """
    own, real, noise = gan.get_weights(), make_ring(1000, seed=1), fixed_noise(gan, 1000)
    samples, accuracy = [], np.zeros((len(kept), len(kept)))
    for weights in kept.values():
        gan.set_weights(weights)
        samples.append(np.asarray(gan.generator(noise)))
    for row, weights in enumerate(kept.values()):
        gan.set_weights(weights)
        right_on_real = np.mean(np.asarray(gan.discriminator(real)) > 0)
        for column, fake in enumerate(samples):
            accuracy[row, column] = (right_on_real + np.mean(np.asarray(gan.discriminator(fake)) <= 0)) / 2
    gan.set_weights(own)
    return accuracy

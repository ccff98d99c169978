"""A ring of Gaussians in the plane: data for a GAN whose every failure can be seen and counted.

Introduced in chapter 11. Metz et al. 2017 (arXiv:1611.02163) and Srivastava et al. 2017 (arXiv:1705.07761) measure
GANs on it.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

from aelib.layers import MinibatchStdDev, Pack
from aelib.metrics import check_finite
from aelib.plots import COLOURS, MARKERS

MODES = 8
SPREAD = 0.05  # standard deviation of each Gaussian, in either direction
NEAR = 3 * SPREAD  # a real sample is nearer to its centre than this with a probability of 1 − exp(−9/2) = 98.9 %
COVERED = 0.25  # of a mode's fair share of the samples
_ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).astype("float32")  # (8, 2), on a circle of radius 1


def ring(n: int, seed: int = 0) -> np.ndarray:
    """`n` samples from the eight Gaussians, all equally likely: float32 `(n, 2)`."""
    rng = np.random.default_rng(seed)
    points = CENTRES[rng.integers(MODES, size=n)] + SPREAD * rng.normal(size=(n, 2))
    return points.astype("float32")


def mode_shares(samples, within: float = NEAR) -> np.ndarray:
    """The share of the samples that belong to each of the eight centres, `(8,)`: nearest to it, and near.

    `within`: how near, by default 3 standard deviations of a mode. The sum over the centres is the share of samples
    that are near any. Raises `ValueError` for NaN or another shape than `(n, 2)`.
    """
    nearest, distance = _nearest(samples)
    return np.bincount(nearest[distance < within], minlength=MODES) / len(nearest)


def modes_covered(samples) -> int:
    """How many of the eight centres have at least a quarter of their fair share (1/8) of the samples near them."""
    return int((mode_shares(samples) >= COVERED / MODES).sum())


def distance_to_ring(samples) -> float:
    """Distance of a sample from the nearest centre, mean over the samples. Real ones: 0.05 √(π/2) = 0.063."""
    return float(_nearest(samples)[1].mean())


def _nearest(samples) -> tuple[np.ndarray, np.ndarray]:
    samples = check_finite(samples, "samples")
    if samples.ndim != 2 or samples.shape[1] != 2 or len(samples) == 0:
        raise ValueError(f"samples have the shape {samples.shape}: expected points in the plane, (n, 2), n at least 1")
    distance = np.linalg.norm(samples[:, None] - CENTRES, axis=2)
    return distance.argmin(axis=1), distance.min(axis=1)


def ring_networks(units: int = 64, *, noise_size: int = 2, statistics: bool = False, pack: int = 1):
    """Generator and discriminator for points in the plane, two hidden layers each.

    `statistics`: the discriminator sees how much its batch varies (`MinibatchStdDev`). `pack`: it judges so many
    samples at a time (`Pack`).
    """
    z = keras.Input((noise_size,))
    x = layers.Dense(units, "relu")(z)
    x = layers.Dense(units, "relu")(x)
    generator = keras.Model(z, layers.Dense(2)(x), name="generator")

    x = samples = keras.Input((2,))
    if pack > 1:
        x = Pack(pack)(x)
    x = layers.Dense(units, "leaky_relu")(x)
    if statistics:
        x = MinibatchStdDev()(x)
    x = layers.Dense(units, "leaky_relu")(x)
    discriminator = keras.Model(samples, layers.Dense(1)(x), name="discriminator")
    return generator, discriminator


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
        self.noise = _noise(self.model, 1000)
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


def flat_gradient(gan, n: int = 1000, *, minimax: bool) -> np.ndarray:
    """The gradient of the generator's loss for all of its weights in one row, of the same `n` samples every time."""
    gan.seed_generator.state.assign([0, 0])
    _, gradient = gan.generator_gradient(n, minimax=minimax)
    return np.concatenate([np.ravel(part) for part in gradient])


def draw_field(axis, gan, *, title: str = "", reach: float = 1.6) -> None:
    """What the discriminator thinks of each place (purple: real, orange: generated), and 500 samples on top.

    Not for discriminators that judge samples together, whose opinion of a place depends on the others in the batch.
    """
    line = np.linspace(-reach, reach, 81)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype("float32")
    logits = np.asarray(gan.discriminator(places)).reshape(81, 81)
    real = 1 / (1 + np.exp(-logits))  # in twelve bands: a smooth field makes a large picture file
    axis.contourf(line, line, real, np.linspace(0, 1, 13), cmap="PuOr", alpha=0.8)
    axis.scatter(*CENTRES.T, s=50, facecolors="none", edgecolors="black", linewidths=0.8)
    axis.scatter(*np.asarray(gan.generator(_noise(gan, 500))).T, s=2, color="black")
    axis.set(
        title=title, xlim=(-reach, reach), ylim=(-reach, reach), xticks=(-1, 0, 1), yticks=(-1, 0, 1), aspect="equal"
    )
    axis.grid(False)


def draw_noise_plane(noise, samples) -> plt.Figure:
    """Where each of `noise` `(n, 2)` goes, `samples` `(n, 2)`: a colour for each mode, black for what is near none."""
    nearest, distance = _nearest(samples)
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 4.2))
    titles = ("Noise: eight regions, and black borders", "Samples: eight modes, and bridges")
    for axis, points, title in zip(axes, (noise, samples), titles, strict=True):
        for mode in range(MODES):
            own = (nearest == mode) & (distance < NEAR)
            axis.scatter(*points[own].T, s=14, color=COLOURS[mode if mode != 6 else 7], marker=MARKERS[mode])
        axis.scatter(*points[distance >= NEAR].T, s=8, color="black")
        axis.set(title=title, aspect="equal")
    axes[0].set(xlabel="noise 1", ylabel="noise 2")
    return figure


def tournament(gan, kept: dict[int, list[np.ndarray]]) -> np.ndarray:
    """Every discriminator against every generator of one run: its accuracy on 1,000 real and 1,000 generated samples.

    `kept`: step to the GAN's weights, as `Watch` keeps them; in the order of the steps, row: discriminator, column:
    generator. The GAN has its own weights again at the end. After Olsson et al. 2018 (arXiv:1808.04888).
    """
    own, real, noise = gan.get_weights(), ring(1000, seed=1), _noise(gan, 1000)
    samples, accuracy = [], np.zeros((len(kept), len(kept)))
    for weights in kept.values():
        gan.set_weights(weights)
        samples.append(np.asarray(gan.generator(noise)))
    for row, weights in enumerate(kept.values()):
        gan.set_weights(weights)
        told_real = np.mean(np.asarray(gan.discriminator(real)) > 0)
        for column, fake in enumerate(samples):
            accuracy[row, column] = (told_real + np.mean(np.asarray(gan.discriminator(fake)) <= 0)) / 2
    gan.set_weights(own)
    return accuracy


def ring_images(points, size: int = 28) -> np.ndarray:
    """The ring as a small image for each of the points `(n, 2)`, which is the bright dot: `(n, size, size, 1)`.

    The image reaches from −1.4 to 1.4; a point outside is drawn at the border. Values in [0, 1].
    """
    points = np.clip(check_finite(points, "points"), -1.4, 1.4)
    line = np.linspace(-1.4, 1.4, size)
    across, down = np.meshgrid(line, line[::-1])

    def dots(places, width):
        squares = (across - places[:, 0, None, None]) ** 2 + (down - places[:, 1, None, None]) ** 2
        return np.exp(-squares / (2 * width**2))

    modes = 0.35 * dots(CENTRES, 0.09).max(axis=0)
    return np.maximum(modes, dots(points, 0.07))[..., None].astype("float32")


def _noise(gan, n: int) -> np.ndarray:
    """The same noise every time, so that pictures can be compared."""
    return np.random.default_rng(0).normal(size=(n, gan.generator.inputs[0].shape[-1])).astype("float32")

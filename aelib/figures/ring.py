"""What a GAN on the ring of Gaussians does, as pictures.

Introduced in chapter 11.
"""

import matplotlib.pyplot as plt
import numpy as np

from aelib.data.ring import CENTRES, MODES, NEAR, nearest_mode
from aelib.figures.style import COLOURS, MARKERS
from aelib.models.noise import fixed_noise


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
    axis.scatter(*np.asarray(gan.generator(fixed_noise(gan, 500))).T, s=2, color="black")
    axis.set(
        title=title, xlim=(-reach, reach), ylim=(-reach, reach), xticks=(-1, 0, 1), yticks=(-1, 0, 1), aspect="equal"
    )
    axis.grid(False)


def draw_noise_plane(noise, samples) -> plt.Figure:
    """Where each of `noise` `(n, 2)` goes, `samples` `(n, 2)`: a colour for each mode, black for what is near none."""
    nearest, distance = nearest_mode(samples)
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

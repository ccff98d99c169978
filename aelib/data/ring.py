"""A ring of Gaussians in the plane: data for a GAN whose every failure can be seen and counted.

Introduced in chapter 11. Metz et al. 2017 (arXiv:1611.02163) and Srivastava et al. 2017 (arXiv:1705.07761) measure
GANs on it.
"""

import numpy as np

from aelib.validate import check_finite

MODES = 8
SPREAD = 0.05  # standard deviation of each Gaussian, in either direction
NEAR = 3 * SPREAD  # a real sample is nearer to its centre than this with a probability of 1 − exp(−9/2) = 98.9 %
_ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).astype("float32")  # (8, 2), on a circle of radius 1


def make_ring(n: int, seed: int = 0) -> np.ndarray:
    """`n` samples from the eight Gaussians, all equally likely: float32 `(n, 2)`."""
    rng = np.random.default_rng(seed)
    points = CENTRES[rng.integers(MODES, size=n)] + SPREAD * rng.normal(size=(n, 2))
    return points.astype("float32")


def ring_images(points, size: int = 28) -> np.ndarray:
    """The ring as a small image for each of the points `(n, 2)`, which is the bright dot: `(n, size, size, 1)`.

    The image reaches from −1.4 to 1.4; a point outside is drawn at the border. Values in [0, 1].
    """
    points = np.clip(check_finite(points, "points"), -1.4, 1.4)
    line = np.linspace(-1.4, 1.4, size)
    across, down = np.meshgrid(line, line[::-1])

    def dots(places, width):
        """A round bright dot of standard deviation `width` at each of the places: `(n, size, size)`."""
        squares = (across - places[:, 0, None, None]) ** 2 + (down - places[:, 1, None, None]) ** 2
        return np.exp(-squares / (2 * width**2))

    modes = 0.35 * dots(CENTRES, 0.09).max(axis=0)
    return np.maximum(modes, dots(points, 0.07))[..., None].astype("float32")


def nearest_mode(samples) -> tuple[np.ndarray, np.ndarray]:
    """Of each sample `(n, 2)`: which centre is the nearest, `(n,)`, and how far away it is, `(n,)`.

    Raises `ValueError` for NaN or another shape.
    """
    samples = check_finite(samples, "samples")
    if samples.ndim != 2 or samples.shape[1] != 2 or len(samples) == 0:
        raise ValueError(f"samples have the shape {samples.shape}: expected points in the plane, (n, 2), n at least 1")
    distance = np.linalg.norm(samples[:, None] - CENTRES, axis=2)
    return distance.argmin(axis=1), distance.min(axis=1)

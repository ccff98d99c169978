"""Noise to be shown to a generator: planes and arcs through it, and always the same draws.

Introduced in chapters 11 and 12.
"""

import numpy as np


def fixed_noise(gan, n: int) -> np.ndarray:
    """The same noise every time, so that pictures can be compared."""
    return np.random.default_rng(0).normal(size=(n, gan.generator.inputs[0].shape[-1])).astype("float32")


def noise_slice(noise_size: int, xs, ys, seed: int = 0) -> np.ndarray:
    """Noise on a plane through 0: `(len(ys) · len(xs), noise_size)`, in the order of `figures.plane`, row by row.

    Its two directions are drawn at random and made orthogonal, each of length √(noise_size / 2): at the place (1, 1)
    the noise is as long as a draw from N(0, I) is on average. Raises `ValueError` for fewer than two numbers of noise.
    """
    if noise_size < 2:
        raise ValueError(f"noise_size is {noise_size}: a plane needs at least 2 numbers of noise")
    directions = np.linalg.qr(np.random.default_rng(seed).normal(size=(noise_size, 2)))[0]
    places = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return (places @ directions.T * (noise_size / 2) ** 0.5).astype("float32")


def interpolate(starts, ends, steps: int) -> np.ndarray:
    """Noise along arcs from `starts` to `ends`, both `(n, size)`: `(n, steps, size)`, the two ends included.

    Between two draws from N(0, I) a straight line passes nearer to 0 than draws ever are; the arc cos t · a + sin t · b
    has the distribution of a draw at each of its places (White 2016, arXiv:1609.04468, for the arc on a sphere).
    """
    angle = np.linspace(0, np.pi / 2, steps)[None, :, None]
    arcs = np.cos(angle) * np.asarray(starts)[:, None] + np.sin(angle) * np.asarray(ends)[:, None]
    return arcs.astype("float32")

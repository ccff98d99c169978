"""Series made by code, of which some are anomalous on request.

Introduced in chapter 05. All have the shape `(n, steps, 1)` in float32, and the same seed gives the same series.
"""

import numpy as np

# What is wrong with one beat of a window, away from its edges.
HEART_ANOMALIES = ("missing", "early", "wide", "tall", "inverted")
# What changes somewhere in the middle half of a window, and stays so.
WAVE_ANOMALIES = ("jump", "faster", "fainter")


def heartbeats(n: int, steps: int = 48, *, anomaly: str | None = None, noise: float = 0.03, seed: int = 0):
    """Windows of a pulse: a sharp peak, a dip, a low wave after it. Where the first beat falls, is random.

    Each window has its own period (14 to 22 steps) and height (0.9 to 1.1); `noise` is the standard deviation of what
    is added to every step. `anomaly`: in one beat of each window, at random but not at the edge, the beat is
    "missing", comes "early" by 30 % of a period, has a peak 2.5 times as "wide" or 1.7 times as "tall", or an
    "inverted" one. At least 40 steps, so that each window holds a whole beat.
    """
    _check(n, steps, 40, anomaly, HEART_ANOMALIES, noise)
    rng = np.random.default_rng(seed)
    period, height, phase = rng.uniform(14, 22, (n, 1)), rng.uniform(0.9, 1.1, (n, 1)), rng.random((n, 1))
    beats = np.arange(-1, steps // 14 + 2)
    centre = period * (phase + beats)  # (n, beats): the step of each peak
    height, width = np.repeat(height, len(beats), axis=1), np.ones_like(centre)
    low = np.full_like(centre, 0.35)
    if anomaly:
        inside = (centre > 4) & (centre < steps - 12)
        chosen = (np.arange(n), np.where(inside, rng.random(inside.shape), -1).argmax(axis=1))
        if anomaly == "missing":
            height[chosen] = low[chosen] = 0
        elif anomaly == "early":
            centre[chosen] -= 0.3 * period[:, 0]
        elif anomaly == "wide":
            width[chosen] = 2.5
        else:
            height[chosen] *= {"tall": 1.7, "inverted": -1}[anomaly]
    t = np.arange(steps) - centre[..., None]  # (n, beats, steps): steps since each peak
    width, height, period = width[..., None], height[..., None], period[..., None]
    series = height * (_bump(t, 1.3 * width) - 0.25 * _bump(t - 2.6 * width, 1.3 * width))
    series = (series + low[..., None] * _bump(t - 0.32 * period, 0.09 * period)).sum(axis=1)
    return _with_noise(series, noise, rng)


def sinusoids(
    n: int, steps: int = 48, *, terms: int = 2, anomaly: str | None = None, noise: float = 0.03, seed: int = 0
) -> np.ndarray:
    """Sums of `terms` sinusoids, each with a random period (10 to 40 steps), phase and amplitude; variance about 1.

    A sum of few is a few numbers long, however many steps it has. With many, the past says little of the future, and
    a longer window holds more. `anomaly`: from a random step of the middle half on, all phases "jump" by 0.7 π, all
    frequencies are 1.5 times as high ("faster"), or the whole is half as high ("fainter"). At least 8 steps.
    """
    _check(n, steps, 8, anomaly, WAVE_ANOMALIES, noise)
    if terms < 1:
        raise ValueError(f"terms is {terms}: expected at least 1 sinusoid")
    rng = np.random.default_rng(seed)
    frequency, phase = 1 / rng.uniform(10, 40, (n, terms, 1)), rng.uniform(0, 2 * np.pi, (n, terms, 1))
    amplitude = rng.uniform(0.7, 1.3, (n, terms, 1)) * np.sqrt(2 / terms)
    since = np.arange(steps) - rng.integers(steps // 4, 3 * steps // 4, (n, 1, 1))  # steps since the change
    angle = 2 * np.pi * frequency * np.arange(steps) + phase
    if anomaly == "jump":
        angle = angle + 0.7 * np.pi * (since >= 0)
    elif anomaly == "faster":
        angle = angle + np.pi * frequency * np.maximum(since, 0)
    elif anomaly == "fainter":
        amplitude = amplitude * np.where(since >= 0, 0.5, 1)
    return _with_noise((amplitude * np.sin(angle)).sum(axis=1), noise, rng)


def _check(n, steps, least, anomaly, known, noise) -> None:
    if n < 1 or steps < least or noise < 0:
        raise ValueError(f"n {n}, steps {steps}, noise {noise}: expected n ≥ 1, steps ≥ {least}, noise ≥ 0")
    if anomaly is not None and anomaly not in known:
        raise ValueError(f"anomaly is {anomaly!r}: expected one of {', '.join(known)}, or None")


def _bump(t, width):
    return np.exp(-0.5 * np.square(t / width))


def _with_noise(series, noise, rng) -> np.ndarray:
    return (series + noise * rng.normal(size=series.shape)).astype("float32")[..., None]

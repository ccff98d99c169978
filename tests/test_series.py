"""Series made by code: repeatable, of the stated form, anomalous only where they say so."""

import numpy as np
import pytest

from aelib.data import HEART_ANOMALIES, WAVE_ANOMALIES, heartbeats, sinusoids

MAKERS = [(heartbeats, HEART_ANOMALIES), (sinusoids, WAVE_ANOMALIES)]


@pytest.mark.parametrize(("make", "kinds"), MAKERS)
def test_shape_type_and_seed(make, kinds):
    for kind in (None, *kinds):
        series = make(20, 48, anomaly=kind, seed=1)
        assert series.shape == (20, 48, 1) and series.dtype == np.float32 and np.isfinite(series).all()
        np.testing.assert_array_equal(series, make(20, 48, anomaly=kind, seed=1))
        assert not np.array_equal(series, make(20, 48, anomaly=kind, seed=2))


def test_a_beat_comes_once_a_period():
    """The peaks of a window stand between 14 and 22 steps apart, all equally far."""
    for window in heartbeats(50, 80, noise=0)[..., 0]:
        middle = window[1:-1]
        peaks = 1 + np.flatnonzero((middle > window[:-2]) & (middle >= window[2:]) & (middle > 0.7))
        gaps = np.diff(peaks)
        assert len(peaks) >= 3 and gaps.min() >= 13 and gaps.max() <= 23 and np.ptp(gaps) <= 1


def test_noise_has_the_stated_size():
    for make in (heartbeats, sinusoids):
        assert np.std(make(200, 48, noise=0.5) - make(200, 48, noise=0)) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("kind", HEART_ANOMALIES)
def test_an_anomaly_of_the_heart_is_one_beat(kind):
    """Without noise, the same seed with and without the anomaly differs in a part of each window only."""
    plain, odd = heartbeats(50, 80, noise=0), heartbeats(50, 80, noise=0, anomaly=kind)
    changed = np.abs(odd - plain)[..., 0] > 0.02
    assert changed.any(axis=1).all()
    spans = [np.ptp(np.flatnonzero(row)) for row in changed]
    assert max(spans) < 26
    if kind == "missing":
        assert (odd.sum(axis=1) < plain.sum(axis=1)).all()
    if kind == "tall":
        assert np.median(odd.max(axis=1) / plain.max(axis=1)) == pytest.approx(1.7, abs=0.1)
    if kind == "inverted":
        assert np.median(odd.min(axis=1)) < -0.7


def test_sinusoids_are_the_formula():
    """One sinusoid satisfies s(t−1) + s(t+1) = 2 cos(2πf) s(t), with f between 1/40 and 1/10; variance about 1."""
    for window in sinusoids(30, 48, terms=1, noise=0)[..., 0].astype("float64"):
        ratio = np.linalg.lstsq(window[1:-1, None], window[:-2] + window[2:], rcond=None)[0][0]
        assert 1 / 40.1 < np.arccos(ratio / 2) / (2 * np.pi) < 1 / 9.9
        np.testing.assert_allclose(window[:-2] + window[2:], ratio * window[1:-1], atol=1e-5)
    for terms in (1, 2, 12):
        assert sinusoids(2000, 48, terms=terms).var() == pytest.approx(1.03, abs=0.08)


@pytest.mark.parametrize("kind", WAVE_ANOMALIES)
def test_a_wave_changes_once_and_stays_so(kind):
    odd = sinusoids(50, 48, anomaly=kind, noise=0)[..., 0]
    plain = sinusoids(50, 48, noise=0)[..., 0]
    # The change comes in the middle half of the window: a quarter before it is the same, a quarter after it is not.
    same = np.isclose(odd, plain, atol=1e-5)
    assert same[:, :12].all() and not same[:, 36:].all(axis=1).any()


@pytest.mark.parametrize(("make", "kinds"), MAKERS)
def test_bad_input_is_refused(make, kinds):
    with pytest.raises(ValueError, match=f"anomaly is 'late'.*{kinds[0]}"):
        make(5, 48, anomaly="late")
    for options in ({"n": 0}, {"n": 5, "steps": 5}, {"n": 5, "noise": -1}):
        with pytest.raises(ValueError, match=r"expected n ≥ 1, steps ≥ \d+, noise ≥ 0"):
            make(**options)
    with pytest.raises(ValueError, match="terms is 0"):
        sinusoids(5, terms=0)

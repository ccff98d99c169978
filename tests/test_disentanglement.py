"""MIG, beta-VAE score and SAP: on codes that are the factors, that know nothing of them, and that mix them."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.feature_selection import r_regression

from aelib.measures import beta_vae_score, mutual_information, mutual_information_gap, sap_score

RNG = np.random.default_rng(0)
FACTORS = RNG.uniform(-1, 1, (5000, 5))
SCORES = (mutual_information_gap, sap_score, beta_vae_score)
CHANCE = {mutual_information_gap: 0.0, sap_score: 0.0, beta_vae_score: 0.2}


@pytest.mark.parametrize("score", SCORES)
def test_perfect_codes_score_one(score):
    """In any order, on any scale, beside codes that nothing uses or that never change."""
    scaled = FACTORS[:, [3, 1, 4, 0, 2]] * [1e-3, -7, 400, 1, -0.2] + 5
    for codes in (FACTORS, scaled, np.hstack([RNG.normal(size=(5000, 4)), scaled, np.zeros((5000, 2))])):
        assert score(codes, FACTORS) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("score", SCORES)
def test_codes_independent_of_the_factors_score_chance(score):
    n = 40_000 if score is beta_vae_score else 5000  # of fewer images its classifier knows the pairs by heart
    rng = np.random.default_rng(1)
    factors = rng.uniform(-1, 1, (n, 5))
    for codes in (rng.normal(size=(n, 5)), rng.normal(size=(n, 20)), np.zeros((n, 3))):
        assert score(codes, factors) == pytest.approx(CHANCE[score], abs=0.04)


@pytest.mark.parametrize("score", SCORES)
def test_a_factor_that_two_codes_hold_has_no_gap(score):
    twice = np.hstack([FACTORS, FACTORS])
    assert score(twice, FACTORS) == pytest.approx(1 if score is beta_vae_score else 0, abs=0.02)


def test_codes_that_hold_two_of_four_factors():
    two, four = FACTORS[:, :2], FACTORS[:, :4]
    for score in (mutual_information_gap, sap_score):
        assert score(two, four) == pytest.approx(0.5, abs=0.02)
    # Of its batches a quarter each agrees in the factors that have a code; the others look alike: 2/4 + 2/4 · 1/2.
    assert beta_vae_score(two, four) == pytest.approx(0.75, abs=0.05)


def test_turning_a_plane_of_two_factors_lowers_mig_and_sap_to_nothing_at_45_degrees():
    scores = {score: [] for score in SCORES}
    for degrees in (0, 15, 30, 45):
        angle = np.radians(degrees)
        turn = np.eye(5)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        for score in SCORES:
            scores[score].append(score(FACTORS @ turn, FACTORS))
    for score in (mutual_information_gap, sap_score):
        assert (np.diff(scores[score]) < -0.02).all()
        assert scores[score][-1] == pytest.approx(3 / 5, abs=0.02)
    # R² of a turned code and a factor is cos² or sin² of the angle: the gap of two factors of five is cos 2α
    np.testing.assert_allclose(scores[sap_score], [1, (3 + 2 * 3**0.5 / 2) / 5, (3 + 1) / 5, 3 / 5], atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_rotation_scores_low_but_for_the_beta_vae_score(seed):
    """The weakness of the latter: it asks for a trace of the factor in |z − z'|, not for a code of its own."""
    codes = FACTORS @ ortho_group.rvs(5, random_state=seed)
    assert mutual_information_gap(codes, FACTORS) < 0.2 and sap_score(codes, FACTORS) < 0.4
    assert beta_vae_score(codes, FACTORS) > 0.6


def test_mutual_information_against_closed_forms():
    # Uniform on k values, copied: everything. Independent: nothing but chance, (bins − 1)² / 2n nats.
    values = RNG.integers(0, 4, (8000, 1)).astype(float)
    table = mutual_information(np.hstack([values, RNG.normal(size=(8000, 1))]), values)
    np.testing.assert_allclose(table[:, 0], [1, 3 * 19 / (2 * 8000) / np.log(4)], atol=0.005)
    # Two normal numbers of correlation r share −½ log(1 − r²) nats, of which 20 bins lose a few per cent.
    one, noise = RNG.normal(size=(2, 200_000))
    both = np.stack([0.8 * one + 0.6 * noise, noise], axis=1)
    nats = mutual_information(both, one[:, None])[0, 0] * np.log(20)
    assert 0.93 * -0.5 * np.log(1 - 0.8**2) < nats < -0.5 * np.log(1 - 0.8**2)


def test_a_rare_value_of_a_factor_is_a_value_of_its_own():
    """0.7 %, 2 % and 3 % of the images: each less than one of 20 bins. A copy tells all, a merged one less."""
    rare = np.zeros((5000, 3))
    rare[::150, 0], rare[::50, 1], rare[::33, 2] = 1, -1, 1
    rare[1::50, 1] = 1  # three values, two of them rare
    np.testing.assert_allclose(np.diag(mutual_information(rare, rare)), 1)
    blind = np.where(rare == 1, 0, rare)  # does not know of the ones
    assert mutual_information(blind, rare)[0, 0] == 0
    assert 0.3 < mutual_information(blind, rare)[1, 1] < 0.7


@pytest.mark.parametrize("bins", [2, 20])
def test_a_factor_that_is_nearly_always_the_same_and_else_any_number_has_no_nan(bins):
    """More values than bins, and all quantiles are one value: it has a bin of its own, the numbers beyond another."""
    mostly = np.where(RNG.random((5000, 1)) < 0.02, RNG.uniform(0.1, 1, (5000, 1)), 0.0)
    for factor in (mostly, -mostly):
        table = mutual_information(np.hstack([factor > 0, factor < 0, RNG.normal(size=(5000, 1))]), factor, bins)
        assert sorted(table[:, 0].round(1)) == [0, 0, 1]


def test_bending_an_axis_changes_mig_in_nothing():
    mixed = FACTORS + 0.3 * RNG.normal(size=FACTORS.shape)
    bent = np.stack([np.exp(3 * mixed[:, 0]), mixed[:, 1] ** 3, *mixed.T[2:]], axis=1)
    assert mutual_information_gap(bent, FACTORS) == pytest.approx(mutual_information_gap(mixed, FACTORS), abs=1e-12)


def test_sap_is_the_squared_correlation():
    codes = FACTORS @ RNG.normal(size=(5, 3)) + RNG.normal(size=(5000, 3))
    squared = np.array([r_regression(codes, factor) ** 2 for factor in FACTORS.T])
    first, second = np.sort(squared, axis=1)[:, -1], np.sort(squared, axis=1)[:, -2]
    assert sap_score(codes, FACTORS) == pytest.approx(np.mean(first - second), rel=1e-9)


def test_a_circle_has_no_line():
    """An angle that comes round again, as sine and cosine: each tells something of it, none all, and R² is low."""
    angle = RNG.uniform(-np.pi, np.pi, (5000, 1))
    codes = np.hstack([np.cos(angle), np.sin(angle)])
    assert mutual_information(codes, angle).min() > 0.5 and mutual_information_gap(codes, angle) < 0.05
    assert sap_score(codes, angle) == pytest.approx(6 / np.pi**2, abs=0.02)  # of the sine; the cosine has none


def test_the_beta_vae_score_repeats_itself():
    mixed = FACTORS @ ortho_group.rvs(5, random_state=0)
    assert beta_vae_score(mixed, FACTORS) == beta_vae_score(mixed, FACTORS)
    assert abs(beta_vae_score(mixed, FACTORS, seed=1) - beta_vae_score(mixed, FACTORS)) < 0.05


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (FACTORS[:100], FACTORS, r"\(100, 5\), factors \(5000, 5\)"),
        (FACTORS[:, 0], FACTORS, r"codes have the shape \(5000,\)"),
        (FACTORS, FACTORS[:, 0], r"factors \(5000,\)"),
        (FACTORS[:, :1], FACTORS, r"two codes or more"),
        (np.where(FACTORS > 0.9, np.nan, FACTORS), FACTORS, r"codes hold \d+ values"),
        (FACTORS, np.where(FACTORS > 0.9, np.inf, FACTORS), r"factors hold \d+ values"),
        (FACTORS, FACTORS * [1, 1, 0, 1, 0], r"factors \[2, 4\] never change"),
        (FACTORS, FACTORS[:, :0], r"never change"),
    ],
)
def test_codes_and_factors_outside_their_form_are_refused(codes, factors, message):
    for score in (mutual_information, *SCORES):
        with pytest.raises(ValueError, match=message):
            score(codes, factors)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"bins is 1 for 5000 images"):
        mutual_information_gap(FACTORS, FACTORS, bins=1)
    with pytest.raises(ValueError, match=r"batches 20"):
        beta_vae_score(FACTORS, FACTORS, batches=20)
    with pytest.raises(ValueError, match=r"pairs 0"):
        beta_vae_score(FACTORS, FACTORS, pairs=0)

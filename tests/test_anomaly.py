"""Strangers: detectors against their definitions, the threshold's guarantee, Bayes's rule, and clear errors."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.covariance import ledoit_wolf
from sklearn.datasets import load_breast_cancer

from aelib.data import split_tumours
from aelib.measures import auroc, conformal_threshold, precision_at, usual_detectors

RNG = np.random.default_rng(0)
TRAIN = RNG.normal(size=(150, 4)) @ RNG.normal(size=(4, 4))
NORMAL, FAR = TRAIN[:40] + 0.01, TRAIN[:30] + 50
BAD_ROWS = (
    (np.zeros((0, 4)), "expected rows of one width"),
    (np.zeros((5, 3)), "expected rows of one width"),
    (np.zeros(4), "expected rows of one width"),
    (np.full((5, 4), np.nan), "hold 20 values that are NaN"),
)


def test_each_detector_gives_a_far_row_a_higher_score_than_any_normal_one():
    found = usual_detectors(TRAIN, NORMAL, FAR)
    assert len(found) == 6
    for name, (normal, far) in found.items():
        assert normal.shape == (40,) and far.shape == (30,), name
        assert far.min() > normal.max(), name


def test_distances_are_those_of_the_definition():
    found = usual_detectors(TRAIN, NORMAL, neighbours=3)
    apart = np.sort(np.linalg.norm(NORMAL[:, None] - TRAIN[None], axis=2), axis=1)
    np.testing.assert_allclose(found["nearest neighbours"][0], apart[:, :3].mean(axis=1))
    _, axes = np.linalg.eigh(np.cov(TRAIN.T))
    size = np.cumsum(np.var((TRAIN - TRAIN.mean(axis=0)) @ axes[:, ::-1], axis=0))
    left = (NORMAL - TRAIN.mean(axis=0)) @ axes[:, ::-1][:, np.searchsorted(size / size[-1], 0.95) + 1 :]
    np.testing.assert_allclose(found["PCA's error"][0], np.square(left).sum(axis=1))


def test_the_mahalanobis_distance_is_squared_and_uses_the_shrunk_covariance():
    score = usual_detectors(TRAIN, NORMAL)["Mahalanobis distance"][0]
    away = NORMAL - TRAIN.mean(axis=0)
    inverse = np.linalg.inv(ledoit_wolf(TRAIN)[0])
    np.testing.assert_allclose(score, np.einsum("ni,ij,nj->n", away, inverse, away))


def test_the_local_outlier_factor_is_that_of_its_definition():
    """Breunig et al. 2000, with twenty neighbours: how much denser the neighbours lie than the row."""
    between = np.linalg.norm(TRAIN[:, None] - TRAIN[None], axis=2)
    np.fill_diagonal(between, np.inf)
    reach = np.sort(between, axis=1)[:, 19]

    def density(distances):
        """One over the mean reachability distance from the twenty nearest training rows; and which they are."""
        nearest = np.argsort(distances, axis=1)[:, :20]
        far = np.maximum(np.take_along_axis(distances, nearest, axis=1), reach[nearest])
        return 1 / far.mean(axis=1), nearest

    own, _ = density(between)
    dense, nearest = density(np.linalg.norm(NORMAL[:, None] - TRAIN[None], axis=2))
    expected = own[nearest].mean(axis=1) / dense
    np.testing.assert_allclose(usual_detectors(TRAIN, NORMAL)["local outlier factor"][0], expected, rtol=1e-6)


def test_the_mahalanobis_distance_does_not_depend_on_the_units_if_rows_abound():
    many = RNG.normal(size=(20_000, 3))
    scaled = many * (1, 2, 3)
    one, other = (usual_detectors(rows, rows[:9])["Mahalanobis distance"][0] for rows in (many, scaled))
    np.testing.assert_allclose(one, other, rtol=0.02)


def test_detectors_are_the_same_with_the_same_seed():
    one, same, other = (usual_detectors(TRAIN, NORMAL, seed=seed)["isolation forest"][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("rows", "message"), BAD_ROWS)
def test_bad_tables_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        usual_detectors(TRAIN, rows)


@pytest.mark.parametrize(("rows", "message"), [*BAD_ROWS[:1], *BAD_ROWS[2:], (TRAIN[:1], "two to train on")])
def test_bad_training_rows_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        usual_detectors(rows, NORMAL)


def test_training_rows_that_are_all_the_same_are_refused():
    with pytest.raises(ValueError, match="all 7 training rows are the same"):
        usual_detectors(np.ones((7, 4)), NORMAL)


@pytest.mark.parametrize("neighbours", [0, 151, 2.5])
def test_more_neighbours_than_rows_are_refused(neighbours):
    with pytest.raises(ValueError, match=r"neighbours is .* for 150 training rows"):
        usual_detectors(TRAIN, NORMAL, neighbours=neighbours)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    normal, strange = RNG.integers(0, 6, 40), RNG.integers(2, 9, 30)
    pairs = mannwhitneyu(strange, normal).statistic / (40 * 30)
    assert auroc(normal, strange) == pytest.approx(pairs)
    assert auroc(strange, normal) == pytest.approx(1 - pairs)


@pytest.mark.parametrize(
    ("normal", "strange", "message"),
    [
        ([], [1.0], "normal scores have the shape"),
        ([1.0], [], "strange scores have the shape"),
        ([[1.0]], [1.0], "normal scores have the shape"),
        ([np.nan], [1.0], "normal scores hold 1 values that are NaN"),
    ],
)
def test_auroc_needs_both_kinds(normal, strange, message):
    with pytest.raises(ValueError, match=message):
        auroc(normal, strange)


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (9, 0.1), (77, 0.05), (50, 0.3)])
def test_new_normal_rows_exceed_the_threshold_as_often_as_promised(n, alpha):
    """Each of n + 1 exchangeable scores is the new one as likely as any other: count all n + 1 cases."""
    scores = RNG.normal(size=n + 1)
    exceed = [scores[k] > conformal_threshold(np.delete(scores, k), alpha) for k in range(n + 1)]
    assert alpha - 1 / (n + 1) < np.mean(exceed) <= alpha


def test_ties_make_false_alarms_rarer_never_more_frequent():
    scores = RNG.integers(0, 4, 40).astype("float64")
    exceed = [scores[k] > conformal_threshold(np.delete(scores, k), 0.3) for k in range(40)]
    assert np.mean(exceed) <= 0.3


@pytest.mark.parametrize("scores", [[], [[1.0, 2.0]], [1.0, np.nan], [1.0, np.inf]])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(ValueError, match=r"scores (have the shape|hold \d values that are NaN)"):
        conformal_threshold(scores, 0.5)


def test_with_an_alpha_near_1_the_smallest_score_is_the_threshold():
    assert conformal_threshold([3.0, 1.0, 2.0], 1 - 1e-11) == 1


def test_the_threshold_is_one_of_the_scores_and_does_not_depend_on_their_order():
    scores = RNG.normal(size=99)
    assert conformal_threshold(scores, 0.05) == np.sort(scores)[94] == conformal_threshold(scores[::-1], 0.05)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5])
def test_an_alpha_that_is_no_share_is_refused(alpha):
    with pytest.raises(ValueError, match="expected a share of false alarms"):
        conformal_threshold([1.0, 2.0], alpha)


def test_too_few_scores_are_refused_and_one_more_is_enough():
    with pytest.raises(ValueError, match=r"found 18 scores for alpha 0.05: expected at least 19"):
        conformal_threshold(np.arange(18.0), 0.05)
    assert conformal_threshold(np.arange(19.0), 0.05) == 18


def test_precision_is_the_share_of_right_alarms_in_a_counted_population():
    rows, strange = 100_000, 1_000
    right, wrong = 0.9 * strange, 0.05 * (rows - strange)
    assert precision_at(0.01, 0.9, 0.05) == pytest.approx(right / (right + wrong))
    assert precision_at(0.3, 0.5, 0) == 1
    assert np.isnan(precision_at(0.3, 0, 0))


@pytest.mark.parametrize("shares", [(-0.1, 0.5, 0.5), (0.1, 1.5, 0.5), (0.1, 0.5, 2), (np.nan, 0.5, 0.5)])
def test_shares_outside_0_to_1_are_refused(shares):
    with pytest.raises(ValueError, match="expected a share from 0 to 1"):
        precision_at(*shares)


def test_tumours_are_all_there_once_and_standardized_by_the_training_rows():
    found, table = split_tumours(3), load_breast_cancer()
    assert [len(rows) for rows in (found.train, found.valid, found.benign, found.malignant)] == [200, 77, 80, 212]
    np.testing.assert_allclose(found.train.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(found.train.std(axis=0), 1)
    # the first column gives the mean radius back, up to one scale and shift: the same order as the table's
    parts = (found.train, found.valid, found.benign)
    column, expected = np.concatenate([rows[:, 0] for rows in parts]), table.data[table.target == 1, 0]
    slope, offset = np.polyfit(np.sort(column), np.sort(expected), 1)
    np.testing.assert_allclose(np.sort(slope * column + offset), np.sort(expected), rtol=1e-9)
    np.testing.assert_allclose(slope * found.malignant[:, 0] + offset, table.data[table.target == 0, 0], rtol=1e-9)
    assert len(found.names) == 30


def test_another_seed_gives_another_split_and_the_same_seed_the_same():
    np.testing.assert_array_equal(split_tumours(1).train, split_tumours(1).train)
    assert not np.array_equal(split_tumours(1).train, split_tumours(2).train)


def test_the_strangers_are_the_same_rows_with_every_seed():
    one, two = (np.argsort(split_tumours(seed).malignant, axis=0) for seed in (1, 2))
    np.testing.assert_array_equal(one, two)

"""Search: against SciPy's distances, against definitions by hand, and clear errors."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from aelib.measures import METRICS, graded_gain, mean_average_precision, nearest, precision_at_k, similarities

RNG = np.random.default_rng(0)
DATABASE, QUERIES = RNG.normal(size=(60, 4, 3)), RNG.normal(size=(7, 4, 3))


@pytest.mark.parametrize("metric", METRICS)
def test_the_nearest_are_the_most_alike_in_order(metric):
    """Against a plain sort of all similarities; those are tested against SciPy's below."""
    expected = np.argsort(-similarities(QUERIES, DATABASE, metric), axis=1)[:, :9]
    np.testing.assert_array_equal(nearest(QUERIES, DATABASE, 9, metric), expected)


def test_similarities_are_those_of_their_definitions():
    queries, database = QUERIES.reshape(7, -1), DATABASE.reshape(60, -1)
    expected = {
        "euclidean": -cdist(queries, database, "sqeuclidean"),
        "cosine": 1 - cdist(queries, database, "cosine"),
        "inner product": np.inner(queries, database),
    }
    assert set(expected) == set(METRICS)
    for metric, values in expected.items():
        np.testing.assert_allclose(similarities(QUERIES, DATABASE, metric), values, atol=1e-12, err_msg=metric)


def test_on_rows_of_length_1_all_metrics_find_the_same():
    queries, database = (
        rows.reshape(len(rows), -1) / np.linalg.norm(rows, axis=(1, 2))[:, None] for rows in (QUERIES, DATABASE)
    )
    found = [nearest(queries, database, 20, metric) for metric in METRICS]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_an_item_of_the_database_finds_itself_first_and_all_items_in_the_end():
    found = nearest(DATABASE, DATABASE, 60)
    np.testing.assert_array_equal(found[:, 0], np.arange(60))
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(60), (60, 1)))


def test_precision_counts_the_items_of_the_right_label():
    found = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    assert precision_at_k(found, [0, 0, 1, 1], [0, 1]) == 0.5
    assert precision_at_k(found[:, :2], [0, 0, 1, 1], [0, 1]) == 1
    assert precision_at_k(found[:, :1], [0, 0, 1, 2], [0, 0]) == 0.5


def test_average_precision_is_that_of_a_ranking_by_hand():
    """Relevant at the ranks 1, 3 and 6, and at 2 alone."""
    alike = np.array([[6.0, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]])
    labels = np.array([0, 1, 0, 2, 3, 0])
    expected = ((1 + 2 / 3 + 3 / 6) / 3 + 1 / 2) / 2
    assert mean_average_precision(alike, labels, [0, 1]) == pytest.approx(expected)


def test_a_perfect_ranking_has_an_average_precision_of_1_and_a_random_one_about_the_share():
    labels = np.repeat(np.arange(10), 200)
    same = (labels[::100, None] == labels).astype("float64")
    assert mean_average_precision(same + 1e-3 * RNG.random(same.shape), labels, labels[::100]) == 1
    assert mean_average_precision(RNG.random(same.shape), labels, labels[::100]) == pytest.approx(0.1, abs=0.02)


def test_graded_gain_is_that_of_the_definition():
    alike, relevance = RNG.normal(size=(3, 12)), RNG.random((3, 12))
    discount = 1 / np.log2(np.arange(2, 7))
    order, best = np.argsort(-alike, axis=1)[:, :5], -np.sort(-relevance, axis=1)[:, :5]
    expected = (np.take_along_axis(relevance, order, axis=1) @ discount) / (best @ discount)
    assert graded_gain(alike, relevance, 5) == pytest.approx(expected.mean())
    assert graded_gain(relevance, relevance, 5) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((QUERIES, DATABASE, "manhattan"), "metric is 'manhattan': expected one of euclidean, cosine"),
        ((QUERIES[:, :2], DATABASE), "queries have 6 numbers each, database items 12"),
        ((QUERIES[:0], DATABASE), "queries have the shape"),
        ((QUERIES, DATABASE[:0]), "database items have the shape"),
        ((QUERIES * np.nan, DATABASE), "queries hold 84 values that are NaN"),
        ((QUERIES, 0 * DATABASE, "cosine"), "a row holds only zeros"),
        (([1.0, 2.0], DATABASE), "queries have the shape"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        similarities(*arguments)


@pytest.mark.parametrize("k", [0, 61, 1.5, True])
def test_more_items_than_there_are_are_refused(k):
    with pytest.raises(ValueError, match="for a database of 60"):
        nearest(QUERIES, DATABASE, k)
    with pytest.raises(ValueError, match="for a database of 60"):
        graded_gain(np.ones((2, 60)), np.ones((2, 60)), k)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="for 3 queries"):
        precision_at_k([[0, 1]], [0, 1], [0, 0, 0])
    with pytest.raises(ValueError, match="names items 0 to 5 of 2 labels"):
        precision_at_k([[0, 5]], [0, 1], [0])
    with pytest.raises(ValueError, match="1 queries have no item of their label"):
        mean_average_precision(np.ones((2, 3)), [0, 0, 1], [0, 7])
    with pytest.raises(ValueError, match="names items -1 to 0 of 2 labels"):
        precision_at_k([[0, -1]], [0, 1], [0])
    with pytest.raises(ValueError, match=r"relevance is \(2, 2\)"):
        mean_average_precision(np.ones((2, 3)), [0, 0], [0, 7])
    with pytest.raises(ValueError, match="a query has no relevant item"):
        graded_gain(np.ones((2, 20)), np.eye(2, 20) * [[1], [0]])
    with pytest.raises(ValueError, match="relevance goes down to -1"):
        graded_gain(np.ones((1, 20)), -np.ones((1, 20)))

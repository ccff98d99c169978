"""Binary codes: against SciPy's Hamming distance, a Procrustes problem with a known answer, and brute force."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from aelib.measures import (
    HammingTable,
    hamming_distances,
    hamming_mean_average_precision,
    iterative_quantization,
    mean_average_precision,
)

RNG = np.random.default_rng(0)
DATABASE, QUERIES = RNG.integers(0, 2, (500, 11)), RNG.integers(0, 2, (20, 11))


@pytest.mark.parametrize("kind", [int, bool, float])
def test_distances_are_those_of_scipy_for_any_number_of_bits(kind):
    for bits in (1, 8, 11):
        queries, database = QUERIES[:, :bits], DATABASE[:, :bits]
        expected = np.rint(cdist(queries, database, "hamming") * bits).astype(int)
        np.testing.assert_array_equal(hamming_distances(queries.astype(kind), database.astype(kind)), expected)


def test_the_fast_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    database_labels, query_labels = rng.integers(0, 3, 500), rng.integers(0, 3, 20)
    distances = hamming_distances(QUERIES, DATABASE)
    expected = mean_average_precision(-distances, database_labels, query_labels)
    assert hamming_mean_average_precision(distances, database_labels, query_labels) == pytest.approx(
        expected, abs=1e-12
    )


def test_the_rotation_is_one_and_each_round_brings_the_signs_nearer():
    vectors = np.random.default_rng(2).normal(size=(300, 6)) * np.arange(1, 7)
    losses = []
    for rounds in (1, 2, 5, 50):
        rotation = iterative_quantization(vectors, rounds)
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(6), atol=1e-12)
        losses.append(np.square(np.sign(vectors @ rotation) - vectors @ rotation).sum())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < np.square(np.sign(vectors) - vectors).sum()
    np.testing.assert_array_equal(iterative_quantization(vectors, 5), iterative_quantization(vectors, 5))


def test_it_undoes_a_rotation_of_the_corners_of_a_cube():
    corners = np.random.default_rng(3).choice([-1.0, 1.0], (400, 4))
    turned = corners @ ortho_group.rvs(4, random_state=1)
    best = min(
        np.square(np.abs(turned @ iterative_quantization(turned, seed=seed)) - 1).max() for seed in range(5)
    )  # from a random start it may stop at another local minimum
    assert best < 1e-12


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_the_table_finds_what_brute_force_finds_the_nearest_first(radius):
    table, distances = HammingTable(DATABASE), hamming_distances(QUERIES, DATABASE)
    ball = table.ball(radius)
    for query, row in zip(QUERIES, distances, strict=True):
        found = table.find(query, ball)
        assert set(found) == set(np.flatnonzero(row <= radius))
        assert len(found) == len(set(found))
        assert (np.diff(row[found]) >= 0).all()


def test_a_ball_holds_as_many_addresses_as_there_are_ways_to_change_bits():
    table = HammingTable(DATABASE)
    assert [len(table.ball(radius)) for radius in (0, 1, 2, 3, 11)] == [1, 12, 67, 232, 2**11]


def test_a_query_with_nothing_near_finds_nothing():
    table = HammingTable(np.zeros((3, 8), int))
    assert table.find(np.ones(8, int), table.ball(2)).shape == (0,)


def test_bad_input_is_told_in_one_sentence():
    for call, words in (
        (lambda: hamming_distances(QUERIES, DATABASE[:, :5]), "11 bits each, database items 5"),
        (lambda: hamming_distances(QUERIES + 0.5, DATABASE), "queries hold other values than 0 and 1"),
        (lambda: hamming_distances(QUERIES, DATABASE[:0]), r"database items have the shape \(0, 11\)"),
        (
            lambda: hamming_mean_average_precision(np.zeros((2, 3)), [0, 1], [0, 1]),
            r"shape \(2, 3\) for 2 queries and 2",
        ),
        (lambda: hamming_mean_average_precision(np.zeros((2, 2), int), [0, 0], [0, 1]), "1 queries have no item"),
        (lambda: hamming_mean_average_precision(np.array([[-1]]), [0], [0]), "go down to -1"),
        (lambda: hamming_mean_average_precision(np.array([[0.5]]), [0], [0]), "type float64"),
        (lambda: HammingTable(DATABASE).find(2 * QUERIES[0] - 1, np.zeros(1, int)), "the query hold"),
        (lambda: HammingTable(DATABASE).find(QUERIES[0, :5], np.zeros(1, int)), "5 bits: expected 11"),
        (lambda: HammingTable(DATABASE).find(QUERIES[0], np.array([2**11])), "a ball of this table"),
        (lambda: HammingTable(DATABASE).ball(1.0), "radius is 1.0"),
        (lambda: HammingTable(np.full((2, 3), np.nan)), "other values than 0 and 1"),
        (lambda: HammingTable(np.zeros((2, 25))), "25 bits: expected at most 24"),
        (lambda: HammingTable(DATABASE).ball(12), "radius is 12: expected a whole number from 0 to the 11 bits"),
        (lambda: HammingTable(DATABASE).ball(-1), "radius is -1"),
        (lambda: iterative_quantization(np.full((3, 2), np.nan)), "vectors.*(NaN|finite)"),
        (lambda: iterative_quantization(np.zeros(4)), r"shape \(4,\)"),
        (lambda: iterative_quantization(np.ones((4, 2)), rounds=0), "rounds is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            call()

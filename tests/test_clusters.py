"""Clusters: against every matching in turn, pairs counted by hand, scikit-learn's, and clear errors."""

from itertools import combinations, permutations

import numpy as np
import pytest

from aelib.measures import cluster_scores, cluster_table

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 90)
CLUSTERS = np.where(RNG.random(90) < 0.5, (LABELS + 2) % 4, RNG.integers(0, 4, 90))


def test_accuracy_is_that_of_the_best_of_all_matchings():
    best = max(np.mean(np.array(names)[CLUSTERS] == LABELS) for names in permutations(range(4)))
    assert cluster_scores(LABELS, CLUSTERS).accuracy == pytest.approx(best)


def test_the_rand_index_is_that_of_all_pairs_adjusted_for_chance():
    pairs = list(combinations(range(90), 2))
    same_label = np.array([LABELS[i] == LABELS[j] for i, j in pairs])
    same_cluster = np.array([CLUSTERS[i] == CLUSTERS[j] for i, j in pairs])
    both, expected = (same_label & same_cluster).sum(), same_label.sum() * same_cluster.mean()
    adjusted = (both - expected) / ((same_label.sum() + same_cluster.sum()) / 2 - expected)
    assert cluster_scores(LABELS, CLUSTERS).ari == pytest.approx(adjusted)


def test_mutual_information_is_that_of_the_table_by_the_mean_of_the_entropies():
    joint = cluster_table(LABELS, CLUSTERS) / 90
    of_cluster, of_label = joint.sum(axis=1), joint.sum(axis=0)
    apart = np.outer(of_cluster, of_label)
    shared = (joint[joint > 0] * np.log(joint[joint > 0] / apart[joint > 0])).sum()
    entropies = [-(p * np.log(p)).sum() for p in (of_cluster, of_label)]
    assert cluster_scores(LABELS, CLUSTERS).nmi == pytest.approx(shared / np.mean(entropies))


def test_names_of_clusters_do_not_matter_and_the_true_groups_score_1():
    renamed = np.array([7, 3, 11, 5])
    assert cluster_scores(LABELS, renamed[LABELS]) == pytest.approx((1, 1, 1))
    assert cluster_scores(LABELS, renamed[CLUSTERS]) == pytest.approx(cluster_scores(LABELS, CLUSTERS))
    np.testing.assert_array_equal(cluster_table(LABELS, renamed[LABELS]), np.diag(np.bincount(LABELS)))


def test_the_table_counts_each_item_once_and_its_diagonal_is_the_matching():
    table = cluster_table(LABELS, CLUSTERS)
    np.testing.assert_array_equal(table.sum(axis=0), np.bincount(LABELS))
    assert np.trace(table) == round(90 * cluster_scores(LABELS, CLUSTERS).accuracy)


def test_more_and_fewer_clusters_than_labels():
    labels = np.array([0, 0, 0, 1, 1, 5])
    np.testing.assert_array_equal(
        cluster_table(labels, [9, 9, 2, 4, 4, 3]), [[2, 0, 0], [0, 2, 0], [0, 0, 1], [1, 0, 0]]
    )
    assert cluster_scores(labels, [9, 9, 2, 4, 4, 3]).accuracy == pytest.approx(5 / 6)
    np.testing.assert_array_equal(cluster_table(labels, [1, 1, 1, 0, 0, 0]), [[3, 0, 0], [0, 2, 1]])
    assert cluster_scores(labels, [1, 1, 1, 0, 0, 0]).accuracy == pytest.approx(5 / 6)
    assert cluster_scores(labels, np.zeros(6, int)) == pytest.approx((0, 0, 1 / 2))


@pytest.mark.parametrize("measure", [cluster_table, cluster_scores])
@pytest.mark.parametrize(("labels", "clusters"), [([0, 1], [0]), ([], []), ([[0, 1]], [[0, 1]])])
def test_other_lengths_and_no_items_are_named(measure, labels, clusters):
    with pytest.raises(ValueError, match="expected one of each per item"):
        measure(labels, clusters)

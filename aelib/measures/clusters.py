"""Clusters: how well groups that were found without labels agree with the labels.

Introduced in chapter 17c.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


class ClusterScores(NamedTuple):
    """What `cluster_scores` returns; 1 is perfect agreement in all three."""

    nmi: float
    ari: float
    accuracy: float


def cluster_table(labels, clusters) -> np.ndarray:
    """How many items of each label lie in each cluster: `(clusters, labels)`, in the order of the best matching.

    A column for each label that occurs, in ascending order; a row for each cluster that occurs. Clusters are matched
    one to one with labels so that as many items as possible lie in the cluster of their label, and stand in the order
    of the labels that they are matched with; clusters that are left over come last. (With fewer clusters than labels,
    rows and columns do not align.) Raises `ValueError` for other lengths and for no items.
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    if labels.ndim != 1 or labels.shape != clusters.shape or labels.size == 0:
        raise ValueError(
            f"labels have the shape {labels.shape}, clusters {clusters.shape}: expected one of each per item"
        )
    columns, label_of = np.unique(labels, return_inverse=True)
    rows, cluster_of = np.unique(clusters, return_inverse=True)
    table = np.zeros((len(rows), len(columns)), int)
    np.add.at(table, (cluster_of, label_of), 1)
    _, matched = linear_sum_assignment(table.T, maximize=True)
    return table[[*matched, *np.setdiff1d(np.arange(len(rows)), matched)]]


def cluster_scores(labels, clusters) -> ClusterScores:
    """Normalized mutual information, adjusted Rand index, and accuracy by the best one-to-one matching.

    Normalized mutual information (by the mean of the two entropies): 0 if the clusters say nothing of the labels (1 for
    one label and one cluster).
    Adjusted Rand index: agreement over pairs of items, 0 on average for random clusters of the same sizes (Hubert &
    Arabie 1985). Accuracy: the share of items in the cluster of their label, see `cluster_table`.
    The names of the clusters do not matter. Raises `ValueError` as `cluster_table` does.
    """
    table = cluster_table(labels, clusters)
    nmi = normalized_mutual_info_score(labels, clusters, average_method="arithmetic")
    ari = adjusted_rand_score(labels, clusters)
    right = table[linear_sum_assignment(table, maximize=True)].sum()
    return ClusterScores(float(nmi), float(ari), float(right / table.sum()))

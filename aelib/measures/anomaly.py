"""How strange a row is: the usual detectors, a threshold with a guarantee, and what an alarm is worth.

Introduced in chapter 16. Every score is larger the stranger the row.
"""

import math

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

from aelib.validate import check_finite, is_count


def usual_detectors(train, *tables, neighbours: int = 5, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """What six detectors of scikit-learn say of each table after learning from `train`: name -> scores per table.

    `train` `(n, d)` holds normal rows, standardized; each table `(m, d)`. The squared Mahalanobis distance, with a
    covariance shrunk after Ledoit & Wolf (2004); the squared error of PCA with the components that hold 95 % of the
    variance; the mean distance to the `neighbours` nearest training rows; with scikit-learn's settings the isolation
    forest (Liu et al. 2008), the one-class SVM (Schölkopf et al. 2001) and the local outlier factor (Breunig et al.
    2000; 20 neighbours, or all of fewer rows). Scores of the training rows themselves are too low: each is its own
    nearest neighbour. Raises `ValueError` for empty tables, NaN, other widths, training rows that are all the same,
    and more neighbours than training rows.
    """
    train, *tables = _check_tables(train, *tables)
    if not is_count(neighbours) or neighbours > len(train):
        raise ValueError(
            f"neighbours is {neighbours!r} for {len(train)} training rows: expected a whole number from 1 to that"
        )
    shrunk, pca = LedoitWolf().fit(train), PCA(0.95, svd_solver="full").fit(train)
    forest, svm = IsolationForest(random_state=seed).fit(train), OneClassSVM().fit(train)
    outlier = LocalOutlierFactor(min(20, len(train) - 1), novelty=True).fit(train)
    nearest = NearestNeighbors(n_neighbors=neighbours).fit(train)
    scorers = {
        "Mahalanobis distance": shrunk.mahalanobis,
        "PCA's error": lambda rows: np.square(rows - pca.inverse_transform(pca.transform(rows))).sum(axis=1),
        "nearest neighbours": lambda rows: nearest.kneighbors(rows)[0].mean(axis=1),
        "isolation forest": lambda rows: -forest.score_samples(rows),
        "one-class SVM": lambda rows: -svm.score_samples(rows),
        "local outlier factor": lambda rows: -outlier.score_samples(rows),
    }
    return {name: [score(rows) for rows in tables] for name, score in scorers.items()}


def auroc(normal, strange) -> float:
    """The probability that a strange row has the higher score than a normal one; ties count a half.

    `normal` `(n,)` and `strange` `(m,)`: scores. 0.5 is guessing. It is the area under the curve of recall over false
    alarms. Raises `ValueError` for NaN, for other shapes, and if one of the two kinds is missing.
    """
    normal, strange = _check_scores(normal, "normal scores"), _check_scores(strange, "strange scores")
    return float(roc_auc_score(np.repeat([0, 1], [len(normal), len(strange)]), np.concatenate([normal, strange])))


def conformal_threshold(scores, alpha: float) -> float:
    """A bound that a new normal row's score exceeds with a probability of at most `alpha`.

    `scores` `(n,)`: of normal rows that the detector was not trained on. It is the k-th smallest of them, with
    k = ⌈(n + 1)(1 − α)⌉ (Vovk et al. 2005): without ties the probability is (n + 1 − k)/(n + 1). The guarantee needs
    no model of the scores: only that the new row comes from the same source. It holds on average over the draw of the
    `n` rows. Raises `ValueError` for NaN, an `alpha` outside 0 to 1, and too few scores.
    """
    scores = np.sort(_check_scores(scores, "scores"))
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}: expected a share of false alarms between 0 and 1")
    exact = round((len(scores) + 1) * (1 - alpha), 9)  # without rounding 0.9 · 10 might be 9.000000000000002, rank 10
    rank = max(1, math.ceil(exact))
    if rank > len(scores):
        raise ValueError(
            f"found {len(scores)} scores for alpha {alpha}: expected at least {math.ceil(1 / alpha) - 1}; take more "
            "normal rows or a larger alpha"
        )
    return float(scores[rank - 1])


def precision_at(prevalence: float, recall: float, false_alarms: float) -> float:
    """The share of alarms that are right, where the share `prevalence` of all rows is strange (Bayes's rule).

    `recall`: the share of strange rows that raise an alarm; `false_alarms`: the share of normal ones. NaN without any
    alarm. Raises `ValueError` for a share outside 0 to 1.
    """
    for name, share in (("prevalence", prevalence), ("recall", recall), ("false_alarms", false_alarms)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share!r}: expected a share from 0 to 1")
    right, wrong = prevalence * recall, (1 - prevalence) * false_alarms
    return right / (right + wrong) if right + wrong else math.nan


def _check_scores(scores, what: str) -> np.ndarray:
    scores = check_finite(scores, what).astype("float64")
    if scores.ndim != 1 or len(scores) == 0:
        raise ValueError(f"{what} have the shape {scores.shape}: expected one score per row, (n,), n at least 1")
    return scores


def _check_tables(*tables) -> list[np.ndarray]:
    """All as float64 `(n, d)` of the same width; the first has at least two rows."""
    tables = [check_finite(table, "rows").astype("float64") for table in tables]
    shapes = [table.shape for table in tables]
    if any(len(shape) != 2 or 0 in shape or shape[1] != shapes[0][-1] for shape in shapes) or shapes[0][0] < 2:
        raise ValueError(f"tables have the shapes {shapes}: expected rows of one width, (n, d), and two to train on")
    if not np.ptp(tables[0], axis=0).any():
        raise ValueError(f"all {len(tables[0])} training rows are the same: expected rows that differ")
    return tables

"""Search: the nearest items of a database to each query, and how many of them are relevant.

Introduced in chapter 17.
"""

import numpy as np
from sklearn.metrics import average_precision_score, ndcg_score
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances, linear_kernel
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from aelib.validate import check_finite, is_count

METRICS = ("euclidean", "cosine", "inner product")


def similarities(queries, database, metric: str = "euclidean") -> np.ndarray:
    """How alike each query `(q, …)` and each item of the database `(n, …)` are: `(q, n)`, larger is more alike.

    "euclidean": minus the squared distance; "cosine": the cosine of the angle between the two, as seen from 0;
    "inner product": the sum of the products. Raises `ValueError` for an unknown metric, NaN, empty sets, other sizes,
    and, with "cosine", for a row of zeros, which has no angle.
    """
    queries, database = _comparable(queries, database, metric)
    if metric == "cosine":
        return cosine_similarity(queries, database)
    if metric == "inner product":
        return linear_kernel(queries, database)
    return -euclidean_distances(queries, database, squared=True)


def nearest(queries, database, k: int, metric: str = "euclidean") -> np.ndarray:
    """Which k items are most alike to each query, the most alike first: `(q, k)`, places in the database.

    Among equally alike ones the order is not defined.
    Raises `ValueError` for more items than there are, and as `similarities` does.
    """
    queries, database = _comparable(queries, database, metric)
    if not is_count(k) or k > len(database):
        raise ValueError(f"k is {k!r} for a database of {len(database)}: expected a whole number from 1 to that")
    if metric == "inner product":
        return _highest(linear_kernel(queries, database), k)
    if metric == "cosine":  # of rows of length 1 the nearest are those with the highest cosine
        queries, database = normalize(queries), normalize(database)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="sqeuclidean").fit(database)
    return search.kneighbors(queries, return_distance=False)


def most_alike(alike, k: int, barred=None) -> np.ndarray:
    """Which k items are most alike to each query, the most alike first, without the barred ones: `(q, k)`, places.

    `alike`: `(q, n)`, as `similarities` gives it; among equally alike items the order is not defined. `barred`:
    `(q, n)`, True where an item must not be found, say because it is from the query's own file. Introduced in chapter
    18. Raises `ValueError` for NaN, other shapes, and a query with fewer than k items that are not barred.
    """
    alike = check_finite(alike, "similarities").astype("float64", copy=False)
    barred = np.zeros(alike.shape, bool) if barred is None else np.asarray(barred)
    if alike.ndim != 2 or alike.size == 0 or barred.shape != alike.shape or barred.dtype != bool:
        raise ValueError(
            f"similarities are {alike.shape}, barred is {barred.shape} of {barred.dtype}: expected (q, n) for both, "
            "and True or False in barred"
        )
    left = (~barred).sum(axis=1).min()
    if not is_count(k) or k > left:
        raise ValueError(f"k is {k!r}, a query has {left} items that are not barred: expected 1 up to that many")
    return _highest(np.where(barred, -np.inf, alike), k)


def precision_at_k(found, database_labels, query_labels) -> float:
    """The share of the items found that have their query's label, averaged over the queries.

    `found`: `(q, k)`, as `nearest` gives it. Raises `ValueError` for other lengths.
    """
    found, database_labels, query_labels = np.asarray(found), np.asarray(database_labels), np.asarray(query_labels)
    if found.ndim != 2 or len(found) != len(query_labels) or found.size == 0:
        raise ValueError(f"found has the shape {found.shape} for {len(query_labels)} queries: expected (queries, k)")
    if found.min() < 0 or found.max() >= len(database_labels):
        raise ValueError(
            f"found names items {found.min()} to {found.max()} of {len(database_labels)} labels: expected one per item"
        )
    return float((database_labels[found] == query_labels[:, None]).mean())


def mean_average_precision(alike, database_labels, query_labels) -> float:
    """Mean over the queries of the average precision of the whole ranking; relevant is what has the query's label.

    `alike`: `(q, n)`, as `similarities` gives it. The average precision of a query is the mean, over the relevant
    items, of the share of relevant ones down to each of them. A query without a relevant item raises `ValueError`.
    """
    alike, relevant = _ranking(alike, np.asarray(query_labels)[:, None] == np.asarray(database_labels))
    if not relevant.any(axis=1).all():
        raise ValueError(f"{(~relevant.any(axis=1)).sum()} queries have no item of their label in the database")
    return float(np.mean([average_precision_score(r, a) for r, a in zip(relevant, alike, strict=True)]))


def graded_gain(alike, relevance, k: int = 10) -> float:
    """Normalized discounted cumulative gain at k: relevance at rank r counts 1 / log2(r + 1), the best order has 1.

    `alike` and `relevance` `(q, n)`, relevance at least 0 (Järvelin & Kekäläinen 2002). Compare with that of a random
    order, which is far from 0. Raises `ValueError` for relevance below 0, a query without any, NaN and
    other shapes.
    """
    alike, relevance = _ranking(alike, relevance)
    if relevance.min() < 0:
        raise ValueError(f"relevance goes down to {relevance.min():.3g}: expected 0 or more")
    if alike.shape[1] < 2 or not relevance.any(axis=1).all():
        raise ValueError(
            "a query has no relevant item, or there is one item alone: expected two or more, some relevant"
        )
    if not is_count(k) or k > alike.shape[1]:
        raise ValueError(f"k is {k!r} for a database of {alike.shape[1]}: expected a whole number from 1 to that")
    return float(ndcg_score(relevance, alike, k=k))


def _highest(alike: np.ndarray, k: int) -> np.ndarray:
    """The places of the k highest values of each row, the highest first."""
    chosen = np.argpartition(-alike, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(alike, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def _comparable(queries, database, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Queries and database as rows of float64, or `ValueError` if they cannot be compared so."""
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}: expected one of {', '.join(METRICS)}")
    queries, database = (_rows(rows, name) for rows, name in ((queries, "queries"), (database, "database items")))
    if queries.shape[1] != database.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} numbers each, database items {database.shape[1]}: expected as many"
        )
    if metric == "cosine" and not (queries.any(axis=1).all() and database.any(axis=1).all()):
        raise ValueError("a row holds only zeros, so it has no angle: expected rows that are not 0, or another metric")
    return queries, database


def _rows(rows, what: str) -> np.ndarray:
    rows = check_finite(rows, what)
    if rows.ndim < 2 or len(rows) == 0:
        raise ValueError(f"{what} have the shape {rows.shape}: expected one row or image each, and at least one")
    return rows.reshape(len(rows), -1).astype("float64")


def _ranking(alike, relevance) -> tuple[np.ndarray, np.ndarray]:
    alike, relevance = check_finite(alike, "similarities"), check_finite(relevance, "relevance")
    if alike.ndim != 2 or alike.shape != relevance.shape or alike.size == 0:
        raise ValueError(f"similarities are {alike.shape} and relevance is {relevance.shape}: expected (q, n) for both")
    return alike, relevance

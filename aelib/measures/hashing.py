"""Binary codes: the distance between them, how well it ranks, a rotation that makes bits, and a table of addresses.

Introduced in chapter 17b. Bits are arrays of 0 and 1 (or of bool), `(n, b)`.
"""

from itertools import combinations

import numpy as np

from aelib.validate import check_finite, is_count

LONGEST_ADDRESS = 24  # bits: the table of a HammingTable has 2^bits places of 8 bytes, 128 MB with 24 bits


def hamming_distances(queries, database) -> np.ndarray:
    """In how many bits each query `(q, b)` and each item of the database `(n, b)` differ: int `(q, n)`.

    Eight bits are packed into one byte, and compared at once. Raises `ValueError` for other values than 0 and 1,
    empty sets, and other lengths.
    """
    queries, database = _check_bits(queries, "queries"), _check_bits(database, "database items")
    if queries.shape[1] != database.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} bits each, database items {database.shape[1]}: expected as many"
        )
    queries, database = np.packbits(queries, axis=1), np.packbits(database, axis=1)
    distances = np.zeros((len(queries), len(database)), "int32")
    for byte in range(queries.shape[1]):
        distances += np.bitwise_count(queries[:, byte, None] ^ database[None, :, byte])
    return distances


def hamming_mean_average_precision(distances, database_labels, query_labels) -> float:
    """The mean average precision of a ranking by Hamming distance: as `mean_average_precision`, and many times as fast.

    `distances`: whole numbers `(q, n)`, as of `hamming_distances`; relevant is what has the query's label. Items
    at the same distance share a rank: each counts with the share of relevant ones among all items up to that distance.
    Raises `ValueError` for other shapes, and for a query without a relevant item.
    """
    distances, database_labels, query_labels = (np.asarray(x) for x in (distances, database_labels, query_labels))
    if distances.shape != (len(query_labels), len(database_labels)) or distances.size == 0:
        raise ValueError(
            f"distances have the shape {distances.shape} for {len(query_labels)} queries and {len(database_labels)} "
            "items: expected (queries, items), with at least one of each"
        )
    if distances.dtype.kind not in "iu" or distances.min() < 0:
        raise ValueError(
            f"distances of type {distances.dtype} go down to {distances.min()}: expected whole numbers from 0"
        )
    relevant = query_labels[:, None] == database_labels
    if not relevant.any(axis=1).all():
        raise ValueError(f"{(~relevant.any(axis=1)).sum()} queries have no item of their label in the database")
    total, found, precision = 0, 0, 0.0
    for distance in range(int(distances.max()) + 1):
        here = distances == distance
        new = (here & relevant).sum(axis=1)
        total, found = total + here.sum(axis=1), found + new
        precision = precision + new * found / np.maximum(total, 1)
    return float((precision / relevant.sum(axis=1)).mean())


def iterative_quantization(vectors, rounds: int = 50, seed: int = 0) -> np.ndarray:
    """The orthogonal matrix R `(d, d)` after which the signs of `vectors` `(n, d)` lose little: v R is close to ±1.

    ITQ (Gong & Lazebnik 2011, CVPR): in turn, take the signs B of V R, and the R that minimizes ‖B − V R‖², which is an
    orthogonal Procrustes problem. It starts from a random R. `vectors`: centred, usually PCA's. The bits of new
    vectors are `v @ R > 0`. Raises `ValueError` for NaN, other shapes, and for no round.
    """
    vectors = check_finite(vectors, "vectors").astype("float64")
    if vectors.ndim != 2 or vectors.size == 0:
        raise ValueError(f"vectors have the shape {vectors.shape}: expected (n, d), with at least one of each")
    if not is_count(rounds):
        raise ValueError(f"rounds is {rounds!r}: expected a whole number, at least 1")
    size = vectors.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]
    for _ in range(rounds):
        signs = np.where(vectors @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(vectors.T @ signs)
        rotation = left @ right
    return rotation


class HammingTable:
    """Finds the items within a few bits of a query by looking at addresses, not at items.

    `bits`: `(n, b)`, of the database, b at most 24. Each item lies at the address that its bits spell (semantic
    hashing: Salakhutdinov & Hinton 2009). `find` looks at all addresses in a *Hamming ball*: those that differ from
    the query's in at most `radius` bits. Their number depends on b and the radius, and not on how many items there are.
    """

    def __init__(self, bits):
        bits = _check_bits(bits, "database items")
        if bits.shape[1] > LONGEST_ADDRESS:
            raise ValueError(
                f"items have {bits.shape[1]} bits: expected at most {LONGEST_ADDRESS}, or the table is huge"
            )
        self.powers = 1 << np.arange(bits.shape[1])
        addresses = bits @ self.powers
        self.order = np.argsort(addresses, kind="stable")  # items, those of one address side by side
        counts = np.bincount(addresses, minlength=1 << bits.shape[1])
        self.starts = np.concatenate([[0], np.cumsum(counts)])  # where in `order` each address begins

    def ball(self, radius: int) -> np.ndarray:
        """Every pattern of at most `radius` changed bits, as a number: `(addresses,)`, the fewest changes first."""
        whole = isinstance(radius, int) and not isinstance(radius, bool)
        if not whole or not 0 <= radius <= len(self.powers):
            raise ValueError(f"radius is {radius!r}: expected a whole number from 0 to the {len(self.powers)} bits")
        flips = (c for size in range(radius + 1) for c in combinations(self.powers.tolist(), size))
        return np.array([sum(c) for c in flips], "int64")

    def find(self, query, ball: np.ndarray) -> np.ndarray:
        """The items whose bits differ from those of `query` `(b,)` by a pattern of `ball`, the fewest changes first."""
        query = _check_bits(np.atleast_2d(query), "the query")[0]
        if query.shape != self.powers.shape or ball.max() >= len(self.starts) - 1:
            raise ValueError(f"the query has {len(query)} bits: expected {len(self.powers)}, and a ball of this table")
        places = (query @ self.powers) ^ ball  # the addresses to look at
        filled = places[self.starts[places] < self.starts[places + 1]]
        return np.concatenate([self.order[:0], *(self.order[self.starts[p] : self.starts[p + 1]] for p in filled)])


def _check_bits(bits, what: str) -> np.ndarray:
    bits = np.asarray(bits)
    if bits.ndim != 2 or bits.size == 0:
        raise ValueError(f"{what} have the shape {bits.shape}: expected (n, bits), with at least one of each")
    if not np.isin(bits, (0, 1)).all():
        raise ValueError(f"{what} hold other values than 0 and 1: expected bits, such as `codes > 0`")
    return bits.astype("uint8")

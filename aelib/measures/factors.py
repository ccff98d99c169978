"""Counting with the factors of drawn faces: which combinations a set of faces has, and how much each factor varies.

Introduced in chapter 14.
"""

import numpy as np

from aelib.data.faces import CONTINUOUS, FACE_FACTORS, HAIR_STYLES

COMBINATIONS = 4 * len(HAIR_STYLES)


def combination_shares(factors) -> np.ndarray:
    """Shares of the 20 combinations of hair style, glasses, and a mouth that smiles or does not: `(20,)`, sum 1.

    `factors`: `(n, 12)`, in the order of `FACE_FACTORS`. Raises `ValueError` for another shape.
    """
    factors = _checked(factors)
    glasses, style, curve = factors[:, 10], factors[:, 11], factors[:, CONTINUOUS.index("mouth curve")]
    return np.bincount((4 * style + 2 * glasses + (curve > 0)).astype(int), minlength=COMBINATIONS) / len(factors)


def factor_spread(factors, truth) -> np.ndarray:
    """Standard deviation of each continuous factor, over that among true ones, `(10,)`: 1 where they vary as much.

    Both `(n, 12)`, in the order of `FACE_FACTORS`. Raises `ValueError` for another shape.
    """
    factors, truth = (_checked(a)[:, : len(CONTINUOUS)] for a in (factors, truth))
    return factors.std(axis=0) / truth.std(axis=0)


def total_variation(p, q) -> float:
    """Total variation distance of two lists of shares: half the sum of their absolute differences, from 0 to 1.

    Raises `ValueError` unless both have one shape and sum to 1.
    """
    p, q = np.asarray(p, "float64"), np.asarray(q, "float64")
    if p.shape != q.shape or not np.allclose([p.sum(), q.sum()], 1) or min(p.min(), q.min()) < 0:
        raise ValueError(
            f"shares of the shapes {p.shape} and {q.shape} with sums {p.sum():g} and {q.sum():g}: expected two lists "
            "of the same length, none below 0, that sum to 1"
        )
    return float(np.abs(p - q).sum() / 2)


def _checked(factors) -> np.ndarray:
    factors = np.asarray(factors, "float64")
    if factors.ndim != 2 or factors.shape[1] != len(FACE_FACTORS) or not len(factors):
        raise ValueError(f"factors have the shape {factors.shape}: expected (n, 12): {', '.join(FACE_FACTORS)}")
    return factors

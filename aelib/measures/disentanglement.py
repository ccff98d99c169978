"""Do codes stand for the factors of variation, one for one?

Introduced in chapter 10.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score

from aelib.validate import check_finite


def mutual_information(codes, factors, bins: int = 20) -> np.ndarray:
    """How much each code tells of each factor: I(z_j; v_k) / H(v_k), `(codes, factors)`, 0 (nothing) to 1 (all).

    `codes`: `(n, codes)`, `factors`: `(n, factors)`. Both are cut into `bins` with equally many images each, so that
    scaling or bending an axis changes nothing; a column with at most `bins` different values keeps them, however rare.
    Take draws from q(z|x), as Chen et al. do, not its means: the mean of a code that is switched off moves by a
    thousandth, and these bins would see it. With few images, chance is counted as information, about
    bins² / (2 n log bins): take 5,000. Raises `ValueError` for NaN, factors that never change, and codes and factors
    of different lengths. Introduced in chapter 10.
    """
    codes, factors = _check_factors(codes, factors)
    if bins < 2 or bins > len(codes):
        raise ValueError(f"bins is {bins} for {len(codes)} images: expected at least 2, and at most one per image")
    codes, factors = (np.apply_along_axis(_binned, 0, columns, bins) for columns in (codes, factors))
    entropy = [mutual_info_score(factor, factor) for factor in factors.T]
    return np.array([[mutual_info_score(code, factor) for factor in factors.T] for code in codes.T]) / entropy


def mutual_information_gap(codes, factors, bins: int = 20) -> float:
    """MIG: between the two codes that tell most of a factor, the gap in `mutual_information`, mean over the factors.

    1: each factor has a code of its own, which tells all of it. 0: nothing is told, or two codes tell the same. Takes
    and raises what `mutual_information` does; at least two codes. Chen et al. 2018 (arXiv:1802.04942). Introduced in
    chapter 10.
    """
    return _gap(mutual_information(codes, factors, bins))


def sap_score(codes, factors) -> float:
    """Separated attribute predictability: as MIG, with R² of a line from one code to the factor as what a code tells.

    `codes`: `(n, codes)`, at least two; `factors`: `(n, factors)`, numbers. A factor that comes round again, as an
    angle does, has no line: its R² is low for every code. Raises `ValueError` as `mutual_information` does. Kumar,
    Sattigeri & Balakrishnan 2018 (arXiv:1711.00848), the score for continuous factors. Introduced in chapter 10.
    """
    codes, factors = (columns - columns.mean(axis=0) for columns in _check_factors(codes, factors))
    scale = np.linalg.norm(codes, axis=0)[:, None] * np.linalg.norm(factors, axis=0)
    return _gap(np.square(codes.T @ factors / np.maximum(scale, 1e-12)))


def beta_vae_score(codes, factors, *, batches: int = 2000, pairs: int = 64, seed: int = 0) -> float:
    """Share of batches for which a linear classifier names the factor that the images of each pair have in common.

    A batch is `pairs` pairs of images; they agree in one factor, in the others they differ as they like. The classifier
    sees the mean of |z − z'| over the batch, each code scaled to a variance of 1; it learns from one half of the
    batches and is judged on the other. Chance is 1 / factors. `codes`: `(n, codes)`; `factors`: `(n, factors)`. Two
    images *agree* in a factor if they are neighbours when all are sorted by it: with n images spread evenly, to about
    1/n of its range. Few images make few such pairs, and the classifier knows them again: ten codes that know nothing
    of five factors score 0.36 on 1,000 images, 0.25 on 5,000 and 0.2 on 40,000 (measured). Give at least 5,000. Raises
    `ValueError` as `mutual_information` does. Higgins et al. 2017 (ICLR). Introduced in chapter 10.
    """
    codes, factors = _check_factors(codes, factors)
    if batches < 10 * factors.shape[1] or pairs < 1:
        raise ValueError(f"batches {batches}, pairs {pairs}: expected at least 10 batches a factor, of 1 pair or more")
    rng = np.random.default_rng(seed)
    codes = codes / np.maximum(codes.std(axis=0), 1e-12)
    order = np.argsort(factors, axis=0, kind="stable")
    labels = np.arange(batches) % factors.shape[1]
    place = rng.integers(0, len(codes) - 1, (batches, pairs))
    one, other = (codes[order[place + step, labels[:, None]]] for step in (0, 1))
    seen = np.abs(one - other).mean(axis=1)
    half = batches // 2
    classifier = LogisticRegression(C=1e4, max_iter=2000).fit(seen[:half], labels[:half])
    return float(classifier.score(seen[half:], labels[half:]))


def _check_factors(codes, factors) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, `(n, …)`; `ValueError` unless finite, as many, two codes or more, no factor constant."""
    codes, factors = check_finite(codes, "codes").astype("float64"), check_finite(factors, "factors").astype("float64")
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) < 2 or codes.shape[1] < 2:
        raise ValueError(
            f"codes have the shape {codes.shape}, factors {factors.shape}: expected (n, codes) with two codes or more, "
            "and (n, factors) with the same n"
        )
    still = np.flatnonzero(np.ptp(factors, axis=0) == 0).tolist()
    if factors.shape[1] == 0 or still:
        raise ValueError(f"the factors {still} never change: nothing can be said of them, leave them out")
    return codes, factors


def _binned(values, bins: int) -> np.ndarray:
    """The bin of each value: each of at most `bins` different values is one; more are cut into equally full bins.

    Of more, a value that alone would fill a bin has one of its own, so that no factor that varies ends up in one bin.
    scikit-learn's `KBinsDiscretizer` drops bins narrower than 1e-8, whatever the scale, and merges rare values.
    """
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) <= bins:
        return place
    own = distinct[counts * bins >= len(values)]
    edges = np.concatenate([np.quantile(values, np.arange(1, bins) / bins), own, np.nextafter(own, np.inf)])
    return np.searchsorted(np.unique(edges), values, side="right")


def _gap(table: np.ndarray) -> float:
    """Largest minus second largest of each column `(codes, factors)`, mean over the columns."""
    second, first = np.sort(table, axis=0)[-2:]
    return float((first - second).mean())

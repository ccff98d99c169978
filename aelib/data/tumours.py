"""The table of breast tumours that scikit-learn ships: benign rows are normal, malignant ones are what does not belong.

Introduced in chapter 16. Street, Wolberg & Mangasarian 1993 (doi:10.1117/12.148698): 569 tumours; of ten properties of
the cell nuclei on a microscope's picture, the mean, the standard error and the mean of the three largest values.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_breast_cancer

TRAIN, VALID = 200, 77  # benign rows; the other 80 are for the test, as are all 212 malignant ones


@dataclass(frozen=True)
class Tumours:
    """Rows `(n, 30)`, float64, standardized by the mean and standard deviation of the training rows, all benign."""

    train: np.ndarray
    valid: np.ndarray
    benign: np.ndarray
    malignant: np.ndarray
    names: tuple[str, ...]


def split_tumours(seed: int = 0) -> Tumours:
    """The table, its benign rows in a random order: 200 to train on, 77 for a threshold, 80 to test.

    The same seed gives the same split. The malignant rows are all there in the table's order, whatever the seed.
    """
    table = load_breast_cancer()
    benign, malignant = (table.data[table.target == label] for label in (1, 0))
    benign = benign[np.random.default_rng(seed).permutation(len(benign))]
    mean, deviation = benign[:TRAIN].mean(axis=0), benign[:TRAIN].std(axis=0)
    parts = np.split(benign, [TRAIN, TRAIN + VALID])
    return Tumours(*((part - mean) / deviation for part in (*parts, malignant)), tuple(map(str, table.feature_names)))

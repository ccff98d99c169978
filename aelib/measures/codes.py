"""What a classifier makes of codes.

Introduced in chapter 02.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from aelib.validate import check_finite


def nearest_neighbour_error(train_codes, train_labels, test_codes, test_labels) -> float:
    """Share of the test codes `(n, …)` whose nearest training code (Euclidean) has another label.

    Raises `ValueError` for NaN, and for codes and labels of different lengths.
    """
    return _test_error(KNeighborsClassifier(1), train_codes, train_labels, test_codes, test_labels)


def linear_probe_error(train_codes, train_labels, test_codes, test_labels) -> float:
    """Test error of logistic regression on the codes (or pixels), `(n, …)`: what they offer to a linear classifier.

    The codes are centred and scaled by one number to a total variance of 50, about that of digits in [0, 1]: the
    penalty then means the same for every code, and turning the codes changes nothing. Raises `ValueError` for NaN, and
    for codes and labels of different lengths.
    """
    train, test = (check_finite(c, "codes").reshape(len(c), -1) for c in (train_codes, test_codes))
    mean, scale = train.mean(axis=0), np.sqrt(50 / max(float(train.var(axis=0).sum()), 1e-12))
    classifier = LogisticRegression(tol=1e-3, max_iter=1000)
    return _test_error(classifier, scale * (train - mean), train_labels, scale * (test - mean), test_labels)


def _test_error(classifier, train_codes, train_labels, test_codes, test_labels) -> float:
    pairs = []
    for codes, labels in ((train_codes, train_labels), (test_codes, test_labels)):
        codes = check_finite(codes, "codes")
        if len(codes) != len(labels):
            raise ValueError(
                f"found {len(codes)} codes and {len(labels)} labels: expected as many of the one as of the other"
            )
        pairs += [codes.reshape(len(codes), -1), np.asarray(labels)]
    train, y_train, test, y_test = pairs
    # a NumPy number: where nothing is wrong, a ratio of two errors is NaN or inf with a warning, and no exception
    return np.mean(classifier.fit(train, y_train).predict(test) != y_test)

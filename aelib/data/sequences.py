"""Sequences `(n, steps, features)`: the rows of images, and sequences of different lengths in one array.

Introduced in chapter 05.
"""

from collections.abc import Sequence

import numpy as np

from aelib.validate import check_finite, check_grey


def check_sequences(sequences, what: str = "sequences") -> np.ndarray:
    """`sequences` as an array; `ValueError` unless it is finite and of shape `(n, steps, features)`, none of them 0."""
    sequences = check_finite(sequences, what)
    if sequences.ndim != 3 or 0 in sequences.shape:
        raise ValueError(
            f"{what} have the shape {sequences.shape}: expected (n, steps, features); "
            "add a missing axis with x[:, :, None] (one number a step) or x[None] (one sequence)"
        )
    return sequences


def rows_as_steps(images) -> np.ndarray:
    """Images `(n, height, width, 1)` as sequences of their rows, top to bottom: `(n, height, width)`.

    Raises `ValueError` for images in colour.
    """
    return check_grey(images)[..., 0]


def as_images(sequences) -> np.ndarray:
    """Sequences of rows `(n, height, width)` as images `(n, height, width, 1)`: undoes `rows_as_steps`."""
    return check_sequences(sequences)[..., None]


def pad(sequences: Sequence[np.ndarray], padding: float) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of different lengths as one array, filled up at the end, and the weight of each step.

    `sequences`: arrays `(length, features)`. Returns `(n, longest, features)` in float32, and `(n, longest)`: 1 for a
    real step, 0 for a padded one, as `fit` takes it for `sample_weight`. Raises `ValueError` for sequences without a
    time axis, for different numbers of features, and for a real step that has `padding` everywhere: the encoder's
    mask would skip it.
    """
    shapes = [np.shape(sequence) for sequence in sequences]
    if not shapes or any(len(shape) != 2 or 0 in shape for shape in shapes) or len({shape[1] for shape in shapes}) != 1:
        found = ", ".join(map(str, sorted(set(shapes))[:5])) or "none"
        raise ValueError(f"found sequences of the shapes {found}: expected (length, features), one number of features")
    padded = np.full((len(shapes), max(length for length, _ in shapes), shapes[0][1]), padding, "float32")
    weights = np.zeros(padded.shape[:2], "float32")
    for row, weight, sequence in zip(padded, weights, sequences, strict=True):
        row[: len(sequence)] = check_finite(sequence, "sequences")
        weight[: len(sequence)] = 1
    skipped = int(np.sum(weights.astype(bool) & (padded == np.float32(padding)).all(axis=2)))
    if skipped:
        raise ValueError(f"{skipped} real steps have the padding value {padding} everywhere: choose one that is unused")
    return padded, weights

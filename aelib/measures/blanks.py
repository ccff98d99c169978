"""How well blanks in texts are filled.

Introduced in chapter 20.
"""

from typing import NamedTuple

import numpy as np

from aelib.validate import check_finite

LEAST = 1e-9  # a word that was held to be impossible counts as this probable


class BlankScores(NamedTuple):
    """Of many blanks: the mean cross-entropy in nats, and how often the word is the first, or among the first five."""

    loss: float
    top_1: float
    top_5: float


def blank_scores(guesses, answers) -> BlankScores:
    """The scores of `guesses`, a probability for each word `(n, words)`, by the words that stood there, `(n,)`.

    Of words with equal probabilities the first counts as the higher one. Raises `ValueError` for other shapes, and for
    rows that are no probabilities.
    """
    guesses, answers = check_finite(guesses, "guesses"), np.asarray(answers)
    if guesses.ndim != 2 or answers.shape != guesses.shape[:1] or len(answers) == 0:
        raise ValueError(
            f"guesses have the shape {guesses.shape}, answers {answers.shape}: expected (n, words) and (n,)"
        )
    if guesses.min() < 0 or np.abs(guesses.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(
            "the rows of guesses are no probabilities: expected a softmax of the scores, rows that sum to 1"
        )
    given = np.take_along_axis(guesses, answers[:, None], axis=1)
    hits = (-guesses).argsort(axis=1, kind="stable")[:, :5] == answers[:, None]
    loss = -np.log(np.maximum(given, LEAST)).mean()
    return BlankScores(float(loss), float(hits[:, 0].mean()), float(hits.any(axis=1).mean()))

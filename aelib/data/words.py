"""The words of texts, and how often each text has them.

Introduced in chapter 18.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from aelib.validate import is_count

WORD = r"[^\W\d_]{2,}"  # two letters or more: `n_samples` is "samples", `array_like` is "array" and "like"


def vocabulary(texts: Sequence[str], words: int | None = 2000) -> tuple[str, ...]:
    """The `words` most frequent words of the texts, the most frequent first, then by the alphabet; None: all words.

    A word is two letters or more in a row, in lower case; scikit-learn's English stop words ("the", "of", …) are left
    out. Raises `ValueError` for texts that are no sequence of strings or have no such word, and for a bad `words`.
    """
    if words is not None and not is_count(words):
        raise ValueError(f"words is {words!r}: expected a whole number, at least 1, or None for all words")
    counter = CountVectorizer(token_pattern=WORD, stop_words="english")
    try:
        counts = counter.fit_transform(_checked(texts, "training texts"))
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        raise ValueError(
            f"the {len(texts)} training texts have no word but stop words: expected words of two letters or more"
        ) from error
    # CountVectorizer's own max_features lets the processor decide between words of the same frequency.
    totals = zip(-np.asarray(counts.sum(axis=0)).ravel(), counter.get_feature_names_out().tolist(), strict=True)
    return tuple(word for _, word in sorted(totals)[:words])


def word_counts(train_texts: Sequence[str], *others: Sequence[str], words: int | None = 2000) -> tuple:
    """How often each text has each word of `vocabulary(train_texts, words)`: a matrix for each argument.

    Matrices are `(texts, words)`, float32, sparse (CSR): `.toarray()` makes one dense. Raises `ValueError` for a text
    that has none of the words, with its place, and as `vocabulary` does.
    """
    known = vocabulary(train_texts, words)
    counter = CountVectorizer(token_pattern=WORD, vocabulary=known, dtype=np.float32)
    matrices = []
    for i, texts in enumerate((train_texts, *others)):
        what = f"texts of set {i}" if i else "training texts"
        counts = counter.transform(_checked(texts, what))
        empty = np.flatnonzero(np.diff(counts.indptr) == 0)
        if len(empty):
            raise ValueError(
                f"{len(empty)} of {len(texts)} {what} have none of the {len(known):,} known words, the first is text "
                f"{empty[0]}, {texts[empty[0]][:60]!r}: leave them out, say it in other words, or raise words"
            )
        matrices.append(counts)
    return tuple(matrices)


def _checked(texts: Sequence[str], what: str) -> Sequence[str]:
    if isinstance(texts, str) or len(texts) == 0 or not all(isinstance(text, str) for text in texts):
        found = f"one string, {texts[:40]!r}" if isinstance(texts, str) else f"{len(texts)} items"
        raise ValueError(f"{what} are {found}: expected a list or tuple of strings, at least one")
    return texts

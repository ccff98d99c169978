"""Words guessed from counts of their neighbours: unigrams, bigrams, trigrams, and neighbours on both sides.

Introduced in chapter 20.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from aelib.models.masked_lm import check_tokens
from aelib.validate import is_number


def neighbours(tokens, places, offsets: Sequence[int], outside: int) -> np.ndarray:
    """The tokens that stand at `offsets` (such as −1, 1) from each of the places: int32 `(n · asked, offsets)`.

    `tokens` `(n, length)`, `places` `(n, asked)`. Beyond a text's ends stands the token `outside`. Introduced in
    chapter 20.
    """
    reach = max(map(abs, offsets))
    padded = np.pad(np.asarray(tokens), ((0, 0), (reach, reach)), constant_values=outside)
    where = np.asarray(places)[:, :, None] + reach + np.asarray(offsets)
    return np.take_along_axis(padded, where.reshape(len(padded), -1), axis=1).reshape(-1, len(offsets)).astype("int32")


class NeighbourCounts:
    """The probability of a word, given the words at some places around it, by how often they stood together.

    `contexts`: where the neighbours stand, the richest first; `((-2, -1), (-1,))` is a trigram that falls back on a
    bigram. The last resort, the words' own frequency, need not be named. `trust`: a context that was seen m times has
    the weight m / (m + trust), and the next one the rest: interpolation with a Dirichlet prior (MacKay & Peto 1995,
    doi:10.1017/S1351324900000218). `tokens`: whole numbers in 0…words−1, `(n, length)`; places outside a text count
    as a word of their own. Introduced in chapter 20.
    """

    def __init__(self, tokens, words: int, contexts: Sequence[Sequence[int]] = (), trust: float = 1.0):
        if not is_number(trust) or trust <= 0:
            raise ValueError(f"trust is {trust!r}: expected a number above 0")
        if any(0 in context or len(context) == 0 for context in contexts):
            raise ValueError(f"contexts are {contexts}: expected offsets such as (-1, 1), none of them the word itself")
        tokens = check_tokens(tokens, words)
        self.words, self.contexts, self.trust = words, contexts, trust
        self.frequency = np.bincount(tokens.ravel(), minlength=words) / tokens.size
        every = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
        self.tables = [self._count(tokens, every, context) for context in contexts]

    def _count(self, tokens, places, context) -> tuple[np.ndarray, csr_array]:
        """The keys of the contexts that occur, sorted, and how often each word stood in them, `(contexts, words)`."""
        keys, rows = np.unique(self._keys(tokens, places, context), return_inverse=True)
        columns = np.take_along_axis(tokens, places, axis=1).ravel()
        shape = (len(keys), self.words)
        return keys, csr_array((np.ones(len(rows), "float32"), (rows.ravel(), columns)), shape=shape)

    def _keys(self, tokens, places, context) -> np.ndarray:
        """One number for the words at `context` around each of the places: uint64, modulo 2⁶⁴, flat."""
        key = np.zeros(places.size, "uint64")
        for neighbour in neighbours(tokens, places, context, self.words).T:
            key = key * np.uint64(self.words + 1) + neighbour.astype("uint64")
        return key

    def predict(self, tokens, places) -> np.ndarray:
        """The probability of each word at the places `(n, asked)` of the texts `(n, length)`: `(n, asked, words)`.

        What stands at the places themselves is looked at where it is another one's neighbour.
        """
        tokens, places = np.asarray(tokens), np.asarray(places)
        guess = np.tile(self.frequency, (places.size, 1))
        for context, (keys, counts) in reversed(list(zip(self.contexts, self.tables, strict=True))):
            asked = self._keys(tokens, places, context)
            rows = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
            seen = np.where((keys[rows] == asked)[:, None], counts[rows].toarray(), 0)
            guess = (seen + self.trust * guess) / (seen.sum(axis=1, keepdims=True) + self.trust)
        return guess.reshape(*places.shape, self.words)

"""BM25: how much each word of a document counts in a search by words.

Introduced in chapter 18.
"""

import numpy as np
from scipy.sparse import csr_array, issparse


def bm25_weights(counts, k1: float = 1.2, b: float = 0.75) -> csr_array:
    """The weight of each word in each document, sparse `(documents, words)`; their sum over a query's words ranks.

    A word that n of N documents have, c times in this one, whose length is l times the mean, weighs
    log(1 + (N − n + ½) / (n + ½)) · c (k1 + 1) / (c + k1 (1 − b + b l)): it stays below k1 + 1 times the logarithm.
    `counts`: `(documents, words)`, sparse. Robertson & Zaragoza 2009 (doi:10.1561/1500000019); the 1 in the logarithm,
    which keeps it above 0, is that of the search engine Lucene. Raises `ValueError` for counts that are not sparse or
    not above 0, an empty document, and for k1 or b out of range.
    """
    if not issparse(counts) or counts.nnz == 0 or not (counts.data > 0).all():
        raise ValueError("counts are not a sparse matrix of numbers above 0: expected what word_counts returns")
    if not (k1 >= 0 and 0 <= b <= 1):
        raise ValueError(f"k1 is {k1}, b is {b}: expected k1 of 0 or more, and b from 0 to 1")
    counts = csr_array(counts, dtype="float64", copy=True)
    counts.sum_duplicates()  # a word that is stored in two parts is one word
    lengths = counts.sum(axis=1)
    if not lengths.all():
        raise ValueError(f"document {np.flatnonzero(lengths == 0)[0]} has no word: leave it out")
    having = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log1p((len(lengths) - having + 0.5) / (having + 0.5))
    relative = np.repeat(lengths / lengths.mean(), np.diff(counts.indptr))
    full = counts.data * (k1 + 1) / (counts.data + k1 * (1 - b + b * relative))
    return csr_array((rarity[counts.indices] * full, counts.indices, counts.indptr), shape=counts.shape)

"""Texts as tokens: the vocabulary, pieces of one length, and the parts by file."""

from collections import Counter

import numpy as np
import pytest

from aelib.data import RARE, file_parts, split_words, token_pieces, token_words

TEXTS = ["The axis of the array, n_samples=3.", "An array; the AXIS is the first axis!", "Über 2 arrays"]


def test_words_are_letters_in_a_row_in_lower_case():
    assert split_words(TEXTS[0]) == ["the", "axis", "of", "the", "array", "n", "samples"]
    assert split_words("Über 2 x2y") == ["über", "x", "y"]


def test_the_vocabulary_has_the_most_frequent_words_and_a_token_for_the_others():
    words = token_words(TEXTS, 4)
    counts = Counter(word for text in TEXTS for word in split_words(text))
    assert words == (RARE, "the", "axis", "array")
    assert [counts[word] for word in words[1:]] == sorted(counts.values(), reverse=True)[:3]
    assert sorted(token_words(TEXTS, 1000)[1:]) == sorted(counts)


def test_pieces_read_back_are_the_texts():
    words = token_words(TEXTS, 1000)
    pieces, whose = token_pieces(TEXTS, words, 3)
    assert pieces.shape == (4, 3) and pieces.dtype == np.int32
    for text in range(3):  # the last is shorter than a piece
        read = [words[token] for token in pieces[whose == text].ravel()]
        assert read == split_words(TEXTS[text])[: len(read)]
        assert len(split_words(TEXTS[text])) - len(read) < 3


def test_words_that_are_not_known_are_the_token_0():
    pieces, _ = token_pieces(["the axis of the array"], (RARE, "the", "axis"), 5)
    assert pieces.tolist() == [[1, 2, 0, 1, 0]]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: token_words("one string"), "texts are one string, 'one string': expected a list or tuple"),
        (lambda: token_words([]), "texts are 0 items"),
        (lambda: token_words(["12 34"]), "the 1 texts have no word: expected letters"),
        (lambda: token_words(TEXTS, 1), "words is 1: expected a whole number, at least 2"),
        (lambda: token_pieces(TEXTS, (RARE, "the"), 0), "length is 0: expected how many words"),
        (lambda: token_pieces(TEXTS, (RARE, "the", "array"), 2), "text 2, 'Über 2 arrays', has none of the 2 known"),
        (lambda: token_pieces(TEXTS, token_words(TEXTS), 50), "none of the 3 texts has 50 words: take a smaller"),
    ],
)
def test_bad_texts_are_refused_with_what_to_do(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_all_texts_of_a_file_fall_into_one_part_and_files_into_all():
    sources = np.array([f"package/module_{i % 200}.py" for i in range(1000)])
    parts = file_parts(sources)
    assert all(len(set(parts[sources == source])) == 1 for source in sources[:200])
    assert sorted(set(parts)) == list(range(10))
    np.testing.assert_array_equal(parts, file_parts([*sources, "another/one.py"])[:-1])
    assert file_parts(["123456789"]).tolist() == [0xCBF43926 % 10]  # the check value of CRC-32

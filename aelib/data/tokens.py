"""Texts as sequences of whole numbers, one for each word, and cut into pieces of the same length.

Introduced in chapter 20c.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from aelib.validate import is_count

TOKEN = re.compile(r"[^\W\d_]+")  # letters in a row: `n_samples` is "n" and "samples"; numbers are left out
RARE = "…"  # the token 0: any word that the vocabulary does not have


def split_words(text: str) -> list[str]:
    """The words of a text in their order, in lower case, stop words too: letters in a row."""
    return TOKEN.findall(text.lower())


def token_words(texts: Sequence[str], words: int = 4000) -> tuple[str, ...]:
    """A vocabulary of `words` tokens: `…` for every rare word, then the most frequent words of the texts.

    The most frequent first, then by the alphabet. Fewer if the texts have fewer. Raises `ValueError` for texts that are
    no sequence of strings, for texts without a word, and for less than two words.
    """
    if not is_count(words) or words < 2:
        raise ValueError(f"words is {words!r}: expected a whole number, at least 2: the rare ones, and one more")
    counts = Counter(word for text in _checked(texts) for word in split_words(text))
    if not counts:
        raise ValueError(f"the {len(texts)} texts have no word: expected letters, as in 'fill in the blank'")
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return (RARE, *ordered[: words - 1])


def token_pieces(texts: Sequence[str], words: Sequence[str], length: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Texts cut into pieces of `length` tokens, int32 `(pieces, length)`, and which text each is from, `(pieces,)`.

    `words`: as `token_words` returns them; another word becomes the token 0. A piece is of one text only, so what is
    left at the end of a text is left out, and texts shorter than `length`. Raises `ValueError` for a bad length, for
    texts with none of the words, and if no text is long enough.
    """
    if not is_count(length):
        raise ValueError(f"length is {length!r}: expected how many words a piece has, at least 1")
    places = {word: place for place, word in enumerate(words)}
    pieces, whose = [], []
    for text, found in enumerate(map(split_words, _checked(texts))):
        row = np.array([places.get(word, 0) for word in found], "int32")
        if not row.any():
            raise ValueError(
                f"text {text}, {texts[text][:60]!r}, has none of the {len(words) - 1:,} known words: leave it out, or "
                "say it in other words"
            )
        whole = row[: len(row) // length * length].reshape(-1, length)
        pieces.append(whole)
        whose += [text] * len(whole)
    if not whose:
        raise ValueError(f"none of the {len(texts)} texts has {length} words: take a smaller length")
    return np.concatenate(pieces), np.array(whose)


def file_parts(sources: Sequence[str], parts: int = 10) -> np.ndarray:
    """In which of the parts the file of each text falls, ints in 0…parts−1, by a checksum (CRC-32) of the file's name.

    Texts of one file share sentences. Hold back whole parts, and no text of a file that was learned from is tested. A
    file stays in its part when others are added or change.
    """
    return np.array([zlib.crc32(str(source).encode()) % parts for source in sources])


def _checked(texts: Sequence[str]) -> Sequence[str]:
    if isinstance(texts, str) or len(texts) == 0 or not all(isinstance(text, str) for text in texts):
        found = f"one string, {texts[:40]!r}" if isinstance(texts, str) else f"{len(texts)} items"
        raise ValueError(f"texts are {found}: expected a list or tuple of strings, at least one")
    return texts

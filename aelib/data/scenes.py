"""Small scenes by a grammar: long texts, short summaries of other scenes, and the facts of both.

Introduced in chapter 22.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aelib.validate import is_count

SLOTS = ("adjective", "who", "verb", "what", "place")
# Each concept in the words that texts have for it; a verb has two forms for each: in texts, and in summaries.
CONCEPTS = {
    "adjective": (("small", "little"), ("big", "large"), ("old", "aged"), ("sly", "clever"), ("red", "crimson")),
    "who": (("fox",), ("owl",), ("bear",), ("cat",), ("hare", "rabbit"), ("wolf",), ("mouse",), ("goat",)),
    "verb": (
        ("stole", "took"),
        ("ate", "devoured"),
        ("hid", "concealed"),
        ("broke", "smashed"),
        ("found", "discovered"),
        ("dropped", "lost"),
    ),
    "what": (("apple",), ("cake",), ("ring",), ("hat", "cap"), ("lamp",), ("key",), ("drum",), ("egg",)),
    "place": (("forest", "wood"), ("garden", "yard"), ("barn", "shed"), ("kitchen",), ("river", "stream"), ("tower",)),
}
FORMS = {"stole": "stolen", "took": "taken", "ate": "eaten", "hid": "hidden", "broke": "broken"}  # else the same
FACTS = ("a {adjective} {who} came along .", "it {verb} the {what} .", "this was in the {place} .")
DISTRACTORS = (
    "a {other} slept nearby .",
    "the {thing} was new .",
    "nobody saw it .",
    "the day was warm .",
    "it rained all night .",
    "somebody sang a song .",
)
SUMMARY = "{what} {verb} by {adjective} {who} in {place}"
END = "."
LONGEST, SHORT = 32, 7  # words of a text, at most; of a summary


@dataclass(frozen=True)
class Scenes:
    """The language of scenes: how to draw texts and summaries, and how to read them.

    `words`: the V words, sorted. `shares`: how often each concept of a slot comes up, `(concepts,)` for each slot.
    """

    words: tuple[str, ...]
    shares: dict[str, np.ndarray]

    def draw_facts(self, n: int, seed: int = 0) -> np.ndarray:
        """`n` scenes: which concept fills each slot, ints `(n, 5)`, slots independent of each other."""
        if not is_count(n):
            raise ValueError(f"n is {n!r}: expected how many scenes, at least 1")
        rng = np.random.default_rng(seed)
        return np.stack([rng.choice(len(share), n, p=share) for share in self.shares.values()], axis=1)

    def texts(self, facts, seed: int = 0) -> np.ndarray:
        """A text for each of the scenes: int32 `(n, 32)`, filled up with `.`; its words and distractors by chance."""
        rng = np.random.default_rng(seed)
        return self.encode([self._text(row, rng) for row in np.asarray(facts)], LONGEST)

    def summaries(self, facts, seed: int = 0) -> np.ndarray:
        """A summary for each of the scenes: int32 `(n, 7)`; which of two synonyms it has is left to chance."""
        rng = np.random.default_rng(seed)
        said = [self._words_for(row, rng) for row in np.asarray(facts)]
        return self.encode([SUMMARY.format(**w | {"verb": FORMS.get(w["verb"], w["verb"])}) for w in said], SHORT)

    def encode(self, texts: Sequence[str], length: int) -> np.ndarray:
        """The tokens of texts, words separated by spaces: int32 `(n, length)`, filled up with `.`.

        Raises `ValueError` for an empty text, one of more words, and a word that the language does not have.
        """
        number = {word: token for token, word in enumerate(self.words)}
        tokens = np.full((len(texts), length), number[END], "int32")
        for row, text in zip(tokens, texts, strict=True):
            found = text.split()
            strange = [word for word in found if word not in number]
            if strange or not 0 < len(found) <= length:
                wrong = ", ".join(map(repr, strange)) or f"{len(found)} words"
                raise ValueError(
                    f"found {wrong} in {text!r}: expected 1 to {length} words such as {', '.join(self.words[2:9])}"
                )
            row[: len(found)] = [number[word] for word in found]
        return tokens

    def decode(self, tokens) -> str:
        """The text of a row of tokens, without the `.` that fill it up."""
        text = " ".join(self.words[token] for token in np.asarray(tokens).ravel())
        return text.rstrip(" .") + (" ." if text.endswith(". .") else "")

    def read_summaries(self, tokens) -> np.ndarray:
        """Which concepts summaries `(n, 7)` name, ints `(n, 5)`; −1 where a word is none of its slot."""
        order = [part.strip("{}") for part in SUMMARY.split()]
        facts = np.empty((len(tokens), len(SLOTS)), int)
        for column, slot in enumerate(SLOTS):
            table = np.full(len(self.words), -1)
            for concept, synonyms in enumerate(CONCEPTS[slot]):
                for word in synonyms:
                    table[self.words.index(FORMS.get(word, word) if slot == "verb" else word)] = concept
            facts[:, column] = table[np.asarray(tokens)[:, order.index(slot)]]
        return facts

    def is_grammatical(self, tokens) -> np.ndarray:
        """Which rows of `(n, 7)` the rule of summaries makes: bools `(n,)`."""
        tokens, order = np.asarray(tokens), SUMMARY.split()
        fixed = [(place, self.words.index(word)) for place, word in enumerate(order) if not word.startswith("{")]
        right = np.all([tokens[:, place] == token for place, token in fixed], axis=0)
        return right & (self.read_summaries(tokens) >= 0).all(axis=1)

    def paraphrase(self, summaries) -> np.ndarray:
        """The same summaries with every word that has a synonym exchanged for it: int32 `(n, 7)`."""
        other = np.arange(len(self.words))
        for concepts in CONCEPTS.values():
            for pair in (pair for pair in concepts if len(pair) == 2):
                a, b = (self.words.index(FORMS.get(word, word)) for word in pair)
                other[[a, b]] = b, a
        return other[np.asarray(summaries)].astype("int32")

    def _words_for(self, facts, rng) -> dict[str, str]:
        chosen = {slot: CONCEPTS[slot][concept] for slot, concept in zip(SLOTS, facts, strict=True)}
        return {slot: synonyms[rng.integers(len(synonyms))] for slot, synonyms in chosen.items()}

    def _text(self, facts, rng) -> str:
        """The facts in their order, three distractors anywhere between."""
        others = {"other": _any(CONCEPTS["who"], rng), "thing": _any(CONCEPTS["what"], rng)}
        sentences = [sentence.format(**self._words_for(facts, rng)) for sentence in FACTS]
        for which in rng.choice(len(DISTRACTORS), 3, replace=False):
            sentences.insert(rng.integers(len(sentences) + 1), DISTRACTORS[which].format(**others))
        return " ".join(sentences)


def make_scenes(zipf: bool = True) -> Scenes:
    """The language of scenes; with `zipf` the k-th concept of a slot has a share in proportion to 1 / k, else equal."""
    shares = {}
    for slot, concepts in CONCEPTS.items():
        weights = 1 / np.arange(1, len(concepts) + 1) if zipf else np.ones(len(concepts))
        shares[slot] = weights / weights.sum()
    verbs = {word for pair in CONCEPTS["verb"] for word in pair}
    said = {word for concepts in CONCEPTS.values() for pair in concepts for word in pair}
    frame = {w for line in (*FACTS, *DISTRACTORS, SUMMARY) for w in line.split() if not w.startswith("{")}
    return Scenes(tuple(sorted(said | frame | {FORMS.get(word, word) for word in verbs})), shares)


def _any(concepts, rng) -> str:
    synonyms = concepts[rng.integers(len(concepts))]
    return synonyms[rng.integers(len(synonyms))]

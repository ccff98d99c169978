"""A small language by a grammar with probabilities, and the best possible answer for a blank in it.

Introduced in chapter 20.
"""

from dataclasses import dataclass

import numpy as np

from aelib.validate import is_count

SUBJECTS = {  # with which a sentence begins
    "animal": {"one": ("Rex", "Kitty", "Polly"), "many": ("Dogs", "Cats", "Birds")},
    "person": {"one": ("Anna", "Ben", "Carla"), "many": ("Children", "Cooks", "Singers")},
    "machine": {"one": ("Voyager", "Titanic", "Concorde"), "many": ("Cars", "Trains", "Planes")},
}
VERBS = {  # with which it ends
    "animal": {"one": ("eats", "sleeps"), "many": ("eat", "sleep")},
    "person": {"one": ("talks", "laughs"), "many": ("talk", "laugh")},
    "machine": {"one": ("stops", "rattles"), "many": ("stop", "rattle")},
}
NOUNS = {  # in a modifier
    "animal": {"one": ("dog", "cat", "bird"), "many": ("dogs", "cats", "birds")},
    "person": {"one": ("child", "cook", "singer"), "many": ("children", "cooks", "singers")},
    "machine": {"one": ("car", "train", "plane"), "many": ("cars", "trains", "planes")},
}
ACTIONS = {  # of the noun before it, on the subject
    "animal": {"one": ("chases", "smells"), "many": ("chase", "smell")},
    "person": {"one": ("calls", "admires"), "many": ("call", "admire")},
    "machine": {"one": ("passes", "hits"), "many": ("pass", "hit")},
}
DETERMINERS = {"one": ("the", "a", "every"), "many": ("the", "two", "these")}
ADJECTIVES, PREPOSITIONS = ("old", "small", "red", "new"), ("near", "behind", "beside")
ADVERBS = ("today", "again", "here")
AGREEMENTS = tuple((kind, number) for kind in NOUNS for number in DETERMINERS)
RULES = """
text         → sentence text
sentence     → SUBJECT(k, n) modifiers VERB(k, n) .            2/3
             | SUBJECT(k, n) modifiers VERB(k, n) ADVERB .     1/3
modifiers    →                                                 2/5
             | PREPOSITION phrase(k', n') modifiers            2/5
             | that phrase(k', n') ACTION(k', n') modifiers    1/5
phrase(k, n) → DETERMINER(n) NOUN(k, n)                        7/10
             | DETERMINER(n) ADJECTIVE NOUN(k, n)              3/10
""".strip()
MORE, RELATIVE, ADJECTIVE, ADVERB = 3 / 5, 1 / 3, 3 / 10, 1 / 3  # the same probabilities


@dataclass(frozen=True)
class Grammar:
    """A language as a chain of hidden states, each of which utters one word.

    `words`: the V words, sorted. `start` `(S,)`, `step` `(S, S)` and `utter` `(S, V)`: the probabilities of the first
    state, of the next one, and of a state's word. `role` `(S,)`: what a state utters: "subject", "verb", "noun", ….
    """

    words: tuple[str, ...]
    start: np.ndarray
    step: np.ndarray
    utter: np.ndarray
    role: np.ndarray

    def draw(self, n: int, length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """`n` texts of `length` words, and their states: int32 `(n, length)` both. Each begins with a sentence."""
        if not is_count(n) or not is_count(length):
            raise ValueError(f"n is {n!r}, length {length!r}: expected whole numbers, at least 1")
        rng, states = np.random.default_rng(seed), np.empty((n, length), "int32")
        states[:, 0] = rng.choice(len(self.start), size=n, p=self.start)
        for place in range(1, length):
            states[:, place] = _pick(self.step, states[:, place - 1], rng)
        return _pick(self.utter, states.ravel(), rng).reshape(n, length), states

    def best_answers(self, tokens, places, left: int | None = None, right: int | None = None) -> np.ndarray:
        """The probability of each word at a hidden place of each text, given the others: float32 `(n, V)`.

        `tokens` `(n, length)`, `places` `(n,)`: one in each text; what stands there is not looked at. `left`,
        `right`: how many words before and after it are known; None: all. No other answer has a lower expected
        cross-entropy (Bayes' theorem). By the forward-backward algorithm (Baum et al. 1970,
        doi:10.1214/aoms/1177697196): `before` holds the probability of each state at the place by the words before
        it, `after` that of the words after it by the state. Raises `ValueError` for places that are none.
        """
        tokens, places = np.asarray(tokens), np.asarray(places)
        n, length = tokens.shape
        if places.shape != (n,) or places.min() < 0 or places.max() >= length:
            raise ValueError(
                f"places have the shape {places.shape} and lie in [{places.min()}, {places.max()}]: expected one place "
                f"for each of {n} texts, from 0 to {length - 1}"
            )
        offset = np.arange(length) - places[:, None]
        known = (offset >= -(length if left is None else left)) & (offset <= (length if right is None else right))
        known &= offset != 0
        utter, step = self.utter.astype("float32"), self.step.astype("float32")
        before, after = np.ones((2, n, len(self.start)), "float32")
        for forward in (True, False):
            state = np.tile(self.start.astype("float32"), (n, 1)) if forward else np.ones_like(after)
            for place in range(length) if forward else reversed(range(length)):
                here = places == place
                (before if forward else after)[here] = state[here]
                state = state * np.where(known[:, place, None], utter.T[tokens[:, place]], 1)
                state = _normalized(state @ (step if forward else step.T))
        return _normalized((before * after) @ utter)

    def probability(self, tokens) -> np.ndarray:
        """The probability of each text `(n, length)`: `(n,)`, float64; 0 for one that the rules do not make."""
        tokens = np.asarray(tokens)
        state = np.tile(self.start, (len(tokens), 1)) * self.utter.T[tokens[:, 0]]
        for place in range(1, tokens.shape[1]):
            state = (state @ self.step) * self.utter.T[tokens[:, place]]
        return state.sum(axis=1)

    def encode(self, text: str) -> np.ndarray:
        """The tokens of a text, words separated by spaces: int32 `(1, length)`; `_` for a blank is the mask, V.

        Raises `ValueError` for a text with a word that the language does not have, or with none.
        """
        number = {word: token for token, word in enumerate((*self.words, "_"))}
        found = text.split()
        strange = [word for word in found if word not in number]
        if strange or not found:
            raise ValueError(
                f"found {', '.join(map(repr, strange)) or 'no word'} in {text!r}: expected words such as "
                f"{', '.join(self.words[:8])} with spaces between, as in `words` of the grammar, and _ for a blank"
            )
        return np.array([[number[word] for word in found]], "int32")

    def decode(self, tokens) -> str:
        """The text of a row of tokens, `_` for the mask."""
        return " ".join((*self.words, "_")[token] for token in tokens)


def make_grammar(seed: int = 0) -> Grammar:
    """The language of `RULES`; the seed draws how frequent each word is among those that could stand in its place.

    Frequencies from a flat Dirichlet distribution of weight 2: some words are several times as frequent as others.
    """
    rng = np.random.default_rng(seed)
    states = list(_sentence_starts())
    for state in states:  # the list grows while it is read
        states += [follower for follower in _followers(state) if follower not in states]
    place = {state: i for i, state in enumerate(states)}
    words = tuple(sorted({word for state in states for word in _words_of(state)}))
    start, step, utter = (
        np.zeros(len(states)),
        np.zeros((len(states), len(states))),
        np.zeros((len(states), len(words))),
    )
    for state, chance in _sentence_starts().items():
        start[place[state]] = chance
    shares = {}
    for i, state in enumerate(states):
        for follower, chance in _followers(state).items():
            step[i, place[follower]] = chance
        choice = _words_of(state)
        if choice not in shares:
            shares[choice] = rng.dirichlet(np.full(len(choice), 2.0))
        utter[i, [words.index(word) for word in choice]] = shares[choice]
    return Grammar(words, start, step, utter, np.array([state[0] for state in states]))


# A state: what it utters, then what must be remembered: the subject of the sentence, (kind, number), and, inside a
# modifier, its noun's, and whether an action follows it.


def _sentence_starts() -> dict[tuple, float]:
    return {("subject", subject): 1 / len(AGREEMENTS) for subject in AGREEMENTS}


def _followers(state: tuple) -> dict[tuple, float]:
    """The states that may come next, with their probabilities: RULES, one word at a time."""
    role, *rest = state
    match role:
        case "determiner":
            return {("adjective", *rest): ADJECTIVE, ("noun", *rest): 1 - ADJECTIVE}
        case "adjective":
            return {("noun", *rest): 1.0}
        case "noun" if rest[2]:
            return {("action", *rest[:2]): 1.0}
        case "subject" | "noun" | "action":
            more = {("preposition", rest[0]): MORE * (1 - RELATIVE), ("that", rest[0]): MORE * RELATIVE}
            return {("verb", rest[0]): 1 - MORE, **more}
        case "preposition" | "that":
            return {("determiner", rest[0], noun, role == "that"): 1 / len(AGREEMENTS) for noun in AGREEMENTS}
        case "verb":
            return {("adverb",): ADVERB, ("end",): 1 - ADVERB}
        case "adverb":
            return {("end",): 1.0}
    return _sentence_starts()


def _words_of(state: tuple) -> tuple[str, ...]:
    """What a state may utter."""
    role, *rest = state
    tables = {"subject": SUBJECTS, "verb": VERBS, "noun": NOUNS, "action": ACTIONS}
    if role in tables or role == "determiner":
        kind, number = rest[0] if role in ("subject", "verb") else rest[1]
        return tables[role][kind][number] if role in tables else DETERMINERS[number]
    others = {"adjective": ADJECTIVES, "preposition": PREPOSITIONS, "adverb": ADVERBS}
    return others.get(role, ("that",) if role == "that" else (".",))


def _pick(probabilities: np.ndarray, rows: np.ndarray, rng) -> np.ndarray:
    """A column for each of the rows, by that row's probabilities: int32 `(n,)`."""
    ends = np.arange(len(probabilities))[:, None] + np.cumsum(probabilities, axis=1)  # row r fills r to r + 1
    ends[:, -1] = np.arange(1, len(ends) + 1)
    columns = np.searchsorted(ends.ravel(), rows + rng.random(len(rows)), side="right") - rows * ends.shape[1]
    return columns.astype("int32")


def _normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-30)

"""The small language: its rules hold in what is drawn, and its best answers are those of brute force."""

import numpy as np
import pytest

from aelib.data import make_grammar
from aelib.data.grammar import ACTIONS, NOUNS, SUBJECTS, VERBS

GRAMMAR = make_grammar(0)
TEXTS, STATES = GRAMMAR.draw(300, 24, seed=1)


def test_probabilities_are_probabilities():
    for rows in (GRAMMAR.start, GRAMMAR.step, GRAMMAR.utter):
        assert rows.min() >= 0
        np.testing.assert_allclose(rows.sum(axis=-1), 1)


def test_what_is_drawn_follows_the_rules():
    agreement = {word: (kind, number) for table in (SUBJECTS, NOUNS, VERBS, ACTIONS) for kind, by in table.items()
                 for number, words in by.items() for word in words}  # fmt: skip
    for text, states in zip(TEXTS, STATES, strict=True):
        subject = None
        for place, (token, role) in enumerate(zip(text, GRAMMAR.role[states], strict=True)):
            word = GRAMMAR.words[token]
            if role == "subject":
                subject = agreement[word]
            elif role == "verb":
                assert agreement[word] == subject
            elif role == "action":
                assert agreement[word] == agreement[GRAMMAR.words[text[place - 1]]]
    assert (GRAMMAR.probability(TEXTS) > 0).all()


def test_words_and_rules_come_as_often_as_they_should():
    tokens, states = GRAMMAR.draw(20_000, 12, seed=2)
    subjects = states[GRAMMAR.role[states] == "subject"]
    np.testing.assert_allclose(
        np.bincount(subjects, minlength=len(GRAMMAR.start))[np.unique(subjects)] / len(subjects), 1 / 6, atol=0.01
    )
    some = np.unique(subjects)[0]
    heard = np.bincount(tokens[states == some], minlength=len(GRAMMAR.words)) / (states == some).sum()
    np.testing.assert_allclose(heard, GRAMMAR.utter[some], atol=0.03)


@pytest.mark.parametrize("place", [0, 3, 11])
def test_the_best_answer_is_that_of_trying_every_word(place):
    texts = TEXTS[:6, :12]
    every = np.repeat(texts, len(GRAMMAR.words), axis=0)
    every[:, place] = np.tile(np.arange(len(GRAMMAR.words)), len(texts))
    tried = GRAMMAR.probability(every).reshape(len(texts), -1)
    best = GRAMMAR.best_answers(texts, np.full(6, place))
    np.testing.assert_allclose(best, tried / tried.sum(axis=1, keepdims=True), atol=1e-5)


def test_the_probability_of_a_text_is_that_of_summing_over_every_chain_of_states():
    text = TEXTS[0, :4]
    paths = {(): 1.0}
    for token in text:
        longer = {}
        for path, chance in paths.items():
            for state in range(len(GRAMMAR.start)):
                reached = GRAMMAR.start[state] if not path else GRAMMAR.step[path[-1], state]
                if chance * reached * GRAMMAR.utter[state, token]:
                    longer[(*path, state)] = chance * reached * GRAMMAR.utter[state, token]
        paths = longer
    assert GRAMMAR.probability(text[None])[0] == pytest.approx(sum(paths.values()))


def test_best_answers_with_part_of_the_context():
    texts, places = TEXTS[:40], np.full(40, 6)
    other = texts.copy()
    other[:, 6], other[:, :4], other[:, 9:] = 0, 1, 2  # the blank itself, and what is too far away
    near = GRAMMAR.best_answers(texts, places, left=2, right=2)
    np.testing.assert_array_equal(near, GRAMMAR.best_answers(other, places, left=2, right=2))
    np.testing.assert_array_equal(GRAMMAR.best_answers(texts, places), GRAMMAR.best_answers(texts, places, 24, 24))
    # by the law of total probability, the answers without a side are the mean of those with it, over many texts
    left = GRAMMAR.best_answers(*(GRAMMAR.draw(20_000, 9, seed=3)[0], np.full(20_000, 6)))
    alone = GRAMMAR.best_answers(texts[:, :9], places, left=0, right=0)
    np.testing.assert_allclose(left.mean(axis=0), alone[0], atol=0.01)


def test_more_context_is_never_worse_on_average():
    texts, _ = GRAMMAR.draw(3000, 24, seed=4)
    places = np.random.default_rng(0).integers(24, size=3000)
    true = texts[np.arange(3000), places]
    loss = [-np.log(GRAMMAR.best_answers(texts, places, k, k)[np.arange(3000), true]).mean() for k in (0, 1, 2, 4, 24)]
    assert (np.diff(loss) < 0).all()


def test_the_seed_of_the_language_and_that_of_the_texts():
    again, other = make_grammar(0), make_grammar(1)
    np.testing.assert_array_equal(GRAMMAR.utter, again.utter)
    assert other.words == GRAMMAR.words and not np.allclose(other.utter, GRAMMAR.utter)
    np.testing.assert_array_equal(TEXTS, again.draw(300, 24, seed=1)[0])
    assert (GRAMMAR.draw(300, 24, seed=2)[0] != TEXTS).any()


def test_texts_to_tokens_and_back():
    text = "Rex that the cats chase sleeps ."
    assert GRAMMAR.decode(GRAMMAR.encode(text)[0]) == text
    assert GRAMMAR.decode(GRAMMAR.encode("Rex _ .")[0]) == "Rex _ ."


@pytest.mark.parametrize("text", ["Wolf sleeps .", "", "   "])
def test_a_text_with_no_known_word_is_refused(text):
    with pytest.raises(ValueError, match=r"found .*expected words such as"):
        GRAMMAR.encode(text)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="n is 0"):
        GRAMMAR.draw(0, 24)
    with pytest.raises(ValueError, match=r"places .* expected one place for each of 3 texts, from 0 to 23"):
        GRAMMAR.best_answers(TEXTS[:3], np.array([1, 2, 24]))

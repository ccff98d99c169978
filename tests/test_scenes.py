"""Scenes: texts that hold their facts, summaries that are read back, synonyms, and clear errors."""

import numpy as np
import pytest

from aelib.data import make_scenes
from aelib.data.scenes import CONCEPTS, DISTRACTORS, FACTS, SLOTS

SCENES = make_scenes()
FACTS_OF = SCENES.draw_facts(300, seed=1)


def test_summaries_read_back_are_their_facts():
    summaries = SCENES.summaries(FACTS_OF, seed=2)
    np.testing.assert_array_equal(SCENES.read_summaries(summaries), FACTS_OF)
    assert SCENES.is_grammatical(summaries).all()


def test_a_text_says_each_fact_once_and_three_other_sentences():
    texts = SCENES.texts(FACTS_OF, seed=2)
    for row, facts in zip(texts, FACTS_OF, strict=True):
        sentences = [s.split() for s in SCENES.decode(row).strip(" .").split(" . ")]
        assert len(sentences) == len(FACTS) + 3
        told = [next(s for s in sentences if s[-2:] == ["came", "along"])[1:3]]
        told += [[s[1], s[3]] for s in sentences if s[0] == "it" and s[1] != "rained"]
        told += [s[-1:] for s in sentences if s[:2] == ["this", "was"]]
        for word, slot, concept in zip([word for words in told for word in words], SLOTS, facts, strict=True):
            assert word in CONCEPTS[slot][concept]
    assert (texts != SCENES.words.index(".")).sum(axis=1).max() + len(FACTS) + 3 <= texts.shape[1]


def test_frequent_concepts_come_up_as_often_as_their_share_says():
    facts = SCENES.draw_facts(20_000, seed=3)
    for column, share in zip(facts.T, SCENES.shares.values(), strict=True):
        np.testing.assert_allclose(np.bincount(column) / len(facts), share, atol=0.015)
        np.testing.assert_allclose(share * np.arange(1, len(share) + 1), share[0])
    assert all(len(set(share)) == 1 for share in make_scenes(zipf=False).shares.values())


def test_a_paraphrase_says_the_same_in_other_words_and_twice_is_the_first():
    drawn = SCENES.summaries(FACTS_OF, seed=4)
    other = SCENES.paraphrase(drawn)
    assert (other != drawn).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(SCENES.paraphrase(other), drawn)
    np.testing.assert_array_equal(SCENES.read_summaries(other), FACTS_OF)


def test_what_is_no_summary_is_found():
    said = (
        "apple stolen by small fox in forest",
        "apple stole by small fox in forest",
        "fox stolen by small apple in wood",
    )
    tokens = SCENES.encode(said, 7)
    assert SCENES.is_grammatical(tokens).tolist() == [True, False, False]
    assert SCENES.read_summaries(tokens).tolist() == [[0, 0, 0, 0, 0], [0, 0, -1, 0, 0], [0, -1, 0, -1, 0]]


def test_the_same_seed_gives_the_same_and_texts_come_back():
    np.testing.assert_array_equal(SCENES.texts(FACTS_OF, seed=5), SCENES.texts(FACTS_OF, seed=5))
    assert (SCENES.texts(FACTS_OF, seed=5) != SCENES.texts(FACTS_OF, seed=6)).any()
    text = "a small fox came along . it stole the apple ."
    assert SCENES.decode(SCENES.encode([text], 32)[0]) == text
    assert len(DISTRACTORS) >= 3


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SCENES.draw_facts(0), "n is 0: expected how many scenes"),
        (lambda: SCENES.encode(["a zebra came along ."], 32), "found 'zebra' in 'a zebra came along .': expected"),
        (lambda: SCENES.encode([""], 32), "found 0 words in '': expected 1 to 32 words"),
        (lambda: SCENES.encode(["a fox in a wood in a wood"], 7), "found 8 words in .*: expected 1 to 7 words"),
    ],
)
def test_bad_input_is_refused_with_what_was_found(call, says):
    with pytest.raises(ValueError, match=says):
        call()

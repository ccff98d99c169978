"""Attention against Keras's own, masked words, the model as it is saved, and guesses from counts."""

import itertools
from collections import Counter

import keras
import numpy as np
import pytest

from aelib.measures import blank_scores
from aelib.models import (
    AtPlaces,
    NeighbourCounts,
    Positions,
    SelfAttention,
    TiedEmbedding,
    mask_words,
    masked_language_model,
    replace_head,
    transformer_block,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 7, 12)).astype("float32")
TOKENS = RNG.integers(9, size=(40, 8))


def filled(layer, x=X):
    """The layer with weights that are all different, biases as well."""
    layer(x)
    layer.set_weights([RNG.normal(scale=0.5, size=w.shape) for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize("heads", [1, 3, 12])
@pytest.mark.parametrize(("left", "right"), [(None, None), (None, 0), (0, None), (2, 1)])
def test_attention_is_that_of_keras_with_the_same_weights(heads, left, right):
    ours, theirs = filled(SelfAttention(heads, left, right)), keras.layers.MultiHeadAttention(heads, 12 // heads)
    theirs(X, X)
    theirs.set_weights([w.reshape(k.shape) for w, k in zip(ours.get_weights(), theirs.get_weights(), strict=True)])
    offset = np.arange(7)[None] - np.arange(7)[:, None]
    reached = (offset >= -(7 if left is None else left)) & (offset <= (7 if right is None else right))
    expected, attention = theirs(X, X, attention_mask=reached[None], return_attention_scores=True)
    np.testing.assert_allclose(ours(X), expected, atol=1e-5)
    np.testing.assert_allclose(ours.attention(X), attention, atol=1e-5)


def test_attention_sums_to_one_and_reaches_as_far_as_it_may():
    layer = filled(SelfAttention(2, left=2, right=0))
    np.testing.assert_allclose(keras.ops.sum(layer.attention(X), axis=-1), np.ones((3, 2, 7)), atol=1e-5)
    changed = X.copy()
    changed[:, 3] = 9
    moved = np.abs(np.asarray(layer(changed)) - np.asarray(layer(X))).max(axis=(0, 2)) > 1e-6
    assert moved.tolist() == [False, False, False, True, True, True, False]


def test_a_head_adds_a_number_for_each_distance_to_its_scores():
    layer = filled(SelfAttention(3, left=4, longest=9))  # for up to 9 places; here there are 7
    weights = layer.get_weights()
    (wq, bq, wk, bk), distances = weights[:4], weights[-1]
    expected = np.zeros((3, 3, 7, 7))
    for text, head, here, there in itertools.product(range(3), range(3), range(7), range(7)):
        columns = slice(4 * head, 4 * head + 4)
        query, key = (X[text, here] @ wq + bq)[columns], (X[text, there] @ wk + bk)[columns]
        weight = np.exp(query @ key / 2 + distances[head, there - here + 8]) * (there - here >= -4)
        expected[text, head, here, there] = weight
    expected /= expected.sum(axis=-1, keepdims=True)
    assert distances.shape == (3, 17)
    np.testing.assert_allclose(layer.attention(X), expected, atol=1e-5)


def test_distances_begin_at_zero_so_that_nothing_is_preferred():
    plain, with_distances = SelfAttention(3), SelfAttention(3, longest=7)
    plain(X), with_distances(X)
    with_distances.set_weights([*plain.get_weights(), np.zeros((3, 13))])
    np.testing.assert_allclose(plain(X), with_distances(X), atol=1e-6)
    fresh = SelfAttention(3, longest=7)
    fresh(X)
    assert not np.asarray(fresh.distances).any()


def block_of(x, **reach):
    """A block whose numbers for distances, if there are any, are no longer 0."""
    model = keras.Model(x, transformer_block(x, 3, "block", **reach))
    filled(model.get_layer("block_attention"))
    return model


def test_without_positions_the_order_of_the_places_is_not_seen_and_with_them_it_is():
    inputs, order = keras.Input((7, 12)), RNG.permutation(7)
    with_positions = keras.Model(inputs, transformer_block(Positions(7)(inputs), 3, "block"))
    for model, same in ((block_of(inputs), True), (with_positions, False), (block_of(inputs, longest=7), False)):
        out = np.asarray(model(X))
        assert np.allclose(np.asarray(model(X[:, order])), out[:, order], atol=1e-4) == same


def test_a_replaced_head_brings_the_same_to_every_place():
    layer, by = filled(SelfAttention(3)), RNG.normal(size=4).astype("float32")
    brought = np.array(layer.gather(X))
    brought[:, 1] = by
    kernel, bias = (np.asarray(w) for w in (layer.output_kernel, layer.output_bias))
    expected = brought.transpose(0, 2, 1, 3).reshape(X.shape) @ kernel + bias
    replace_head(layer, 1, by)
    np.testing.assert_allclose(layer(X), expected, atol=1e-4)


def test_masked_words_are_as_many_as_asked_for_and_of_three_kinds():
    tokens = np.random.default_rng(1).integers(50, size=(5000, 20))
    kept = tokens.copy()
    shown, places, answers = mask_words(tokens, 50, share=0.15, seed=3)
    np.testing.assert_array_equal(tokens, kept)
    assert shown.shape == tokens.shape and places.shape == answers.shape == (5000, 3)
    assert (np.diff(places, axis=1) > 0).all()
    np.testing.assert_array_equal(answers, np.take_along_axis(tokens, places, axis=1))
    asked = np.zeros(tokens.shape, bool)
    np.put_along_axis(asked, places, True, axis=1)
    np.testing.assert_array_equal(shown[~asked], tokens[~asked])
    assert (shown[asked] == 50).mean() == pytest.approx(0.8, abs=0.02)
    assert (shown[asked] == answers.ravel()).mean() == pytest.approx(0.1 + 0.1 / 50, abs=0.01)
    np.testing.assert_allclose(asked.mean(axis=0), 0.15, atol=0.02)  # no place is preferred
    for array, again in zip((shown, places, answers), mask_words(tokens, 50, seed=3), strict=True):
        np.testing.assert_array_equal(array, again)
    assert (mask_words(tokens, 50, seed=4)[1] != places).any()
    assert mask_words(tokens, 50, share=0.01)[1].shape == (5000, 1)


def test_the_places_asked_about_are_those_that_are_handed_on():
    places = np.array([[6, 0], [1, 1], [2, 5]], "int32")
    np.testing.assert_allclose(AtPlaces()(X, places), np.take_along_axis(X, places[:, :, None], axis=1), atol=1e-6)


def test_a_masked_language_model_learns_saves_loads_and_stays_tied(tmp_path):
    keras.utils.set_random_seed(0)
    tokens = (np.arange(8) + np.random.default_rng(0).integers(9, size=(400, 1))) % 9  # 3 4 5 6 7 8 0 1
    shown, places, answers = mask_words(tokens, 9)
    model = masked_language_model(9, 8, width=16, blocks=1, heads=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    model.fit([shown, places], answers, epochs=25, verbose=0)
    assert (np.asarray(model([shown, places])).argmax(axis=2) == answers).mean() > 0.9
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model([shown, places]), loaded([shown, places]))
    loaded.fit([shown, places], answers, verbose=0)
    assert [w.shape for w in loaded.weights].count((10, 16)) == 1  # one matrix of vectors, for both ends
    embedding = loaded.get_layer("embedding")
    everywhere = np.tile(np.arange(8, dtype="int32"), (400, 1))
    code = keras.Model(loaded.inputs, loaded.get_layer("code").output)([shown, everywhere])
    assert code.shape == (400, 8, 16)
    decoded = np.asarray(code) @ np.asarray(embedding.vectors)[:9].T + np.asarray(embedding.bias)
    expected = np.take_along_axis(decoded, places[:, :, None], axis=1)
    np.testing.assert_allclose(loaded([shown, places]), expected, atol=1e-4)
    assert loaded([shown[:2, :5], places[:2, :1] * 0]).shape == (2, 1, 9)  # shorter texts fit as well


def test_a_sequence_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="the sequences have 7 places, the model has positions for 6: cut them"):
        Positions(6)(X)
    model = masked_language_model(9, 6, width=8, blocks=1, heads=2)
    with pytest.raises(ValueError, match="the sequences have 8 places, the model has positions for 6: cut them"):
        model([TOKENS.astype("int32"), np.zeros((40, 1), "int32")])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), None, "0.15"])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ValueError, match=r"share is .*more than 0 and less than 1"):
        mask_words(TOKENS, 9, share=share)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mask_words(TOKENS, 5), r"tokens lie in \[0, 8\]: expected \[0, 4\]"),
        (lambda: mask_words(TOKENS / 9, 9), "type float64: expected whole numbers"),
        (lambda: mask_words(TOKENS[0], 9), r"shape \(8,\)"),
        (lambda: mask_words(TOKENS, 0), "words is 0"),
        (lambda: SelfAttention(0), "heads is 0"),
        (lambda: SelfAttention(2, left=-1), "left -1"),
        (lambda: SelfAttention(5)(X), "5 heads cannot share a width of 12"),
        (lambda: Positions(0), "longest is 0"),
        (lambda: SelfAttention(2, longest=0), "longest is 0"),
        (lambda: SelfAttention(2, longest=6)(X), "7 places, the model has positions for 6"),
        (lambda: TiedEmbedding(4, 0), "width 0"),
        (lambda: replace_head(filled(SelfAttention(3)), 3, np.zeros(4)), "head 3 .*one of 3 heads"),
        (lambda: replace_head(filled(SelfAttention(3)), 0, np.zeros(3)), r"shape \(3,\).* 4 numbers"),
        (lambda: NeighbourCounts(TOKENS, 9, trust=0), "trust is 0"),
        (lambda: NeighbourCounts(TOKENS, 9, [(-1, 0)]), "none of them the word itself"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_counts_of_neighbours_are_those_of_counting_by_hand():
    counted = NeighbourCounts(TOKENS, 9, [(-1, 1), (-1,)], trust=2.0)
    padded = [[9, *row, 9] for row in TOKENS.tolist()]
    spots = list(itertools.product(range(40), range(1, 9)))
    both = Counter((padded[r][c - 1], padded[r][c + 1], padded[r][c]) for r, c in spots)
    left = Counter((padded[r][c - 1], padded[r][c]) for r, c in spots)
    alone = Counter(TOKENS.ravel().tolist())
    a, b = 4, 7  # the words on both sides of the blank
    for word in range(9):
        after_a, between = (
            sum(n for key, n in table.items() if key[:-1] == context)
            for table, context in ((left, (a,)), (both, (a, b)))
        )
        one = (left[a, word] + 2 * alone[word] / 320) / (after_a + 2)
        two = (both[a, b, word] + 2 * one) / (between + 2)
        guess = counted.predict(np.array([[a, 0, b]]), np.array([[1]]))
        assert guess[0, 0, word] == pytest.approx(two)
    assert guess.sum() == pytest.approx(1)


def test_counts_alone_are_the_frequencies_of_the_words():
    counted = NeighbourCounts(TOKENS, 9)
    np.testing.assert_allclose(counted.predict(TOKENS, np.zeros((40, 2), int))[3, 1], np.bincount(TOKENS.ravel()) / 320)


def test_scores_of_blanks():
    guesses = np.full((4, 8), 0.02)
    guesses[:, :3] = 0.5, 0.3, 0.1
    found = blank_scores(guesses, np.array([0, 0, 1, 7]))
    assert found == pytest.approx((-np.log([0.5, 0.5, 0.3, 0.02]).mean(), 0.5, 0.75))
    assert blank_scores(np.eye(8), np.roll(np.arange(8), 1)).loss == pytest.approx(-np.log(1e-9))
    with pytest.raises(ValueError, match=r"answers \(3,\): expected \(n, words\) and \(n,\)"):
        blank_scores(guesses, np.zeros(3, int))
    with pytest.raises(ValueError, match="are no probabilities: expected a softmax"):
        blank_scores(2 * guesses, np.zeros(4, int))

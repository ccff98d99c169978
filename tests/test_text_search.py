"""Text search: the text autoencoder, BM25, and searches that leave out a query's own file."""

import keras
import numpy as np
import pytest
from scipy.sparse import csr_array

from aelib.measures import bm25_weights, most_alike, nearest
from aelib.models import text_autoencoder

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(0.7, size=(12, 9)) + np.eye(12, 9, dtype=int)
COUNTS[COUNTS.sum(axis=1) == 0, 0] = 1
SHARES = (COUNTS / COUNTS.sum(axis=1, keepdims=True)).astype("float32")


# ---- the autoencoder ----


def test_the_output_is_a_probability_for_each_word():
    model = text_autoencoder(SHARES, (6, 5), 3)
    codes, words = np.asarray(model.encoder(SHARES)), np.asarray(model(SHARES))
    assert codes.shape == (12, 3) and words.shape == SHARES.shape and words.min() >= 0
    np.testing.assert_allclose(words.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(words, model.decoder(codes), atol=1e-6)


def test_the_layers_are_mirrored():
    model = text_autoencoder(np.full((3, 2000), 1 / 2000), (500, 250, 125), 10)
    layers = (*model.encoder.layers, *model.decoder.layers)
    units = [layer.units for layer in layers if hasattr(layer, "units")]
    assert units == [500, 250, 125, 10, 125, 250, 500, 2000]


def test_without_a_code_the_answer_is_the_mean_text():
    """A code of 0 meets biases of 0 alone, but for the last layer's."""
    mean = SHARES.mean(axis=0)
    model = text_autoencoder(SHARES, (6,), 2)
    np.testing.assert_allclose(model.decoder(np.zeros((1, 2)))[0], mean, atol=1e-5)


def test_training_lowers_the_cross_entropy_towards_the_texts_own():
    keras.utils.set_random_seed(0)
    model = text_autoencoder(SHARES, (32,), 8)
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy")
    before = model.evaluate(SHARES, SHARES, verbose=0)
    model.fit(SHARES, SHARES, epochs=150, batch_size=12, verbose=0)
    after = model.evaluate(SHARES, SHARES, verbose=0)
    least = -np.sum(SHARES * np.log(np.maximum(SHARES, 1e-9)), axis=1).mean()  # p̂ = p
    assert least <= after < least + 0.5 * (before - least)


def test_it_is_saved_and_loaded(tmp_path):
    model = text_autoencoder(SHARES, (6,), 2)
    model.save(tmp_path / "text.keras")
    again = keras.models.load_model(tmp_path / "text.keras")
    np.testing.assert_allclose(again.encoder(SHARES), model.encoder(SHARES), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SHARES[0], (6,), 2), r"shares have the shape \(9,\): expected \(texts, words\)"),
        ((SHARES[:0], (6,), 2), r"shares have the shape \(0, 9\)"),
        ((COUNTS, (6,), 2), r"their sums from .*divide each text's counts by their sum"),
        (([[1.5, -0.5]], (6,), 2), r"go down to -0.5"),
        (([[np.nan, 1]], (6,), 2), r"expected 0 or more, and sums of 1"),
        (([[0.5, 0.5]], (6, 0), 2), r"hidden is \(6, 0\), code_size 2: expected whole numbers"),
        (([[0.5, 0.5]], (6,), 2.5), r"code_size 2.5"),
        (([[0.5, 0.5]], (6,), 2, -1), r"noise is -1: expected a standard deviation"),
    ],
)
def test_bad_shares_and_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        text_autoencoder(*arguments)


def test_words_are_hidden_and_codes_are_noisy_in_training_alone():
    model = text_autoencoder(SHARES, (6,), 2, noise=0.5)
    np.testing.assert_array_equal(model(SHARES), model(SHARES))
    assert not np.array_equal(model.encoder(SHARES, training=True), model.encoder(SHARES, training=True))
    codes = np.zeros((4000, 2), "float32")
    noisy = model.decoder.layers[1](codes, training=True)
    assert np.std(np.asarray(noisy)) == pytest.approx(0.5, rel=0.05)


# ---- BM25 ----


def test_bm25_is_its_formula():
    weights = bm25_weights(csr_array(COUNTS), 1.5, 0.6).toarray()
    lengths = COUNTS.sum(axis=1)
    for document, word in np.ndindex(COUNTS.shape):
        count, having = COUNTS[document, word], (COUNTS[:, word] > 0).sum()
        rarity = np.log(1 + (12 - having + 0.5) / (having + 0.5))
        longer = 1.5 * (1 - 0.6 + 0.6 * lengths[document] / lengths.mean())
        assert weights[document, word] == pytest.approx(rarity * count * 2.5 / (count + longer))


def test_with_b_of_0_a_document_written_twice_over_gains_by_saturation_alone():
    once, twice = (bm25_weights(csr_array(COUNTS * n), 1.2, 0).toarray() for n in (1, 2))
    present = COUNTS > 0
    assert (twice[present] > once[present]).all() and (twice[present] < 2 * once[present]).all()
    alone, written = (bm25_weights(csr_array(COUNTS * n), 1e-9, 0).toarray() for n in (1, 2))
    np.testing.assert_allclose(alone, written, rtol=1e-6)  # k1 near 0: a word is there or not


def test_bm25_refuses_bad_input():
    with pytest.raises(ValueError, match="not a sparse matrix"):
        bm25_weights(COUNTS)
    with pytest.raises(ValueError, match="b is 2"):
        bm25_weights(csr_array(COUNTS), b=2)
    with pytest.raises(ValueError, match=r"document 1 has no word"):
        bm25_weights(csr_array([[1, 2], [0, 0]]))


# ---- the most alike, without some ----


def test_without_barred_items_the_most_alike_are_the_nearest():
    database, queries = RNG.normal(size=(40, 5)), RNG.normal(size=(6, 5))
    alike = -np.square(queries[:, None] - database).sum(axis=2)
    np.testing.assert_array_equal(most_alike(alike, 7), nearest(queries, database, 7))


def test_barred_items_are_never_found_and_the_others_keep_their_order():
    alike = np.array([[0.1, 0.9, 0.5, 0.6, 0.2]])
    assert most_alike(alike, 5).tolist() == [[1, 3, 2, 4, 0]]
    assert most_alike(alike, 3, alike == 0.9).tolist() == [[3, 2, 4]]


def test_too_few_items_and_other_shapes_are_refused():
    alike = np.ones((2, 3))
    with pytest.raises(ValueError, match="k is 3, a query has 2 items that are not barred"):
        most_alike(alike, 3, np.eye(2, 3, dtype=bool))
    with pytest.raises(ValueError, match=r"barred is \(2, 2\) of bool"):
        most_alike(alike, 1, np.eye(2, dtype=bool))
    with pytest.raises(ValueError, match=r"\(2, 3\) of int64"):
        most_alike(alike, 1, np.zeros((2, 3), "int64"))

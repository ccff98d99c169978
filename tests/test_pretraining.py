"""Layer-wise pretraining: the parts share their layers with the whole; few labels, against closed forms."""

import keras
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from aelib.models import (
    GaussianCorruption,
    add_classifier,
    conv_autoencoder,
    draw_labelled,
    inner_autoencoder,
    neighbour_graph,
    outer_autoencoder,
    sparse_autoencoder,
    spread_labels,
    stacked_autoencoder,
)

SHAPE = (6, 5, 1)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, *SHAPE)).astype("float32")
HIDDEN, CODE = (9, 7), 3
WIDTHS = (30, *HIDDEN, CODE)  # what level l receives, and at the next place what it makes


def stacked(**options):
    return stacked_autoencoder(SHAPE, HIDDEN, CODE, activation="tanh", **options)


def by_hand(weights, x, activations):
    """Dense layers one after the other; `weights`: kernel, bias, kernel, bias, …"""
    x = x.reshape(len(x), -1).astype("float64")
    for kernel, bias, activation in zip(weights[::2], weights[1::2], activations, strict=True):
        x = activation(x @ kernel + bias)
    return x


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def identity(a):
    return a


# ---- the autoencoders inside ----


@pytest.mark.parametrize("level", [1, 2, 3])
def test_inner_autoencoder_is_one_level_of_the_stacked_one(level):
    model = stacked()
    inner = inner_autoencoder(model, level)
    received = RNG.normal(size=(8, WIDTHS[level - 1])).astype("float32")
    weights = model.get_weights()
    down, up = weights[2 * level - 2 : 2 * level], weights[-2 * level :][:2]
    expected = by_hand(down, received, [identity if level == 3 else np.tanh])
    np.testing.assert_allclose(np.asarray(inner.encoder(received)), expected, rtol=1e-4, atol=1e-5)
    expected = by_hand(up, expected, [sigmoid if level == 1 else np.tanh])
    np.testing.assert_allclose(np.asarray(inner(received)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_training_the_inner_one_moves_this_level_of_the_stacked_one_and_no_other(level):
    model = stacked()
    inner = inner_autoencoder(model, level)
    before = model.get_weights()
    inner.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    received = RNG.random((12, WIDTHS[level - 1])).astype("float32")
    inner.fit(received, received, epochs=2, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    own = {2 * level - 2, 2 * level - 1, len(before) - 2 * level, len(before) - 2 * level + 1}
    assert moved == [place in own for place in range(len(before))]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_outer_autoencoder_is_the_outermost_levels(level):
    model = stacked()
    outer = outer_autoencoder(model, level)
    weights = model.get_weights()
    codes = by_hand(weights[: 2 * level], IMAGES, [*[np.tanh] * 2, identity][:level])
    np.testing.assert_allclose(np.asarray(outer.encoder(IMAGES)), codes, rtol=1e-4, atol=1e-5)
    rebuilt = by_hand(weights[-2 * level :], codes, [np.tanh, np.tanh, sigmoid][-level:])
    assert outer(IMAGES).shape == IMAGES.shape
    np.testing.assert_allclose(np.asarray(outer(IMAGES)).reshape(12, -1), rebuilt, rtol=1e-4, atol=1e-5)


def test_outer_autoencoder_of_the_top_level_is_the_whole_and_trains_it():
    model = stacked(mean=IMAGES.mean(axis=0))
    outer = outer_autoencoder(model, 3)
    np.testing.assert_allclose(np.asarray(outer(IMAGES)), np.asarray(model(IMAGES)), rtol=1e-6)
    outer.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    before = model.get_weights()
    outer.fit(IMAGES, IMAGES, verbose=0)
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    np.testing.assert_allclose(np.asarray(outer(IMAGES)), np.asarray(model(IMAGES)), rtol=1e-6)


@pytest.mark.parametrize("level", [2, 3])
def test_inner_within_outer_is_the_next_outer(level):
    """The outer autoencoder of a level is that of the level below, with the inner one between encoder and decoder."""
    model = stacked()
    below, inner = outer_autoencoder(model, level - 1), inner_autoencoder(model, level)
    composed = below.decoder(inner(below.encoder(IMAGES)))
    np.testing.assert_allclose(
        np.asarray(composed), np.asarray(outer_autoencoder(model, level)(IMAGES)), rtol=1e-5, atol=1e-6
    )


def test_a_model_of_one_level_is_its_own_outer_and_inner():
    model = stacked_autoencoder(SHAPE, (), 4)
    flat = np.asarray(inner_autoencoder(model, 1)(IMAGES.reshape(12, -1)))
    np.testing.assert_allclose(flat.reshape(IMAGES.shape), np.asarray(model(IMAGES)), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(outer_autoencoder(model, 1)(IMAGES)), np.asarray(model(IMAGES)), rtol=1e-6)


@pytest.mark.parametrize("part", [inner_autoencoder, outer_autoencoder])
def test_levels_that_are_not_there_are_refused(part):
    for level in (0, -1, 4):
        with pytest.raises(ValueError, match=rf"level is {level}, and the model has 3 dense .* a level from 1 to 3"):
            part(stacked(), level)
    with pytest.raises(ValueError, match=r"3 dense layers down and 0 up: expected an untied stacked_autoencoder"):
        part(stacked(tied=True), 1)


@pytest.mark.parametrize("part", [inner_autoencoder, outer_autoencoder])
@pytest.mark.parametrize(
    ("model", "found"),
    [
        (lambda: sparse_autoencoder(SHAPE, 8, mean=IMAGES.mean(axis=0)), "Rescaling"),
        (lambda: sparse_autoencoder(SHAPE, 8, k=3), "KSparse, Rescaling"),
        (lambda: stacked(corruption=GaussianCorruption(0.5)), "GaussianCorruption"),
        (lambda: conv_autoencoder(SHAPE, (2,), 3, pooling=False), "Activation, Conv2D, Conv2DTranspose"),
    ],
)
def test_layers_that_would_be_lost_are_refused(part, model, found):
    """Only the dense layers are taken: a mean that the model subtracts, or a noise, would be dropped silently."""
    with pytest.raises(ValueError, match=f"found {found}.* beside the dense layers: expected a plain"):
        part(model(), 1)


# ---- the classifier ----


def test_classifier_starts_undecided_and_shares_the_encoder():
    model = stacked()
    network = add_classifier(model.encoder, 5)
    np.testing.assert_allclose(np.asarray(network(IMAGES)), np.full((12, 5), 1 / 5), rtol=1e-6)
    assert all(layer in network.layers for layer in model.encoder.layers)
    network.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", jit_compile=False)
    labels = np.arange(12) % 5
    before = model.get_weights()
    network.fit(IMAGES, labels, epochs=2, verbose=0)  # in the first step the new layer alone has a gradient
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved == [place < 6 for place in range(12)]  # the encoder's three kernels and biases, not the decoder's


def test_classifier_of_a_frozen_encoder_trains_its_last_layer_alone():
    model = stacked()
    model.encoder.trainable = False
    network = add_classifier(model.encoder, 5)
    network.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", jit_compile=False)
    before = model.get_weights()
    network.fit(IMAGES, np.arange(12) % 5, epochs=2, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.ptp(np.asarray(network(IMAGES))) > 0


@pytest.mark.parametrize("classes", [1, 0, -3])
def test_classifier_refuses_fewer_than_two_classes(classes):
    with pytest.raises(ValueError, match=rf"classes is {classes}: a classifier needs at least 2"):
        add_classifier(stacked().encoder, classes)


# ---- few labels ----


def graph_by_hand(codes, neighbours):
    flat = np.asarray(codes, "float64").reshape(len(codes), -1)
    distance = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :neighbours]
    median = np.median(np.take_along_axis(distance, nearest, axis=1))
    graph = np.zeros_like(distance)
    for i, row in enumerate(nearest):
        for j in row:
            graph[i, j] = graph[j, i] = np.exp(-((distance[i, j] / median) ** 2))
    return graph


@pytest.mark.parametrize("neighbours", [1, 4, 29])
@pytest.mark.parametrize("shape", [(30, 3), (30, 2, 2, 1)])
def test_neighbour_graph_is_the_loop(shape, neighbours):
    codes = np.random.default_rng(1).normal(size=shape)
    graph = neighbour_graph(codes, neighbours)
    expected = graph_by_hand(codes, neighbours)
    np.testing.assert_allclose(graph.toarray(), expected, rtol=1e-5)
    assert graph.nnz == (expected > 0).sum()
    np.testing.assert_array_equal(graph.toarray(), graph.toarray().T)


def test_neighbour_graph_does_not_depend_on_the_scale():
    codes = np.random.default_rng(1).normal(size=(30, 3))
    np.testing.assert_allclose(neighbour_graph(1000 * codes).toarray(), neighbour_graph(codes).toarray(), rtol=1e-5)


def test_neighbour_graph_of_equal_codes_is_finite():
    graph = neighbour_graph(np.ones((6, 2)), 2)
    assert np.isfinite(graph.data).all() and graph.data.max() == 1


def test_neighbour_graph_refuses_impossible_input():
    for neighbours in (0, -1, 6, 7):
        with pytest.raises(ValueError, match=rf"neighbours is {neighbours}: 6 codes allow 1 to 5"):
            neighbour_graph(np.zeros((6, 2)), neighbours)
    with pytest.raises(ValueError, match=r"codes hold 1 values that are NaN"):
        neighbour_graph(np.array([[0.0], [1.0], [np.nan], [2.0]]), 1)


def two_clusters(apart, n=30):
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + apart]), np.repeat([4, 7], n)


def test_labels_spread_through_separated_clusters_from_one_label_each():
    codes, classes = two_clusters(apart=20)
    known = np.full(60, -1)
    known[[3, 40]] = classes[[3, 40]]
    np.testing.assert_array_equal(spread_labels(neighbour_graph(codes), known), classes)


def test_spread_labels_is_the_closed_form():
    """Zhou et al. 2004: F = (I − αS)⁻¹ Y with S = D^(−1/2) W D^(−1/2)."""
    codes, classes = two_clusters(apart=1.5)
    known = np.full(60, -1)
    known[[3, 5, 20, 40, 50, 55]] = classes[[3, 5, 20, 40, 50, 55]]
    graph = neighbour_graph(codes)
    degrees = graph.toarray().sum(axis=1)
    smoothed = graph.toarray() / np.sqrt(np.outer(degrees, degrees))
    wanted = (known[:, None] == [4, 7]).astype(float)
    scores = np.linalg.solve(np.eye(60) - 0.9 * smoothed, wanted)
    # scikit-learn iterates until the sums change by less than 0.001: a near tie may fall either way
    clear = np.abs(scores[:, 0] - scores[:, 1]) / scores.sum(axis=1) > 0.02
    assert clear.mean() > 0.9 and set(scores[clear].argmax(axis=1)) == {0, 1}
    expected = np.array([4, 7])[scores.argmax(axis=1)]
    found = spread_labels(graph, known)
    np.testing.assert_array_equal(found[clear], expected[clear])
    assert (expected[clear] != classes[clear]).any()  # the clusters overlap: copying the truth would not pass


def test_a_known_label_may_be_overruled_by_its_neighbours():
    graph = neighbour_graph(two_clusters(apart=20)[0][:30], 5)  # one cluster
    known = np.zeros(30, int)
    amid = graph.sum(axis=1).argmax()
    known[amid] = 1
    assert spread_labels(graph, known)[amid] == 0


@pytest.mark.parametrize("labels", [np.full(6, -1), np.zeros(5, int), np.zeros((6, 1), int), np.array([], int)])
def test_spread_labels_refuses_no_labels_and_wrong_lengths(labels):
    graph = csr_matrix(np.ones((6, 6)))
    known = int((labels >= 0).sum())
    with pytest.raises(ValueError, match=rf"found {labels.size} labels, {known} of them known, for 6 nodes: expected"):
        spread_labels(graph, labels)


@pytest.mark.parametrize("per_class", [1, 3, 5])
def test_draw_labelled_draws_as_many_of_each_class(per_class):
    labels = np.random.default_rng(0).permutation(np.repeat([2, 5, 6], [5, 9, 30]))
    places = draw_labelled(labels, per_class, seed=1)
    assert len(set(places)) == len(places) == 3 * per_class
    assert np.unique(labels[places], return_counts=True)[1].tolist() == [per_class] * 3
    np.testing.assert_array_equal(draw_labelled(labels, per_class, seed=1), places)
    if per_class < 5:
        assert not np.array_equal(draw_labelled(labels, per_class, seed=2), places)


def test_draw_labelled_draws_every_image_sooner_or_later():
    labels = np.repeat([0, 1], 4)
    drawn = {place for seed in range(40) for place in draw_labelled(labels, 1, seed).tolist()}
    assert drawn == set(range(8))


def test_draw_labelled_refuses_more_than_there_are():
    labels = np.repeat([0, 1], [4, 2])
    for per_class in (0, -1, 3):
        with pytest.raises(ValueError, match=rf"per_class is {per_class}: the smallest class allows 1 to 2"):
            draw_labelled(labels, per_class, seed=0)
    with pytest.raises(ValueError, match=r"per_class is 1: the smallest class allows 1 to 0"):
        draw_labelled(np.array([], int), 1, seed=0)

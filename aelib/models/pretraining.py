"""Layer-wise pretraining: the shallow autoencoders inside a stacked one, and what to do with few labels.

Introduced in chapter 03.
"""

import keras
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelSpreading

from aelib.models.autoencoder import Autoencoder
from aelib.validate import check_finite


def inner_autoencoder(stacked: Autoencoder, level: int) -> Autoencoder:
    """The shallow autoencoder of one level: what it receives, `h_(level−1)`, to `h_level` and back.

    `level`: 1 for the layer at the input, up to the number of encoder layers. Its layers are those of `stacked`, not
    copies: training it trains them. Bengio et al. 2007 (NIPS 19). Raises `ValueError` for a level that is not there,
    and for a model that has other layers than dense ones.
    """
    down, up = _levels(stacked, level)
    received = keras.Input((down[level - 1].kernel.shape[0],))
    code = keras.Input((down[level - 1].units,))
    encoder = keras.Model(received, down[level - 1](received), name=f"encoder_{level}")
    return Autoencoder(encoder, keras.Model(code, up[-level](code), name=f"decoder_{level}"))


def outer_autoencoder(stacked: Autoencoder, level: int) -> Autoencoder:
    """The outermost `level` levels of `stacked` as an autoencoder of images, with the same layers, not copies.

    Its code is `h_level`. Raises `ValueError` for a level that is not there, and for a model that has other layers
    than dense ones: they would be lost.
    """
    down, up = _levels(stacked, level)
    x = inputs = keras.Input(stacked.encoder.input_shape[1:])
    for layer in [keras.layers.Flatten(), *down[:level]]:
        x = layer(x)
    encoder = keras.Model(inputs, x, name=f"outer_encoder_{level}")
    x = code = keras.Input((down[level - 1].units,))
    for layer in [*up[-level:], keras.layers.Reshape(stacked.decoder.output_shape[1:])]:
        x = layer(x)
    return Autoencoder(encoder, keras.Model(code, x, name=f"outer_decoder_{level}"))


def _levels(stacked: Autoencoder, level: int) -> tuple[list, list]:
    """The dense layers of encoder and decoder, each from its input to its output."""
    down, up = (
        [layer for layer in part.layers if isinstance(layer, keras.layers.Dense)]
        for part in (stacked.encoder, stacked.decoder)
    )
    if len(down) != len(up) or not 1 <= level <= len(down):
        raise ValueError(
            f"level is {level}, and the model has {len(down)} dense layers down and {len(up)} up: expected an untied "
            f"stacked_autoencoder, and a level from 1 to {len(down)}"
        )
    plain = (keras.layers.InputLayer, keras.layers.Flatten, keras.layers.Dense, keras.layers.Reshape)
    layers = [*stacked.encoder.layers, *stacked.decoder.layers]
    others = sorted({type(layer).__name__ for layer in layers if not isinstance(layer, plain)})
    if others:
        raise ValueError(
            f"found {', '.join(others)} beside the dense layers: expected a plain stacked_autoencoder, because only "
            "dense layers are taken from it"
        )
    return down, up


def add_classifier(encoder: keras.Model, classes: int) -> keras.Model:
    """A softmax layer on top of `encoder`, with its layers, not copies: images to probabilities `(n, classes)`.

    The new layer starts at zero: every class is equally likely at first. Raises `ValueError` for fewer than 2 classes.
    """
    if classes < 2:
        raise ValueError(f"classes is {classes}: a classifier needs at least 2, as in len(data.class_names)")
    output = keras.layers.Dense(classes, "softmax", kernel_initializer="zeros", name="classes")
    return keras.Model(encoder.input, output(encoder.output), name="classifier")


def neighbour_graph(codes, neighbours: int = 5) -> csr_matrix:
    """The graph of the `neighbours` nearest codes of each code: `(n, n)`, sparse and symmetric, weights exp(−d²/m²).

    `codes`: `(n, …)`. d: Euclidean distance; m: the median of those distances. Raises `ValueError` for NaN, and
    unless `neighbours` is from 1 to n − 1.
    """
    flat = check_finite(codes, "codes").reshape(len(codes), -1)
    if not 1 <= neighbours < len(flat):
        raise ValueError(f"neighbours is {neighbours}: {len(flat)} codes allow 1 to {len(flat) - 1}")
    graph = kneighbors_graph(flat, neighbours, mode="distance")
    graph.data = np.exp(-np.square(graph.data / max(np.median(graph.data), 1e-12)))
    return graph.maximum(graph.T).tocsr()


def spread_labels(graph: csr_matrix, labels) -> np.ndarray:
    """A label for every node of `graph`, spread from the few that are known: `labels` `(n,)`, −1 where unknown.

    Zhou et al. 2004 (NIPS 16), by `sklearn.semi_supervised.LabelSpreading`. A known label may be overruled by its
    neighbours. Raises `ValueError` for lengths that differ, and if no label is known.
    """
    labels = np.asarray(labels)
    if labels.shape != (graph.shape[0],) or labels.max(initial=-1) < 0:
        raise ValueError(
            f"found {labels.size} labels, {int((labels >= 0).sum())} of them known, for {graph.shape[0]} nodes: "
            "expected one a node, −1 where it is unknown, and at least one that is known"
        )
    places = np.arange(len(labels))[:, None]  # the graph is all that the method needs to know of the codes
    spreading = LabelSpreading(kernel=lambda *_: graph, alpha=0.9, max_iter=500)
    return spreading.fit(places, labels).transduction_


def draw_labelled(labels, per_class: int, seed: int) -> np.ndarray:
    """The places of `per_class` images of every class, drawn at random: `(classes · per_class,)`.

    `labels`: `(n,)`. Raises `ValueError` if a class has fewer images.
    """
    labels = np.asarray(labels)
    values, counts = np.unique(labels, return_counts=True)
    if not 1 <= per_class <= min(counts, default=0):
        raise ValueError(f"per_class is {per_class}: the smallest class allows 1 to {min(counts, default=0)}")
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(np.flatnonzero(labels == value), per_class, replace=False) for value in values])

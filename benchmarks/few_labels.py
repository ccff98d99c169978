"""Part 4: classification of MNIST with 100, 600, 1,000 and 3,000 labels.

Chapter 03's way, at full size: an encoder learns to undo deformations, labels spread over the neighbourhood of its
codes. Then a classifier learns from all images and the labels that were spread to them, so that unseen images need no
neighbours.
"""

import time

import keras
import numpy as np

from aelib.data import deformed_copies, load
from aelib.models import add_classifier, draw_labelled, neighbour_graph, spread_labels, stacked_autoencoder
from aelib.training import budget, one_cycle, restart, seed_everything

from .report import table

TITLE = "Published: few labels"
SOURCE = "M1+TSVM, M1+M2: Kingma et al. 2014 (arXiv:1406.5298); ladder network: Rasmus et al. 2015 (arXiv:1507.02672)"
LABELS, DRAWS = (100, 600, 1000, 3000), 3
COPIES, HIDDEN, CODES = 4, (1000, 500), 50
PUBLISHED = {"M1+TSVM": (11.82, 5.72, 4.24, 3.49), "M1+M2": (3.33, 2.59, 2.40, 2.18), "ladder network": (1.06,)}


def restoring_encoder(images: np.ndarray, copies: np.ndarray) -> keras.Model:
    """The encoder of an autoencoder that is shown deformed copies and asked for the originals."""
    model = stacked_autoencoder(images.shape[1:], HIDDEN, CODES, activation="silu", mean=images.mean(axis=0))
    epochs, steps = budget(len(copies), 250, len(copies) * 5)
    optimizer = keras.optimizers.Adam(one_cycle(0.003, steps), beta_2=0.99)
    model.compile(optimizer, "mse", jit_compile=False, steps_per_execution=16)
    originals = np.tile(images, (len(copies) // len(images), 1, 1, 1))
    model.fit(copies, originals, batch_size=250, epochs=epochs, verbose=0)
    return model.encoder


def run(say, quick: bool = False) -> dict:
    """Test error in per cent, by number of labels: one a draw, of the labels spread and of the classifier."""
    data = load("mnist")
    images = np.concatenate([data.x_train, data.x_valid])
    labels = np.concatenate([data.y_train, data.y_valid])
    began = time.perf_counter()
    seed_everything(0)
    copies = deformed_copies(images, COPIES, seed=0)
    encoder = restoring_encoder(images, copies)
    say(f"encoder: {time.perf_counter() - began:.0f} s")
    codes = encoder.predict(images, batch_size=500, verbose=0)
    graph = neighbour_graph(codes)
    say(f"graph: {time.perf_counter() - began:.0f} s")
    network = add_classifier(encoder, 10)
    epochs, steps = budget(len(copies), 250, len(copies))
    optimizer = keras.optimizers.Adam(one_cycle(0.002, steps), beta_2=0.99)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    network.compile(optimizer, loss, jit_compile=False, steps_per_execution=16)
    start, errors = network.get_weights(), {}
    for count in LABELS:
        for draw in range(DRAWS):
            drawn = draw_labelled(labels, count // 10, seed=draw)
            known = np.where(np.isin(np.arange(len(labels)), drawn), labels, -1)
            spread = spread_labels(graph, known)
            spread[drawn] = labels[drawn]
            restart(network, start)
            network.fit(copies, np.eye(10)[np.tile(spread, COPIES)], batch_size=250, epochs=epochs, verbose=0)
            guess = network.predict(data.x_test, batch_size=500, verbose=0).argmax(axis=1)
            row = [float(100 * np.mean(spread != labels)), float(100 * np.mean(guess != data.y_test))]
            errors.setdefault(str(count), []).append(row)
            say(f"{count} labels, draw {draw}: {row[0]:.2f} % of the spread labels wrong, test error {row[1]:.2f} %")
    return {"errors": errors, "seconds": time.perf_counter() - began}


def report(result: dict) -> str:
    """One table."""
    head = ["test error, %", *(f"{count:,} labels" for count in LABELS)]
    rows = []
    for name, column in (("here: labels spread over codes, training images", 0), ("**here: classifier**", 1)):
        cells = []
        for count in LABELS:
            values = np.array(result["errors"][str(count)])[:, column]
            cells.append(f"{values.mean():.2f} ± {values.std(ddof=1):.2f}")
        rows.append([name, *cells])
    for name, values in PUBLISHED.items():
        rows.append([name, *(f"{value:.2f}" for value in values), *[""] * (len(LABELS) - len(values))])
    return (
        f"Mean and standard deviation of {DRAWS} draws of the labels, as many of each class; all 60,000 training "
        f"images without their labels; 10,000 test images. {result['seconds']:.0f} s in all. The encoder and the "
        "classifier here see deformed copies: they are told that a digit remains what it is when it is turned and "
        "shifted a little, which the published methods are not. "
        f"{SOURCE}.\n\n{table(head, rows)}"
    )

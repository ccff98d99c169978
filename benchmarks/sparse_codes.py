"""Part 4: what a linear classifier makes of k-sparse codes."""

import time

import keras
import numpy as np

from aelib.data import load
from aelib.models import KSparse, sparse_autoencoder
from aelib.training import budget, one_cycle, seed_everything

from .report import table

TITLE = "Published: a linear classifier on sparse codes"
SOURCE = "Makhzani & Frey 2013 (arXiv:1312.5663), about"
UNITS = 1000
PUBLISHED = {40: "1.54", 25: "1.35", 10: "2.10"}
SHOWN = 1_200_000


def k_sparse(images: np.ndarray, k: int):
    """1,000 units of which the k largest are kept, with tied kernels."""
    model = sparse_autoencoder(
        images.shape[1:], UNITS, k=k, code_activation=None, tied=True, mean=images.mean(axis=0)
    )  # fmt: skip
    epochs, steps = budget(len(images), 100, SHOWN)
    optimizer = keras.optimizers.Adam(one_cycle(0.005, steps), beta_2=0.99)
    model.compile(optimizer, "mse", jit_compile=False, steps_per_execution=16)
    model.fit(images, images, batch_size=100, epochs=epochs, verbose=0)
    return model


def linear_error(train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    """Test error, in per cent, of a softmax layer on codes `(n, d)`, centred and brought to one scale."""
    centre, scale = train.mean(axis=0), np.sqrt(50 / train.var(axis=0).sum())
    decay = keras.regularizers.L2(1e-5)
    output = keras.layers.Dense(10, "softmax", kernel_initializer="zeros", kernel_regularizer=decay)
    network = keras.Sequential([keras.Input(train.shape[1:]), output])
    epochs, steps = budget(len(train), 250, 20 * len(train))
    optimizer = keras.optimizers.Adam(one_cycle(0.01, steps), beta_2=0.99)
    network.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False, steps_per_execution=16)
    network.fit(scale * (train - centre), labels, batch_size=250, epochs=epochs, verbose=0)
    guess = network.predict(scale * (test - centre), batch_size=500, verbose=0).argmax(axis=1)
    return float(100 * np.mean(guess != test_labels))


def run(say, quick: bool = False) -> dict:
    """Pixels, and codes of three sparsities, of which three times as many values are kept as in training."""
    data = load("mnist")
    images, labels = np.concatenate([data.x_train, data.x_valid]), np.concatenate([data.y_train, data.y_valid])
    seed_everything(0)
    began = time.perf_counter()
    flat = [x.reshape(len(x), -1) for x in (images, data.x_test)]
    errors = {"pixels": linear_error(flat[0], labels, flat[1], data.y_test)}
    say(f"pixels: {errors['pixels']:.2f} %")
    for k in PUBLISHED:
        model = k_sparse(images, k)
        linear = model.encoder.get_layer("code").output
        for keep in (k, 3 * k):
            encoder = keras.Model(model.encoder.input, KSparse(keep)(linear))
            codes = [encoder.predict(x, batch_size=500, verbose=0) for x in (images, data.x_test)]
            errors[f"{k}, {keep}"] = linear_error(codes[0], labels, codes[1], data.y_test)
            say(f"k = {k}, {keep} kept: {errors[f'{k}, {keep}']:.2f} %")
        keras.backend.clear_session()
    return {"errors": errors, "seconds": time.perf_counter() - began}


def report(result: dict) -> str:
    """One table."""
    errors = result["errors"]
    rows = [["pixels", f"{errors['pixels']:.2f}", "", "about 7.2"]]
    for k, published in PUBLISHED.items():
        rows.append([f"k = {k}", f"{errors[f'{k}, {k}']:.2f}", f"{errors[f'{k}, {3 * k}']:.2f}", published])
    return (
        f"Test error in per cent of logistic regression on the codes, {UNITS:,} units, all 60,000 labels, 10,000 test "
        f"images, {result['seconds']:.0f} s in all. Published: {SOURCE}.\n\n"
        f"{table(['', 'k kept', '3 k kept', 'published'], rows)}"
    )

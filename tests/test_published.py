"""The benchmarks' errors against what `evaluate` computes, and their published parts, run whole on a few digits."""

import contextlib
import dataclasses
import json

import keras
import numpy as np
import pytest

from aelib.data import Dataset, load, make_shapes
from aelib.training import budget
from benchmarks import deep_autoencoder, denoising, disentanglement, few_labels, likelihood, sparse_codes
from benchmarks.families import FAMILIES

FAMILY = {family.name: family for family in FAMILIES}
IMAGES = np.random.default_rng(0).random((32, 28, 28, 1)).astype("float32")


# ---- errors ----


@pytest.mark.parametrize("which", ["textbook", "course"])
@pytest.mark.parametrize("name", ["stacked", "tied", "convolutional", "recurrent", "sparse, L1", "sparse, KL"])
def test_an_error_is_the_loss_that_evaluate_computes(name, which):
    """The penalties included. Of the KL ones, the same 32 images again and again: a batch's means are those of all."""
    recipe = getattr(FAMILY[name], which)
    images = recipe.images(np.tile(IMAGES, (3, 1, 1, 1)))
    model = recipe.build(images, 10)
    if name.startswith("sparse") and which == "course":  # its units start at KL's target, where the penalty is nothing
        model.encoder.get_layer("code").bias.assign(np.ones(300))
    error = FAMILY[name].error(model, images)
    assert error == pytest.approx(model.evaluate(images, images, batch_size=32, verbose=0), rel=1e-4)
    if name.startswith("sparse"):
        assert error > 1.02 * FAMILY["stacked"].error(model, images)  # the penalty counts


def test_the_error_of_a_vae_is_the_loss_that_evaluate_computes():
    """With a decoder that is blind to the code, no draw matters."""
    recipe = FAMILY["VAE"].course
    model = recipe.build(IMAGES, 10)
    first = next(layer for layer in model.decoder.layers if layer.weights)
    first.set_weights([np.zeros_like(weights) for weights in first.get_weights()])
    loss = model.evaluate(IMAGES, IMAGES, batch_size=32, verbose=0, return_dict=True)["loss"]
    assert FAMILY["VAE"].error(model, IMAGES) == pytest.approx(loss, rel=1e-4)


def test_the_denoising_error_is_that_of_corrupted_images():
    """A network that copies: the error is the mean square of what was dropped, half of it."""
    inputs = keras.Input((28, 28, 1))
    dropped = keras.Model(inputs, keras.layers.Dropout(0.5)(inputs) * 0.5)  # Dropout doubles what it keeps
    error = FAMILY["denoising"].error(dropped, IMAGES)
    assert error == pytest.approx(0.5 * np.mean(IMAGES**2), rel=0.05)


# ---- the published parts ----


def few() -> Dataset:
    """A hundred digits for training, fifty for each of the other splits."""
    data = load("digits")
    order = np.argsort(data.y_train, kind="stable").reshape(10, -1)[:, :10].ravel()
    splits = [data.x_train[order], data.y_train[order], data.x_valid[:50], data.y_valid[:50]]
    return Dataset("mnist", *splits, data.x_test[:50], data.y_test[:50], data.class_names)


PARTS = {
    deep_autoencoder: {"BATCH": 50, "mixed_if_faster": lambda: contextlib.nullcontext("float32")},
    few_labels: {"LABELS": (20, 30), "PUBLISHED": {"M1": (1.0,)}, "COPIES": 1, "HIDDEN": (20,), "CODES": 5, "DRAWS": 2},
    likelihood: {"EPOCHS": 2, "BATCH": 50, "IMAGES": 10, "SAMPLES": 60},
    sparse_codes: {"UNITS": 60, "PUBLISHED": {5: "1.35"}},
    denoising: {"FEW": 20},
    disentanglement: {"BETAS": (1, 8), "SEEDS": (0, 1), "BATCH": 50},
}


def numbers(value) -> list[float]:
    """All numbers in a result."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__.rpartition(".")[2])
def test_a_published_part_runs_and_reports_what_it_measured(part, monkeypatch):
    """Its tables have a cell for each column, and hold the numbers of the result, which survives being stored."""
    data = few()
    if part is disentanglement:
        shapes = make_shapes(200)
        data = dataclasses.replace(data, x_train=shapes.images)
        monkeypatch.setattr(part, "make_shapes", lambda n, seed: make_shapes(300, seed=seed))
    monkeypatch.setattr(part, "load", lambda name: data)
    if hasattr(part, "budget"):
        monkeypatch.setattr(part, "budget", lambda images, batch, shown: budget(images, batch, min(shown, 300)))
    for name, value in PARTS[part].items():
        monkeypatch.setattr(part, name, value)
    said = []
    result = json.loads(json.dumps(part.run(said.append)))
    assert said and all(isinstance(line, str) for line in said)
    assert np.isfinite(numbers(result)).all()
    text = part.report(result)
    rows = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(rows) >= 4 and len(set(rows)) == 1
    if part not in (few_labels, disentanglement):  # they report the means of several draws
        measured = numbers({key: value for key, value in result.items() if key not in ("seconds", "epochs")})
        assert not [value for value in measured if f"{value:.2f}" not in text]

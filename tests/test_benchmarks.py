"""The benchmarks stay alive: every recipe trains, the counts of operations and the reports are right."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import aelib  # noqa: F401  (first, so that TensorFlow starts quietly)
from aelib.data import Dataset, DatasetError, make_faces
from aelib.measures import train_face_reader
from aelib.models import linear_autoencoder, stacked_autoencoder, style_generator
from benchmarks import adversarial, quality, report, share, styles, textbook
from benchmarks.__main__ import PARTS, main
from benchmarks.families import FAMILIES, Recipe

by_name = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def tiny(n=64) -> np.ndarray:
    return np.random.default_rng(0).random((n, 28, 28, 1)).astype("float32")


@by_name
@pytest.mark.parametrize("which", ["textbook", "course"])
def test_a_recipe_takes_two_steps(family, which):
    recipe: Recipe = getattr(family, which)
    images = recipe.images(tiny(2 * recipe.batch_size))
    model = recipe.build(images, recipe.steps(len(images), 1))
    before = [np.array(variable) for variable in model.trainable_variables]
    history = model.fit(images, images, batch_size=recipe.batch_size, epochs=1, verbose=0).history
    assert int(model.optimizer.iterations) == 2
    assert np.isfinite(history["loss"]).all()
    for variable, then in zip(model.trainable_variables, before, strict=True):
        assert (np.array(variable) != then).any(), variable.path


@by_name
def test_both_recipes_have_the_same_code_size(family):
    sizes = []
    for recipe in (family.textbook, family.course):
        model = recipe.build(recipe.images(tiny()), 2)
        encoder = model.encoder if hasattr(model, "encoder") else model.get_layer("encoder")
        sizes.append(encoder.outputs[0].shape[-1])
    assert sizes[0] == sizes[1]
    assert f"{sizes[0]} codes" in family.task


@pytest.mark.parametrize("build", [adversarial.textbook_gan, adversarial.course_gan])
def test_a_gan_takes_two_steps(build):
    gan = build(2)
    gan.fit(tiny(64), batch_size=32, epochs=1, verbose=0)
    assert int(gan.generator_optimizer.iterations) == int(gan.discriminator_optimizer.iterations) == 2
    samples = gan.generator.predict(np.zeros((2, gan.generator.input_shape[-1])), verbose=0)
    assert samples.shape == (2, 28, 28, 1)
    assert 0 <= samples.min() <= samples.max() <= 1


# ---- time to quality ----


@pytest.mark.parametrize(
    "errors, textbook_seconds, reached, ended",
    [
        ({1: 0.5, 2: 0.3, 3: 0.2}, 100.0, 2, 23),  # 30 s at most, one second an epoch, one for tracing
        ({1: 0.1}, 10.0, 1, 7),
        ({1: 0.5, 2: 0.4, 3: 0.4, 4: 0.4}, 9.0, None, 6),  # given up when it takes more than half as long
    ],
)
def test_the_shortest_schedule_that_is_as_good_counts(monkeypatch, errors, textbook_seconds, reached, ended):
    def train(family, recipe, data, epochs, seed):
        if recipe is family.textbook:
            return quality.Run(epochs, textbook_seconds, 0.3)
        return quality.Run(epochs, 1.0 + epochs, errors.get(epochs, 0.05))

    monkeypatch.setattr(quality, "train", train)
    comparison = quality.compare(FAMILIES[0], None, seed=0)
    assert (comparison.reached and comparison.reached.epochs) == reached
    assert comparison.ended.epochs == ended
    assert comparison.ended.seconds <= textbook_seconds
    assert comparison.ratio == (textbook_seconds / (1 + reached) if reached else 0)


def test_a_run_is_trained_on_the_training_images_and_judged_on_the_others():
    images, labels = tiny(40), np.zeros(40, int)
    data = Dataset("tiny", images, labels, images[:8] / 2, labels[:8], images[:8], labels[:8], ("0",))
    few = quality.first(data, 32)
    np.testing.assert_array_equal(few.x_train, images[:32])
    shown = []

    def build(images, steps):
        model = FAMILIES[0].course.build(images, steps)
        shown.append((images, steps, model))
        return model

    recipe = replace(FAMILIES[0].course, build=build, batch_size=8)
    run = quality.train(FAMILIES[0], recipe, few, 2, seed=0)
    ((trained_on, steps, model),) = shown
    np.testing.assert_array_equal(trained_on, images[:32])
    assert run.epochs == 2 and steps == 8 == int(model.optimizer.iterations)
    assert run.error == pytest.approx(FAMILIES[0].error(model, data.x_valid))


# ---- share of the machine ----


def test_operations_of_dense_layers():
    model = linear_autoencoder((28, 28, 1), 30)
    assert share.operations(model) == 2 * 2 * 784 * 30
    assert share.training_operations(model) == 5 * 2 * 784 * 30  # the first layer needs no gradient of its input
    tied = stacked_autoencoder((28, 28, 1), (100,), 30, tied=True)
    untied = stacked_autoencoder((28, 28, 1), (100,), 30)
    assert share.operations(tied) == share.operations(untied) == 2 * 2 * (784 * 100 + 100 * 30)


def test_operations_of_convolutions():
    down, up = keras.layers.Conv2D(8, 5, strides=2, padding="same"), keras.layers.Conv2DTranspose
    model = keras.Sequential([keras.Input((28, 28, 3)), down, up(3, 5, strides=2, padding="same")])
    one_way = 2 * 5 * 5 * 3 * 8 * 14 * 14
    assert share.operations(model) == 2 * one_way


@pytest.mark.parametrize("both_ways", [False, True])
def test_operations_of_an_lstm(both_ways):
    lstm = keras.layers.LSTM(10)
    model = keras.Sequential([keras.Input((7, 5)), keras.layers.Bidirectional(lstm) if both_ways else lstm])
    assert share.operations(model) == (1 + both_ways) * 7 * 2 * 4 * 10 * (5 + 10)


def test_operations_of_a_gan():
    generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6), keras.layers.Dense(5)])
    discriminator = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    dense = {"g": 2 * (4 * 6 + 6 * 5), "d": 2 * (5 * 3 + 3)}
    first = {"g": 2 * 4 * 6, "d": 2 * 5 * 3}
    of_discriminator = dense["g"] + 2 * (3 * dense["d"] - first["d"])
    of_generator = 3 * dense["g"] - first["g"] + 2 * dense["d"]  # its gradient passes through the other's inputs
    # The generator's step goes forwards and backwards through the discriminator, but not to its weights.
    assert share.gan_operations(generator, discriminator) == of_discriminator + of_generator


def test_a_step_is_measured():
    images = tiny(64)
    setting = share.Setting("tiny", "plain", textbook.stacked, images[..., 0], 16)
    row = share.measure(setting)
    assert row["seconds"] > 0
    assert row["rate"] == pytest.approx(share.training_operations(textbook.stacked()) * 16 / row["seconds"] / 1e9)
    assert 0 <= row["input"] < 1
    assert 0 <= row["optimizer"] < 1


# ---- what is written ----


def test_the_table_of_results_is_what_the_stored_results_say():
    written = (report.FOLDER / "RESULTS.md").read_text("utf-8")
    assert written == report.render(PARTS)


def test_a_part_that_is_run_again_leaves_the_others(tmp_path):
    machine = {"processor": "a processor", "cores": 2, "gigaflops": 100.0, "python": "3", "tensorflow": "2"}
    machine["keras"] = "3"

    class Part:
        TITLE = "A part"

        @staticmethod
        def report(result):
            return f"value {result['value']}"

    for name, value in (("one", 1), ("two", 2), ("one", 3)):
        content = {"quick": False, "date": "2026-01-31", "minutes": 1.0, "machine": machine, "result": {"value": value}}
        report.keep(name, content, tmp_path)
        report.write({"one": Part, "two": Part}, tmp_path)
    text = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert text.index("value 3") < text.index("value 2")
    assert "value 1" not in text
    assert "2 cores, 100 GFLOP/s" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RESULTS.md", "results"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    report.keep("one", {"value": 1}, tmp_path)
    with pytest.raises(TypeError):
        report.keep("one", {"value": object()}, tmp_path)
    assert json.loads((tmp_path / "results" / "one.json").read_text("utf-8")) == {"value": 1}
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["one.json"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["speed"], "no part is called 'speed': the parts are quality, share"),
        (["growth", "--quick"], "growth has no quick form, only quality has: leave QUICK out"),
    ],
)
def test_an_impossible_part_is_refused_before_anything_runs(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_missing_data_set_is_one_sentence(monkeypatch, tmp_path):
    def missing(name):
        raise DatasetError("mnist could not be downloaded")

    monkeypatch.setattr(quality, "load", missing)
    monkeypatch.setattr("benchmarks.__main__.describe", dict)
    with pytest.raises(SystemExit, match=r"^quality: mnist could not be downloaded$"):
        main(["quality"])


# ---- styles ----


def test_without_a_mapping_network_w_is_z_and_no_way_is_longer_than_its_arc():
    reader, real = train_face_reader(0), make_faces(50, seed=7).images
    row = styles.measure(style_generator((32, 32, 3), depth=0), reader, real, n=100)
    assert row["r2_w"] == pytest.approx(row["r2_z"], abs=1e-6) and row["classes_w"] == row["classes_z"]
    # a straight way between two points of a sphere is shorter than the arc, at most by a factor of π/2 here
    assert row["path_pixels_w"] < row["path_pixels_z"] < 4 * row["path_pixels_w"]
    assert all(np.isfinite(value) for value in row.values())


def test_styles_are_reported_as_means_and_deviations_of_the_runs():
    keys = ["frechet", "redrawing", "redrawing_mixed", *(f"redrawing_{level}" for level in range(4))]
    keys += [f"{key}_{space}" for space in "wz" for key in ("r2", "classes", "path_pixels", "path_reader")]
    rows = [
        {"variant": variant.name, "seed": seed} | {key: 0.1 * (place + 1) + seed for place, key in enumerate(keys)}
        for variant in styles.VARIANTS
        for seed in (0, 2)
    ]
    text = styles.report({"rows": rows, "steps": 9, "redrawing": 3.9, "floor": 0.2})
    assert "9 steps of 16, mean and standard deviation of 2 runs" in text and "test faces: 3.9" in text
    assert "| mapping | 1.10 ± 1.41 | 1.20 ± 1.41 | 1.30 ± 1.41 |" in text
    assert "| w, mapping | 1.80 ± 1.41 |" in text and "| z, no mapping | 2.20 ± 1.41 |" in text
    assert "| w, no mapping |" not in text

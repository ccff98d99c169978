"""Seeding, schedule, budget and the learning curve, in a notebook and on a terminal."""

import io
import itertools

import keras
import matplotlib.image
import numpy as np
import pytest
from IPython.display import Image
from matplotlib.figure import Figure

import aelib
from aelib import claims
from aelib.data import make_ring
from aelib.figures.curves import draw_curves
from aelib.models import GAN, linear_autoencoder, ring_networks
from aelib.training import LearningCurve, budget, compile_options, learning_curve, one_cycle, restart, seed_everything

IMAGES = np.random.default_rng(0).random((40, 4, 5, 1)).astype("float32")


def small_model():
    model = linear_autoencoder((4, 5, 1), 2)
    model.compile("adam", "mse", jit_compile=False)
    return model


def test_seeds_repeat_weights_and_shuffling():
    def run(seed):
        seed_everything(seed)
        model = small_model()
        model.fit(IMAGES, IMAGES, batch_size=8, epochs=2, verbose=0)
        return model.get_weights()[0]

    np.testing.assert_array_equal(run(3), run(3))
    assert not np.array_equal(run(3), run(4))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0"])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(ValueError, match=r"expected a whole number from 0"):
        seed_everything(seed)


def test_one_cycle_climbs_and_falls_along_a_cosine():
    schedule = one_cycle(0.1, 100, warm_up=0.3)
    rate = np.array([float(schedule(step)) for step in range(101)])
    assert rate[0] == pytest.approx(0.1 / 25) and rate.argmax() == 30 and rate.max() == pytest.approx(0.1)
    np.testing.assert_allclose(np.diff(rate[:31]), (0.1 - 0.1 / 25) / 30, rtol=1e-3)
    np.testing.assert_allclose(rate[30:], 0.05 * (1 + np.cos(np.pi * np.arange(71) / 70)), atol=1e-6)


def test_one_cycle_of_one_step_and_impossible_ones():
    assert float(one_cycle(0.1, 1)(0)) > 0
    for peak, steps, warm_up in ((0, 10, 0.3), (0.1, 0, 0.3), (0.1, 10, 1.0)):
        with pytest.raises(ValueError, match=r"expected peak > 0, steps ≥ 1, 0 ≤ warm_up < 1"):
            one_cycle(peak, steps, warm_up)


def test_budget():
    assert budget(4000, 128, shown=80_000) == (20, 640)
    assert budget(55_000, 250, shown=1_000) == (1, 220)
    with pytest.raises(ValueError, match=r"each must be at least 1"):
        budget(0, 128, shown=10)


@pytest.mark.parametrize("rate", [0.01, one_cycle(0.01, 20)], ids=["constant", "schedule"])
def test_a_restarted_fit_repeats_the_first_one_exactly(rate):
    model = linear_autoencoder((4, 5, 1), 2)
    model.compile(keras.optimizers.Adam(rate), "mse", jit_compile=False)
    initial = model.get_weights()
    runs = []
    for again in (False, True, True):
        if again:
            restart(model, initial)
            assert all(np.array_equal(a, b) for a, b in zip(initial, model.get_weights(), strict=True))
            assert int(model.optimizer.iterations) == 0
        keras.utils.set_random_seed(1)  # the order of the images
        losses = model.fit(IMAGES, IMAGES, batch_size=8, epochs=4, verbose=0).history["loss"]
        runs.append((losses, model.get_weights()))
        assert int(model.optimizer.iterations) == 20
    for losses, weights in runs[1:]:
        np.testing.assert_array_equal(losses, runs[0][0])
        for a, b in zip(weights, runs[0][1], strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(runs[0][1][0], initial[0])


OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(0.01),
    "SGD with momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.3),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "Nadam": lambda: keras.optimizers.Nadam(one_cycle(0.01, 20)),
    "LossScaleOptimizer": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adagrad(0.1), initial_scale=4.0, dynamic_growth_steps=3
    ),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_restarted_optimizer_trains_as_a_new_one_to_the_bit(make):
    """Not every optimizer starts from zeros: Adagrad's sums, Nadam's product and the loss scale do not."""
    model, ends = linear_autoencoder((4, 5, 1), 2), []
    initial = model.get_weights()
    for again in (False, True):
        if again:
            restart(model, initial)
        else:
            model.compile(make(), "mse", jit_compile=False)
        model.fit(IMAGES, IMAGES, batch_size=8, epochs=2, shuffle=False, verbose=0)
        ends.append([np.array(value) for value in model.weights + model.optimizer.variables])
    for first, second in zip(*ends, strict=True):
        np.testing.assert_array_equal(first, second)
    assert np.isfinite(ends[0][0]).all() and not np.array_equal(ends[0][0], initial[0])


def test_weights_alone_do_not_restart_a_fit():
    model = linear_autoencoder((4, 5, 1), 2)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    initial, ends = model.get_weights(), []
    for _ in range(2):
        model.set_weights(initial)  # the optimizer still remembers the first fit
        model.fit(IMAGES, IMAGES, batch_size=8, epochs=4, shuffle=False, verbose=0)
        ends.append(model.get_weights()[0])
    assert not np.array_equal(*ends)


def test_a_restart_keeps_a_constant_rate_and_takes_a_new_one():
    model = linear_autoencoder((4, 5, 1), 2)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    model.fit(IMAGES, IMAGES, verbose=0)
    restart(model, model.get_weights())
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    model.optimizer.learning_rate = 0.003
    restart(model, model.get_weights())
    assert float(model.optimizer.learning_rate) == pytest.approx(0.003)


def test_a_restart_before_the_first_step_is_harmless():
    model = small_model()
    initial = model.get_weights()
    restart(model, initial)
    model.fit(IMAGES, IMAGES, verbose=0)
    assert not np.array_equal(model.get_weights()[0], initial[0])


def test_a_restart_after_freezing_a_layer_asks_for_a_new_compile():
    model = small_model()
    model.fit(IMAGES, IMAGES, verbose=0)
    model.encoder.trainable = False
    with pytest.raises(ValueError, match="compile the model again"):
        restart(model, model.get_weights())


def test_on_a_terminal_a_progress_bar(capsys):
    small_model().fit(IMAGES, IMAGES, epochs=3, verbose=0, callbacks=[LearningCurve()])
    out = capsys.readouterr().out
    assert "3/3" in out and "loss" in out


class Notebook:
    """Stands for Jupyter: collects what is shown, and how often it is redrawn."""

    kernel = object()

    def __init__(self):
        self.shown, self.updates = [], []

    def display(self, picture, display_id):
        assert display_id
        self.shown.append(picture)
        return self

    def update(self, picture):
        self.updates.append(picture)


@pytest.fixture
def notebook(monkeypatch):
    notebook = Notebook()
    monkeypatch.setattr(learning_curve, "get_ipython", lambda: notebook)
    monkeypatch.setattr(learning_curve, "display", notebook.display)
    return notebook


def test_in_a_notebook_one_figure_redrawn(notebook, capsys):
    curve = LearningCurve("title", per_image=20, every=0.0)
    history = (
        small_model()
        .fit(IMAGES, IMAGES, batch_size=8, epochs=30, verbose=0, validation_data=(IMAGES, IMAGES), callbacks=[curve])
        .history
    )
    assert len(notebook.shown) == 1 and len(notebook.updates) == 31  # every epoch, and the end
    assert capsys.readouterr().out == ""
    for name in ("loss", "val_loss"):
        epochs, values = curve.curves[name]
        assert epochs == list(range(1, 31))
        np.testing.assert_allclose(values, 20 * np.array(history[name]), rtol=1e-4)
    picture = notebook.updates[-1]
    assert isinstance(picture, Image) and len(picture.data) < 30_000
    assert matplotlib.image.imread(io.BytesIO(picture.data)).std() > 0.01


def test_few_epochs_have_points_within_the_epoch(notebook):
    curve = LearningCurve(every=1e9)
    history = small_model().fit(IMAGES, IMAGES, batch_size=4, epochs=2, verbose=0, callbacks=[curve]).history["loss"]
    epochs, values = curve.curves["loss"]
    assert len(notebook.updates) == 1  # at most once in `every` seconds, and the end
    curve.every = 0.0
    small_model().fit(IMAGES, IMAGES, batch_size=4, epochs=1, verbose=0, callbacks=[curve])
    assert len(notebook.updates) == 1 + 11  # within the epoch as well
    curve.every = 1e9
    history = small_model().fit(IMAGES, IMAGES, batch_size=4, epochs=2, verbose=0, callbacks=[curve]).history["loss"]
    epochs, values = curve.curves["loss"]
    np.testing.assert_allclose(epochs, np.arange(1, 21) / 10)
    # the points of an epoch average to what Keras calls the epoch's loss
    np.testing.assert_allclose([np.mean(values[:10]), np.mean(values[10:])], history, rtol=1e-4)


def test_steps_per_execution_gives_fewer_points_and_the_same_mean(notebook):
    model = linear_autoencoder((4, 5, 1), 2)
    model.compile("adam", "mse", jit_compile=False, steps_per_execution=4)
    curve = LearningCurve()
    history = model.fit(IMAGES, IMAGES, batch_size=4, epochs=1, verbose=0, callbacks=[curve]).history["loss"]
    epochs, values = curve.curves["loss"]
    np.testing.assert_allclose(epochs, [0.4, 0.8, 1.0])
    assert np.average(values, weights=[4, 4, 2]) == pytest.approx(history[0], rel=1e-4)


def test_a_loss_that_is_not_a_number_is_still_drawn(notebook):
    model = linear_autoencoder((4, 5, 1), 2)
    model.compile(keras.optimizers.SGD(1e9), "mse", jit_compile=False)
    model.fit(IMAGES, IMAGES, batch_size=4, epochs=3, verbose=0, callbacks=[LearningCurve()])
    assert notebook.updates


def test_of_a_gan_both_losses_are_drawn(notebook):
    gan, curve = GAN(*ring_networks(8)), LearningCurve()
    gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01), jit_compile=False)
    history = gan.fit(make_ring(64), batch_size=8, epochs=2, verbose=0, callbacks=[curve]).history
    assert sorted(curve.curves) == ["discriminator_loss", "generator_loss"]
    for name, (epochs, values) in curve.curves.items():
        np.testing.assert_allclose(epochs, np.arange(1, 17) / 8)
        np.testing.assert_allclose([np.mean(values[:8]), np.mean(values[8:])], history[name], rtol=1e-4)
    assert "generator ends at" in notebook.updates[-1].alt


@pytest.mark.parametrize(
    ("curves", "labels", "scale"),
    [
        ({"loss": [3.0, 2.0]}, ["training: 2"], "log"),
        ({"loss": [3.0, 2.0], "val_loss": [3.0, 2.5]}, ["training: 2", "validation: 2.5"], "log"),
        (
            {"generator_loss": [-0.5, -1.0], "discriminator_loss": [1.0, 1.2]},
            ["generator: -1", "discriminator: 1.2"],
            "linear",
        ),
    ],
)
def test_curves_are_labelled_at_their_ends(curves, labels, scale):
    axis = Figure(figsize=(5, 2.4), dpi=80, layout="constrained").subplots()
    draw_curves(axis, {name: ([1, 2], values) for name, values in curves.items()})
    axis.figure.draw_without_rendering()
    assert [text.get_text().replace("\n", " ") for text in axis.texts] == labels
    assert [text.get_color() for text in axis.texts] == [line.get_color() for line in axis.lines]
    assert axis.get_legend() is None and axis.get_yscale() == scale
    boxes = [text.get_window_extent() for text in axis.texts]
    assert all(box.x0 >= axis.bbox.x1 and box.x1 <= axis.figure.bbox.x1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_start_seeds_names_and_loads(monkeypatch, capsys):
    monkeypatch.setenv("AELIB_SEED", "5")
    monkeypatch.delenv("AELIB_DATASET", raising=False)
    data = aelib.start("02")
    first = keras.random.normal((3,))
    assert capsys.readouterr().out == f"Chapter 02 · {data} · seed 5\n"
    assert (claims._session.notebook, claims._session.dataset, claims._session.seed) == ("02", "digits", 5)
    aelib.start("02")
    np.testing.assert_array_equal(np.asarray(keras.random.normal((3,))), np.asarray(first))


@pytest.mark.parametrize("seed", ["-1", "one", "1.5"])
def test_start_refuses_an_impossible_seed(monkeypatch, seed):
    monkeypatch.setenv("AELIB_SEED", seed)
    with pytest.raises(ValueError, match=f"AELIB_SEED is '{seed}': expected a whole number, 0 or more"):
        aelib.start("02")


# ---- how to compile ----


@pytest.mark.parametrize("family", ["dense", "convolutional", "recurrent", "gan"])
def test_many_steps_pay_for_xla_and_few_do_not(family):
    pays = [compile_options(family, steps)["jit_compile"] for steps in (1, 100, 10_000)]
    assert pays == [False, False, True]


@pytest.mark.parametrize("family", ["random", "top-k"])
def test_models_that_draw_random_numbers_or_sort_never_use_xla(family):
    assert compile_options(family, 10**6) == {"jit_compile": False, "steps_per_execution": 16}


def test_compiling_with_and_without_xla_trains_alike():
    losses = []
    for steps in (1, 10_000):
        seed_everything(0)
        model = linear_autoencoder((4, 5, 1), 2)
        model.compile("adam", "mse", **compile_options("dense", steps))
        losses.append(model.fit(IMAGES, IMAGES, epochs=3, batch_size=8, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize(("family", "steps"), [("transformer", 10), ("dense", 0)])
def test_unknown_families_and_no_steps_are_refused(family, steps):
    with pytest.raises(ValueError, match=f"'{family}' and {steps} steps"):
        compile_options(family, steps)

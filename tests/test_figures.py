"""Figures and the map of the course: what is drawn, and what is refused."""

import io
import json
import os
import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from aelib import figures
from aelib.figures import course_map, display
from aelib.readiness import expected_seconds, readiness

matplotlib.use("Agg")
IMAGES = np.random.default_rng(0).random((12, 6, 5, 1)).astype("float32")


@pytest.fixture(autouse=True)
def close():
    figures.use_style()
    yield
    plt.close("all")


def test_image_rows_shows_the_same_examples_below_each_other():
    figure = figures.image_rows({"originals": IMAGES, "rebuilt": 1 - IMAGES}, "title", columns=4)
    (axis,) = figure.axes
    picture = axis.images[0].get_array()
    assert picture.shape == (2 * 8, 4 * 7)
    np.testing.assert_allclose(picture[1:7, 8:13], IMAGES[1, :, :, 0], rtol=1e-6)
    np.testing.assert_allclose(picture[9:15, 8:13], 1 - IMAGES[1, :, :, 0], rtol=1e-6)
    assert axis.images[0].get_clim() == (0, 1)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["originals", "rebuilt"]


def test_image_rows_takes_the_shortest_row():
    (axis,) = figures.image_rows({"a": IMAGES, "b": IMAGES[:3]}).axes
    assert axis.images[0].get_array().shape[1] == 3 * 7


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES + 1, r"the row 'b' lie in \[1, 2\]"),
        (np.full_like(IMAGES, np.nan), "the row 'b' hold 360 values"),
        (IMAGES[..., 0], r"shape \(12, 6, 5\)"),
    ],
)
def test_image_rows_refuses_what_is_no_image(images, message):
    with pytest.raises(ValueError, match=message):
        figures.image_rows({"a": IMAGES, "b": images})


def test_image_rows_refuses_two_sizes_and_nothing():
    with pytest.raises(ValueError, match=r"rows have images of different sizes"):
        figures.image_rows({"a": IMAGES, "b": IMAGES[:, :4]})
    with pytest.raises(ValueError, match=r"there are no rows"):
        figures.image_rows({})


def test_signed_images_are_symmetric_about_zero():
    figure = figures.signed_images({"a": np.array([[[0.0, 2.0]], [[-3.0, 1.0]]])})
    assert [axis.images[0].get_clim() for axis in figure.axes] == [(-2, 2), (-3, 3)]
    with pytest.raises(ValueError, match=r"NaN"):
        figures.signed_images({"a": np.full((2, 3, 3), np.nan)})


def test_code_map_names_each_class_at_its_median():
    _, axis = plt.subplots()
    codes = np.array([[0, 0], [2, 0], [1, 3], [9, 9.0]])
    figures.code_map(axis, codes, np.array([0, 0, 0, 2]), ("zero", "one", "two"))
    assert {text.get_text(): text.get_position() for text in axis.texts} == {"zero": (1, 0), "two": (9, 9)}
    assert sum(len(points.get_offsets()) for points in axis.collections) == 4


def test_code_map_refuses_what_is_no_map():
    _, axis = plt.subplots()
    with pytest.raises(ValueError, match=r"shape \(4, 3\) for 4 labels"):
        figures.code_map(axis, np.zeros((4, 3)), np.zeros(4), ("a",))
    with pytest.raises(ValueError, match=r"shape \(4, 2\) for 3 labels"):
        figures.code_map(axis, np.zeros((4, 2)), np.zeros(3), ("a",))
    with pytest.raises(ValueError, match=r"codes hold 8 values that are NaN"):
        figures.code_map(axis, np.full((4, 2), np.nan), np.zeros(4), ("a",))


def test_thumbnails_keep_apart():
    _, axis = plt.subplots()
    points = np.array([[0, 0], [0.001, 0], [1, 1], [0.5, 0.5]])
    figures.thumbnails(axis, points, IMAGES[:4], apart=0.05)
    assert len(axis.artists) == 3
    with pytest.raises(ValueError, match=r"found 4 points and 3 images"):
        figures.thumbnails(axis, points, IMAGES[:3])


def test_the_map_leads_from_each_chapter_to_one_that_exists():
    numbers = [chapter.number for chapter in course_map.CHAPTERS]
    chapters = [number for number in numbers if number.isdecimal()]
    assert chapters == [f"{i + 1:02}" for i in range(len(chapters))]  # none is left out
    assert numbers == sorted(numbers)  # a companion, such as 02b, follows its chapter
    assert all(
        chapter.after is None or numbers.index(chapter.after) < i for i, chapter in enumerate(course_map.CHAPTERS)
    )
    figure = course_map.draw_map()
    boxes = figure.axes[0].texts
    assert sum(text.get_text().startswith("$") for text in boxes) == len(numbers)


def test_every_notebook_of_the_course_is_on_the_map():
    present = {path.name.partition("_")[0] for path in course_map.NOTEBOOKS.glob("[0-9]*.ipynb")} - {"00"}
    assert {chapter.number for chapter in course_map.CHAPTERS if chapter.present} == present


def test_readiness_tells_versions_and_data_and_no_path(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    for name in ("mnist", "fashion_mnist", "my_glyphs", ".ipynb_checkpoints"):
        (tmp_path / name).mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    table = readiness()
    found = dict(line.removeprefix("data set ").split("  ", 1) for line in table.splitlines() if "data set" in line)
    assert {name.strip("'"): text.strip() for name, text in found.items()} == {
        "digits": "ships with the course, no network needed",
        "shapes": "drawn by code, no network needed",
        "mnist": "in the data folder",
        "fashion_mnist": "not here; would be downloaded when asked for",
        "my_glyphs": "your own, in the data folder",
    }
    assert str(tmp_path) not in table and "/" not in table


def test_importing_the_package_and_a_first_step_say_nothing():
    code = (
        "import aelib, keras, numpy as np; from aelib.models import linear_autoencoder;"
        "m = linear_autoencoder((4, 4, 1), 2); m.compile('adam', 'mse', jit_compile=True);"
        "x = np.ones((8, 4, 4, 1), 'float32'); m.fit(x, x, verbose=0)"
    )
    # Where JAX is installed, TensorFlow imports it, and JAX sets a louder level: in this process, not in a new one.
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- seconds expected on this machine ----


def test_expected_seconds_scale_with_the_rates_of_the_two_machines(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    rows = [
        {"notebook": "12", "notebook_seconds": 120.0, "gflops": 150.0},
        {"notebook": "02b", "notebook_seconds": 40.0, "gflops": 150.0},
        {"notebook": "02", "check": "error", "value": 1.0},
    ]
    ledger.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    lines = [line.split() for line in expected_seconds(ledger, rate=300.0).splitlines()[-2:]]
    assert lines == [["02b", "40", "s", "150", "20", "s"], ["12", "120", "s", "150", "60", "s"]]


def test_without_a_recorded_rate_nothing_is_promised(tmp_path):
    assert "No recorded run" in expected_seconds(tmp_path / "none.jsonl")


# ---- alternative text ----


def test_a_shown_figure_carries_its_text_on_an_opaque_white_ground(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", lambda image: shown.append(image))
    figure, axis = plt.subplots()
    axis.plot([0, 1])
    figure.patch.set_alpha(0)  # even where somebody made it transparent
    figures.show(figure, alt="A line that\n rises.")
    _, metadata = DisplayFormatter().format(shown[0])  # what a notebook stores beside the output
    assert metadata["image/png"]["alt"] == "A line that rises."
    pixels = np.asarray(Image.open(io.BytesIO(shown[0].data)).convert("RGBA"))
    assert pixels[0, 0].tolist() == [255, 255, 255, 255] and pixels[..., 3].min() == 255
    assert not plt.fignum_exists(figure.number)


def test_a_figure_needs_a_text():
    with pytest.raises(ValueError, match="alt is empty"):
        figures.show(plt.figure(), alt=" ")
    plt.close("all")

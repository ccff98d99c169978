"""The benchmark of growing work: the line fit, the images of its points, a point in its own process, the report."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import growth
from benchmarks.growth import Point, Step, enlarge, in_own_process, read_images, straight_line

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def images(tmp_path):
    """A file of 64 random images, and what is in it."""
    content = np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype=np.uint8)
    (tmp_path / "images.raw").write_bytes(content.tobytes())
    return tmp_path / "images.raw", content


def test_a_straight_line_is_found():
    x = [5, 10, 20, 40]
    line = straight_line(x, [3 * value + 2 for value in x])
    np.testing.assert_allclose([line.slope, line.intercept, line.deviation], [3, 2, 0], atol=1e-9)


def test_deviations_count_in_per_cent_of_the_value():
    x, y = np.array([1.0, 2, 3, 4]), np.array([10.0, 21, 29, 44])
    line = straight_line(x, y)

    def off(slope, intercept):
        return (slope * x + intercept) / y - 1

    here = off(line.slope, line.intercept)
    assert line.deviation == pytest.approx(100 * np.abs(here).max())
    for slope, intercept in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert np.sum(off(line.slope + slope, line.intercept + intercept) ** 2) > np.sum(here**2)


def test_images_are_read_and_enlarged(images, monkeypatch):
    path, content = images
    monkeypatch.setattr(growth, "CHUNK", 25)  # the last chunk is a part of one
    read = read_images(path, 64, 28)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read[..., 0], content / np.float32(255))
    assert read_images(path, 30, 32).shape == (30, 32, 32, 1)
    larger = enlarge(content, 64)
    assert larger.shape == (64, 64, 64) and larger.astype(int).sum() == 4 * content.astype(int).sum()
    np.testing.assert_array_equal(larger[:, 4:60:2, 5:60:2], content)
    np.testing.assert_array_equal(enlarge(content, 33)[:, 2:30, 2:30], content)


def test_memory_sees_an_array():
    """In a process of its own: one that has freed as much before would not grow."""
    script = (
        "import numpy as np; from benchmarks import growth; before, _ = growth.memory(); held = np.ones(5_000_000); "
        "now, peak = growth.memory(); print(before, now, peak)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    before, now, peak = map(float, done.stdout.split())
    assert peak >= now >= before
    assert now - before > 0.9 * 40 or sys.platform != "linux"  # 5 million numbers of 8 bytes


def test_a_point_is_measured_in_a_process_of_its_own(images):
    point = Point(**in_own_process("point", "stacked", 64, 28, images[0]))
    assert (point.network, point.images, point.side) == ("stacked", 64, 28)
    assert point.size == pytest.approx(64 * 784 * 4 / 1e6) and point.seconds > 0 and point.peak >= 0


def test_both_networks_take_images_of_other_sizes():
    for build in growth.NETWORKS.values():
        images = np.random.default_rng(1).random((8, 32, 32, 1)).astype("float32")
        model = build(images)
        assert model(images).shape == images.shape and int(model.optimizer.iterations) == 0


def test_a_step_sees_every_image_of_the_file(images, monkeypatch):
    """Once before it is measured and once while it is; each is named in the report."""
    seen = []
    for key, (name, step) in growth.STEPS.items():
        monkeypatch.setitem(growth.STEPS, key, (name, lambda model, x, step=step: (seen.append(x), step(model, x))))
        row = growth.measure_step(key, 64, images[0])
        assert row.name == name and row.size == pytest.approx(64 * 784 * 4 / 1e6) and row.peak >= 0
        np.testing.assert_array_equal(np.rint(255 * seen[-1][..., 0]), images[1])


def test_a_set_of_ones_own_is_written_and_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    data = growth.load("digits")
    path = growth._write_sets(data, tmp_path)
    np.testing.assert_array_equal(read_images(path, 4500, 28), np.concatenate([data.x_train, data.x_valid]))
    step = growth.measure_load("own_set", tmp_path)
    assert step.size == pytest.approx(5000 * 784 * 4 / 1e6)
    np.testing.assert_array_equal(growth.load("own_set").x_test, data.x_test)


def test_a_point_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)stacked 64 28.*No such file"):
        in_own_process("point", "stacked", 64, 28, tmp_path / "missing")


def result(bend: float = 1.0, batches: float = 2.0) -> dict:
    """Points on lines, the last bent; steps within what is allowed, but for Keras's."""
    points = [
        Point("stacked", count, 28, count / 300, count / 1e4 + 0.1, count / 60).__dict__ for count in growth.COUNTS
    ]
    points += [Point("stacked", 10_000, side, side**2 / 25, side**2 / 1e3, side**2 / 5).__dict__ for side in (32, 64)]
    points[4]["seconds"] *= bend
    steps = [Step("`fit(x, x)`", 188.0, 940.0), Step("`batches`", 188.0, batches * 188)]
    return {"points": points, "steps": [step.__dict__ for step in steps]}


def test_the_report_has_points_lines_and_steps():
    text = growth.report(result())
    assert "| stacked | 5,000 | 28×28 | 17 | 0.60 | 83 | 5.0 |" in text
    assert "| stacked, seconds against images | 1.000 s per 10,000 images | 0.100 s | 0 % |" in text
    assert "| stacked, memory against images | 5.00 MB per MB of images |" in text
    assert "| `fit(x, x)` | 188 | 5.00 |" in text
    assert "More than twice the data set is held by `fit(x, x)`." in text


def test_the_report_names_what_is_bent_and_what_holds_too_much():
    text = growth.report(result(bend=2.0, batches=3.1))
    assert "Points are further than 10 % from their line for: stacked, seconds against images" in text
    assert "held by `fit(x, x)`, `batches`." in text
    assert "No point" not in text


def test_two_points_make_no_line():
    assert growth._lines([Point(**row) for row in result()["points"][:2]]) == []

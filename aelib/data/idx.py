"""IDX files, the format in which MNIST was published: four of them in a folder make a data set."""

import gzip
from pathlib import Path

import numpy as np

from aelib.data.dataset import DatasetError

# The names under which MNIST was published; every folder of IDX files uses them.
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


IDX_TYPES = {0x08: "unsigned byte", 0x09: "signed byte", 0x0B: "short", 0x0C: "int", 0x0D: "float", 0x0E: "double"}


def read_folder(folder: Path) -> tuple[np.ndarray, ...]:
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

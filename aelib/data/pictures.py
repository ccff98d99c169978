"""Folders of pictures as a data set: a folder per class, read with Pillow, cropped to the middle square and resized.

Introduced in chapter 00.
"""

import contextlib
import hashlib
import os
import re
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aelib.data import cache
from aelib.data.dataset import DatasetError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
NAMES = "JPEG, PNG, WebP, BMP or GIF"
NO_PICTURES = ("thumbs.db", "desktop.ini", "__macosx")  # what file managers leave behind, beside hidden files
LEAST = 10  # pictures of a class: a tenth of them is one
RECIPE = 1  # part of the kept file's name: to be raised whenever pictures are read in another way
PATIENCE = 2.0  # seconds until a progress bar is shown


def image_size() -> int:
    """The side to which pictures are resized: `$AELIB_IMAGE_SIZE`, or 32. `DatasetError` unless it is 8 to 64."""
    text = os.environ.get("AELIB_IMAGE_SIZE") or "32"
    if not text.isdecimal() or not 8 <= int(text) <= 64:
        raise DatasetError(f"AELIB_IMAGE_SIZE is {text!r}: expected a whole number of pixels from 8 to 64")
    return int(text)


def read_pictures(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Bytes `(n, size, size, channels)`, labels `(n,)` and class names of a folder with one folder per class.

    1 channel if all pictures are grey, else 3. Read once and kept; read anew when a file has changed. Raises
    `DatasetError` for what cannot be read, with the file's name, and for fewer than two classes or ten pictures of one.
    """
    try:
        classes = picture_classes(folder)
        files = [file for of_class in classes.values() for file in of_class]
        kept = cache.CACHE / f"pictures-{folder.name}-{size}-{_digest(folder, files)}.npz"
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be read ({error.strerror}): take it away, or copy it anew"
        ) from error
    images = _kept_images(kept, (len(files), size, size))
    if images is None:
        images = _read_all(files, size)
        cache.keep(kept, lambda path: np.savez(path, images=images))
        _forget_others(kept)
    labels = np.repeat(np.arange(len(classes)), [len(of_class) for of_class in classes.values()])
    return images, labels, list(classes)


def _kept_images(kept: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The images of a kept file, or None if it is not there or damaged."""
    try:
        with np.load(kept) as archive:
            images = archive["images"]
    except Exception:  # flipped bits of a zip file raise many kinds of error
        return None
    return images if images.shape[:3] == shape and images.dtype == np.uint8 else None


def _forget_others(kept: Path) -> None:
    """Remove what was kept of this folder, at this size, before a file changed."""
    name = re.escape(kept.stem.rpartition("-")[0])
    for old in kept.parent.glob("pictures-*.npz"):
        if old != kept and re.fullmatch(rf"{name}-[0-9a-f]{{12}}", old.stem):
            with contextlib.suppress(OSError):  # somebody else's, or open in another notebook
                old.unlink()


def picture_classes(folder: Path) -> dict[str, list[Path]]:
    """The files of each class, by the name of its folder, sorted; `DatasetError` for too few, or files elsewhere."""
    inside = _visible(folder)
    if loose := [path.name for path in inside if not path.is_dir()]:
        raise DatasetError(
            f"{folder / loose[0]} lies beside the folders of the classes: move it into one of them, or take it away"
        )
    classes = {path.name: _visible(path) for path in inside}
    if len(classes) < 2:
        raise DatasetError(
            f"{folder} has {len(classes)} folders of pictures: expected one per class, at least two, with {LEAST} "
            f"pictures each ({NAMES}), such as {folder.name}/cats and {folder.name}/dogs; or four IDX files"
        )
    for name, files in classes.items():
        if deeper := [path for path in files if path.is_dir()]:
            raise DatasetError(f"{deeper[0]} is a folder inside a class: move its pictures up into {folder / name}")
        if len(files) < LEAST:
            raise DatasetError(
                f"{folder / name} has {len(files)} pictures: expected at least {LEAST}, so that each of the three "
                "splits gets one; add pictures, or take the folder away"
            )
    return classes


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, without what no person put there."""
    found = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name.lower() not in NO_PICTURES)
    return sorted(found, key=lambda path: path.name)  # paths themselves sort in another order on Windows


def _digest(folder: Path, files: list[Path]) -> str:
    """Twelve digits that change with any file's name, length or time."""
    digest = hashlib.sha256(f"{RECIPE} {folder}".encode())
    for file in files:
        about = file.stat()
        digest.update(f"\0{file.relative_to(folder)}\0{about.st_size}\0{about.st_mtime_ns}".encode())
    return digest.hexdigest()[:12]


def _read_all(files: list[Path], size: int) -> np.ndarray:
    """One picture at a time, so that what is held are the small ones; a progress bar if it takes long."""
    import keras

    images = np.empty((len(files), size, size, 3), "uint8")
    bar, began = None, time.monotonic()
    for i, file in enumerate(files):
        images[i] = read_picture(file, size)
        if bar is None and time.monotonic() - began > PATIENCE:
            bar = keras.utils.Progbar(len(files), interval=1.0, unit_name="picture")
        if bar is not None:
            bar.update(i + 1)
    grey = all(np.ptp(image, axis=2).max() <= 2 for image in images)  # WebP rounds the channels of greys differently
    return np.ascontiguousarray(images[..., :1]) if grey else images


def read_picture(file: Path, size: int) -> np.ndarray:
    """The middle square of a picture as bytes `(size, size, 3)`, turned as its EXIF data say, on white paper.

    Raises `DatasetError` for what is no picture, broken, animated, of 16 bits per channel, or too large to be safe.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, which are fine, and of odd metadata
            with Image.open(file, formats=FORMATS) as picture:
                if refusal := _refusal(picture):
                    raise DatasetError(f"{file} {refusal}")
                picture.draft(None, (2 * size, 2 * size))  # a JPEG is decoded at an eighth of its size, if that will do
                picture.load()  # what is broken shows here
                mode = "RGBA" if picture.has_transparency_data else "RGB"
                upright = _upright(picture).convert(mode)
            return _on_white(ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS))
    except UnidentifiedImageError as error:
        raise DatasetError(
            f"{file} is no {NAMES} picture, or a broken one: take it out of the folder, or save it anew in one of these"
        ) from error
    except Image.DecompressionBombError as error:
        raise DatasetError(
            f"{file} has more than {2 * Image.MAX_IMAGE_PIXELS // 1_000_000} million pixels, too many to be opened "
            "safely: make it smaller"
        ) from error
    except DatasetError:
        raise
    except OSError as error:
        if error.errno is None:
            raise _broken(file, error) from error
        raise DatasetError(f"{file} cannot be read ({error.strerror}): take it away, or copy it anew") from error
    except Exception as error:  # Pillow's decoders raise many kinds for broken files: SyntaxError, struct.error, …
        raise _broken(file, error) from error


def _broken(file: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{file} is broken ({error}): copy it again, or take it out of the folder")


def _refusal(picture: Image.Image) -> str | None:
    """Why a picture is not taken, or None."""
    if picture.format in ("GIF", "PNG", "WEBP") and getattr(picture, "is_animated", False):
        return f"is an animation of {picture.n_frames} pictures: save the one that you want by itself"
    deep = picture.format == "PNG" and any("16" in str(tile[3]) for tile in picture.tile)
    if deep or picture.mode.startswith(("I", "F")):
        return "has 16 bits per channel: save it with 8"
    return None


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as the EXIF data say; as it is if they are damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _on_white(picture: Image.Image) -> np.ndarray:
    """RGB or RGBA as bytes `(height, width, 3)`; what is transparent shows white."""
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return np.asarray(picture)

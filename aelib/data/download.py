"""The full MNIST and Fashion-MNIST by `keras.datasets`: whole, or not at all."""

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np

from aelib.data.dataset import DatasetError
from aelib.data.folder import data_folder
from aelib.data.idx import IDX_FILES


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


def download(name: str) -> tuple[np.ndarray, ...]:
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

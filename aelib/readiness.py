"""Whether this machine is ready for the course.

Introduced in chapter 00.
"""

import os
import platform
import time
from importlib import metadata

import keras
import numpy as np

from aelib.data.download import cached_files, download_cache
from aelib.data.loading import DOWNLOADABLE, in_folder, own_sets


def readiness() -> str:
    """A table: versions, cores, speed, data sets found. It names no path of the machine."""
    rows = [("Python", platform.python_version()), ("backend of Keras", keras.backend.backend())]
    rows += [(name, metadata.version(name)) for name in ("keras", "tensorflow", "numpy", "scikit-learn", "matplotlib")]
    rows += [
        ("processor cores", f"{os.cpu_count()}"),
        ("matrix products", f"{matrix_product_rate():.0f} billion operations a second"),
    ]
    rows += [(f"data set {name!r}", where) for name, where in _data_found().items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _data_found() -> dict[str, str]:
    cache = download_cache()
    found = {"digits": "ships with the course, no network needed", "shapes": "drawn by code, no network needed"}
    for name in DOWNLOADABLE:
        if in_folder(name):
            found[name] = "in the data folder"
        elif cached_files(name, cache):
            found[name] = "downloaded before"
        else:
            found[name] = "not here; would be downloaded when asked for"
    return found | dict.fromkeys(own_sets(), "your own, in the data folder")


def matrix_product_rate(size: int = 1500) -> float:
    """Billions of floating-point operations a second in a product of two square matrices, best of three."""
    matrix = np.ones((size, size), "float32")
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2e-9 * size**3 / min(seconds)

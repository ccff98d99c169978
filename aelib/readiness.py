"""Whether this machine is ready for the course, and how long each chapter takes on it.

Introduced in chapter 00.
"""

import json
import os
import platform
import time
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

from aelib.data.download import cached_files, download_cache
from aelib.data.folder import REPOSITORY
from aelib.data.loading import DOWNLOADABLE, in_folder, own_sets

LEDGER = REPOSITORY / "docs" / "ledger.jsonl"


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


def expected_seconds(ledger: Path = LEDGER, rate: float | None = None) -> str:
    """A table: the seconds of each notebook in `ledger`, scaled to this machine by the rate of its matrix products.

    `ledger`: what a run of `course.py test --ledger` recorded. `rate`: this machine's, in GFLOP/s (default: measured
    now). An estimate: convolutions and small networks do not follow that rate exactly. Without a ledger that says how
    fast its machine was, one sentence says so.
    """
    try:
        rows = [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
    except OSError:
        rows = []
    runs = {row["notebook"]: row for row in rows if row.get("notebook_seconds") and row.get("gflops")}
    if not runs:
        return "No recorded run says how fast its machine was: run `python course.py test --ledger run.jsonl`."
    rate = matrix_product_rate() if rate is None else rate
    lines = [f"this machine: {rate:.0f} billion operations a second in matrix products", ""]
    lines.append(f"{'notebook':<10}{'recorded':>10}{'at':>8}{'here, about':>14}")
    for number, row in sorted(runs.items()):
        seconds, then = row["notebook_seconds"], row["gflops"]
        lines.append(f"{number:<10}{seconds:>8.0f} s{then:>8.0f}{seconds * then / rate:>12.0f} s")
    return "\n".join(lines)


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


def matrix_product_rate(size: int = 1500, seconds: float = 1.0) -> float:
    """Billions of operations a second in float32 products of two square matrices: the best of about `seconds`.

    Ledgers record the same product, measured by tools/machine.py.
    """
    matrix = np.ones((size, size), "float32")
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < seconds:
        started = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - started)
    return 2e-9 * size**3 / best

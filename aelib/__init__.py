"""Reusable Keras builders for a course on autoencoders. A notebook imports this package first, and calls `start`."""

import contextlib
import os


@contextlib.contextmanager
def _silent_stderr():
    """Send file descriptor 2 to nowhere: TensorFlow logs there while it is imported, whatever its log level is."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silent_stderr():
    import tensorflow  # Keras reads data with it on its other backends, too

tensorflow.get_logger().setLevel("ERROR")

from aelib import checks, datasets, plots, training
from aelib.checks import check

__all__ = ["check", "start"]
__version__ = "0.1.0"


def start(chapter: str, dataset: str | None = None) -> datasets.Dataset:
    """The setup of every notebook: seed, style, clock, data set. Prints the data set and the seed.

    `chapter`: `"02"`, the name under which its checks are recorded. The seed is `$AELIB_SEED` (default 0); the data
    set is `dataset`, or `$AELIB_DATASET`, or `"digits"`.
    """
    text = os.environ.get("AELIB_SEED") or "0"
    if not text.isdecimal():
        raise ValueError(f"AELIB_SEED is {text!r}: expected a whole number, 0 or more")
    training.seed_everything(int(text))
    plots.use_style()
    data = datasets.load(dataset)
    checks.begin(chapter, data.name, int(text))
    print(f"Chapter {chapter} · {data} · seed {text}")
    return data

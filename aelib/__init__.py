"""Reusable Keras builders for a course on autoencoders and GANs: a notebook imports this first, and calls `start`."""

import contextlib
import os
import sys


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
    import keras  # it loads its backend, which is what logs

if "tensorflow" in sys.modules:
    sys.modules["tensorflow"].get_logger().setLevel("ERROR")

from importlib import import_module

from aelib import claims
from aelib.claims import check
from aelib.data.dataset import Dataset
from aelib.data.loading import load
from aelib.figures.style import use_style
from aelib.training.seed import seed_everything

__all__ = ["check", "start"]
__version__ = "0.2.0"

# The files whose layers and models a saved model may name: after `import aelib` they are registered, and it loads.
_REGISTERED = (
    *("autoencoder", "tied", "dense", "unpooling", "corruption", "sparse", "vae", "minibatch", "compression"),
    *("equalized", "growing_gan", "style_gan", "attention", "masked_lm", "voice"),
    *(("gan", "r1_gan", "super_resolution") if keras.backend.backend() == "tensorflow" else ()),
)
for _file in _REGISTERED:
    import_module(f"aelib.models.{_file}")


def start(chapter: str, dataset: str | None = None, *, default: str = "digits") -> Dataset:
    """The setup of every notebook: seed, style, clock, data set. Prints the data set and the seed.

    `chapter`: `"02"`, the name under which its checks are recorded. The seed is `$AELIB_SEED` (default 0); the data
    set is `dataset`, or `$AELIB_DATASET`, or `default`.
    """
    text = os.environ.get("AELIB_SEED") or "0"
    if not text.isdecimal():
        raise ValueError(f"AELIB_SEED is {text!r}: expected a whole number, 0 or more")
    seed_everything(int(text))
    use_style()
    data = load(dataset or os.environ.get("AELIB_DATASET") or default)
    claims.begin(chapter, data.name, int(text))
    print(f"Chapter {chapter} · {data} · seed {text}")
    return data

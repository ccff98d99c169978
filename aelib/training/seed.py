"""One seed for a whole notebook.

Introduced in chapter 01.
"""

import contextlib
import sys

import keras


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and Keras's backend, so that a notebook run top to bottom repeats itself."""
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}: expected a whole number from 0 to 2³² − 1 (AELIB_SEED, or 0 by default)")
    with _without_tensorflow() if keras.backend.backend() != "tensorflow" else contextlib.nullcontext():
        keras.utils.set_random_seed(seed)


@contextlib.contextmanager
def _without_tensorflow():
    """Keras seeds TensorFlow on every backend, if it can be imported; that takes seconds and memory for nothing."""
    hide = "tensorflow" not in sys.modules
    if hide:
        sys.modules["tensorflow"] = None  # Python's own way to say that a module cannot be imported
    try:
        yield
    finally:
        if hide:
            del sys.modules["tensorflow"]

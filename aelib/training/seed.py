"""One seed for a whole notebook.

Introduced in chapter 01.
"""

import keras


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and Keras's backend, so that a notebook run top to bottom repeats itself."""
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}: expected a whole number from 0 to 2³² − 1 (AELIB_SEED, or 0 by default)")
    keras.utils.set_random_seed(seed)

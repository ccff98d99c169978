"""Networks that measure: trained once, kept for the next time, and without influence on the random numbers."""

from collections.abc import Callable

import keras

from aelib.data import cache
from aelib.training.seed import seed_everything


def kept_network(name: str, seed: int, content: int, train: Callable[[], keras.Model]) -> keras.Model:
    """What `train()` returns, or has returned before: it is kept in `data/.cache`, a file for each name and seed.

    `content`: a checksum of what it learns from. Trained or read, it leaves the random numbers in the same state:
    seeded anew with `seed`. A file that is damaged is made anew; a folder that cannot be written to is no error.
    """
    path = cache.CACHE / f"{name}-{keras.backend.backend()}-{keras.__version__}-{content:08x}.keras"
    seed_everything(seed)
    try:
        network = keras.models.load_model(path)
    except Exception:  # not there, or damaged: flipped bits of a zip file raise several kinds of error (all were tried)
        network = train()
        cache.keep(path, network.save)
    seed_everything(seed)
    return network

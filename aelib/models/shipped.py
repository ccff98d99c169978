"""Networks that come with the course, trained for longer than a notebook has time for.

Each has a card: what trained it, on what, how long, and what it was measured to do. `python course.py weights` trains
them anew. Introduced in chapter 15.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from aelib.models.masked_lm import masked_language_model
from aelib.models.style_gan import style_generator
from aelib.models.voice import voice_autoencoder

FOLDER = Path(__file__).with_name("weights")
BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "masked_language_model": masked_language_model,
    "style_generator": style_generator,
    "voice_autoencoder": voice_autoencoder,
}


def shipped_names() -> list[str]:
    """The names of all networks that come with the course."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def shipped_card(name: str) -> dict:
    """How a shipped network came about.

    `builder` and `arguments` (what builds it), `command`, `commit`, `data`, `steps`, `batch`, `seconds`, `date`,
    `machine`, `sha256` of its file, and `numbers`, measured with the weights as they are shipped. Raises `ValueError`
    for a name that is not there.
    """
    if name not in shipped_names():
        raise ValueError(f"no network is called {name!r}: the course comes with {', '.join(shipped_names())}")
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def load_shipped(name: str) -> keras.Model:
    """The shipped network of this name, with its weights.

    Raises `ValueError` for a name that is not there, and for a file of weights that is missing or is not the card's.
    """
    told, path = shipped_card(name), _weights(name)
    if not path.exists() or _digest(path) != told["sha256"]:
        found = "is missing" if not path.exists() else "is not the one that its card describes"
        raise ValueError(f"{path.name} {found}: get it again, or train it with `python course.py weights {name}`")
    network = BUILDERS[told["builder"]](**told["arguments"])
    with np.load(path) as arrays:
        for variable, key in zip(network.trainable_variables, arrays.files, strict=True):
            variable.assign(arrays[key].astype("float32"))
    return network


def keep_shipped(name: str, network: keras.Model, told: dict) -> None:
    """Write the weights, in half precision, and the card, to which the file's checksum is added."""
    FOLDER.mkdir(exist_ok=True)
    arrays = {f"{place:02}": np.asarray(v, "float16") for place, v in enumerate(network.trainable_variables)}
    np.savez_compressed(_weights(name), **arrays)
    content = {**told, "sha256": _digest(_weights(name))}
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def halve_precision(network: keras.Model) -> None:
    """Round the weights to what a shipped file holds, so that what is measured is what is shipped."""
    for variable in network.trainable_variables:
        variable.assign(np.asarray(variable, "float16").astype("float32"))


def _weights(name: str) -> Path:
    return FOLDER / f"{name}.npz"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

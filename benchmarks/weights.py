"""`python -m benchmarks.weights [NAME …]`: train the networks that come with the course, each in a process of its own.

At most as many at a time as there are cores, one thread each: twenty minutes on two cores for the two generators of
chapter 15; after them the voices of chapter 21 and the words of chapter 20c, another quarter of an hour.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from importlib import import_module

import aelib  # noqa: F401  (first, so that TensorFlow starts quietly)
from aelib.models import shipped

SEED = 0
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Recipe:
    """What is built, by a name in `aelib.models.shipped.BUILDERS`, and with which arguments.

    `lessons`: the module beside this one with its `STEPS`, `BATCH`, `DATA`, `train(network, steps, batch)` and
    `measure(network)`. What `train` returns, a dict or nothing, its card says besides.
    """

    builder: str
    arguments: dict
    lessons: str

    def module(self):
        """Loaded when it is used: a call that only starts others needs none of it."""
        return import_module(f".{self.lessons}", __package__)


FACES = {"image_shape": [32, 32, 3], "noise_size": 32, "widths": [64, 64, 32, 16], "mixing": 0.5}
RECIPES = {
    "style_faces": Recipe("style_generator", {**FACES, "depth": 2}, "face_weights"),
    "style_faces_without_mapping": Recipe("style_generator", {**FACES, "depth": 0}, "face_weights"),
    "voices": Recipe("voice_autoencoder", {"frames": 64, "bands": 64, "noise": 0.4}, "voice_weights"),
    "words": Recipe(
        "masked_language_model",
        {"words": 3000, "longest": 32, "width": 64, "blocks": 3, "heads": 4},
        "word_weights",
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Train those named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(RECIPES)} (default: all)")
    parser.add_argument("--steps", type=int, help="default: those of its recipe")
    parser.add_argument("--here", action="store_true", help="train in this process, one after the other")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in RECIPES:
            parser.error(f"no network is called {name!r}: those that can be trained are {', '.join(RECIPES)}")
    if options.steps is not None and options.steps < 1:
        parser.error(f"found {options.steps} steps: expected at least 1")
    names = options.names or list(RECIPES)
    if options.here:
        for name in names:
            train(name, options.steps)
        return 0

    def apart(name: str) -> int:
        steps = ["--steps", str(options.steps)] if options.steps else []
        command = [sys.executable, "-m", "benchmarks.weights", name, "--here", *steps]
        return subprocess.call(command, env=os.environ | ONE_THREAD)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return max(pool.map(apart, names))


def train(name: str, steps: int | None) -> None:
    """Train, measure and keep one network with its card. What was there stays until this one is finished."""
    from aelib.training import seed_everything

    from .machine import describe

    recipe, commit = RECIPES[name], _commit()
    lessons, began = recipe.module(), time.monotonic()
    seed_everything(SEED)
    network = shipped.BUILDERS[recipe.builder](**recipe.arguments)
    steps = steps or lessons.STEPS
    besides = lessons.train(network, steps, lessons.BATCH) or {}
    seconds = time.monotonic() - began
    shipped.halve_precision(network)
    told = {
        "builder": recipe.builder,
        "arguments": recipe.arguments,
        "command": f"python course.py weights {name}",
        "commit": commit,
        "data": lessons.DATA,
        "steps": steps,
        "batch": lessons.BATCH,
        "seconds": round(seconds),
        "date": date.today().isoformat(),
        "machine": describe() | {"threads": 1},
        "numbers": lessons.measure(network),
        **besides,
    }
    shipped.keep_shipped(name, network, told)
    print(f"{name}: {seconds:.0f} s, {told['numbers']}", flush=True)


def _commit() -> str:
    """The commit that is checked out, "+" if files differ from it; "unknown" outside a clone."""
    try:
        commit = subprocess.check_output(["git", "rev-parse", "--short=12", "HEAD"], text=True).strip()
        changed = subprocess.check_output(["git", "status", "--porcelain", "aelib", "benchmarks"], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + "+" * bool(changed)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks.weights [NAME …]`: train the networks that come with the course, each in a process of its own.

At most as many at a time as there are cores, one thread each: twenty minutes on two cores for the two generators of
chapter 15.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date

import aelib  # noqa: F401  (first, so that TensorFlow starts quietly)
from aelib.models import shipped

STEPS, BATCH, RATE, GAMMA, SEED = 16_000, 16, 0.02, 0.5, 0
LESSONS, LESSONS_SEED = 30_000, 3_000  # faces, drawn with a seed that no split of the data set has
SEEN_WIDTHS = (64, 32, 16)  # of the discriminator
AVERAGE = 0.998  # the average remembers about 500 steps
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Recipe:
    """What is built, by a name in `aelib.models.shipped.BUILDERS`, and with which arguments."""

    builder: str
    arguments: dict


FACES = {"image_shape": [32, 32, 3], "noise_size": 32, "widths": [64, 64, 32, 16], "mixing": 0.5}
RECIPES = {
    "style_faces": Recipe("style_generator", {**FACES, "depth": 2}),
    "style_faces_without_mapping": Recipe("style_generator", {**FACES, "depth": 0}),
}


def main(arguments: list[str] | None = None) -> int:
    """Train those named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(RECIPES)} (default: all)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS:,}")
    parser.add_argument("--here", action="store_true", help="train in this process, one after the other")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in RECIPES:
            parser.error(f"no network is called {name!r}: those that can be trained are {', '.join(RECIPES)}")
    if options.steps < 1:
        parser.error(f"found {options.steps} steps: expected at least 1")
    names = options.names or list(RECIPES)
    if options.here:
        for name in names:
            train(name, options.steps)
        return 0

    def apart(name: str) -> int:
        command = [sys.executable, "-m", "benchmarks.weights", name, "--here", "--steps", str(options.steps)]
        return subprocess.call(command, env=os.environ | ONE_THREAD)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return max(pool.map(apart, names))


def train(name: str, steps: int) -> None:
    """Train, measure and keep one network with its card. What was there stays until this one is finished."""
    import keras  # here, since a call that only starts others needs none of it

    from aelib.data import batches, make_faces
    from aelib.models import R1GAN, growing_discriminator
    from aelib.training import compile_options, seed_everything

    from .machine import describe

    recipe, commit = RECIPES[name], _commit()
    began = time.monotonic()
    seed_everything(SEED)
    faces = make_faces(LESSONS, LESSONS_SEED).images
    generator = shipped.BUILDERS[recipe.builder](**recipe.arguments)
    gan = R1GAN(generator, growing_discriminator(faces.shape[1:], SEEN_WIDTHS, fade=False)[-1], gamma=GAMMA)
    rates = [keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.05) for _ in range(2)]
    average = keras.optimizers.Adam(rates[0], beta_1=0.0, beta_2=0.99, use_ema=True, ema_momentum=AVERAGE)
    other = keras.optimizers.Adam(rates[1], beta_1=0.0, beta_2=0.99)
    gan.compile(average, other, **compile_options("growing gan", steps))
    lessons = batches(faces, BATCH).repeat()
    gan.fit(lessons, steps_per_epoch=steps, verbose=0)  # when it ends, Keras gives the generator its average
    seconds = time.monotonic() - began
    shipped.halve_precision(generator)
    told = asdict(recipe) | {
        "command": f"python course.py weights {name}",
        "commit": commit,
        "data": f"{LESSONS:,} faces of 32×32, make_faces({LESSONS}, seed={LESSONS_SEED})",
        "steps": steps,
        "batch": BATCH,
        "seconds": round(seconds),
        "date": date.today().isoformat(),
        "machine": describe() | {"threads": 1},
        "numbers": measure(generator),
    }
    shipped.keep_shipped(name, generator, told)
    print(f"{name}: {seconds:.0f} s, {told['numbers']}", flush=True)


def measure(generator) -> dict[str, float | list[float]]:
    """What a card says of 1,000 pictures, against 1,000 test faces.

    `frechet`: on the features of the reader; `bands`: coarse, middle and fine, of the pictures themselves;
    `redrawing`: median squared distance from the face drawn again. The reader is trained where it is used, so that
    the first and the last differ a little from machine to machine; the bands do not.
    """
    import numpy as np

    from aelib.data import load
    from aelib.measures import band_distances, frechet_distance, train_face_reader
    from aelib.models import noise_maps, synthesize

    data, reader = load("faces"), train_face_reader(0)
    z = np.random.default_rng(0).normal(size=(1000, generator.input_shape[-1])).astype("float32")
    images = synthesize(generator, generator.get_layer("mapping").predict(z, verbose=0), noise_maps(generator, 1000))
    real = data.x_test[:1000]
    return {
        "frechet": float(frechet_distance(reader.features(images), reader.features(real))),
        "bands": [float(value) for value in band_distances(images, real)],
        "redrawing": float(np.median(reader.redrawing_distance(images))),
    }


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

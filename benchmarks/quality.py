"""Part 1: how long the course's recipes take to the error that the textbook's end with, and what they end with.

Both in the same process, in turn, on the same images. Seconds are those of building, compiling and `fit`, the tracing
of the graph included; the measuring of the error is not.
"""

import time
from dataclasses import asdict, dataclass, replace

import keras

from aelib.data import Dataset, load
from aelib.training import seed_everything

from . import adversarial
from .families import FAMILIES, Family, Recipe
from .report import table

TITLE = "Time to the textbook's quality"
LADDER = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32)  # epochs; each run has a schedule of its own length
MOST_SECONDS = 30.0  # of the run that shows what more time brings


@dataclass(frozen=True)
class Run:
    """One training run: its epochs, its seconds and the error on the validation images."""

    epochs: int
    seconds: float
    error: float


@dataclass(frozen=True)
class Comparison:
    """The textbook's run, the course's shortest one that is at least as good, and one of the textbook's seconds."""

    family: str
    seed: int
    textbook: Run
    reached: Run | None
    ended: Run

    @property
    def ratio(self) -> float:
        """The textbook's seconds over the course's, to the same error; 0 if it was not reached."""
        return self.textbook.seconds / self.reached.seconds if self.reached else 0.0


def train(family: Family, recipe: Recipe, data: Dataset, epochs: int, seed: int) -> Run:
    """Build, compile and fit, on the clock; then measure the error."""
    keras.backend.clear_session()
    seed_everything(seed)
    images = recipe.images(data.x_train)
    began = time.perf_counter()
    model = recipe.build(images, recipe.steps(len(images), epochs))
    model.fit(images, images, batch_size=recipe.batch_size, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - began
    return Run(epochs, seconds, family.error(model, recipe.images(data.x_valid)))


def compare(family: Family, data: Dataset, seed: int) -> Comparison:
    """Both recipes of a family, in turn: the textbook's to its end, then the course's for more and more epochs."""
    textbook = train(family, family.textbook, data, family.textbook.epochs, seed)
    reached = None
    for epochs in LADDER:
        run = train(family, family.course, data, epochs, seed)
        if run.error <= textbook.error:
            reached = run
            break
        if run.seconds > textbook.seconds / 2:
            break
    fits = _epochs_within(min(textbook.seconds, MOST_SECONDS), run)
    ended = train(family, family.course, data, fits, seed) if fits > run.epochs else run
    return Comparison(family.name, seed, textbook, reached, ended)


def _epochs_within(seconds: float, run: Run) -> int:
    """How many epochs fit into so many seconds, going by a run of which one second, or half, was tracing.

    Four fifths of them are used: machines waver, and the course's is not to take longer than the textbook's.
    """
    tracing = min(1.0, run.seconds / 2)
    return max(1, int((0.8 * seconds - tracing) / ((run.seconds - tracing) / run.epochs)))


def first(data: Dataset, count: int) -> Dataset:
    """The data set with its first `count` training images only."""
    return replace(data, x_train=data.x_train[:count], y_train=data.y_train[:count])


def run(say, quick: bool = False) -> dict:
    """All families, all seeds, then the GANs; `say` is called with a line as each is finished."""
    data, seeds = load("mnist"), (0,) if quick else (0, 1)
    if quick:
        data = first(data, 10_000)
    # What a process does only once is on nobody's clock.
    train(FAMILIES[0], FAMILIES[0].course, first(data, 1000), 1, 0)
    rows = []
    for family in FAMILIES:
        for seed in seeds:
            comparison = compare(family, data, seed)
            say(f"{family.name}, seed {seed}: {_words(comparison)}")
            rows.append(asdict(comparison) | {"ratio": comparison.ratio})
    gans = [adversarial.compare(data, seed, 25.0 if quick else 60.0, say) for seed in seeds]
    return {"images": len(data.x_train), "most_seconds": MOST_SECONDS, "families": rows, "gans": gans}


def _words(each: Comparison) -> str:
    reached = f"{each.reached.seconds:.1f} s ({each.ratio:.0f} times as fast)" if each.reached else "never"
    return (
        f"textbook {each.textbook.error:.5f} after {each.textbook.seconds:.1f} s; reached after {reached}; "
        f"{each.ended.error:.5f} after {each.ended.seconds:.1f} s"
    )


def report(result: dict) -> str:
    """Two tables: the families, and the GANs."""
    head = ["family", "seed", "textbook: error", "epochs", "seconds", "course: seconds to it", "ratio", "goal"]
    head += ["course: error", "after seconds"]
    goals, rows = {family.name: family for family in FAMILIES}, []
    for row in result["families"]:
        textbook, reached, ended = row["textbook"], row["reached"], row["ended"]
        family = goals[row["family"]]
        to_it = f"{reached['seconds']:.1f}" if reached else "not reached"
        cells = [f"{family.name} ({family.task})", row["seed"], f"{textbook['error']:.5f}", textbook["epochs"]]
        cells += [f"{textbook['seconds']:.1f}", to_it, f"{row['ratio']:.1f}", family.goal]
        rows.append([*cells, f"{ended['error']:.5f}", f"{ended['seconds']:.1f}"])
    return (
        f"{result['images']:,} training images; errors per pixel on 5,000 others, for the sparse ones and the VAE with "
        "their penalty, as the textbook weighs it; denoising: from images with half the pixels dropped. The course's "
        "seconds to the textbook's error are those of the shortest schedule (1, 2, 3, 4, 5, 6, 8 … epochs) that "
        "reaches it. Its own error is that of the longest schedule that fits into the textbook's seconds, or into "
        f"{result['most_seconds']:.0f}, or else of the one that reaches the textbook's error. All seconds include "
        "the tracing of the graph, about one."
        f"{result.get('remark', '')}\n\n"
        f"{table(head, rows)}\n\n{adversarial.report(result['gans'])}"
    )

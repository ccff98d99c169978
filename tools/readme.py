"""Write the README's table of chapters from the ledger of one run of the course.

    python tools/readme.py [LEDGER]

LEDGER is the file that `python course.py test --ledger FILE` has written (default: docs/ledger.jsonl). Another file is
kept as docs/ledger.jsonl, so that the tests can compare the table with it. The sentences stand in docs/headlines.toml,
and the table between two comments in README.md. A companion has an indented row. Exercises have no row: their seconds
stand beside those of their chapter. What cannot be written is refused in one sentence, and nothing is changed.
"""

import argparse
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path

from chapters import EXERCISES, ROOT, all_notebooks, is_companion, number_of, title
from files import replace
from ledgers import Circumstances, is_record, read

BEGIN = "<!-- chapters: begin; `make readme` writes what follows, from docs/ledger.jsonl and docs/headlines.toml -->"
END = "<!-- chapters: end -->"
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass
class Run:
    """A chapter's last run: its checks, and, once it has ended well, its seconds and circumstances."""

    values: dict[str, object] = field(default_factory=dict)
    dataset: str | None = None  # that of its checks: a chapter may bring its own
    seconds: float | None = None
    circumstances: Circumstances | None = None


# ---- the ledger ----


def refuse_mixture(rows: list[dict], path: Path) -> None:
    """One data set, one seed. A chapter that brings its own data has one data set, too."""
    groups = {"": [row for row in rows if is_record(row)]}
    for row in rows:
        if not is_record(row):
            groups.setdefault(f" of chapter {row['notebook']}", []).append(row)
    found = [("seeds", "", {row["seed"] for row in rows})]
    found += [("data sets", where, {row["dataset"] for row in group}) for where, group in groups.items()]
    for what, where, values in found:
        if len(values) > 1:
            sys.exit(f"{path} holds results{where} from two {what} ({', '.join(sorted(map(str, values)))}): give one.")


def last_runs(rows: list[dict]) -> dict[str, Run]:
    """The last run of each chapter. A chapter's record ends its run: what comes later belongs to another one."""
    runs: dict[str, Run] = {}
    for row in rows:
        run = runs.setdefault(row["notebook"], Run())
        if is_record(row):
            run.seconds = row["notebook_seconds"]
            run.circumstances = Circumstances(**{each.name: row.get(each.name) for each in fields(Circumstances)})
            continue
        if run.circumstances:
            run = runs[row["notebook"]] = Run()
        run.values[row["check"]] = row["value"]
        run.dataset = row["dataset"]
    return runs


def common_circumstances(runs: list[Run], path: Path) -> Circumstances:
    """The circumstances that all chapters share; date, speed and processor are those of the first on the usual one.

    A chapter may have been added on a later day or on another processor, with the same threads and versions: the line
    above the table then says so.
    """
    own = ("date", "gflops", "processor")
    for name in (each.name for each in fields(Circumstances) if each.name not in own):
        values = {str(getattr(run.circumstances, name)) for run in runs}
        if len(values) > 1:
            sys.exit(f"The chapters in {path} do not come from one run: {name} is {' and '.join(sorted(values))}.")
    usual, _ = Counter(run.circumstances.processor for run in runs).most_common(1)[0]
    return next(run.circumstances for run in runs if run.circumstances.processor == usual)


# ---- the table ----


def read_headlines(path: Path) -> dict[str, dict]:
    """The sentence of each chapter (`text`), and the checks that its placeholders stand for (`values`)."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{path} cannot be read: {error}.")


def fill(number: str, headline: dict, values: dict[str, object]) -> str:
    """A chapter's sentence with the measured values in it."""
    checks = headline.get("values", {})
    for name, check in checks.items():
        if check not in values:
            sys.exit(f"Chapter {number}: {{{name}}} stands for the check {check!r}, which is not in the ledger.")
    text = headline.get("text", "")
    try:
        text = text.format_map({name: values[check] for name, check in checks.items()})
    except (KeyError, IndexError) as error:
        sys.exit(f"Chapter {number}: docs/headlines.toml does not say which check the placeholder {error} stands for.")
    except (ValueError, TypeError, AttributeError) as error:
        sys.exit(f"Chapter {number}: its sentence in docs/headlines.toml cannot be filled ({error}).")
    return re.sub(r"(?<=\d)%", " %", " ".join(text.split()))  # the course writes 9 %, Python 9%


def line_above(common: Circumstances, runs: dict[str, Run]) -> str:
    """On which data, machine and day the table was measured, and how."""
    same = (common.dataset, None)  # None: a chapter without checks
    others = [f"chapter {number}: `{run.dataset}`" for number, run in runs.items() if run.dataset not in same]
    own = "".join(f" ({'; '.join(others)})" if others else "")
    chapters = f"{word(common.workers)} chapter{'s' * (common.workers > 1)} at a time"
    threads = "as many threads as TensorFlow takes"
    if common.threads:
        threads = f"{word(common.threads)} thread{'s' * (common.threads > 1)} each"
    machine = f"{word(common.cores)} core{'s' * (common.cores > 1)}"
    if common.gflops:
        machine += (
            f" ({common.processor}, about {float(f'{common.gflops:.2g}'):.0f} GFLOP/s in float32 matrix products)"
        )
    later = []
    for number, run in runs.items():
        day, processor, gflops = (getattr(run.circumstances, name) for name in ("date", "processor", "gflops"))
        speed = f" with about {float(f'{gflops:.2g}'):.0f} GFLOP/s" if gflops else ""
        if day != common.date or processor != common.processor:
            later.append(f"{number} on {day}" + f", on {processor}{speed}" * (processor != common.processor))
    added = f" ({', '.join(later)})" if later else ""
    return (
        f"Measured on {common.date}{added} on the data set `{common.dataset}`{own} with seed {common.seed}, "
        f"on a machine with {machine}: `make test`, {chapters}, {threads}; "
        f"TensorFlow {common.tensorflow}, Keras {common.keras}. "
        "Times include the start of a chapter's kernel. Errors are those on unseen images, unless it says otherwise."
    )


def word(count: int) -> str:
    """A small number as prose has it."""
    return WORDS[count] if 0 <= count < len(WORDS) else str(count)


def table(root: Path, ledger: Path) -> str:
    """What stands between the two comments: the circumstances, and a row for each chapter and companion."""
    rows = read(ledger)
    refuse_mixture(rows, ledger)
    runs = last_runs(rows)
    headlines = read_headlines(root / "docs" / "headlines.toml")
    notebooks = {number_of(path): path for path in all_notebooks(root)}
    for number in notebooks:
        if number not in runs or not runs[number].circumstances:
            sys.exit(f"{ledger} has no record of notebook {number} that it ended well: run `make test` again.")
    runs = {number: runs[number] for number in notebooks}
    lines = [line_above(common_circumstances(list(runs.values()), ledger), runs), ""]
    lines += ["| | chapter | time | what it finds |", "|---|---|---|---|"]
    for number, path in notebooks.items():
        if path.parent.name == EXERCISES:
            continue
        if number not in headlines:
            sys.exit(f"docs/headlines.toml has no sentence for chapter {number}.")
        sentence = fill(number, headlines[number], runs[number].values)
        lines.append(f"| {row_head(root, number, path)} | {times(number, runs)} | {sentence} |")
    return "\n".join(lines)


def row_head(root: Path, number: str, path: Path) -> str:
    """The first two cells of a row: the picture, and the link; a companion's is indented, and it may lack a picture."""
    picture = f"docs/{path.stem}.png"
    shown = f'<img src="{picture}" width="220">' if (root / picture).exists() or not is_companion(number) else ""
    indent = "&nbsp;&nbsp;↳ " if is_companion(number) else ""
    return f"{shown} | {indent}[{number} {title(path)}](notebooks/{path.name})"


def times(number: str, runs: dict[str, Run]) -> str:
    """A notebook's seconds, and those of its exercises."""
    exercises = runs.get(f"{number}x")
    return f"{runs[number].seconds:.0f} s" + (f", exercises {exercises.seconds:.0f} s" if exercises else "")


def render(root: Path, ledger: Path) -> str:
    """The whole README, with the table made anew."""
    text = (root / "README.md").read_text("utf-8")
    if [line for line in text.splitlines() if line in (BEGIN, END)] != [BEGIN, END]:
        sys.exit(f"README.md needs the lines {BEGIN!r} and {END!r}, each once and in this order.")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{table(root, ledger)}\n\n{END}{after}"


# ---- files ----


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and write the README; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", nargs="?", type=Path, help="default: docs/ledger.jsonl")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the course")
    options = parser.parse_args(arguments)
    kept = options.root / "docs" / "ledger.jsonl"
    ledger = options.ledger or kept
    text = render(options.root, ledger)
    if ledger.resolve() != kept.resolve():
        replace(kept, ledger.read_bytes())
    replace(options.root / "README.md", text.encode("utf-8"))
    print(f"README.md: the table of chapters is that of {ledger}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

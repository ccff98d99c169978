"""Ledgers: JSON lines with what a notebook's checks measured, and a record of how it was run.

`docs/ledger.jsonl` is one run of all notebooks by the tests; the README's table is made from it. The ledgers of seeds
lie in `docs/ledgers/`, a file per data set and notebook (`docs/ledgers/mnist/02b.jsonl`), so that work on two notebooks
never meets in one file. In them, each row carries `code`, a hash of the code that it was measured with. Those of
another Keras backend lie beside them, in `docs/ledgers_jax/`.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass, fields
from datetime import date
from importlib import metadata
from pathlib import Path

import machine
from chapters import ROOT
from files import replace
from fingerprint import Package
from kernels import Failure, Result

DEFAULT_DATASET = "digits"
CHECK = {"notebook", "dataset", "seed", "check", "value", "at_most", "at_least", "equals", "holds"}
ENDS = ("well", "broken", "failed")


@dataclass(frozen=True)
class Circumstances:
    """How a notebook was run. `dataset`: the one that was asked for; a notebook may bring its own."""

    dataset: str
    seed: int
    cores: int
    workers: int
    threads: int | None  # None: as many as TensorFlow takes
    date: str
    tensorflow: str
    keras: str
    processor: str | None = None  # ledgers of the first edition say neither
    gflops: float | None = None

    @classmethod
    def now(cls, dataset: str, seed: int, workers: int, threads: int | None, gflops: float | None) -> "Circumstances":
        """Those of a run on this machine, today; `gflops` is measured before other work starts."""
        versions = {name: metadata.version(name) for name in ("tensorflow", "keras")}
        today, processor = date.today().isoformat(), machine.processor()
        return cls(
            dataset, seed, machine.cores(), workers, threads, today, **versions, processor=processor, gflops=gflops
        )


@dataclass(frozen=True)
class Run:
    """A notebook's run with one seed: the rows of its checks, and its record."""

    checks: list[dict]
    record: dict

    @property
    def ended(self) -> str:
        """`well`; `broken`: nothing failed but claims; `failed`: any other cell failed, or the kernel."""
        return self.record["ended"]

    @property
    def failures(self) -> list[Failure]:
        """The cells that failed."""
        return [Failure(*each) for each in self.record.get("failures", [])]


def record(number: str, result: Result, circumstances: Circumstances, code: str) -> dict:
    """The row that ends a notebook's run."""
    row = {"notebook": number, "notebook_seconds": round(result.seconds, 1), **asdict(circumstances)}
    row |= {"code": code, "ended": result.ended}
    if result.failures:
        row["failures"] = [[each.cell, each.line, each.error] for each in result.failures]
    return row


def is_record(row: object) -> bool:
    """Whether a row says how a notebook was run, rather than what a check measured."""
    return isinstance(row, dict) and "notebook_seconds" in row


def read(path: Path) -> list[dict]:
    """The rows of a ledger; exits with one sentence if it cannot be read, or holds something else."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        sys.exit(
            f"The ledger {path} cannot be read ({error.strerror}): `python course.py test --ledger FILE` writes one."
        )
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            sys.exit(f"Line {number} of {path} is not JSON.")
        needed = {each.name for each in fields(Circumstances) if each.default is not None} if is_record(row) else CHECK
        if not isinstance(row, dict) or not {"notebook", *needed} <= row.keys():
            sys.exit(f"Line {number} of {path} is neither a check nor the record of a notebook.")
        rows.append(row)
    return rows


def text(rows: list[dict]) -> str:
    """Rows as a ledger has them."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# ---- ledgers of seeds ----


def folder_of(backend: str | None = None, root: Path = ROOT) -> Path:
    """Where the ledgers of seeds lie that a Keras backend wrote (default: the one of `KERAS_BACKEND`)."""
    backend = backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    return root / "docs" / ("ledgers" if backend == "tensorflow" else f"ledgers_{backend}")


def path_of(folder: Path, dataset: str, number: str) -> Path:
    """The ledger of a notebook on a data set."""
    return folder / dataset / f"{number}.jsonl"


def stored(path: Path) -> dict[int, Run]:
    """The runs in a ledger of seeds, by seed; exits with one sentence if a row does not belong there.

    A row belongs there if the file has its notebook's name, and if its seed has one record, with the same hash.
    """
    if not path.exists():
        return {}
    rows = read(path)
    records: dict[int, dict] = {}
    for line, row in enumerate(rows, 1):
        if is_record(row):
            wrong = row["seed"] in records or row["dataset"] != path.parent.name or row.get("ended") not in ENDS
            if wrong:
                sys.exit(f"Line {line} of {path}: a seed has one record, which says its data set and how it ended.")
            records[row["seed"]] = row
    runs = {seed: Run([], row) for seed, row in sorted(records.items())}
    for line, row in enumerate(rows, 1):
        seed = row["seed"]
        if row["notebook"] != path.stem or seed not in runs or row.get("code") != records[seed].get("code"):
            sys.exit(f"Line {line} of {path} belongs to no run there: its notebook, seed or code is another one.")
        if not is_record(row):
            runs[seed].checks.append(row)
    return runs


def store(path: Path, seed: int, run: Run) -> None:
    """Put a run in the place of the one with the same seed, in one step."""
    runs = stored(path) | {seed: run}
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [row for _, each in sorted(runs.items()) for row in (*each.checks, each.record)]
    replace(path, text(rows).encode("utf-8"))


def all_ledgers(folder: Path) -> list[Path]:
    """Every ledger of seeds in a folder, by data set and notebook."""
    return sorted(folder.glob("*/*.jsonl"))


def audit(path: Path, notebooks: dict[str, Path], package: Package) -> tuple[list[int], list[str]]:
    """What is wrong with a ledger of seeds: the seeds whose code is not today's, and the claims that today's breaks.

    `notebooks`: by number. Exits with one sentence if a row does not belong there, or if there is no such notebook.
    """
    runs = stored(path)
    if path.stem not in notebooks:
        sys.exit(f"{path}: there is no notebook {path.stem}.")
    code = package.code_hash(notebooks[path.stem])
    stale = [seed for seed, run in runs.items() if run.record["code"] != code]
    rows = [row for seed, run in runs.items() if seed not in stale for row in run.checks]
    return stale, [f"seed {row['seed']}: {row['check']}" for row in rows if row["holds"] is False]

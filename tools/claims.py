"""Measure what notebooks claim: executes copies, on a data set, with one seed or with several."""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import kernels
import ledgers
import machine
import nbformat
import spread
from chapters import ROOT, number_of
from fingerprint import Package


@dataclass(frozen=True)
class Job:
    """A notebook to be run with a seed; `code`: the hash of its code."""

    path: Path
    seed: int
    code: str

    @property
    def number(self) -> str:
        """The name under which the notebook's results are recorded."""
        return number_of(self.path)


class Sweep:
    """Notebooks × seeds on a data set. With a folder, runs are stored there, and those in it are not run again."""

    def __init__(self, dataset: str, seeds: list[int], folder: Path | None, workers: int, root: Path = ROOT) -> None:
        self.dataset, self.seeds, self.folder, self.workers = dataset, seeds, folder, workers
        self.package = Package(root)
        self.gflops: float | None = None
        self.runs: dict[Path, dict[int, ledgers.Run]] = {}

    def measure(self, paths: list[Path]) -> int:
        """Run what is not stored, and print a table for each notebook as soon as all of its seeds are there.

        Returns the exit status: 1 if a cell failed or a claim did not hold.
        """
        jobs = [Job(path, seed, self.package.code_hash(path)) for path in paths for seed in self.seeds]
        self.runs = {path: {} for path in paths}
        to_do = []
        for job in jobs:
            if run := self.current(job):
                self.keep(job, run)
            else:
                to_do.append(job)
        if self.folder and len(jobs) > len(to_do):
            print(f"{len(jobs) - len(to_do)} of {len(jobs)} runs are stored, by the same code")
        for path in paths:
            self.print_if_complete(path)
        if to_do:
            self.gflops = machine.gflops()
            kernels.for_each(to_do, self.execute, self.finish, self.workers)
        return self.conclude()

    def current(self, job: Job) -> ledgers.Run | None:
        """The stored run of a job, if the code is the same and no cell failed but by a claim."""
        if not self.folder:
            return None
        run = ledgers.stored(ledgers.path_of(self.folder, self.dataset, job.number)).get(job.seed)
        return run if run and run.record["code"] == job.code and run.ended != "failed" else None

    def execute(self, job: Job) -> ledgers.Run:
        """Execute a copy of the notebook in a temporary folder, and read its ledger."""
        with tempfile.TemporaryDirectory(prefix="claims-", ignore_cleanup_errors=True) as folder:
            ledger = Path(folder, "ledger.jsonl")
            settings = {"AELIB_DATASET": self.dataset, "AELIB_SEED": str(job.seed), "AELIB_LEDGER": str(ledger)}
            env = kernels.environment(**settings) | (machine.ONE_THREAD if self.workers > 1 else {})
            notebook = nbformat.read(job.path, as_version=4)
            result = kernels.execute(notebook, Path(folder), env, keep_going=True)
            lines = ledger.read_text("utf-8").splitlines() if ledger.exists() else []
        checks = [json.loads(line) | {"code": job.code} for line in lines]
        for name in sorted({str(row["notebook"]) for row in checks} - {job.number}):
            result.failures.append(kernels.Failure(0, "", f'it calls itself "{name}", expected start("{job.number}")'))
            checks = [row for row in checks if row["notebook"] == job.number]
        threads = env.get("TF_NUM_INTRAOP_THREADS")
        circumstances = ledgers.Circumstances.now(
            self.dataset, job.seed, self.workers, int(threads) if threads else None, self.gflops
        )
        return ledgers.Run(checks, ledgers.record(job.number, result, circumstances, job.code))

    def finish(self, job: Job, run: ledgers.Run) -> None:
        """Store a run, say what failed in it, and print the notebook's table if it was the last of its runs."""
        if self.folder:
            ledgers.store(ledgers.path_of(self.folder, self.dataset, job.number), job.seed, run)
        if len(self.seeds) > 1 or self.folder:
            print(f"{job.number}, seed {job.seed}: {run.record['notebook_seconds']:.1f} s", flush=True)
        self.keep(job, run)
        self.print_if_complete(job.path)

    def keep(self, job: Job, run: ledgers.Run) -> None:
        """Count a run, new or stored, and say on stderr what failed in it."""
        self.runs[job.path][job.seed] = run
        seed = f" (seed {job.seed})" if self.folder else ""
        for failure in run.failures:
            print(f"{job.path.stem}{seed}, {failure}", file=sys.stderr, flush=True)

    def print_if_complete(self, path: Path) -> None:
        """The table of a notebook all of whose seeds are there."""
        runs = [self.runs[path][seed] for seed in self.seeds if seed in self.runs[path]]
        if len(runs) < len(self.seeds):
            return
        lines = spread.seeds_table(runs) if self.folder else spread.one_table(runs[0])
        name = number_of(path) + path.stem.removeprefix(path.stem.partition("_")[0])
        print(f"\n{name}" + ("" if lines else ": no check was reached"))
        print(*lines, sep="\n", flush=True)

    def conclude(self) -> int:
        """Print the seconds, and what asks for attention; returns the exit status."""
        runs = [run for by_seed in self.runs.values() for run in by_seed.values()]
        print("\nSeconds per notebook (kernel start included)")
        for path, by_seed in self.runs.items():
            seconds = [run.record["notebook_seconds"] for run in by_seed.values()]
            print(f"  {sum(seconds) / len(seconds):7.1f}  {number_of(path)}")
        broken = sum(run.ended != "well" for run in runs)
        if self.folder:
            states = [each.state for by_seed in self.runs.values() for each in spread.spreads(list(by_seed.values()))]
            print(f"\n{spread.LEGEND}")
            near, wrong = states.count("near"), states.count("broken")
            print(
                f"checks: {len(states)}; with a bound nearer than {spread.ENOUGH} standard deviations: {near}; "
                f"that did not hold: {wrong}; failed runs: {broken} of {len(runs)}"
            )
        return 1 if broken or any(row["holds"] is False for run in runs for row in run.checks) else 0

"""What pytest adds to its report: the seconds that each chapter took, also for the ledger."""

import json
import os
from collections import defaultdict
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="module")
def _keep_out_of_the_ledger():
    """Unit tests check, too, and that is no result of a chapter. (Cells use no fixture: their kernel sees the file.)"""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AELIB_LEDGER", raising=False)
        yield


def pytest_terminal_summary(terminalreporter, config) -> None:
    """Print, for each notebook, the seconds of its cells, the kernel's start and its end included.

    Where `$AELIB_LEDGER` names a file, each chapter that ended well is recorded in it.
    """
    if hasattr(config, "workerinput"):
        return  # a worker of xdist, which knows its own chapters only; the controller knows all
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            notebook = (getattr(report, "nodeid", None) or "").partition("::")[0]
            if notebook.endswith(".ipynb"):
                seconds[notebook] += getattr(report, "duration", 0.0)
    if not seconds:
        return
    terminalreporter.section("seconds per chapter")
    for notebook, value in sorted(seconds.items()):
        terminalreporter.write_line(f"{value:7.1f}  {notebook}")
    terminalreporter.write_line(f"{sum(seconds.values()):7.1f}  together (the workers share them)")
    if ledger := os.environ.get("AELIB_LEDGER"):
        whole = [name for name in sorted(seconds) if _ended_well(config.rootpath / name, name, terminalreporter.stats)]
        _record({name: seconds[name] for name in whole}, getattr(config.option, "numprocesses", None), Path(ledger))


def _ended_well(path: Path, notebook: str, stats: dict) -> bool:
    """Whether every code cell of the notebook was run, and none failed: a part has neither its time nor its results."""
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]

    def of_notebook(outcome: str) -> set[str]:
        nodes = {getattr(report, "nodeid", None) or "" for report in stats.get(outcome, [])}
        return {node for node in nodes if node.startswith(f"{notebook}::")}

    return len(of_notebook("passed")) == len(cells) and not of_notebook("failed") | of_notebook("error")


def _record(seconds: dict[str, float], workers: int | None, ledger: Path) -> None:
    """Append one object per chapter to the ledger: its seconds, and in which circumstances they were measured.

    A chapter goes by its number, as in the lines of its checks (see aelib/checks.py).
    """
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS")
    circumstances = {
        "dataset": os.environ.get("AELIB_DATASET") or "digits",
        "seed": int(os.environ.get("AELIB_SEED") or "0"),
        "cores": os.cpu_count(),
        "workers": workers or 1,
        "threads": int(threads) if threads else None,
        "date": date.today().isoformat(),
        "tensorflow": metadata.version("tensorflow"),
        "keras": metadata.version("keras"),
    }
    with ledger.open("a", encoding="utf-8") as file:
        for notebook, value in seconds.items():
            row = {"notebook": Path(notebook).stem.partition("_")[0], "chapter_seconds": round(value, 1)}
            file.write(json.dumps(row | circumstances, ensure_ascii=False) + "\n")

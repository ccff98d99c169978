"""How pytest runs the course: plain `pytest` does what `make test` does.

One thread per process, as many workers as cores and memory allow, each notebook in one worker and in a kernel of its
own. What the shell happens to export for the notebooks (AELIB_DATASET, AELIB_SEED, AELIB_LEDGER) does not reach them:
their stored outputs are those of digits with seed 0. Three variables ask for something else, and only kernels get it:

    AELIB_TEST_DATASET   another data set \\ stored outputs are not compared then; the checks in the cells
    AELIB_TEST_SEED      another seed     / are what is tested
    AELIB_TEST_LEDGER    a file: what the notebooks measured is appended to it, with a record of each that ended well
"""

import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from queue import Empty

import pytest
from chapters import number_of
from fingerprint import Package
from kernels import SETTINGS, START_SECONDS, Result
from ledgers import DEFAULT_DATASET, Circumstances, record
from ledgers import text as ledger_text
from machine import ONE_THREAD, gflops, workers

os.environ.update(ONE_THREAD)  # before anything imports NumPy or TensorFlow; workers and kernels inherit it
for _name in SETTINGS:
    os.environ.pop(_name, None)
if os.environ.get("AELIB_DATA"):
    os.environ["AELIB_DATA"] = os.path.abspath(os.environ["AELIB_DATA"])  # kernels run in other folders

SANITIZE = Path("tools", "nbval_sanitize.cfg")
ASKED = pytest.StashKey[dict[str, str]]()  # dataset, seed, ledger, and the folder for parts of the ledger
BROKEN = pytest.StashKey[bool]()  # of a notebook: a cell has failed
RATE = pytest.StashKey[float]()


# ---- the settings ----


def pytest_configure(config: pytest.Config) -> None:
    """Read what was asked for, once, in the controller: unit tests do not see it in their environment."""
    option = config.option
    option.nbval_sanitize_with = option.nbval_sanitize_with or str(config.rootpath / SANITIZE)
    if hasattr(config, "workerinput"):
        config.stash[ASKED] = config.workerinput["asked"]
        return
    asked = {name: os.environ.pop(f"AELIB_TEST_{name.upper()}", "") for name in ("dataset", "seed", "ledger")}
    if not (asked["seed"] or "0").isdecimal():
        raise pytest.UsageError(f"AELIB_TEST_SEED is {asked['seed']!r}: expected a whole number, 0 or more")
    if asked["ledger"]:
        asked["ledger"] = os.path.abspath(asked["ledger"])
        folder = tempfile.TemporaryDirectory(prefix="ledger-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        asked["parts"] = folder.name
    config.stash[ASKED] = asked


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Hand the settings on to a worker of xdist."""
    node.workerinput["asked"] = node.config.stash[ASKED]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many workers as cores, as far as memory allows; xdist's own variable comes first."""
    return None if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") else workers()


def _stored(asked: dict[str, str]) -> bool:
    """Whether the notebooks run with what their stored outputs were made with."""
    return (asked["dataset"] or DEFAULT_DATASET) == DEFAULT_DATASET and int(asked["seed"] or 0) == 0


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so where outputs are not compared."""
    asked = config.stash[ASKED]
    if _stored(asked):
        return None
    return f"data set {asked['dataset'] or DEFAULT_DATASET}, seed {asked['seed'] or 0}: stored outputs are not compared"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Measure the machine for the ledger, before any worker starts."""
    config = session.config
    if config.stash[ASKED]["ledger"] and not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[RATE] = gflops()


# ---- cells ----


def _is_cell(item: pytest.Item) -> bool:
    return item.path.suffix == ".ipynb"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """No cell is compared where the data set or the seed is another one, and none fails because outputs come late."""
    for item in filter(_is_cell, items):
        item.output_timeout = START_SECONDS
        if not _stored(config.stash[ASKED]):
            item.options["check"] = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item):
    """Kernels get the settings, which unit tests do not see: a kernel starts in the set-up of its first cell."""
    if not _is_cell(item):
        return (yield)
    asked = item.config.stash[ASKED]
    settings = {"AELIB_DATASET": asked["dataset"], "AELIB_SEED": asked["seed"]}
    if asked["ledger"]:
        settings["AELIB_LEDGER"] = str(_part(asked, item.path))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            if value:
                patch.setenv(name, value)
        result = yield
    kernel = item.parent.kernel
    if "get_message" not in vars(kernel):
        kernel.get_message = _unless_dead(kernel)
    return result


def _part(asked: dict[str, str], notebook: Path) -> Path:
    """The ledger of one notebook: each kernel has a file of its own to write to."""
    return Path(asked["parts"], f"{number_of(notebook)}.jsonl")


def _unless_dead(kernel):
    """nbval's `get_message`, which would wait for the whole time-out for the reply of a kernel that has died."""
    get = kernel.get_message

    def get_message(stream: str, timeout: float | None = None):
        end = time.monotonic() + (START_SECONDS if timeout is None else timeout)
        while True:
            left = end - time.monotonic()
            try:
                return get(stream, min(2.0, max(0.0, left)))
            except Empty:
                if left <= 2:
                    raise
                if not kernel.is_alive():
                    raise RuntimeError("the kernel died (out of memory?)") from None

    return get_message


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A failing cell is one failure: what only follows from it is not reported as another.

    After a cell that failed, a name that is not defined, or a kernel that is dead, counts as expected to fail.
    """
    report = yield
    if report.when == "call" and report.failed and _is_cell(item):
        error = f"{getattr(call.excinfo.value, 'inner_traceback', '')} {call.excinfo.value}"
        if item.parent.stash.get(BROKEN, False) and ("NameError" in error or "Kernel dead" in error):
            report.outcome, report.wasxfail = "skipped", "an earlier cell of the notebook failed"
        item.parent.stash[BROKEN] = True
    return report


# ---- the end of the report, and the ledger ----


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Print, for each notebook, the seconds of its cells, the kernel's start and its end included."""
    if hasattr(config, "workerinput"):
        return  # a worker of xdist, which knows its own notebooks only; the controller knows all
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            notebook = (getattr(report, "nodeid", None) or "").partition("::")[0]
            if notebook.endswith(".ipynb"):
                seconds[notebook] += getattr(report, "duration", 0.0)
    if not seconds:
        return
    terminalreporter.section("seconds per notebook")
    for notebook, value in sorted(seconds.items()):
        terminalreporter.write_line(f"{value:7.1f}  {notebook}")
    terminalreporter.write_line(f"{sum(seconds.values()):7.1f}  together (the workers share them)")
    if config.stash[ASKED]["ledger"]:
        _append_to_ledger(config, terminalreporter.stats, seconds)


def _append_to_ledger(config: pytest.Config, stats: dict, seconds: dict[str, float]) -> None:
    """Append to the ledger what the notebooks measured, in their order, and a record of each that ended well."""
    asked = config.stash[ASKED]
    package = Package(config.rootpath)
    how = Circumstances.now(
        asked["dataset"] or DEFAULT_DATASET,
        int(asked["seed"] or 0),
        workers=getattr(config.option, "numprocesses", None) or 1,
        threads=1,
        gflops=config.stash[RATE],
    )
    with open(asked["ledger"], "a", encoding="utf-8", newline="\n") as ledger:
        for notebook in sorted(seconds, key=lambda name: number_of(Path(name))):
            path = config.rootpath / notebook
            part = _part(asked, path)
            ledger.write(part.read_text("utf-8") if part.exists() else "")
            if _ended_well(path, notebook, stats):
                result = Result(seconds[notebook])
                ledger.write(ledger_text([record(number_of(path), result, how, package.code_hash(path))]))


def _ended_well(path: Path, notebook: str, stats: dict) -> bool:
    """Whether every code cell of the notebook was run, and none failed: a part has neither its time nor its results."""
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]

    def of_notebook(outcome: str) -> set[str]:
        nodes = {getattr(report, "nodeid", None) or "" for report in stats.get(outcome, [])}
        return {node for node in nodes if node.startswith(f"{notebook}::")}

    return len(of_notebook("passed")) == len(cells) and not of_notebook("failed") | of_notebook("error")

"""Execute notebooks, each in a kernel of its own, one after the other or several at a time."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

CELL_SECONDS = 1800  # a limit for what hangs, not for what is slow
START_SECONDS = 300
KERNEL = "python3"
SETTINGS = ("AELIB_DATASET", "AELIB_SEED", "AELIB_LEDGER", "AELIB_TEXTS")
BROKEN_CLAIM = "AssertionError: ✗"  # how the message of a check begins that does not hold

Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Failure:
    """Where a notebook failed: the cell's number, its first line of code to find it by, and the error."""

    cell: int
    line: str
    error: str

    def __str__(self) -> str:
        return f"cell {self.cell} (`{self.line}`): {self.error}"


@dataclass
class Result:
    """What became of one notebook: its seconds, and what failed."""

    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def ended(self) -> str:
        """`well`; `broken`: all cells were run, and nothing failed but claims; `failed`: anything else."""
        if not self.failures:
            return "well"
        return "broken" if all(each.error.startswith(BROKEN_CLAIM) for each in self.failures) else "failed"


class Stopped(Exception):
    """The program is to end: a notebook in execution has no result."""


def environment(**settings: str) -> dict[str, str]:
    """The environment of a kernel: the caller's, without the course's settings but for those given."""
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    if data := env.get("AELIB_DATA"):
        env["AELIB_DATA"] = os.path.abspath(data)  # the kernel runs in another folder
    return env | settings


_stopping = threading.Event()
_clients: set[NotebookClient] = set()


def execute(notebook: nbformat.NotebookNode, folder: Path, env: dict[str, str], keep_going: bool) -> Result:
    """Execute `notebook` in place, in a fresh kernel that runs in `folder`; collect what fails.

    With `keep_going`, a cell that raises does not stop the rest. A cell that outlasts the limit, or a kernel that
    dies, always does. Raises `Stopped` if the program is being stopped.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = _client(notebook, folder, keep_going)
    position = 0  # the cell in execution: an error that stops the kernel has no output to be found by

    def on_cell_start(cell: nbformat.NotebookNode, cell_index: int) -> None:
        nonlocal position
        position = cell_index
        _stop_if_asked()

    client.on_cell_start = on_cell_start
    errors: list[tuple[int, str]] = []
    started = time.monotonic()
    _clients.add(client)
    try:
        _stop_if_asked()
        client.execute(env=env)
    except CellExecutionError:
        pass  # its output is in the notebook, where it is looked for below
    except CellTimeoutError:
        errors.append((position, f"it took longer than the {CELL_SECONDS} s that a cell may take"))
    except DeadKernelError:
        errors.append((position, "the kernel died (out of memory?)"))
    except RuntimeError as error:
        errors.append((position, f"the kernel did not start ({error})"))
    finally:
        _clients.discard(client)
        _stop_if_asked()  # the kernel died because it was killed
    seconds = time.monotonic() - started
    ended = [number for number, _ in errors]  # its output may hold an interrupt, which is ours
    for number, cell in enumerate(notebook.cells):
        raised = [each for each in cell.get("outputs", []) if each.output_type == "error" and number not in ended]
        errors += [(number, f"{each.ename}: {each.evalue}") for each in raised]
    return Result(seconds, [Failure(number, _first_line(notebook.cells[number]), text) for number, text in errors])


def _client(notebook: nbformat.NotebookNode, folder: Path, keep_going: bool) -> NotebookClient:
    return NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        startup_timeout=START_SECONDS,
        iopub_timeout=60,  # for the outputs of a cell that has ended
        kernel_name=KERNEL,
        resources={"metadata": {"path": str(folder)}},
        allow_errors=keep_going,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # no remarks of the kernel's own between the lines of the report
    )


def _first_line(cell: nbformat.NotebookNode) -> str:
    return next((line for line in cell.source.splitlines() if line.strip()), "")


def _stop_if_asked() -> None:
    if _stopping.is_set():
        raise Stopped


def for_each(
    jobs: Iterable[Job], work: Callable[[Job], Done], then: Callable[[Job, Done], None], workers: int = 1
) -> None:
    """Do `work` for each job, `workers` at a time, and `then` in this thread as soon as one is done.

    Threads wait for kernels, which are processes. Ctrl-C, SIGTERM or an error ends the kernels at once, and is raised.
    """
    pool = ThreadPoolExecutor(workers)
    waiting = {pool.submit(work, job): job for job in jobs}
    try:
        while waiting:
            # A limit, because Windows notices Ctrl-C only between two waits.
            for future in wait(waiting, timeout=1, return_when=FIRST_COMPLETED).done:
                then(waiting.pop(future), future.result())
    except BaseException:
        _stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for client in list(_clients):
            if process := getattr(getattr(client.km, "provisioner", None), "process", None):
                process.kill()
        raise
    finally:
        pool.shutdown(wait=True)
        _stopping.clear()


def interrupt_on_sigterm() -> None:
    """Let SIGTERM end the program as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def report(name: str, result: Result) -> None:
    """Say on stderr which cells failed."""
    for failure in result.failures:
        print(f"{name}, {failure}", file=sys.stderr, flush=True)

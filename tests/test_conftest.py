"""Plain `pytest` on a small course: settings, workers, failing cells, and what is left in the ledger."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import machine
import pytest
from nbformat import v4, write

ROOT = Path(__file__).resolve().parent.parent
ECHO = (
    "import json, os\n"
    "if 'AELIB_LEDGER' in os.environ:\n"
    "    with open(os.environ['AELIB_LEDGER'], 'a') as file:\n"
    "        _ = file.write(json.dumps({'cell': os.environ.get('AELIB_SEED')}) + '\\n')"
)


def save(path: Path, *cells: str, output: str | None = None) -> None:
    path.parent.mkdir(exist_ok=True)
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Title"), *map(v4.new_code_cell, cells)])
    if output is not None:
        last = notebook.cells[-1]
        last.outputs, last.execution_count = [v4.new_output("stream", name="stdout", text=output)], 1
    write(notebook, path)


@pytest.fixture
def course(tmp_path) -> Path:
    """A course without notebooks and tests, and without a folder of exercises: what runs them."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    return tmp_path


def run(course: Path, *arguments: str, **environment: str) -> str:
    """The report of `pytest` as it is called by hand, in an environment that exports what it should not heed."""
    stale = {"AELIB_DATASET": "mnist", "AELIB_SEED": "9", "AELIB_LEDGER": str(course / "never"), "OMP_NUM_THREADS": "7"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=course,
        env=os.environ | stale | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert not (course / "never").exists()
    return done.stdout + done.stderr


UNIT = """\
import os
def test_environment():
    assert not [name for name in os.environ if name.startswith("AELIB_")]
    assert os.environ["OMP_NUM_THREADS"] == os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
"""


@pytest.mark.parametrize("workers", ["2", "0"])
def test_settings_reach_kernels_and_no_unit_test(course, workers):
    """The ledger has the notebooks in order, each that ended well with a record. A failing cell is one failure."""
    (course / "tests").mkdir()
    (course / "tests" / "test_unit.py").write_text(UNIT)
    save(course / "notebooks" / "01_good.ipynb", ECHO, "assert os.environ['OMP_NUM_THREADS'] == '1'")
    save(course / "notebooks" / "02_bad.ipynb", ECHO, "x = 1 / 0", "x + 1", "print('goes on')")
    save(course / "exercises" / "01_good.ipynb", ECHO)
    asked = {"AELIB_TEST_SEED": "3", "AELIB_TEST_DATASET": "shapes", "AELIB_TEST_LEDGER": "run.jsonl"}
    report = run(course, "-n", workers, **asked)
    assert "1 failed, 6 passed, 1 xfailed" in report, report
    assert "ZeroDivisionError" in report and "NameError" not in report
    rows = [json.loads(line) for line in (course / "run.jsonl").read_text("utf-8").splitlines()]
    assert [row.get("notebook", "cell") for row in rows] == ["cell", "01", "cell", "01x", "cell"]
    assert {row["cell"] for row in rows if "cell" in row} == {"3"}
    record = rows[1]
    assert (record["dataset"], record["seed"], record["ended"]) == ("shapes", 3, "well")
    assert (record["workers"], record["threads"], record["cores"]) == (max(1, int(workers)), 1, machine.cores())
    assert record["gflops"] > 0 and record["processor"] and record["notebook_seconds"] > 0 and len(record["code"]) == 12


def test_stored_outputs_are_compared_only_with_what_they_were_made_with(course):
    marked = "# NBVAL_CHECK_OUTPUT\nprint('✓ error: 0.5 (at most 1)')\nprint('✓ layers: 5 (equals 5)')"
    value = "✓ error: 0.25 (at most 1)\n✓ layers: 5 (equals 5)\n"
    save(course / "notebooks" / "01_value.ipynb", marked, output=value)
    save(course / "notebooks" / "02_equality.ipynb", marked, output=value.replace("5 (equals 5)", "4 (equals 4)"))
    report = run(course, "-n", "0", AELIB_TEST_SEED="1")
    assert "2 passed" in report, report
    report = run(course / "notebooks", "-n", "0", AELIB_TEST_DATASET="digits", AELIB_TEST_SEED="0")
    assert "FAILED 02_equality.ipynb::Cell 0" in report and "1 failed, 1 passed" in report, report


def test_a_cell_that_outlasts_the_limit_and_a_kernel_that_dies_are_one_failure_each(course):
    """And a dead kernel is noticed at once: its cell does not wait for the limit."""
    save(course / "notebooks" / "01_slow.ipynb", "import time", "time.sleep(600)", "y = 1", "time.sleep(0)")
    save(course / "notebooks" / "02_dead.ipynb", "import os", "os._exit(1)", "print('never')")
    report = run(course, "-n", "0", "--nbval-cell-timeout=8")
    assert "2 failed, 2 passed, 1 xfailed, 2 xpassed" in report, report
    assert "Timeout of 8 seconds" in report and "the kernel died" in report


def test_a_seed_that_is_no_number_gets_one_line(course):
    assert "AELIB_TEST_SEED is 'one': expected a whole number" in run(course, AELIB_TEST_SEED="one")


# ---- the machine ----


@pytest.mark.parametrize(
    ("cores", "memory", "workers"), [(4, None, 4), (4, 16 * 2**30, 4), (4, 5 * 2**30, 2), (4, 2**30, 1)]
)
def test_as_many_workers_as_cores_as_far_as_memory_allows(monkeypatch, cores, memory, workers):
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setattr(machine, "memory", lambda: memory)
    assert machine.workers() == workers


def test_memory_is_the_least_of_what_is_there_and_what_a_container_may_take(monkeypatch):
    files = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    8000000 kB\n"}
    monkeypatch.setattr(machine, "_text", lambda path: files.get(path, ""))
    assert machine.memory() == 8_192_000_000
    files["/sys/fs/cgroup/memory.max"] = "4294967296"
    assert machine.memory() == 4 * 2**30
    files["/sys/fs/cgroup/memory.max"] = "max"
    assert machine.memory() == 8_192_000_000


def test_cores_are_those_of_the_quota_of_a_container(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(machine, "_text", lambda path: {"/sys/fs/cgroup/cpu.max": "200000 100000"}.get(path, ""))
    assert machine.cores() == 2
    monkeypatch.setattr(machine, "_text", lambda path: "max 100000")
    assert machine.cores() == 64


def test_the_processor_is_named_in_plain_words(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(machine, "_text", lambda _: "processor : 0\nmodel name\t: Intel(R) Core(TM) i5 CPU @ 2.7GHz\n")
    assert machine.processor() == "Intel Core i5"

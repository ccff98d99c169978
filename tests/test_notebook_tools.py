"""The tools that execute chapters: what they keep, what they report, and what they leave alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from nbval.plugin import get_sanitize_patterns

import notebooks as tool

ROOT = Path(__file__).resolve().parent.parent
SANITIZE = ROOT / "tools/nbval_sanitize.cfg"
LEDGER_CELL = """\
import json, os
def check(what, value, at_most, holds):
    row = dict(notebook="01", dataset=os.environ["AELIB_DATASET"], seed=int(os.environ["AELIB_SEED"]), check=what,
               value=value, at_most=at_most, at_least=None, equals=None, source=None, holds=holds, seconds=0.5)
    with open(os.environ["AELIB_LEDGER"], "a") as file:
        file.write(json.dumps(row) + "\\n")
    assert holds is not False, f"✗ {what}: {value} (at most {at_most})"
"""


def save(folder: Path, name: str, *cells: str, outputs: dict[int, list] | None = None) -> Path:
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    for number, stored in (outputs or {}).items():
        notebook.cells[number].outputs = stored
        notebook.cells[number].execution_count = number + 1
    path = folder / name
    nbformat.write(notebook, path)
    return path


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "tools/notebooks.py"), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


# ---- run ----


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Two chapters executed in place, the second of which fails: the folder, what was there before, the report."""
    folder = tmp_path_factory.mktemp("run")
    save(
        folder,
        "01_good.ipynb",
        "import os\nprint('one', flush=True)\nprint('two', flush=True)",
        "os.environ.get('AELIB_DATASET'), os.environ.get('AELIB_SEED'), os.path.basename(os.getcwd())",
    )
    bad = save(folder, "02_bad.ipynb", "print('before')", "# why\nx = 1 / 0", "print('after')")
    before = bad.read_bytes()
    done = call("run", "--notebooks", str(folder), AELIB_DATASET="mnist", AELIB_SEED="7")
    return folder, before, done


def test_run_keeps_the_outputs_of_digits_and_seed_0(ran):
    folder, _, done = ran
    cells = nbformat.read(folder / "01_good.ipynb", as_version=4).cells
    assert [cell.execution_count for cell in cells] == [1, 2]
    assert cells[1].outputs[0].data["text/plain"] == f"(None, None, '{folder.name}')"
    assert re.search(r"^01_good: \d+\.\d s$", done.stdout, re.MULTILINE)


def test_run_writes_nothing_of_the_machine(ran):
    folder, _, _ = ran
    path = folder / "01_good.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata == tool.METADATA
    assert [cell.id for cell in notebook.cells] == ["01-00", "01-01"]
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert [output.text for output in notebook.cells[0].outputs] == ["one\ntwo\n"]
    text = path.read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"


def test_run_leaves_a_chapter_that_fails_as_it_was(ran):
    folder, before, done = ran
    assert done.returncode == 1
    assert (folder / "02_bad.ipynb").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["01_good.ipynb", "02_bad.ipynb"]
    assert "02_bad, cell 1 (`# why`): ZeroDivisionError: division by zero" in done.stderr
    assert "left as it was" in done.stderr


def test_an_interrupted_write_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = save(tmp_path, "01_x.ipynb", "1")
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        tool.write(nbformat.read(path, as_version=4), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_neighbouring_pieces_of_one_stream_are_joined_and_others_are_not():
    def stream(name, text):
        return v4.new_output("stream", name=name, text=text)

    figure = v4.new_output("display_data", data={"text/plain": "x"})
    cell = v4.new_code_cell("", outputs=[stream("stdout", "a"), stream("stdout", "b"), figure, stream("stdout", "c")])
    cell.metadata["execution"] = {"iopub.execute_input": "2020-01-01"}
    notebook = v4.new_notebook(cells=[cell], metadata={"machine": "mine"})
    tool.normalise(notebook, "07_x")
    assert [output.get("text") for output in notebook.cells[0].outputs] == ["ab", None, "c"]
    assert notebook.cells[0].metadata == {}
    assert notebook.metadata == tool.METADATA


# ---- which chapters ----


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("00_start.ipynb", "01_linear.ipynb", "10_more.ipynb"):
        save(tmp_path, name, "1")
    return tmp_path


@pytest.mark.parametrize("chapter", ["01", "1", "01_linear", "01_lin", "notebooks/01_linear.ipynb"])
def test_a_chapter_is_found_by_its_number_or_name(folder, chapter):
    assert [path.stem for path in tool.find_chapters(chapter, folder)] == ["01_linear"]


def test_without_a_name_all_chapters_are_meant_in_order(folder):
    assert [path.stem for path in tool.find_chapters("", folder)] == ["00_start", "01_linear", "10_more"]


@pytest.mark.parametrize("command", ["run", "claims"])
def test_an_unknown_chapter_gets_one_line_that_lists_the_chapters(folder, command):
    with pytest.raises(SystemExit) as refused:
        tool.main([command, "07", "--notebooks", str(folder)])
    assert refused.value.code == "There is no chapter '07'; there are: 00_start, 01_linear, 10_more."


# ---- claims ----


def test_claims_that_hold_are_printed_and_the_chapter_is_left_alone(tmp_path):
    path = save(
        tmp_path,
        "01_x.ipynb",
        LEDGER_CELL,
        "check('error', 1.00214, 1.01, True)\ncheck('a fitted bound', 3.5, 3.0, None)",
        "import pathlib\npathlib.Path('left over').touch()\nassert os.path.isabs(os.environ['AELIB_DATA'])",
    )
    before = path.read_bytes()
    done = call(
        "claims", "01", "--dataset", "mnist", "--seed", "2", "--notebooks", str(tmp_path), AELIB_DATA="some/where"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Claims on mnist, seed 2" in done.stdout
    assert re.search(r"✓ error +1\.002 +at most 1\.01 +0\.5 s", done.stdout)
    assert re.search(r"· a fitted bound +3\.5 +at most 3 ", done.stdout)
    assert re.search(r"^ +\d+\.\d  01_x$", done.stdout, re.MULTILINE)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_every_broken_claim_and_cell_is_reported(tmp_path):
    save(
        tmp_path,
        "01_x.ipynb",
        LEDGER_CELL,
        "check('first', 2.0, 1.0, False)",
        "raise ValueError('a broken cell')",
        "check('last', float('nan'), 1.0, False)",
    )
    done = call("claims", "--notebooks", str(tmp_path))
    assert done.returncode == 1
    assert re.search(r"✗ first +2 +at most 1", done.stdout)
    assert re.search(r"✗ last +nan +at most 1", done.stdout)
    assert "01_x, cell 1 (`check('first', 2.0, 1.0, False)`): AssertionError: ✗ first" in done.stderr
    assert "01_x, cell 2 (`raise ValueError('a broken cell')`): ValueError: a broken cell" in done.stderr


def test_a_kernel_that_dies_is_reported(tmp_path):
    save(tmp_path, "01_x.ipynb", "import os", "os._exit(1)")
    done = call("claims", "--notebooks", str(tmp_path))
    assert done.returncode == 1
    assert "01_x, cell 1 (`os._exit(1)`): the kernel died" in done.stderr


# ---- what nbval compares ----


def sanitized(text: str) -> str:
    """As nbval does it, with its own reading of the file."""
    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text("ascii")):
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize("value", ["1.002", "0.9", "-3", "12,345", "1e-05", "2.5e+10"])
@pytest.mark.parametrize("bound", ["at most 1.01", "at least 0.99", "at least 0.1, at most 0.2", "at most -1e-06"])
def test_the_measured_value_of_a_bounded_claim_is_left_out(value, bound):
    line = f"✓ test error, linear AE / PCA (30 codes): {value} ({bound})"
    assert sanitized(line) == f"✓ test error, linear AE / PCA (30 codes): VALUE ({bound})"
    several = f"shape: (5, 3)\n{line}\nloss: {value} (at most 2)\n"
    assert sanitized(several) == several.replace(f"): {value} ({bound})", f"): VALUE ({bound})")


@pytest.mark.parametrize(
    "line",
    [
        "✓ kernels shared: 5 (equals 5)",
        "✗ test error: 1.2 (at most 1.01)",
        "· test error: 1.2 (at most 1.01): measured on digits; not a claim here",
        "test error: 1.2 (at most 1.01)",
        "✓ test error: nan (at most 1.01)",
        "parameters: 12,345",
    ],
)
def test_everything_else_stays_compared(line):
    assert sanitized(line) == line


def test_the_patterns_match_what_check_prints(capsys):
    checks = pytest.importorskip("aelib.checks")
    checks.check("an error", 1.0021, at_most=1.01)
    checks.check("many", 123456, at_least=100000)
    checks.check("kernels shared", 5, equals=5)
    printed = capsys.readouterr().out.splitlines()
    assert [sanitized(line) for line in printed] == [
        "✓ an error: VALUE (at most 1.01)",
        "✓ many: VALUE (at least 100,000)",
        "✓ kernels shared: 5 (equals 5)",
    ]


def test_nbval_passes_another_value_and_names_another_equality(tmp_path):
    """The whole path: pytest with the course's options, on a stored output that differs from the new one."""

    def stored(text):
        return [v4.new_output("stream", name="stdout", text=text)]

    marked = "# NBVAL_CHECK_OUTPUT\nprint('✓ error: 0.5 (at most 1)')\nprint('✓ layers: 5 (equals 5)')"
    value = "✓ error: 0.25 (at most 1)\n✓ layers: 5 (equals 5)\n"
    save(tmp_path, "value.ipynb", marked, outputs={0: stored(value)})
    save(tmp_path, "equality.ipynb", marked, outputs={0: stored(value.replace("5 (equals 5)", "4 (equals 4)"))})
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text("utf-8"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ["--nbval-lax", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "FAILED equality.ipynb::Cell 0" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "seconds per chapter" in done.stdout
    assert re.search(r"^ +\d+\.\d  value\.ipynb$", done.stdout, re.MULTILINE)

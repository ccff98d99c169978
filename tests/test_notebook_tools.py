"""The tools that execute notebooks: which they find, what they keep, what they report, what they leave alone."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import chapters
import kernels
import ledgers
import nbformat
import pytest
from nbformat import v4
from nbval.plugin import get_sanitize_patterns

import notebooks as tool

ROOT = Path(__file__).resolve().parent.parent
SANITIZE = ROOT / "tools/nbval_sanitize.cfg"
LEDGER_CELL = """\
import json, os
seed = int(os.environ["AELIB_SEED"])
def check(what, value, at_most, holds):
    row = dict(notebook="01", dataset=os.environ["AELIB_DATASET"], seed=seed, check=what,
               value=value, at_most=at_most, at_least=None, equals=None, source=None, holds=holds, seconds=0.5)
    with open(os.environ["AELIB_LEDGER"], "a") as file:
        file.write(json.dumps(row) + "\\n")
    assert holds is not False, f"✗ {what}: {value} (at most {at_most})"
"""


def save(root: Path, name: str, *cells: str) -> Path:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells]), path)
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "tools/notebooks.py"), *arguments]


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    env = os.environ | environment
    return subprocess.run(command(*arguments), env=env, capture_output=True, text=True, timeout=600)


# ---- run ----


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Two chapters and exercises executed in place, one of which fails: the root, what was there before, the report."""
    root = tmp_path_factory.mktemp("run")
    save(
        root,
        "notebooks/01_good.ipynb",
        "import os\nprint('one', flush=True)\nprint('two', flush=True)",
        "os.environ.get('AELIB_DATASET'), os.environ.get('AELIB_SEED'), os.path.basename(os.getcwd())",
        "from IPython.display import HTML, display\n"
        "display(HTML('<b>1</b>'), metadata={'text/html': {'alt': 'one'}})\n"
        "live = display(HTML('<b>2</b>'), metadata={'text/html': {'alt': 'two'}}, display_id='live')\n"
        "live.update(HTML('<b>3</b>'), metadata={'text/html': {'alt': 'three'}})",
    )
    save(root, "exercises/01_good.ipynb", "1 + 1")
    bad = save(root, "notebooks/02_bad.ipynb", "print('before')", "# why\nx = 1 / 0", "print('after')")
    before = bad.read_bytes()
    return root, before, call("run", "--root", str(root), AELIB_DATASET="mnist", AELIB_SEED="7")


def test_run_keeps_the_outputs_of_digits_and_seed_0(ran):
    cells = nbformat.read(ran[0] / "notebooks/01_good.ipynb", as_version=4).cells
    assert [cell.execution_count for cell in cells] == [1, 2, 3]
    assert cells[1].outputs[0].data["text/plain"] == "(None, None, 'notebooks')"


def test_run_writes_nothing_of_the_machine(ran):
    root, _, _ = ran
    path = root / "notebooks/01_good.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata == tool.METADATA
    assert [cell.id for cell in notebook.cells] == ["01-00", "01-01", "01-02"]
    assert nbformat.read(root / "exercises/01_good.ipynb", as_version=4).cells[0].id == "01x-00"
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert [output.text for output in notebook.cells[0].outputs] == ["one\ntwo\n"]
    text = path.read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"


def test_run_keeps_the_metadata_of_outputs_that_of_a_live_display_too(ran):
    """A figure's alternative text is there, and a learning curve is drawn again and again in one place."""
    outputs = nbformat.read(ran[0] / "notebooks/01_good.ipynb", as_version=4).cells[2].outputs
    shown = [(output.data["text/html"], output.metadata["text/html"]["alt"]) for output in outputs]
    assert shown == [("<b>1</b>", "one"), ("<b>3</b>", "three")]


def test_run_leaves_a_chapter_that_fails_as_it_was(ran):
    root, before, done = ran
    assert done.returncode == 1
    assert (root / "notebooks/02_bad.ipynb").read_bytes() == before
    assert sorted(path.name for path in (root / "notebooks").iterdir()) == ["01_good.ipynb", "02_bad.ipynb"]
    assert "02_bad, cell 1 (`# why`): ZeroDivisionError: division by zero" in done.stderr


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

    figure = v4.new_output("display_data", data={"text/plain": "x"}, metadata={"image/png": {"alt": "a figure"}})
    cell = v4.new_code_cell("", outputs=[stream("stdout", "a"), stream("stdout", "b"), figure, stream("stdout", "c")])
    cell.metadata["execution"] = {"iopub.execute_input": "2020-01-01"}
    notebook = v4.new_notebook(cells=[cell], metadata={"machine": "mine"})
    tool.normalise(notebook, "07b_x")
    cell = notebook.cells[0]
    assert [output.get("text") for output in cell.outputs] == ["ab", None, "c"]
    assert cell.outputs[1].metadata == {"image/png": {"alt": "a figure"}}
    assert (cell.id, cell.metadata, notebook.metadata) == ("07b-00", {}, tool.METADATA)


# ---- which notebooks ----


@pytest.fixture
def root(tmp_path) -> Path:
    for name in ("notebooks/00_start", "notebooks/02_deep", "notebooks/02b_deeper", "exercises/02_deep"):
        save(tmp_path, f"{name}.ipynb", "1")
    save(tmp_path, "notebooks/10_more.ipynb", "1")
    return tmp_path


@pytest.mark.parametrize(
    ("chapter", "found"),
    [
        ("02", "notebooks/02_deep"),
        ("2", "notebooks/02_deep"),
        ("02_de", "notebooks/02_deep"),
        ("notebooks/02_deep.ipynb", "notebooks/02_deep"),
        ("02b", "notebooks/02b_deeper"),
        ("2b", "notebooks/02b_deeper"),
        ("02x", "exercises/02_deep"),
        ("exercises/02_deep.ipynb", "exercises/02_deep"),
        ("10", "notebooks/10_more"),
    ],
)
def test_one_notebook_is_found_by_its_number_name_or_path(root, chapter, found):
    assert tool.find_chapters(chapter, root) == [root / f"{found}.ipynb"]


def test_without_a_name_all_are_meant_in_order(root):
    assert [chapters.number_of(path) for path in tool.find_chapters(None, root)] == ["00", "02", "02b", "02x", "10"]


@pytest.mark.parametrize("name", ["run", "claims"])
def test_an_unknown_chapter_gets_one_line_that_lists_the_chapters(root, name):
    with pytest.raises(SystemExit) as refused:
        tool.main([name, "07", "--root", str(root)])
    line = refused.value.code
    assert "'07'" in line and "02x" in line and "\n" not in line


# ---- claims ----


def test_claims_that_hold_are_printed_and_the_chapter_is_left_alone(tmp_path):
    path = save(
        tmp_path,
        "notebooks/01_x.ipynb",
        LEDGER_CELL,
        "check('error', 1.00214, 1.01, True)\ncheck('a fitted bound', 3.5, 3.0, None)",
        "import pathlib\npathlib.Path('left over').touch()\nassert os.path.isabs(os.environ['AELIB_DATA'])",
        "assert os.environ['AELIB_DATASET'] == 'mnist' and seed == 2",
    )
    before = path.read_bytes()
    options = ("--dataset", "mnist", "--seed", "2", "--root", str(tmp_path))
    done = call("claims", "01", *options, AELIB_DATA="some/where")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"✓ error +1\.002 +at most 1\.01 +0\.5 s", done.stdout)
    assert re.search(r"· a fitted bound +3\.5 +at most 3 ", done.stdout)
    assert path.read_bytes() == before
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_every_broken_claim_cell_and_kernel_is_reported(tmp_path):
    cells = ("check('first', 2.0, 1.0, False)", "raise ValueError('a broken cell')", "check('last', None, 1.0, False)")
    save(tmp_path, "notebooks/01_x.ipynb", LEDGER_CELL, *cells)
    save(tmp_path, "notebooks/02_x.ipynb", "import os", "os._exit(1)", "print('never')")
    done = call("claims", "--root", str(tmp_path), "--workers", "2")
    assert done.returncode == 1
    assert re.search(r"✗ first +2 +at most 1", done.stdout)
    assert re.search(r"✗ last +nan +at most 1", done.stdout)
    assert "01_x, cell 1 (`check('first', 2.0, 1.0, False)`): AssertionError: ✗ first" in done.stderr
    assert "01_x, cell 2 (`raise ValueError('a broken cell')`): ValueError: a broken cell" in done.stderr
    assert "02_x, cell 1 (`os._exit(1)`): the kernel died" in done.stderr


# ---- claims with several seeds ----


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_sweep_that_was_stopped_goes_on_where_it_was(tmp_path):
    """Seed 0 ends, seed 1 waits until it is stopped; called again, seed 1 ends, and seed 0 is not run again."""
    log, ready, go = (tmp_path / name for name in ("log", "ready", "go"))
    wait = f"if seed and not os.path.exists({str(go)!r}):\n    open({str(ready)!r}, 'w').close()\n    time.sleep(600)"
    count = f"with open({str(log)!r}, 'a') as file:\n    _ = file.write(str(seed))"
    check = "check('error', 1 + seed / 10, 1.5, True)"
    save(tmp_path, "notebooks/01_x.ipynb", LEDGER_CELL + "import time\n", count, wait, check)
    options = ("claims", "--seeds", "0-1", "--root", str(tmp_path))
    with subprocess.Popen(command(*options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as first:
        while not ready.exists():
            assert first.poll() is None, first.stdout.read()
            time.sleep(0.1)
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 130
    ledger = tmp_path / "docs/ledgers/digits/01.jsonl"
    assert list(ledgers.stored(ledger)) == [0]
    go.touch()
    done = call(*options)
    assert (done.returncode, log.read_text()) == (0, "011"), done.stdout + done.stderr
    runs = ledgers.stored(ledger)
    assert [run.checks[0]["value"] for run in runs.values()] == [1.0, 1.1]
    assert all(run.record["gflops"] > 0 and run.record["notebook_seconds"] > 0 for run in runs.values())
    assert re.search(r"✓ error +1\.05 +0\.07071 +1\.1 +at most 1\.5 +6\.4 deviations", done.stdout)


def test_only_runs_of_the_same_code_are_used_again_and_none_in_which_a_cell_failed(tmp_path):
    """A run in which nothing failed but a claim is a result; one in which a cell failed is not."""
    log = tmp_path / "log"
    cells = [
        f"with open({str(log)!r}, 'a') as file:\n    _ = file.write(str(seed))",
        "assert seed != 1, 'a failing cell'",
        "check('error', 1.0 + seed, 2.5, seed < 2)",
    ]

    def sweep(*cells: str) -> str:
        save(tmp_path, "notebooks/01_x.ipynb", LEDGER_CELL, *cells)
        log.write_text("")
        done = call("claims", "01", "--seeds", "0-2", "--root", str(tmp_path), "--workers", "2")
        assert done.returncode == 1
        assert "01_x (seed 2), cell 3 (`check('error', 1.0 + seed, 2.5, seed < 2)`): AssertionError: ✗" in done.stderr
        assert "01_x (seed 1), cell 2" in done.stderr
        assert re.search(r"✗ error .* 3 +at most 2\.5", done.stdout)
        return "".join(sorted(log.read_text()))

    assert sweep(*cells) == "012"
    assert sweep(*[f"# a remark\n{cell}" for cell in cells]) == "1"
    assert sweep(*cells, "1 + 1") == "012"
    records = [run.record for run in ledgers.stored(tmp_path / "docs/ledgers/digits/01.jsonl").values()]
    assert [record["ended"] for record in records] == ["well", "failed", "broken"]
    assert all((record["workers"], record["threads"]) == (2, 1) for record in records)


@pytest.mark.parametrize(("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("5,0,2", [0, 2, 5]), ("0-1,1,7", [0, 1, 7])])
def test_seeds_are_ranges_and_lists(text, seeds):
    assert tool.seeds_from(text) == seeds


@pytest.mark.parametrize("text", ["", "1-", "3-1", "-1", "a", "1;2"])
def test_what_names_no_seeds_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        tool.main(["claims", f"--seeds={text}"])
    assert "expected whole numbers, as in 0-7 or 0,2,5" in capsys.readouterr().err


def test_a_cell_that_outlasts_the_limit_is_reported_by_its_code(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "CELL_SECONDS", 1)
    path = save(tmp_path, "01_x.ipynb", "import time", "time.sleep(600)", "print('never')")
    notebook = nbformat.read(path, as_version=4)
    (failure,) = kernels.execute(notebook, tmp_path, kernels.environment(), keep_going=True).failures
    assert (failure.cell, failure.line) == (1, "time.sleep(600)")
    assert "longer than the 1 s" in failure.error


# ---- what nbval compares ----


def sanitized(text: str) -> str:
    """As nbval does it, with its own reading of the file."""
    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text("ascii")):
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("1.002", "at most 1.01"),
        ("12,345", "at least 0.99"),
        ("-3", "at least 0.1, at most 0.2"),
        ("2.5e+10", "at most -1e-06"),
    ],
)
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
    from aelib import check

    check("an error", 1.0021, at_most=1.01)
    check("many", 123456, at_least=100000)
    check("kernels shared", 5, equals=5)
    printed = capsys.readouterr().out.splitlines()
    assert [sanitized(line) for line in printed] == [
        "✓ an error: VALUE (at most 1.01)",
        "✓ many: VALUE (at least 100,000)",
        "✓ kernels shared: 5 (equals 5)",
    ]

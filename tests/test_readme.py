"""The README's table of chapters: written from the ledger of one run, or refused in one sentence."""

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import readme as tool
from nbformat import v4, write

import conftest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMMON = tool.Circumstances("digits", 0, 2, 2, 1, "2.21.0", "3.15.1", "2026-01-31")


# ---- the committed table ----


def test_the_table_is_what_make_readme_makes_of_the_committed_ledger():
    expected = tool.render(ROOT, ROOT / "docs" / "ledger.jsonl")
    assert (ROOT / "README.md").read_text("utf-8") == expected, "run: make readme"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_chapter_has_a_row(path):
    rows = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("| <img")]
    (row,) = [row for row in rows if f"(notebooks/{path.name})" in row]
    assert f"docs/{path.stem}.png" in row
    assert re.search(r"\| \d+ s \| \S", row)


def test_every_sentence_belongs_to_a_chapter_and_uses_the_checks_that_it_names():
    headlines = tomllib.loads((ROOT / "docs" / "headlines.toml").read_text("utf-8"))
    assert list(headlines) == [path.stem.partition("_")[0] for path in NOTEBOOKS]
    for number, headline in headlines.items():
        assert set(re.findall(r"{(\w+)[:}]", headline["text"])) == set(headline.get("values", {})), number
        assert not re.search(r"[!|]", headline["text"]), number


# ---- a small course ----


def check_row(number: str, check: str, value: object, dataset: str = "digits", seed: int = 0) -> dict:
    return {"notebook": number, "dataset": dataset, "seed": seed, "check": check, "value": value, "holds": True}


def record(number: str, seconds: float, **changes: object) -> dict:
    return {"notebook": number, "chapter_seconds": seconds} | asdict(COMMON) | changes


GOOD = (
    check_row("01", "error, a / b", 0.4566),
    check_row("02", "share", 0.9, dataset="shapes"),
    record("01", 66.4),
    record("02", 0.6),
)


class Course:
    """Two chapters, their sentences and a README, in a folder of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.readme = root / "README.md"
        self.ledger = root / "docs" / "ledger.jsonl"
        (root / "notebooks").mkdir()
        (root / "docs").mkdir()
        for name, title in (("01_linear", "# 1 · A linear one\n\nText."), ("02_bars", "# 2 · Bars")):
            write(v4.new_notebook(cells=[v4.new_markdown_cell(title)]), root / "notebooks" / f"{name}.ipynb")
        self.say('[01]\ntext = """With 30 codes,\n{ratio:.2f} of it."""\nvalues.ratio = "error, a / b"\n')
        self.readme.write_text(f"# Title\n\n{tool.BEGIN}\nold\n{tool.END}\n\nThe end.\n", "utf-8")
        self.keep(*GOOD)

    def say(self, first: str) -> None:
        second = '[02]\ntext = "Seen in {share:.0%} of cases."\nvalues.share = "share"\n'
        (self.root / "docs" / "headlines.toml").write_text(first + second, "utf-8")

    def keep(self, *rows: dict) -> None:
        self.ledger.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def write(self, *arguments: str) -> str:
        assert tool.main(["--root", str(self.root), *arguments]) == 0
        return self.readme.read_text("utf-8")

    def refuses(self, *words: str, ledger: Path | None = None) -> None:
        """One sentence with these words, and every file as it was."""
        before = {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}
        with pytest.raises(SystemExit) as refused:
            tool.main(["--root", str(self.root), *([str(ledger)] if ledger else [])])
        sentence = refused.value.code
        assert isinstance(sentence, str) and sentence.endswith(".") and "\n" not in sentence
        assert all(word in sentence for word in words), sentence
        assert {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()} == before


@pytest.fixture
def course(tmp_path) -> Course:
    return Course(tmp_path)


def test_the_table_has_titles_seconds_sentences_and_circumstances(course):
    text = course.write()
    assert "| [01 A linear one](notebooks/01_linear.ipynb) | 66 s | With 30 codes, 0.46 of it. |" in text
    assert "| [02 Bars](notebooks/02_bars.ipynb) | 1 s | Seen in 90 % of cases. |" in text
    assert (
        "Measured on 2026-01-31 on the data set `digits` (chapter 02: `shapes`) with seed 0, on a machine with "
        "two cores: `make test`, two chapters at a time, one thread each; TensorFlow 2.21.0, Keras 3.15.1." in text
    )
    assert text.startswith("# Title\n\n<!--") and text.endswith("-->\n\nThe end.\n") and "old" not in text
    assert course.write() == text


def test_another_ledger_is_kept_beside_the_readme(course, tmp_path):
    other = tmp_path / "run.jsonl"
    other.write_text(course.ledger.read_text("utf-8").replace("66.4", "70.4"), "utf-8")
    assert "| 70 s |" in course.write(str(other))
    assert course.ledger.read_bytes() == other.read_bytes()


def test_of_a_run_that_was_appended_twice_the_last_counts(course):
    again = (check_row("01", "error, a / b", 0.25), check_row("02", "share", 0.8, "shapes"), record("01", 50.0))
    course.keep(*GOOD, *again, record("02", 7.0))
    text = course.write()
    assert "| 50 s | With 30 codes, 0.25 of it. |" in text
    assert "| 7 s | Seen in 80 % of cases. |" in text


def test_a_later_run_that_failed_takes_the_record_of_the_first_away(course):
    course.keep(*GOOD, check_row("01", "error, a / b", 0.3))
    course.refuses("no record of chapter 01")


# ---- what is refused ----


def test_a_ledger_that_is_not_there(course):
    course.refuses("run.jsonl", "cannot be read", "make test AELIB_LEDGER=", ledger=course.root / "run.jsonl")
    course.ledger.unlink()
    course.refuses("ledger.jsonl", "cannot be read")


@pytest.mark.parametrize("line", ["{'notebook': 1}", "", '{"notebook": "01"', b"\xff".decode("latin-1")])
def test_a_line_that_is_not_json(course, line):
    course.ledger.write_text(f"{json.dumps(GOOD[0])}\n{line}\n", "latin-1")
    course.refuses("Line 2", "not JSON")


@pytest.mark.parametrize("line", ["[1]", '"chapter_seconds"', '{"notebook": "01"}', '{"chapter_seconds": 3}'])
def test_a_line_that_is_something_else(course, line):
    course.ledger.write_text(line + "\n", "utf-8")
    course.refuses("Line 1", "neither a check nor the record of a chapter")


def test_a_chapter_without_its_record(course):
    course.keep(*GOOD[:3])
    course.refuses("no record of chapter 02", "make test")


def test_a_chapter_without_a_sentence(course):
    (course.root / "docs" / "headlines.toml").write_text('[01]\ntext = "A."\n', "utf-8")
    course.refuses("no sentence for chapter 02")


def test_a_placeholder_whose_check_is_not_in_the_ledger(course):
    course.keep(*GOOD[1:])
    course.refuses("Chapter 01", "{ratio}", "'error, a / b'", "not in the ledger")


def test_a_placeholder_that_names_no_check(course):
    course.say('[01]\ntext = "{other:.2f} of it."\n')
    course.refuses("Chapter 01", "'other'")


@pytest.mark.parametrize("value", [None, "five", [1, 2]])
def test_a_value_that_is_no_number(course, value):
    course.keep(check_row("01", "error, a / b", value), *GOOD[1:])
    course.refuses("Chapter 01", "cannot be filled")


@pytest.mark.parametrize("text", ["# Title\n", f"{tool.END}\n{tool.BEGIN}\n", f"{tool.BEGIN}\n{tool.END}\n{tool.END}"])
def test_a_readme_without_its_two_markers(course, text):
    course.readme.write_text(text, "utf-8")
    course.refuses("README.md needs the lines")


def test_sentences_that_are_not_toml(course):
    course.say("[01\n")
    course.refuses("headlines.toml cannot be read")


@pytest.mark.parametrize("changes", [{"dataset": "mnist"}, {"seed": 1}])
def test_two_data_sets_or_two_seeds(course, changes):
    course.keep(*GOOD, record("01", 66.0, **changes), record("02", 5.0, **changes))
    course.refuses("two data sets" if "dataset" in changes else "two seeds")


@pytest.mark.parametrize("changes", [{"dataset": "mnist"}, {"seed": 1}])
def test_checks_of_two_data_sets_or_two_seeds(course, changes):
    course.keep(check_row("01", "error, a / b", 0.3, **changes), *GOOD)
    course.refuses("two data sets" if "dataset" in changes else "two seeds")


def test_chapters_of_two_runs(course):
    course.keep(*GOOD[:3], record("02", 0.6, date="2026-02-01"))
    course.refuses("do not come from one run", "date is 2026-01-31 and 2026-02-01")


def test_an_interrupted_write_leaves_the_readme_as_it_was(course, monkeypatch):
    before = course.readme.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        course.write()
    assert course.readme.read_bytes() == before
    assert sorted(path.name for path in course.root.iterdir()) == ["README.md", "docs", "notebooks"]


# ---- what a run leaves in the ledger ----


class Terminal:
    """As much of pytest's reporter as the summary uses: a report for each cell, by outcome."""

    def __init__(self, **outcomes: list[str]) -> None:
        self.stats = {
            name: [SimpleNamespace(nodeid=node, duration=1.25) for node in outcomes[name]] for name in outcomes
        }
        self.lines: list[str] = []
        self.section = self.write_line = self.lines.append


@pytest.fixture
def summarise(tmp_path, monkeypatch):
    """Runs the summary over two chapters of two cells each, and returns what it wrote into the ledger."""
    for name in ("01_linear", "02_bars"):
        cells = [v4.new_markdown_cell("# Title"), v4.new_code_cell("1"), v4.new_code_cell("2")]
        write(v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")

    def summarise(**outcomes: list[str]) -> list[dict]:
        monkeypatch.setenv("AELIB_LEDGER", str(tmp_path / "ledger"))
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
        config = SimpleNamespace(rootpath=tmp_path, option=SimpleNamespace(numprocesses=2))
        conftest.pytest_terminal_summary(Terminal(**outcomes), config)
        return [json.loads(line) for line in (tmp_path / "ledger").read_text("utf-8").splitlines()]

    return summarise


FIRST, SECOND = ([f"{name}.ipynb::Cell {i}" for i in (0, 1)] for name in ("01_linear", "02_bars"))


def test_a_chapter_that_ended_well_is_recorded_by_the_number_that_its_checks_have(summarise):
    rows = summarise(passed=FIRST + SECOND + ["tests/test_x.py::test"], **{"": [FIRST[0]]})
    assert [(row["notebook"], row["chapter_seconds"]) for row in rows] == [("01", 3.8), ("02", 2.5)]
    assert {"dataset", "seed", "cores", "workers", "threads", "date", "tensorflow", "keras"} <= rows[0].keys()
    assert (rows[0]["workers"], rows[0]["threads"]) == (2, 1)


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "xfailed", "deselected"])
def test_a_chapter_with_a_cell_that_did_not_pass_is_not_recorded(summarise, outcome):
    rows = summarise(passed=[FIRST[0], *SECOND], **{outcome: [FIRST[1]]})
    assert [row["notebook"] for row in rows] == ["02"]


def test_a_chapter_whose_last_cell_fails_while_its_kernel_ends_is_not_recorded(summarise):
    rows = summarise(passed=FIRST + SECOND, error=[FIRST[1]])
    assert [row["notebook"] for row in rows] == ["02"]


def test_a_chapter_that_was_not_run_to_its_end_is_not_recorded(summarise):
    assert summarise(passed=FIRST[:1]) == []


def test_kernels_see_the_ledger_and_unit_tests_do_not(tmp_path):
    """The whole path, with a worker of xdist that runs a unit test and then two notebooks, one of which fails."""
    look = "import os\nwith open(os.environ['AELIB_LEDGER'], 'a') as file:\n    _ = file.write('\"cell\"\\n')"
    for name, cell in (("01_good", look), ("02_bad", "1 / 0")):
        write(v4.new_notebook(cells=[v4.new_code_cell(cell)]), tmp_path / f"{name}.ipynb")
    (tmp_path / "test_unit.py").write_text("import os\ndef test(): assert 'AELIB_LEDGER' not in os.environ\n")
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text("utf-8"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ("--nbval-lax", "--nbval-current-env", "-n", "1", "--dist", "loadscope", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_unit.py", "."],
        cwd=tmp_path,
        env=os.environ | {"AELIB_LEDGER": str(tmp_path / "ledger")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "1 failed, 2 passed" in done.stdout, done.stdout
    cell, row = map(json.loads, (tmp_path / "ledger").read_text("utf-8").splitlines())
    assert cell == "cell"
    assert (row["notebook"], row["workers"]) == ("01", 1)

"""The README's table of chapters: written from the ledger of one run, or refused in one sentence."""

import json
import os
import re
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
import readme as tool
from chapters import all_notebooks, number_of
from ledgers import Circumstances
from nbformat import v4, write

ROOT = Path(__file__).resolve().parent.parent
COMMON = Circumstances("digits", 0, 2, 2, 1, "2026-01-31", "2.21.0", "3.15.1", "a processor", 183.4)


# ---- the committed table ----


def test_the_table_is_what_make_readme_makes_of_the_committed_ledger():
    expected = tool.render(ROOT, ROOT / "docs" / "ledger.jsonl")
    assert (ROOT / "README.md").read_text("utf-8") == expected, "run: make readme"


def test_every_sentence_belongs_to_a_chapter_and_uses_the_checks_that_it_names():
    headlines = tomllib.loads((ROOT / "docs" / "headlines.toml").read_text("utf-8"))
    numbers = [number_of(path) for path in all_notebooks(ROOT)]
    assert list(headlines) == [number for number in numbers if not number.endswith("x")]
    for number, headline in headlines.items():
        assert set(re.findall(r"{(\w+)[:}]", headline["text"])) == set(headline.get("values", {})), number
        assert "|" not in headline["text"], number


# ---- a small course ----


def check_row(number: str, check: str, value: object, dataset: str = "digits", seed: int = 0) -> dict:
    row = {"notebook": number, "dataset": dataset, "seed": seed, "check": check, "value": value, "holds": True}
    return row | dict.fromkeys(("at_most", "at_least", "equals"))


def record(number: str, seconds: float, **changes: object) -> dict:
    return {"notebook": number, "notebook_seconds": seconds} | asdict(COMMON) | changes


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
        self.add("notebooks/01_linear", "# 1 · A linear one\n\nText.")
        self.add("notebooks/02_bars", "# 2 · Bars")
        self.say('[01]\ntext = """With 30 codes,\n{ratio:.2f} of it."""\nvalues.ratio = "error, a / b"\n')
        self.readme.write_text(f"# Title\n\n{tool.BEGIN}\nold\n{tool.END}\n\nThe end.\n", "utf-8")
        self.keep(*GOOD)

    def add(self, name: str, title: str) -> None:
        path = self.root / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        write(v4.new_notebook(cells=[v4.new_markdown_cell(title)]), path)

    def say(self, first: str, after: str = "") -> None:
        second = '[02]\ntext = "Seen in {share:.0%} of cases."\nvalues.share = "share"\n'
        (self.root / "docs" / "headlines.toml").write_text(first + second + after, "utf-8")

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
        "two cores (a processor, about 180 GFLOP/s in float32 matrix products): `make test`, "
        "two chapters at a time, one thread each; TensorFlow 2.21.0, Keras 3.15.1." in text
    )
    assert text.startswith("# Title\n\n<!--") and text.endswith("-->\n\nThe end.\n") and "old" not in text
    assert course.write() == text


def test_a_companion_has_an_indented_row_and_exercises_have_none(course):
    """In the order 01, 01b, 02; the seconds of exercises stand beside those of their chapter."""
    course.add("notebooks/01b_deeper", "# 1b · Deeper")
    course.add("exercises/01_linear", "# 1 · Exercises")
    course.say('[01]\ntext = "One."\n', after='[01b]\ntext = "{half:.1f} of it."\nvalues.half = "half"\n')
    course.refuses("no record of notebook 01b")
    course.keep(*GOOD, check_row("01b", "half", 0.5), record("01b", 30.0))
    course.refuses("no record of notebook 01x")
    course.keep(*GOOD, check_row("01b", "half", 0.5), record("01b", 30.0), record("01x", 12.0))
    (course.root / "docs" / "01_linear.png").touch()
    rows = [line for line in course.write().splitlines() if line.startswith("| ")][1:]
    picture = '| <img src="docs/{}.png" width="220"> |'
    assert rows == [
        f"{picture.format('01_linear')} [01 A linear one](notebooks/01_linear.ipynb) | 66 s, exercises 12 s | One. |",
        "|  | &nbsp;&nbsp;↳ [01b Deeper](notebooks/01b_deeper.ipynb) | 30 s | 0.5 of it. |",
        f"{picture.format('02_bars')} [02 Bars](notebooks/02_bars.ipynb) | 1 s | Seen in 90 % of cases. |",
    ]


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
    course.refuses("no record of notebook 01")


# ---- what is refused ----


def test_a_ledger_that_is_not_there(course):
    course.refuses("run.jsonl", "cannot be read", "course.py test --ledger", ledger=course.root / "run.jsonl")
    course.ledger.unlink()
    course.refuses("ledger.jsonl", "cannot be read")


@pytest.mark.parametrize("line", ["{'notebook': 1}", "", '{"notebook": "01"', b"\xff".decode("latin-1")])
def test_a_line_that_is_not_json(course, line):
    course.ledger.write_text(f"{json.dumps(GOOD[0])}\n{line}\n", "latin-1")
    course.refuses("Line 2", "not JSON")


@pytest.mark.parametrize("line", ["[1]", '"notebook_seconds"', '{"notebook": "01"}', '{"notebook_seconds": 3}'])
def test_a_line_that_is_something_else(course, line):
    course.ledger.write_text(line + "\n", "utf-8")
    course.refuses("Line 1", "neither a check nor the record of a notebook")


def test_a_chapter_without_its_record(course):
    course.keep(*GOOD[:3])
    course.refuses("no record of notebook 02", "make test")


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
    course.keep(*GOOD[:3], record("02", 0.6, keras="3.16.0"))
    course.refuses("do not come from one run", "keras is 3.15.1 and 3.16.0")


def test_a_chapter_on_another_processor_says_so(course):
    course.keep(*GOOD[:3], record("02", 0.6, processor="another one", gflops=321.0))
    usual = COMMON.processor
    text = tool.render(course.root, course.ledger)
    assert f"(02 on {COMMON.date}, on another one with about 320 GFLOP/s)" in text and f"({usual}, about 180" in text


def test_a_chapter_that_was_added_later_has_its_own_day(course):
    course.keep(*GOOD[:3], record("02", 0.6, date="2026-02-01", gflops=170.0))
    text = tool.render(course.root, course.ledger)
    assert "Measured on 2026-01-31 (02 on 2026-02-01) on the data set" in text


def test_an_interrupted_write_leaves_the_readme_as_it_was(course, monkeypatch):
    before = course.readme.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        course.write()
    assert course.readme.read_bytes() == before
    assert sorted(path.name for path in course.root.iterdir()) == ["README.md", "docs", "notebooks"]

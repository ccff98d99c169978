"""The committed chapters as files: executed in one go, outputs fit to be shown, and the form that readers rely on."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

import notebooks as tool

ROOT = Path(__file__).resolve().parent.parent
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARKER = "# NBVAL_CHECK_OUTPUT"
HEAVY = {"keras", "tensorflow", "numpy", "scipy", "matplotlib", "sklearn", "mlxtend", "pandas", "IPython"}
MACHINE = re.compile(r"/home/|/root/|/Users/|/tmp/|/private/var/|[A-Z]:\\Users")
NOISE = re.compile(
    r"Traceback \(most recent call last\)"
    r"|\b\w*Warning\b"
    r"|\bWARNING\b"
    r"|^[WIEF]\d{4} \d\d:\d\d"  # absl's log
    r"|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [WIEF]",  # TensorFlow's log
    re.MULTILINE,
)

if not PATHS:
    pytest.skip("there are no notebooks yet", allow_module_level=True)


class Chapter:
    """A notebook, read once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")
        self.notebook = nbformat.reads(self.text, as_version=4)
        self.is_introduction = path.name.startswith("00")
        self.code = [cell for cell in self.notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        self.trees = [ast.parse(re.sub(r"^\s*[%!?].*$", "", cell.source, flags=re.MULTILINE)) for cell in self.code]
        self.prose = "\n\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")

    def shown(self):
        """(cell number, text) of every output that is text, a figure's image data left out."""
        for number, cell in enumerate(self.notebook.cells):
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                texts = [data[kind] for kind in data if kind.startswith("text/") or kind == "image/svg+xml"]
                for text in [output.get("text", ""), *texts]:
                    yield number, re.sub(r"data:image/\w+;base64,[A-Za-z0-9+/=\s]+", "", text)


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def chapter(request) -> Chapter:
    return Chapter(request.param)


def plain(prose: str) -> str:
    """Prose without what is not prose: code, formulas, images, comments."""
    for pattern in (r"```.*?```", r"<!--.*?-->", r"\$\$.*?\$\$", r"`[^`\n]*`", r"\$[^$\n]+\$", r"!\[[^\]]*\]"):
        prose = re.sub(pattern, " ", prose, flags=re.DOTALL)
    return prose


# ---- the file ----


def test_it_is_a_valid_notebook(chapter):
    nbformat.validate(chapter.notebook)


def test_it_is_as_make_run_writes_it(chapter):
    """Fixed kernel and language, ids by position, no times or traces of a machine in the metadata."""
    copy = nbformat.from_dict(json.loads(chapter.text))
    copy = nbformat.reads(json.dumps(copy), as_version=4)
    tool.normalise(copy, chapter.path.stem)
    assert copy.metadata == chapter.notebook.metadata
    assert [cell.id for cell in copy.cells] == [cell.id for cell in chapter.notebook.cells]
    assert [cell.metadata for cell in copy.cells] == [cell.metadata for cell in chapter.notebook.cells]
    written = nbformat.writes(copy, indent=1, ensure_ascii=False).rstrip("\n") + "\n"
    assert written == chapter.text, f"run: make run CHAPTER={chapter.path.stem[:2]}"


def test_it_is_small_enough(chapter):
    assert chapter.path.stat().st_size <= 700_000


# ---- the outputs ----


def test_it_was_executed_from_top_to_bottom_in_one_go(chapter):
    counts = [cell.execution_count for cell in chapter.code]
    assert counts == list(range(1, len(counts) + 1))


def test_the_outputs_hold_no_path_of_the_machine(chapter):
    found = [(number, match[0]) for number, text in chapter.shown() if (match := MACHINE.search(text))]
    assert not found


def test_the_outputs_hold_no_warning_log_line_or_error(chapter):
    found = [(number, match[0]) for number, text in chapter.shown() if (match := NOISE.search(text))]
    assert not found
    for number, cell in enumerate(chapter.notebook.cells):
        for output in cell.get("outputs", []):
            assert output.output_type != "error", f"cell {number}"
            assert output.get("name") != "stderr", f"cell {number}"


def test_markers_are_whole_lines_of_cells_that_have_something_to_compare(chapter):
    for number, cell in enumerate(chapter.notebook.cells):
        lines = [line for line in cell.source.splitlines() if "NBVAL" in line]
        if cell.cell_type != "code" or not lines:
            continue
        assert all(line == MARKER for line in lines), f"cell {number}: {lines}"
        assert cell.execution_count, f"cell {number}: nbval compares no cell without an execution count"
        assert cell.outputs, f"cell {number} is marked and has no output to compare"


# ---- the code ----


def test_a_cell_holds_fifteen_lines_of_code_at_most(chapter):
    for cell in chapter.code:
        lines = [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert len(lines) <= 15, cell.source


def test_no_cell_defines_a_function_or_class(chapter):
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for tree in chapter.trees:
        found = [node.name for node in ast.walk(tree) if isinstance(node, definitions)]
        assert not found, f"{found}: helpers belong into aelib"


def test_aelib_is_imported_first(chapter):
    modules = []
    for tree in chapter.trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules += [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules.append(node.module.partition(".")[0])
    assert "aelib" in modules
    before = set(modules[: modules.index("aelib")]) & HEAVY
    assert not before, f"{before}: aelib silences TensorFlow's log only if it is imported first"


def test_what_it_states_is_checked(chapter):
    calls = [
        node
        for tree in chapter.trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "check"
    ]
    assert calls or chapter.is_introduction


# ---- the prose ----


def test_it_begins_with_its_one_title(chapter):
    titles = re.findall(r"^# .+$", re.sub(r"```.*?```", "", chapter.prose, flags=re.DOTALL), re.MULTILINE)
    assert len(titles) == 1
    assert chapter.notebook.cells[0].source.startswith(titles[0])


@pytest.mark.parametrize("heading", ["Summary", "Exercises", "Further reading"])
def test_it_ends_with_the_sections_that_readers_look_for(chapter, heading):
    if chapter.is_introduction:
        pytest.skip("the introduction has no such section")
    assert re.search(rf"^#+ .*{heading}", chapter.prose, re.MULTILINE | re.IGNORECASE)


def test_the_prose_neither_shouts_nor_belittles(chapter):
    prose = plain(chapter.prose)
    assert not re.findall(r".{0,40}!.{0,10}", prose)
    assert not re.findall(r".{0,40}\b(?:simply|obviously)\b.{0,20}", prose, re.IGNORECASE)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_its_picture_in_the_readme_is_the_one_it_shows(path: Path) -> None:
    png = tool.picture(nbformat.read(path, as_version=4))
    assert png, f"no cell of {path.name} is tagged {tool.PICTURE_TAG!r}, or it shows no picture"
    assert (ROOT / "docs" / f"{path.stem}.png").read_bytes() == png, "run it again with make run"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"(notebooks/{path.name})" in readme and f"docs/{path.stem}.png" in readme

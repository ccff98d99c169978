"""The committed notebooks as files: executed in one go, outputs fit to be shown, and the form that readers rely on.

A rule says of one notebook what breaks it. Chapters, companions (`notebooks/02b_…`) and exercises (`exercises/02_…`)
keep those of their kind.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

import notebooks as tool

ROOT = Path(__file__).resolve().parent.parent
SECOND_EDITION = {"02", "02b"}  # they keep the limits of size; the others will, when they are written anew
MARKER = "# NBVAL_CHECK_OUTPUT"
HEAVY = {"keras", "tensorflow", "numpy", "scipy", "matplotlib", "sklearn", "mlxtend", "pandas", "IPython"}
MACHINE = re.compile(r"/home/|/root/|/Users/|/tmp/|/work/|/private/var/|[A-Z]:\\{1,2}Users")
NOISE = re.compile(
    r"Traceback \(most recent call last\)"
    r"|\b\w*Warning\b"
    r"|\bWARNING\b"
    r"|^[WIEF]\d{4} \d\d:\d\d"  # absl's log
    r"|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [WIEF]",  # TensorFlow's log
    re.MULTILINE,
)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Notebook:
    """A notebook, read once. `number`: "02", "02b" (companion), "02x" (exercises)."""

    def __init__(self, path: Path, notebook: nbformat.NotebookNode | None = None) -> None:
        self.path = path
        self.is_exercise = path.parent.name == "exercises"
        self.number = path.stem.partition("_")[0] + "x" * self.is_exercise
        self.is_chapter = not self.is_exercise and self.number != "00"
        self.text = path.read_text("utf-8") if notebook is None else nbformat.writes(notebook)
        self.notebook = nbformat.reads(self.text, as_version=4)
        self.code = [cell for cell in self.notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        self.trees = [ast.parse(re.sub(r"^\s*[%!?].*$", "", cell.source, flags=re.MULTILINE)) for cell in self.code]
        self.prose = "\n\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")

    def nodes(self, *kinds: type) -> list[ast.AST]:
        return [node for tree in self.trees for node in ast.walk(tree) if isinstance(node, kinds)]

    def outputs(self) -> Iterator[tuple[int, nbformat.NotebookNode]]:
        """(cell number, output) of every output."""
        for number, cell in enumerate(self.notebook.cells):
            for output in cell.get("outputs", []):
                yield number, output

    def shown(self) -> Iterator[tuple[int, str]]:
        """(cell number, text) of every output that is text, a figure's image data left out."""
        for number, output in self.outputs():
            data = output.get("data", {})
            texts = [data[kind] for kind in data if kind.startswith("text/") or kind == "image/svg+xml"]
            for text in [output.get("text", ""), *texts]:
                yield number, re.sub(r"data:image/\w+;base64,[A-Za-z0-9+/=\s]+", "", text)


PATHS = [path for folder in ("notebooks", "exercises") for path in sorted((ROOT / folder).glob("*.ipynb"))]
NOTEBOOKS = [Notebook(path) for path in PATHS]


def plain(prose: str) -> str:
    """Prose without what is not prose: code, formulas, images, comments, tags, addresses."""
    patterns = (r"```.*?```", r"<!--.*?-->", r"\$\$.*?\$\$", r"`[^`\n]*`", r"\$[^$\n]+\$", r"!\[[^\]]*\]\([^)]*\)")
    for pattern in (*patterns, r"<[^>]+>", r"\]\([^)]*\)"):
        prose = re.sub(pattern, " ", prose, flags=re.DOTALL)
    return prose


def count_words(prose: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in plain(prose).split())


def calls(notebook: Notebook, name: str) -> list[ast.Call]:
    found = notebook.nodes(ast.Call)
    return [node for node in found if getattr(node.func, "id", getattr(node.func, "attr", "")) == name]


# ---- rules of all notebooks: what breaks them ----


def valid(notebook: Notebook) -> list:
    return [] if nbformat.validator.isvalid(notebook.notebook) else ["no valid notebook"]


def written_by_run(notebook: Notebook) -> list:
    """Fixed kernel and language, ids by position, no times or traces of a machine in the metadata."""
    copy = nbformat.reads(json.dumps(json.loads(notebook.text)), as_version=4)
    tool.normalise(copy, notebook.number)
    written = nbformat.writes(copy, indent=1, ensure_ascii=False).rstrip("\n") + "\n"
    return [] if written == notebook.text else [f"run it again: python course.py run {notebook.number}"]


def small(notebook: Notebook) -> list:
    size = len(notebook.text.encode("utf-8"))
    return [f"{size:,} bytes"] if size > 700_000 else []


def executed_in_one_go(notebook: Notebook) -> list:
    counts = [cell.execution_count for cell in notebook.code]
    return [] if counts == list(range(1, len(counts) + 1)) else [counts]


def no_empty_cell(notebook: Notebook) -> list:
    return [number for number, cell in enumerate(notebook.notebook.cells) if not cell.source.strip()]


def no_path_of_a_machine(notebook: Notebook) -> list:
    texts = [*notebook.shown(), *((n, cell.source) for n, cell in enumerate(notebook.notebook.cells))]
    return [(number, match[0]) for number, text in texts if (match := MACHINE.search(text))]


def no_warning_log_line_or_error(notebook: Notebook) -> list:
    found = [(number, match[0]) for number, text in notebook.shown() if (match := NOISE.search(text))]
    return found + [n for n, o in notebook.outputs() if o.output_type == "error" or o.get("name") == "stderr"]


def markers_are_whole_lines_of_cells_with_an_output(notebook: Notebook) -> list:
    """nbval compares no cell without an execution count, and nothing where there is no output."""
    found = []
    for number, cell in enumerate(notebook.notebook.cells):
        lines = [line for line in cell.source.splitlines() if "NBVAL" in line] if cell.cell_type == "code" else []
        if lines and not (set(lines) == {MARKER} and cell.execution_count and cell.outputs):
            found.append((number, lines))
    return found


def cells_of_fifteen_lines(notebook: Notebook) -> list:
    code = [[line for line in cell.source.splitlines() if line.strip()] for cell in notebook.code]
    code = [[line for line in lines if not line.strip().startswith("#")] for lines in code]
    return [lines[0] for lines in code if len(lines) > 15]


def aelib_is_imported_first(notebook: Notebook) -> list:
    """It silences TensorFlow's log only then."""
    modules = []
    for node in notebook.nodes(ast.Import, ast.ImportFrom):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        modules += [name.partition(".")[0] for name in names]
    if "aelib" not in modules:
        return ["no import of aelib"]
    return sorted(set(modules[: modules.index("aelib")]) & HEAVY)


def one_title_at_the_beginning(notebook: Notebook) -> list:
    titles = re.findall(r"^# .+$", re.sub(r"```.*?```", "", notebook.prose, flags=re.DOTALL), re.MULTILINE)
    first = notebook.notebook.cells[0]
    return [] if len(titles) == 1 and first.source.startswith(titles[0]) else [titles]


def prose_neither_shouts_nor_belittles(notebook: Notebook) -> list:
    return re.findall(r".{0,40}(?:!|\b(?:simply|obviously)\b).{0,20}", plain(notebook.prose), re.IGNORECASE)


# ---- rules of chapters and companions ----


def one_definition_of_its_own(notebook: Notebook) -> list:
    """The function or class that is the chapter's own idea; other helpers belong into aelib."""
    inner = {id(each) for node in notebook.nodes(*DEFINITIONS) for each in ast.walk(node) if each is not node}
    outer = [node.name for node in notebook.nodes(*DEFINITIONS) if id(node) not in inner]
    return outer if len(set(outer)) > 1 else []


def main_results_are_checked(notebook: Notebook) -> list:
    return [] if calls(notebook, "check") else ["no check"]


def sections_that_readers_look_for(notebook: Notebook) -> list:
    wanted = ("Summary", "Exercises", "Further reading")
    return [word for word in wanted if not re.search(rf"^#+ .*{word}", notebook.prose, re.MULTILINE | re.IGNORECASE)]


def limits_of_size(notebook: Notebook) -> list:
    before = re.split(r"^#+ .*Exercises", notebook.prose, flags=re.MULTILINE | re.IGNORECASE)[0]
    # `check` and the five rooms: six lines, beside `import aelib` itself
    imports = [n for n in notebook.nodes(ast.ImportFrom) if (n.module or "").partition(".")[0] == "aelib"]
    counts = {
        "words": (count_words(before), 0, 1200),
        "code cells": (len(notebook.code), 0, 20),
        "checks": (len(calls(notebook, "check")), 4, 8),
        "lines of imports from aelib": (sum(node.end_lineno - node.lineno + 1 for node in imports), 0, 6),
    }
    return [
        f"{n} {what}, from {least} to {most}" for what, (n, least, most) in counts.items() if not least <= n <= most
    ]


def pictures_have_a_text(notebook: Notebook) -> list:
    found = []
    for number, output in notebook.outputs():
        for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
            if not output.metadata.get(kind, {}).get("alt", "").strip():
                found.append(f"cell {number}: {kind} without alternative text; use figures.show(figure, alt=…)")
    return found


ALL = [valid, written_by_run, small, executed_in_one_go, no_empty_cell, no_path_of_a_machine]
ALL += [no_warning_log_line_or_error, markers_are_whole_lines_of_cells_with_an_output, cells_of_fifteen_lines]
ALL += [aelib_is_imported_first, one_title_at_the_beginning, prose_neither_shouts_nor_belittles]
OF_CHAPTERS = [one_definition_of_its_own, main_results_are_checked, sections_that_readers_look_for]
OF_SECOND_EDITION = [limits_of_size, pictures_have_a_text]


def of_kind(rule: Callable) -> list[Notebook]:
    if rule in OF_CHAPTERS:
        return [each for each in NOTEBOOKS if each.is_chapter]
    return [each for each in NOTEBOOKS if rule in ALL or each.number in SECOND_EDITION]


@pytest.mark.parametrize("rule", [*ALL, *OF_CHAPTERS, *OF_SECOND_EDITION], ids=lambda rule: rule.__name__)
def test_the_committed_notebooks_keep_the_rule(rule):
    broken = {str(each.path.relative_to(ROOT)): found for each in of_kind(rule) if (found := rule(each))}
    assert not broken


def test_its_picture_in_the_readme_is_the_one_a_chapter_shows():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for each in NOTEBOOKS:
        if not each.is_exercise:
            png = tool.picture(each.notebook)
            assert png, f"no cell of {each.path.name} is tagged {tool.PICTURE_TAG!r}, or it shows no picture"
            assert (ROOT / "docs" / f"{each.path.stem}.png").read_bytes() == png, f"run {each.number} again"
            assert f"(notebooks/{each.path.name})" in readme and f"docs/{each.path.stem}.png" in readme


# ---- the rules themselves ----


def made(*cells: nbformat.NotebookNode, name: str = "notebooks/02_made.ipynb") -> Notebook:
    return Notebook(Path(name), v4.new_notebook(cells=list(cells)))


def code(source: str, *outputs: nbformat.NotebookNode, count: int = 1) -> nbformat.NotebookNode:
    return v4.new_code_cell(source, outputs=list(outputs), execution_count=count)


def text(words: str) -> nbformat.NotebookNode:
    return v4.new_output("stream", text=words)


def png(**metadata: str) -> nbformat.NotebookNode:
    return v4.new_output("display_data", data={"image/png": "aGk="}, metadata={"image/png": metadata})


GOOD = made(
    v4.new_markdown_cell("# 2 · Made\n\nAn image of `a!` and $n!$ pixels."),
    code("import aelib\nimport numpy as np"),
    code("class Own:\n    def call(self):\n        def inner():\n            return 1", count=2),
    code(
        f"{MARKER}\ncheck('a', 1, equals=1)\n" + "check('b', 2, at_most=3)\n" * 3,
        text("✓ a: 1"),
        png(alt="A."),
        count=3,
    ),
    v4.new_markdown_cell("## Summary\n\nA.\n\n## Exercises\n\n" + "word " * 2000 + "\n\n## Further reading\n\n- B."),
)
FOUR_CHECKS = code("import aelib\n" + "check()\n" * 4)
BAD = [
    (small, made(v4.new_markdown_cell("x" * 700_001))),
    (executed_in_one_go, made(code("a = 1", count=2))),
    (executed_in_one_go, made(code("a = 1"), code("b = 1", count=3))),
    (no_empty_cell, made(code("a = 1"), v4.new_markdown_cell(" "))),
    (no_path_of_a_machine, made(code("a = 1", text("read from /home/somebody/data")))),
    (no_path_of_a_machine, made(code("open('C:\\\\Users\\\\me')"))),
    (no_warning_log_line_or_error, made(code("a = 1", text("x.py:3: UserWarning: no")))),
    (no_warning_log_line_or_error, made(code("a = 1", v4.new_output("stream", name="stderr", text="hm")))),
    (markers_are_whole_lines_of_cells_with_an_output, made(code(f"{MARKER}\na = 1"))),
    (markers_are_whole_lines_of_cells_with_an_output, made(code(f"a = 1  {MARKER}", text("1")))),
    (cells_of_fifteen_lines, made(code("a = 1\n" * 16))),
    (cells_of_fifteen_lines, made(code("def f():\n" + "    a = 1\n" * 15))),
    (aelib_is_imported_first, made(code("import numpy as np\nimport aelib"))),
    (aelib_is_imported_first, made(code("import numpy as np"))),
    (one_title_at_the_beginning, made(v4.new_markdown_cell("# One\n\n# Two"))),
    (one_title_at_the_beginning, made(code("a = 1"), v4.new_markdown_cell("# One"))),
    (prose_neither_shouts_nor_belittles, made(v4.new_markdown_cell("It works!"))),
    (prose_neither_shouts_nor_belittles, made(v4.new_markdown_cell("It is simply a sum."))),
    (one_definition_of_its_own, made(code("def f(): pass"), code("class A: pass"))),
    (main_results_are_checked, made(code("print(1)"))),
    (sections_that_readers_look_for, made(v4.new_markdown_cell("# One\n\n## Summary\n\n## Exercises"))),
    (limits_of_size, made(FOUR_CHECKS, v4.new_markdown_cell("word " * 1201))),
    (limits_of_size, made(FOUR_CHECKS, *(code("a = 1") for _ in range(20)))),
    (limits_of_size, made(code("import aelib\n" + "check()\n" * 3))),
    (limits_of_size, made(code("import aelib\n" + "check()\n" * 9))),
    (limits_of_size, made(FOUR_CHECKS, code("from aelib import (\n    a,\n    b,\n    c,\n    d,\n    e,\n)"))),
    (pictures_have_a_text, made(code("a = 1", png()))),
    (pictures_have_a_text, made(code("a = 1", png(alt=" ")))),
]


@pytest.mark.parametrize("rule", [*ALL, *OF_CHAPTERS, *OF_SECOND_EDITION], ids=lambda rule: rule.__name__)
def test_a_good_notebook_keeps_the_rule_and_bad_ones_break_it(rule):
    if rule is not written_by_run:  # GOOD was written by hand
        assert not rule(GOOD)
    for each, bad in BAD:
        if each is rule:
            assert rule(bad), bad.text[:300]

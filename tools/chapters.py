"""Which notebooks the course has: chapters ("02"), their companions ("02b") and their exercises ("02x")."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = "exercises"
FOLDERS = ("notebooks", EXERCISES)


def number_of(path: Path) -> str:
    """The name under which a notebook's results are recorded.

    `notebooks/02_name.ipynb`: "02"; `notebooks/02b_name.ipynb`: "02b"; `exercises/02_name.ipynb`: "02x".
    """
    number = path.stem.partition("_")[0]
    return f"{number}x" if path.parent.name == EXERCISES else number


def is_companion(number: str) -> bool:
    """Whether a number is that of a companion ("02b"), which has an indented row in the README's table."""
    return number[-1:].isalpha() and not number.endswith("x")


def all_notebooks(root: Path = ROOT) -> list[Path]:
    """Every notebook and exercise, in order: 02, 02b, 02x, 03. There may be no folder of exercises."""
    paths = [path for folder in FOLDERS for path in (root / folder).glob("*.ipynb")]
    return sorted(paths, key=lambda path: (number_of(path), path.stem))


def find_chapters(chapter: str | None, root: Path = ROOT) -> list[Path]:
    """The notebooks that `chapter` means: a number ("02", "2", "02b", "02x"), a path, or the beginning of a name.

    Without it, all of them. "02" is the chapter alone, without companion and exercises. A name means an exercise only
    if no chapter or companion has it. Exits with one line if there is none.
    """
    paths = all_notebooks(root)
    if not paths:
        sys.exit(f"There is no notebook in {root / FOLDERS[0]}.")
    if not chapter:
        return paths
    wanted = Path(chapter.replace("\\", "/"))
    if wanted.suffix == ".ipynb":
        found = [path for path in paths if path.name == wanted.name]
        found = [path for path in found if path.parent.name == wanted.parent.name] or found[:1]
    elif number := re.fullmatch(r"(\d+)([a-z]*)", wanted.name):
        found = [path for path in paths if number_of(path) == number[1].zfill(2) + number[2]]
    else:
        found = [path for path in paths if path.stem.startswith(wanted.name)]
        found = [path for path in found if path.parent.name != EXERCISES] or found
    if not found:
        names = ", ".join(f"{number_of(path)} ({path.stem})" for path in paths)
        sys.exit(f"There is no chapter {chapter!r}; there are: {names}.")
    return found


def title(path: Path) -> str:
    """What a notebook is called in its first line, `# 2b · Copies and noise`, without the number."""
    first = json.loads(path.read_text("utf-8"))["cells"][0]["source"]
    return re.sub(r"^#\s*\d+[a-z]*\s*·\s*", "", "".join(first).partition("\n")[0]).strip()

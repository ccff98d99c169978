"""Results are kept as one JSON file a part; RESULTS.md is written anew from all of them after each part."""

import json
import os
import tempfile
from pathlib import Path

from .machine import Machine

FOLDER = Path(__file__).resolve().parent
INTRODUCTION = """# Results

What the course's recipes reach, and how fast, beside what a user would otherwise run. `make bench` measures all of it
and writes this file; `make bench PART=name` one part of it; `make bench QUICK=1` the first part on 10,000 images with
one seed. Each section says on which machine and day it was measured. Seconds are those of that machine; compare the
ratios. All on the full MNIST, unless it says otherwise.
"""


def keep(name: str, content: dict, folder: Path = FOLDER) -> None:
    """Store the result of a part, whole or not at all."""
    (folder / "results").mkdir(exist_ok=True)
    _write(folder / "results" / f"{name}.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write(parts: dict, folder: Path = FOLDER) -> None:
    """RESULTS.md from the stored results of `parts`, name to module, in their order."""
    _write(folder / "RESULTS.md", render(parts, folder))


def render(parts: dict, folder: Path = FOLDER) -> str:
    """What `write` writes."""
    text = INTRODUCTION
    for name, part in parts.items():
        for quick in (False, True):
            path = folder / "results" / f"{name}{'-quick' * quick}.json"
            if path.exists():
                text += "\n" + section(part, json.loads(path.read_text("utf-8")))
    return text


def section(part, content: dict) -> str:
    """One part's heading, circumstances and tables."""
    title = part.TITLE + ", quick: 10,000 images, one seed" * content["quick"]
    where = f"Measured on {content['date']}, in {content['minutes']:.0f} minutes: {Machine(**content['machine'])}."
    return f"## {title}\n\n{where}\n\n{part.report(content['result']).strip()}\n"


def table(head: list[str], rows: list[list]) -> str:
    """A Markdown table; numbers are to be formatted by the caller."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _write(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

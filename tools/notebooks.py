"""Execute the chapters: `run` keeps their outputs, `claims` measures what they claim and leaves them alone.

    python tools/notebooks.py run [CHAPTER]
    python tools/notebooks.py claims [CHAPTER] [--dataset NAME] [--seed N]

CHAPTER is a chapter's number ("02") or the beginning of its file's name; without it, all chapters are executed.
"""

import argparse
import base64
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
PICTURE_TAG = "readme"  # the cell whose picture stands for the chapter in the README
CELL_SECONDS = 300
SETTINGS = ("AELIB_DATASET", "AELIB_SEED", "AELIB_LEDGER")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass
class Result:
    """What became of one notebook: its seconds, and where it failed ((cell number, error) pairs)."""

    seconds: float = 0.0
    failures: list[tuple[int, str]] = field(default_factory=list)


def find_chapters(chapter: str | None, folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks of `folder` in order, or those whose name begins with `chapter`; exits with one line if none."""
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        sys.exit(f"There is no notebook in {folder}.")
    if not chapter:
        return paths
    wanted = Path(chapter).name.removesuffix(".ipynb")
    wanted = wanted.zfill(2) if wanted.isdigit() else wanted
    found = [path for path in paths if path.stem == wanted or path.stem.startswith(f"{wanted}_")]
    found = found or [path for path in paths if path.stem.startswith(wanted)]
    if not found:
        sys.exit(f"There is no chapter {chapter!r}; there are: {', '.join(path.stem for path in paths)}.")
    return found


def execute(notebook: nbformat.NotebookNode, folder: Path, env: dict[str, str], keep_going: bool) -> Result:
    """Execute `notebook` in place, in a fresh kernel that runs in `folder`; collect what fails.

    With `keep_going`, a cell that raises does not stop the rest. A cell that outlasts the limit, or a kernel that
    dies, always does.
    """
    result = Result()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name=METADATA["kernelspec"]["name"],
        resources={"metadata": {"path": str(folder)}},
        allow_errors=keep_going,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # no remarks of the kernel's own between the lines of the report
    )
    position = {"cell": 0}  # the cell in execution: an error that stops the kernel has no output to be found by
    client.on_cell_start = lambda cell, cell_index: position.update(cell=cell_index)
    started = time.monotonic()
    try:
        client.execute(env=env)
    except CellExecutionError:
        pass  # its output is in the notebook, where it is looked for below
    except CellTimeoutError:
        result.failures.append((position["cell"], f"it took longer than the {CELL_SECONDS} s that a cell may take"))
    except DeadKernelError:
        result.failures.append((position["cell"], "the kernel died (out of memory?)"))
    result.seconds = time.monotonic() - started
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                result.failures.append((number, f"{output.ename}: {output.evalue}"))
    return result


def report_failures(name: str, result: Result, notebook: nbformat.NotebookNode) -> None:
    """Say on stderr which cells failed: the error, and the cell's first line of code to find it by."""
    for number, error in result.failures:
        lines = [line for line in notebook.cells[number].source.splitlines() if line.strip()]
        print(f"{name}, cell {number} (`{lines[0] if lines else ''}`): {error}", file=sys.stderr)


def normalise(notebook: nbformat.NotebookNode, chapter: str) -> None:
    """Remove from an executed notebook what differs between machines and runs without saying anything.

    Fixed metadata, cell ids by position ("02-07"), no record of times; neighbouring pieces of one stream are joined.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    prefix = re.sub(r"[^A-Za-z0-9]", "-", chapter.split("_")[0])[:32]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{prefix}-{number:02}"
        for key in ("execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = _join_streams(cell.outputs)


def _join_streams(outputs: list) -> list:
    joined = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Replace `path` in one step, so that an interruption leaves the old file or the new one, never half of one."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1, ensure_ascii=False)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text.rstrip("\n") + "\n")
        os.chmod(temporary, path.stat().st_mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def picture(notebook: nbformat.NotebookNode) -> bytes | None:
    """The PNG that stands for the chapter in the README: the first of the cell tagged for it, if there is one."""
    for cell in notebook.cells:
        if PICTURE_TAG in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                if png := output.get("data", {}).get("image/png"):
                    return base64.b64decode(png)
    return None


def kernel_environment(**settings: str) -> dict[str, str]:
    """The environment of a kernel: the caller's, without the course's settings but for those given."""
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    if data := env.get("AELIB_DATA"):
        env["AELIB_DATA"] = os.path.abspath(data)  # the kernel runs in another folder
    return env | settings


def run(paths: list[Path]) -> int:
    """Execute chapters in place and keep their outputs; a chapter that fails stays as it was on the disk."""
    failed = 0
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        result = execute(notebook, path.parent, kernel_environment(), keep_going=False)
        if result.failures:
            failed += 1
            report_failures(path.stem, result, notebook)
            print(f"{path.stem}: failed after {result.seconds:.1f} s, left as it was", file=sys.stderr)
        else:
            normalise(notebook, path.stem)
            write(notebook, path)
            pictures = path.parent.parent / "docs"
            if (png := picture(notebook)) and pictures.is_dir():
                (pictures / f"{path.stem}.png").write_bytes(png)
            print(f"{path.stem}: {result.seconds:.1f} s", flush=True)
    return min(failed, 1)


def claims(paths: list[Path], dataset: str, seed: str) -> int:
    """Execute copies of chapters on a data set with a seed, and print every check as a row of a table."""
    print(f"Claims on {dataset}, seed {seed}", flush=True)
    broken = 0
    seconds = {}
    for path in paths:
        with tempfile.TemporaryDirectory(prefix="claims-") as folder:
            ledger = Path(folder, "ledger.jsonl")
            env = kernel_environment(AELIB_DATASET=dataset, AELIB_SEED=seed, AELIB_LEDGER=str(ledger))
            notebook = nbformat.read(path, as_version=4)
            result = execute(notebook, Path(folder), env, keep_going=True)
            rows = [json.loads(line) for line in ledger.read_text("utf-8").splitlines()] if ledger.exists() else []
        seconds[path.stem] = result.seconds
        print_ledger(path.stem, rows)
        report_failures(path.stem, result, notebook)
        broken += bool(result.failures) or any(row["holds"] is False for row in rows)
    print("\nSeconds per chapter (kernel start included)")
    for name, value in seconds.items():
        print(f"  {value:7.1f}  {name}")
    return min(broken, 1)


def print_ledger(notebook: str, rows: list[dict]) -> None:
    """Print a chapter's checks: mark, what, value, bound, seconds since the chapter's setup."""
    marks = {True: "✓", False: "✗", None: "·"}
    table = [
        (marks[row["holds"]], row["check"], show(row["value"]), show_bound(row), f"{row.get('seconds') or 0:.1f} s")
        for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(5)] if table else []
    print(f"\n{notebook}" + ("" if rows else ": no check was reached"))
    for mark, what, value, bound, took in table:
        print(f"  {mark} {what:<{widths[1]}}  {value:>{widths[2]}}  {bound:<{widths[3]}}  {took:>{widths[4]}}".rstrip())
    sys.stdout.flush()


def show(value: object) -> str:
    """A value as the table shows it: four significant digits, and null (JSON has no NaN) as nan."""
    if value is None:
        return "nan"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def show_bound(row: dict) -> str:
    """A row's bounds in the words of `aelib.check`."""
    words = (("equals", "equals"), ("at_least", "at least"), ("at_most", "at most"))
    return ", ".join(f"{word} {show(row[key])}" for key, word in words if row.get(key) is not None)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do what it says; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "execute in place, keep the outputs"), ("claims", "measure every claim")):
        command = commands.add_parser(name, help=text)
        command.add_argument("chapter", nargs="?", help="for example 02 (default: all)")
        command.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="the folder of the chapters")
    command.add_argument("--dataset", default=os.environ.get("AELIB_DATASET") or "digits", help="default: digits")
    command.add_argument("--seed", type=int, default=os.environ.get("AELIB_SEED") or "0", help="default: 0")
    options = parser.parse_args(arguments)
    paths = find_chapters(options.chapter, options.notebooks)
    if options.command == "run":
        return run(paths)
    return claims(paths, options.dataset, str(options.seed))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

"""Execute the notebooks: `run` keeps their outputs, `claims` measures what they claim and leaves them alone.

    python tools/notebooks.py run [CHAPTER]
    python tools/notebooks.py claims [CHAPTER] [--dataset NAME] [--seed N] [--workers N]
    python tools/notebooks.py claims [CHAPTER] [--dataset NAME] --seeds 0-7 [--ledger-folder FOLDER] [--workers N]

CHAPTER is a chapter ("02"), its companion ("02b"), its exercises ("02x"), a path, or the beginning of a file's name;
without it, all are executed. With one seed, `claims` measures anew and prints each check. With several (`0-7`, `0,2,5`)
it prints how far each bound lies from what was measured, in standard deviations. It stores each run, as soon as it is
done, in FOLDER/NAME/02.jsonl (default: docs/ledgers; with KERAS_BACKEND=jax, docs/ledgers_jax), and goes on there when
it is called again: a stored run is used as long as the code of the notebook, and of what it imports from aelib, is the
same, unless a cell failed in it.
"""

import argparse
import base64
import os
import re
import sys
from pathlib import Path

import kernels
import ledgers
import nbformat
from chapters import EXERCISES, ROOT, find_chapters, number_of
from claims import Sweep
from files import replace

PICTURE_TAG = "readme"  # the cell whose picture stands for the chapter in the README
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": kernels.KERNEL},
    "language_info": {"name": "python"},
}


def normalise(notebook: nbformat.NotebookNode, chapter: str) -> None:
    """Remove from an executed notebook what differs between machines and runs without saying anything.

    Fixed metadata, cell ids by position ("02-07"; `chapter` begins with the number), no record of times; neighbouring
    pieces of one stream are joined. The metadata of outputs stays: a picture's alternative text is in it.
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
    """Replace a notebook's file in one step."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1, ensure_ascii=False)
    replace(path, (text.rstrip("\n") + "\n").encode("utf-8"))


def picture(notebook: nbformat.NotebookNode) -> bytes | None:
    """The PNG that stands for the chapter in the README: the first of the cell tagged for it, if there is one."""
    for cell in notebook.cells:
        if PICTURE_TAG in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                if png := output.get("data", {}).get("image/png"):
                    return base64.b64decode(png)
    return None


def run(paths: list[Path]) -> int:
    """Execute notebooks in place and keep their outputs; one that fails stays as it was on the disk.

    The picture of a chapter or companion is written to docs/, where there is such a folder. Returns the exit status.
    """
    failed = []

    def execute(path: Path) -> tuple[nbformat.NotebookNode, kernels.Result]:
        notebook = nbformat.read(path, as_version=4)
        return notebook, kernels.execute(notebook, path.parent, kernels.environment(), keep_going=False)

    def keep(path: Path, done: tuple[nbformat.NotebookNode, kernels.Result]) -> None:
        notebook, result = done
        kernels.report(path.stem, result)
        if result.failures:
            failed.append(path)
            print(f"{path.stem}: failed after {result.seconds:.1f} s, left as it was", file=sys.stderr)
            return
        normalise(notebook, number_of(path))
        write(notebook, path)
        pictures = path.parent.parent / "docs"
        if path.parent.name != EXERCISES and pictures.is_dir() and (png := picture(notebook)):
            replace(pictures / f"{path.stem}.png", png)
        print(f"{path.stem}: {result.seconds:.1f} s", flush=True)

    kernels.for_each(paths, execute, keep)
    return 1 if failed else 0


def seeds_from(text: str) -> list[int]:
    """The seeds that "0-7", "0,2,5" or "0-3,7" name, in order."""
    seeds: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise argparse.ArgumentTypeError(f"{text!r}: expected whole numbers, as in 0-7 or 0,2,5")
        seeds.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return sorted(seeds)


def count_from(text: str) -> int:
    """A whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, 1 or more")
    return int(text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_ in (("run", "execute in place, keep the outputs"), ("claims", "measure every claim")):
        command = commands.add_parser(name, help=help_)
        command.add_argument("chapter", nargs="?", help="for example 02, 02b or 02x (default: all)")
        command.add_argument("--root", type=Path, default=ROOT, help="the folder of the course")
    dataset, seed = (os.environ.get(f"AELIB_{name}") for name in ("DATASET", "SEED"))
    command.add_argument("--dataset", default=dataset or ledgers.DEFAULT_DATASET, help="default: digits")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--seed", type=int, default=int(seed or 0), help="one seed, measured anew (default: 0)")
    which.add_argument("--seeds", type=seeds_from, help="several, stored: 0-7 or 0,2,5")
    command.add_argument("--ledger-folder", type=Path, help="where runs of --seeds are stored (default: docs/ledgers)")
    command.add_argument(
        "--workers", type=count_from, default=1, help="notebooks at a time, one thread each if several"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do what it says; returns the exit status."""
    options = parse(arguments)
    paths = find_chapters(options.chapter, options.root)
    if options.command == "run":
        return run(paths)
    seeds, folder = options.seeds or [options.seed], None
    if options.seeds:
        folder = options.ledger_folder or ledgers.folder_of(root=options.root)
    several = f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    print(f"Claims on {options.dataset}, {several}", flush=True)
    return Sweep(options.dataset, seeds, folder, options.workers, options.root).measure(paths)


if __name__ == "__main__":
    kernels.interrupt_on_sigterm()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept.", file=sys.stderr)
        sys.exit(130)

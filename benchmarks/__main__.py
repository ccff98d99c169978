"""`python -m benchmarks [PART …] [--quick]`: measure, print, and write RESULTS.md."""

import argparse
import sys
import time
from datetime import date

import aelib  # noqa: F401  (first, so that TensorFlow starts quietly)
from aelib.data import DatasetError

from . import (
    deep_autoencoder,
    denoising,
    disentanglement,
    few_labels,
    growing,
    growth,
    likelihood,
    quality,
    report,
    share,
    sparse_codes,
    styles,
)
from .machine import describe

# A part has a TITLE, `run(say, quick)`, which returns a dict for JSON, and `report(result)`, which returns Markdown.
PARTS = {
    "quality": quality,
    "share": share,
    "growth": growth,
    "deep_autoencoder": deep_autoencoder,
    "few_labels": few_labels,
    "likelihood": likelihood,
    "sparse_codes": sparse_codes,
    "denoising": denoising,
    "disentanglement": disentanglement,
    "growing": growing,
    "styles": styles,
}
QUICK = ("quality",)


def main(arguments: list[str] | None = None) -> int:
    """Run the parts named, or all; the results of a part are written as soon as it is finished."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="10,000 images, one seed: only of the part quality")
    options = parser.parse_args(arguments)
    names = options.parts or (QUICK if options.quick else PARTS)
    for name in names:
        if name not in PARTS:
            parser.error(f"no part is called {name!r}: the parts are {', '.join(PARTS)}")
        if options.quick and name not in QUICK:
            parser.error(f"{name} has no quick form, only {', '.join(QUICK)} has: leave QUICK out")
    for name in names:
        try:
            _run(name, options.quick)
        except DatasetError as error:
            sys.exit(f"{name}: {error}")
    return 0


def _run(name: str, quick: bool) -> None:
    machine = describe()
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    result = PARTS[name].run(_say, quick=quick)
    minutes = (time.monotonic() - began) / 60
    content = {"part": name, "quick": quick, "date": date.today().isoformat(), "machine": machine, "minutes": minutes}
    content["result"] = result
    report.keep(name + "-quick" * quick, content)
    report.write(PARTS)
    print("\n" + report.section(PARTS[name], content), flush=True)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

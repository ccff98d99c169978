"""Where the data sets lie: the folder that `$AELIB_DATA` names, or the repository's own."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """The folder of the data sets: `$AELIB_DATA`, or else the repository's `data/`."""
    return Path(os.environ.get("AELIB_DATA") or REPOSITORY / "data")

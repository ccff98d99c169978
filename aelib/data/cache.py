"""What is computed once and kept: a folder that git ignores, and files that are whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from aelib.data.folder import REPOSITORY

CACHE = REPOSITORY / "data" / ".cache"


def keep(path: Path, write: Callable[[str], None]) -> None:
    """Have `write` write the file `path`, whole or not at all: two notebooks may run at once.

    `write` is given the name of a temporary file with the same suffix. A folder that cannot be written to is no error:
    the file is then made anew the next time.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        os.close(handle)
        write(temporary)
        os.chmod(temporary, 0o644)  # a temporary file is for one's own eyes, a checkout may be shared
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)

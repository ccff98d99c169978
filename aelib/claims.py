"""Claims: `check()` measures what the prose states, prints one line, and raises if it does not hold.

Introduced in chapter 00.
"""

import json
import math
import os
import time
from dataclasses import dataclass

import numpy as np


@dataclass
class Session:
    """What a check has to know of the notebook that it stands in; set by `begin`."""

    notebook: str | None = None
    dataset: str | None = None
    seed: int | None = None
    started: float = 0.0


_session = Session()


def begin(notebook: str, dataset: str, seed: int) -> None:
    """Name the notebook, data set and seed of the checks to come, and start their clock."""
    global _session
    _session = Session(notebook, dataset, seed, time.monotonic())


def session_seed() -> int:
    """The seed of the chapter that is running; 0 outside of a chapter."""
    return _session.seed or 0


def check(what: str, value, *, at_most=None, at_least=None, equals=None, on=None, source: str | None = None) -> None:
    """Print `✓ what: value (bound)`, or raise `AssertionError` with the same words if the bound does not hold.

    Bounds: `at_most` and `at_least` (numbers, both included; one or both), or `equals` (compared with `==`; arrays
    element by element). NaN never holds. `on`: names of the data sets on which a fitted bound was measured; on others
    the line is marked `·` and never raises. `source`: where the bound comes from (a paper, a measurement).

    Where `$AELIB_LEDGER` names a file, one JSON object is appended to it: notebook, dataset, seed, check, value,
    at_most, at_least, equals, source, holds (null where the bound does not apply), seconds (since `start`).
    Raises `ValueError` if no bound is given, or if `on` is given and no data set is known.
    """
    if (equals is None) == (at_most is None and at_least is None):
        raise ValueError(f"check({what!r}) needs at_most and/or at_least, or else equals")
    if on is not None and _session.dataset is None:
        raise ValueError(f"check({what!r}) is bound to {on}, but no data set is loaded: call aelib.start() first")
    applies = on is None or _session.dataset in ((on,) if isinstance(on, str) else on)
    holds = _holds(value, at_most, at_least, equals)
    line = f"{what}: {_text(value)} ({_bound_text(at_most, at_least, equals)})"
    _record(what, value, at_most, at_least, equals, source, holds if applies else None)
    if not applies:
        print(f"· {line}: measured on {', '.join([on] if isinstance(on, str) else on)}; not a claim here")
    elif holds:
        print(f"✓ {line}")
    else:
        digits = f"{float(value):.8g}" if equals is None else _text(value)  # a near miss must not look like a hit
        raise AssertionError(f"✗ {what}: {digits} ({_bound_text(at_most, at_least, equals)})")


def _holds(value, at_most, at_least, equals) -> bool:
    if equals is not None:
        return bool(np.array_equal(value, equals)) if isinstance(value, np.ndarray) else bool(value == equals)
    value = float(value)  # every comparison with NaN is false
    return (at_most is None or value <= at_most) and (at_least is None or value >= at_least)


def _text(value) -> str:
    """Four significant digits for a measured fraction, thousands separated for an integer."""
    if isinstance(value, bool | np.bool_ | str):
        return str(value)
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:#.4g}" if abs(value) < 1e4 or not math.isfinite(value) else f"{value:,.0f}"
    return str(value)


def _bound_text(at_most, at_least, equals) -> str:
    if equals is not None:
        return f"equals {_text(equals)}"
    bounds = (("at least", at_least), ("at most", at_most))
    return ", ".join(f"{word} {bound:,g}" for word, bound in bounds if bound is not None)


def _record(what, value, at_most, at_least, equals, source, holds) -> None:
    """Append the check to the ledger, if there is one. JSON has no NaN: it becomes null."""
    ledger = os.environ.get("AELIB_LEDGER")
    if not ledger:
        return
    row = {
        "notebook": _session.notebook,
        "dataset": _session.dataset,
        "seed": _session.seed,
        "check": what,
        "value": _plain(value),
        "at_most": _plain(at_most),
        "at_least": _plain(at_least),
        "equals": _plain(equals),
        "source": source,
        "holds": holds,
        "seconds": round(time.monotonic() - _session.started, 2) if _session.notebook else None,
    }
    with open(ledger, "a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _plain(value):
    """A value as JSON can hold it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | list) or value is None else str(value)

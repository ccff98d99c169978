"""How far the bound of a check lies from what was measured with several seeds."""

import math
import statistics
from dataclasses import dataclass

from ledgers import Run

ENOUGH = 3  # standard deviations between the mean and the bound
MARKS = {"holds": "✓", "near": "~", "exempt": "=", "elsewhere": "·", "broken": "✗"}
LEGEND = (
    f"✓ the bound lies {ENOUGH} standard deviations or more from the mean; ~ fewer; = an equality, or no deviation; "
    "✗ did not hold with every seed; · no claim on this data set"
)


@dataclass(frozen=True)
class Spread:
    """A check over several seeds. `state` is a key of MARKS.

    `worst`: the value nearest to the bound, or farthest beyond it. `deviations`: from the mean to the bound in standard
    deviations; None where that says nothing.
    """

    check: str
    state: str
    runs: int
    mean: float | None
    deviation: float | None
    worst: object
    bound: str
    deviations: float | None


def spreads(runs: list[Run]) -> list[Spread]:
    """Each check of a notebook over its runs, in the order of the notebook; a check that recurs counts each time."""
    rows: dict[tuple[str, int], list[dict]] = {}
    for run in runs:
        met: dict[str, int] = {}
        for row in run.checks:
            met[row["check"]] = met.get(row["check"], 0) + 1
            rows.setdefault((row["check"], met[row["check"]]), []).append(row)
    return [_spread(each) for each in rows.values()]


def _spread(rows: list[dict]) -> Spread:
    measured = [row for row in rows if _margins(row)]
    values = [float(row["value"]) for row in measured]
    worst = min(rows, key=lambda row: (row["holds"] is not False, min(_margins(row).values(), default=-math.inf)))
    mean = statistics.fmean(values) if values else None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    distances = []
    for bound in ("at_least", "at_most"):
        margins = [_margins(row)[bound] for row in measured if bound in _margins(row)]
        if len(margins) > 1 and (spread := statistics.stdev(margins)) > 0:
            distances.append(statistics.fmean(margins) / spread)
    nearest = min(distances, default=None)
    if any(row["holds"] is False for row in rows):
        state = "broken"
    elif any(row["holds"] is None for row in rows):
        state, nearest = "elsewhere", None
    elif deviation == 0 or rows[0]["equals"] is not None:
        state = "exempt"
    else:
        state = "near" if nearest is not None and nearest < ENOUGH else "holds"
    check, bound = rows[0]["check"], show_bound(rows[-1])
    return Spread(check, state, len(rows), mean, deviation, worst["value"], bound, nearest)


def _margins(row: dict) -> dict[str, float]:
    """How far a value lies inside each of its bounds (negative: outside). Nothing for an equality or no number."""
    value = row["value"]
    if row["equals"] is not None or not isinstance(value, (int, float)):
        return {}
    signs = {"at_least": 1, "at_most": -1}
    return {bound: sign * (value - row[bound]) for bound, sign in signs.items() if row[bound] is not None}


def show(value: object) -> str:
    """A value as a table shows it: four significant digits, and null (JSON has no NaN) as nan."""
    if value is None:
        return "nan"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 30 else f"{text[:27]}..."  # a list, of an equality


def show_bound(row: dict) -> str:
    """A row's bounds in the words of `aelib.check`."""
    words = (("equals", "equals"), ("at_least", "at least"), ("at_most", "at most"))
    return ", ".join(f"{word} {show(row[key])}" for key, word in words if row.get(key) is not None)


def seeds_table(runs: list[Run]) -> list[str]:
    """The lines of a table of checks over several seeds."""
    head = ("", "check", "mean", "deviation", "worst", "bound", "bound − mean", "")
    lines = []
    for each in spreads(runs):
        missing = f"{each.runs} of {len(runs)} runs" if each.runs < len(runs) else ""
        away = "" if each.deviations is None else f"{each.deviations:.1f} deviations"
        number = ["" if value is None else show(value) for value in (each.mean, each.deviation)]
        lines.append((MARKS[each.state], each.check, *number, show(each.worst), each.bound, away, missing))
    return align([head, *lines], "<<>>><><") if lines else []


def one_table(run: Run) -> list[str]:
    """The lines of a table of checks of one run, with the seconds since the notebook's setup."""
    marks = {True: MARKS["holds"], False: MARKS["broken"], None: MARKS["elsewhere"]}
    lines = [
        (marks[row["holds"]], row["check"], show(row["value"]), show_bound(row), f"{row.get('seconds') or 0:.1f} s")
        for row in run.checks
    ]
    return align(lines, "<<><>")


def align(lines: list[tuple[str, ...]], sides: str) -> list[str]:
    """Columns of equal width, to the side that `<` or `>` says, two spaces before each line and between columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    cells = [[f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)] for line in lines]
    return [f"  {line[0]} {'  '.join(line[1:])}".rstrip() for line in cells]

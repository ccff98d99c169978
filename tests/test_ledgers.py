"""Ledgers of seeds: what they hold, how far bounds lie, and which of the stored rows are stale."""

import json
import re
import warnings
from dataclasses import asdict
from pathlib import Path

import ledgers
import pytest
import spread
from chapters import ROOT, all_notebooks, number_of
from fingerprint import Package
from nbformat import v4, write

HOW = ledgers.Circumstances("digits", 0, 2, 1, None, "2026-01-31", "2.21.0", "3.15.1", "a processor", 180.0)


def check(name: str, value: object, seed: int = 0, holds: bool | None = True, **bounds: float) -> dict:
    nothing = dict.fromkeys(("at_most", "at_least", "equals"))
    row = {"notebook": "02", "dataset": "digits", "seed": seed, "check": name, "value": value}
    return row | nothing | bounds | {"holds": holds, "code": "abc"}


def run(seed: int, *checks: dict) -> ledgers.Run:
    record = {"notebook": "02", "notebook_seconds": 1.0} | asdict(HOW) | {"seed": seed, "code": "abc", "ended": "well"}
    return ledgers.Run(list(checks), record)


# ---- the stored ledgers ----

NOTEBOOKS = {number_of(path): path for path in all_notebooks()}
PACKAGE = Package(ROOT)


STORED = [path for backend in ("tensorflow", "jax") for path in ledgers.all_ledgers(ledgers.folder_of(backend))]


@pytest.mark.parametrize("path", STORED, ids=lambda path: "-".join((*path.parts[-3:-1], path.stem)))
def test_a_stored_ledger_is_whole_and_no_claim_in_it_is_broken(path: Path):
    """Runs of other code than today's are stale: that is said in a warning, and is no failure."""
    stale, broken = ledgers.audit(path, NOTEBOOKS, PACKAGE)
    assert not broken
    if stale:
        again = f"claims {path.stem} --dataset {path.parent.name} --seeds {','.join(map(str, stale))}"
        warnings.warn(f"stale: {path.relative_to(ROOT)} ({again})", stacklevel=1)


def test_the_ledger_of_the_table_belongs_to_notebooks_that_are_there():
    """So does the one run of the tests: what has changed since is said in a warning."""
    rows = ledgers.read(ROOT / "docs" / "ledger.jsonl")
    assert {row["notebook"] for row in rows} <= NOTEBOOKS.keys()
    codes = {row["notebook"]: row["code"] for row in rows if row.get("code")}
    stale = [number for number, code in codes.items() if PACKAGE.code_hash(NOTEBOOKS[number]) != code]
    if stale:
        warnings.warn(f"stale: docs/ledger.jsonl, notebooks {', '.join(stale)}", stacklevel=1)


def test_the_table_of_docs_jax_is_that_of_its_ledgers():
    text = (ROOT / "docs" / "JAX.md").read_text("utf-8")
    table = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (?:\d+|–) \| (\d+) \|$", text, re.MULTILINE)
    expected = []
    for path in ledgers.all_ledgers(ledgers.folder_of("jax")):
        stored = ledgers.stored(path)[0]
        holds = [row["holds"] for row in stored.checks if row["holds"] is not None]
        expected.append((path.stem, str(len(holds)), str(sum(holds)), f"{stored.record['notebook_seconds']:.0f}"))
    assert table == expected


def test_an_audit_tells_stale_runs_from_broken_claims(tmp_path):
    notebook = tmp_path / "notebooks" / "02_x.ipynb"
    notebook.parent.mkdir()
    write(v4.new_notebook(cells=[v4.new_code_cell("1")]), notebook)
    code = Package(tmp_path).code_hash(notebook)
    path = ledgers.path_of(tmp_path, "digits", "02")
    broken = run(1, check("a", 3.0, 1, False, at_most=2), check("b", 1.0, 1, None, at_most=2))
    rows = [row | {"code": code} for row in broken.checks]
    ledgers.store(path, 0, run(0, check("a", 3.0, 0, False, at_most=2)))
    ledgers.store(path, 1, ledgers.Run(rows, broken.record | {"code": code}))
    assert ledgers.audit(path, {"02": notebook}, Package(tmp_path)) == ([0], ["seed 1: a"])
    write(v4.new_notebook(cells=[v4.new_code_cell("2")]), notebook)
    assert ledgers.audit(path, {"02": notebook}, Package(tmp_path)) == ([0, 1], [])
    with pytest.raises(SystemExit, match="there is no notebook 02"):
        ledgers.audit(path, {"03": notebook}, Package(tmp_path))


# ---- their format ----


def test_a_run_takes_the_place_of_the_one_with_its_seed(tmp_path):
    path = ledgers.path_of(tmp_path, "digits", "02")
    first, second = run(1, check("a", 1.0, 1)), run(0, check("a", 2.0), check("a", 2.5))
    ledgers.store(path, 1, first)
    ledgers.store(path, 0, second)
    assert ledgers.stored(path) == {0: second, 1: first}
    ledgers.store(path, 1, run(1, check("b", None, 1)))
    assert ledgers.stored(path) == {0: second, 1: run(1, check("b", None, 1))}
    assert ledgers.all_ledgers(tmp_path) == [path] == list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("backend", "name"), [(None, "ledgers"), ("", "ledgers"), ("tensorflow", "ledgers"), ("jax", "ledgers_jax")]
)
def test_each_backend_has_its_own_folder(monkeypatch, tmp_path, backend, name):
    """A sweep on JAX does not take the place of one on TensorFlow."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend is not None:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    assert ledgers.folder_of(root=tmp_path) == tmp_path / "docs" / name


@pytest.mark.parametrize(
    "row",
    [
        "{",
        "[1]",
        json.dumps({"notebook": "02"}),
        json.dumps(check("a", 1.0, at_most=2) | {"notebook": "03"}),
        json.dumps(check("a", 1.0, seed=5, at_most=2)),
        json.dumps(check("a", 1.0, at_most=2) | {"code": "other"}),
        json.dumps(run(0).record),
        json.dumps(run(1).record | {"dataset": "mnist"}),
        json.dumps(run(1).record | {"ended": "somehow"}),
    ],
    ids=["no JSON", "a list", "half", "notebook", "seed", "code", "two records", "data set", "ended"],
)
def test_a_row_that_does_not_belong_there_is_named_by_its_line(tmp_path, row):
    path = ledgers.path_of(tmp_path, "digits", "02")
    ledgers.store(path, 0, run(0, check("a", 1.0, at_most=2)))
    with path.open("a") as file:
        file.write(row + "\n")
    with pytest.raises(SystemExit) as refused:
        ledgers.stored(path)
    assert refused.value.code.startswith(f"Line 3 of {path}") and "\n" not in refused.value.code


# ---- how far bounds lie ----


def spread_of(values: list, holds: list | bool = True, **bounds: float) -> spread.Spread:
    holds = holds if isinstance(holds, list) else [holds] * len(values)
    runs = [
        run(seed, check("a", value, seed, held, **bounds))
        for seed, (value, held) in enumerate(zip(values, holds, strict=True))
    ]
    (found,) = spread.spreads(runs)
    return found


@pytest.mark.parametrize(
    ("values", "bounds", "state", "worst", "deviations"),
    [
        ([1.0, 2.0, 3.0], {"at_most": 6}, "holds", 3.0, 4.0),  # mean 2, standard deviation 1
        ([1.0, 2.0, 3.0], {"at_most": 4.5}, "near", 3.0, 2.5),
        ([1.0, 2.0, 3.0], {"at_least": -1}, "holds", 1.0, 3.0),
        ([1.0, 2.0, 3.0], {"at_least": -3, "at_most": 4}, "near", 3.0, 2.0),
        ([2, 2, 2], {"at_most": 2}, "exempt", 2, None),
        ([5, 5, 5], {"equals": 5}, "exempt", 5, None),
        ([1.0], {"at_most": 2}, "holds", 1.0, None),
    ],
)
def test_a_bound_lies_so_many_standard_deviations_from_the_mean(values, bounds, state, worst, deviations):
    found = spread_of(values, **bounds)
    assert (found.state, found.worst) == (state, worst)
    assert found.deviations == (deviations if deviations is None else pytest.approx(deviations))


def test_a_claim_that_did_not_hold_is_the_worst_also_if_it_has_no_value():
    found = spread_of([1.0, 4.0, 2.0], [True, False, True], at_most=3)
    assert (found.state, found.worst) == ("broken", 4.0)
    found = spread_of([1.0, None, 2.0], [True, False, True], at_most=3)
    assert (found.state, found.worst, found.mean) == ("broken", None, 1.5)


def test_a_bound_of_another_data_set_is_no_claim():
    assert spread_of([5.0, 6.0, 7.0], None, at_most=1).state == "elsewhere"


def test_checks_keep_their_order_and_one_that_recurs_counts_each_time():
    runs = [
        run(seed, check("b", 1.0, at_most=2), check("a", 1.0, at_most=2), check("b", 9.0, at_most=10))
        for seed in (0, 1)
    ]
    runs += [run(2, check("b", 1.0, at_most=2))]
    assert [(each.check, each.mean, each.runs) for each in spread.spreads(runs)] == [
        ("b", 1, 3),
        ("a", 1, 2),
        ("b", 9, 2),
    ]
    assert any("2 of 3 runs" in line for line in spread.seeds_table(runs))

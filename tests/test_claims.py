"""check(): the line, the bound, the ledger."""

import json

import numpy as np
import pytest

from aelib import claims
from aelib.claims import check


@pytest.fixture(autouse=True)
def session(monkeypatch, tmp_path):
    monkeypatch.setattr(claims, "_session", claims.Session())
    monkeypatch.setenv("AELIB_LEDGER", str(tmp_path / "ledger.jsonl"))
    return tmp_path / "ledger.jsonl"


@pytest.mark.parametrize(
    ("value", "bound", "line"),
    [
        (1.002, {"at_most": 1.01}, "✓ error: 1.002 (at most 1.01)\n"),
        (0.99, {"at_least": 0.99}, "✓ error: 0.9900 (at least 0.99)\n"),
        (5, {"at_least": 1, "at_most": 5}, "✓ error: 5 (at least 1, at most 5)\n"),
        (np.float32(0.5), {"at_most": 1}, "✓ error: 0.5000 (at most 1)\n"),
        (12345.6, {"at_least": 0}, "✓ error: 12,346 (at least 0)\n"),
        (1234, {"equals": 1234}, "✓ error: 1,234 (equals 1,234)\n"),
        (True, {"equals": True}, "✓ error: True (equals True)\n"),
        ((28, 28, 1), {"equals": (28, 28, 1)}, "✓ error: (28, 28, 1) (equals (28, 28, 1))\n"),
        (np.array([1, 2]), {"equals": np.array([1, 2])}, "✓ error: [1 2] (equals [1 2])\n"),
    ],
)
def test_a_claim_that_holds_prints_one_line(capsys, value, bound, line):
    check("error", value, **bound)
    assert capsys.readouterr().out == line


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (1.02, {"at_most": 1.01}),
        (0.98, {"at_least": 0.99}),
        (float("nan"), {"at_most": 1e9}),
        (float("nan"), {"at_least": -1e9}),
        (np.nan, {"equals": np.nan}),
        (float("inf"), {"at_most": 1}),
        (6, {"at_least": 1, "at_most": 5}),
        (3, {"equals": 4}),
        (np.array([1, 2]), {"equals": np.array([1, 3])}),
        (np.array([1, 2]), {"equals": np.array([1, 2, 3])}),
    ],
)
def test_a_claim_that_does_not_hold_raises_with_the_same_words(session, value, bound):
    with pytest.raises(AssertionError, match=r"✗ error: .* \((at least|at most|equals) "):
        check("error", value, **bound)
    assert json.loads(session.read_text())["holds"] is False


def test_a_near_miss_does_not_look_like_a_hit():
    with pytest.raises(AssertionError, match=r"✗ error: 1\.0100001 \(at most 1\.01\)"):
        check("error", 1.0100001, at_most=1.01)


def test_a_fitted_bound_counts_on_its_own_data_sets_only(capsys, session):
    claims.begin("02", "fashion_mnist", 0)
    check("error", 9.0, at_most=1, on=("digits", "mnist"))
    check("error", 9.0, at_most=1, on="mnist")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "· error: 9.000 (at most 1): measured on digits, mnist; not a claim here"
    assert lines[1].endswith("measured on mnist; not a claim here")
    assert [json.loads(row)["holds"] for row in session.read_text().splitlines()] == [None, None]
    claims.begin("02", "mnist", 0)
    with pytest.raises(AssertionError):
        check("error", 9.0, at_most=1, on="mnist")


def test_the_ledger_holds_one_object_a_check(session, capsys):
    claims.begin("02", "digits", 3)
    check("error", np.float64(0.25), at_most=1, source="somebody 2006")
    check("ratio", float("inf"), at_least=1)
    first, second = map(json.loads, session.read_text().splitlines())
    assert first.pop("seconds") >= 0
    assert first == {
        "notebook": "02",
        "dataset": "digits",
        "seed": 3,
        "check": "error",
        "value": 0.25,
        "at_most": 1,
        "at_least": None,
        "equals": None,
        "source": "somebody 2006",
        "holds": True,
    }
    assert second["value"] is None and second["holds"] is True  # JSON has no infinity


def test_no_ledger_no_file(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("AELIB_LEDGER")
    check("error", 1, equals=1)
    assert list(tmp_path.iterdir()) == []


def test_misuse_is_refused():
    with pytest.raises(ValueError, match=r"needs at_most"):
        check("error", 1)
    with pytest.raises(ValueError, match=r"needs at_most"):
        check("error", 1, at_most=2, equals=1)
    with pytest.raises(ValueError, match=r"call aelib\.start\(\) first"):
        check("error", 1, at_most=2, on="digits")

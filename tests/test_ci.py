"""make, which takes the launcher's commands, and the workflow of continuous integration, which calls them."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
REQUIRES = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"])
PYTHONS = [f"3.{minor}" for minor in range(6, 20) if f"3.{minor}.1" in REQUIRES]


def commands() -> set[str]:
    """The commands that the launcher lists."""
    help_text = subprocess.run([sys.executable, ROOT / "course.py"], capture_output=True, text=True, timeout=60).stdout
    return set(re.findall(r"^  (\w+) ", help_text, re.MULTILINE))


@pytest.mark.skipif(os.name == "nt", reason="make is for Linux and macOS")
@pytest.mark.parametrize(
    ("given", "exported", "expected"),
    [
        ("test", {"AELIB_SEED": "3", "AELIB_LEDGER": "x", "SEED": "4"}, "test"),
        (
            "test AELIB_LEDGER=run.jsonl DATASET=mnist SEED=1 ARGS=-x",
            {},
            "test --dataset mnist --seed 1 --ledger run.jsonl -x",
        ),
        ("test AELIB_SEED=1 AELIB_DATASET=mnist", {}, "test --dataset mnist --seed 1"),
        ("claims CHAPTER=02 DATASET=mnist SEED=1", {}, "claims 02 --dataset mnist --seed 1"),
        ("claims SEEDS=0-7", {}, "claims --seeds 0-7"),
        ("lab PORT=8889 ARGS=--no-browser", {}, "lab --port 8889 --no-browser"),
        ("readme LEDGER=run.jsonl", {}, "readme run.jsonl"),
        ("bench PART=share QUICK=1", {}, "bench share --quick"),
        ("check", {}, "check"),
        ("run CHAPTER=02", {}, "run 02"),
    ],
)
def test_make_takes_the_same_commands(given, exported, expected):
    command = ["make", "-n", *given.split()]
    environment = {"PATH": os.environ["PATH"], **exported}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    words = done.stdout.replace("\\\n", " ").replace('"', "").split()
    assert words[1:] == ["course.py", *expected.split()]


def workflow() -> dict:
    return yaml.safe_load((ROOT / ".github/workflows/course.yml").read_text("utf-8"))


def steps(job: dict) -> str:
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


def test_the_workflow_calls_commands_that_exist_and_waits_for_slow_machines():
    jobs = workflow()["jobs"]
    known = commands()
    for name, job in jobs.items():
        assert job["timeout-minutes"] >= 120, name
        assert set(re.findall(r"course\.py (\w+)", steps(job))) <= known, name
        assert len(re.findall(r"course\.py (?:test|check)|pytest", steps(job))) <= 1, f"{name} runs unit tests twice"
    assert workflow()["permissions"] == {"contents": "read"}


def test_a_push_is_tested_on_three_systems_and_every_week_all_else_is():
    jobs = workflow()["jobs"]
    assert jobs["push"]["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert "course.py test" in steps(jobs["push"])
    triggers = workflow()[True]  # YAML 1.1 reads the key `on` as a truth value
    assert {"push", "schedule", "workflow_dispatch"} <= set(triggers)
    weekly = jobs["weekly"]["strategy"]["matrix"]
    assert weekly["python"] == PYTHONS
    assert set(weekly["os"]) == set(jobs["push"]["strategy"]["matrix"]["os"])
    assert weekly["versions"] == ["newest"]
    assert "'newest' && '--newest'" in steps(jobs["weekly"])
    pinned = {jobs["push"]["steps"][1]["with"]["python-version"], *(entry["python"] for entry in weekly["include"])}
    assert pinned == set(PYTHONS)
    assert "conda env create -f environment.yml" in steps(jobs["conda"]).replace("$CONDA/bin/", "")
    assert jobs["claims"]["strategy"]["matrix"]["what"] == ["--seeds 1-3", "--seeds 0 --dataset mnist"]
    assert all("schedule" in jobs[name]["if"] for name in ("weekly", "conda", "claims"))


def test_the_local_entry_of_continuous_integration_can_be_executed():
    path = ROOT / ".ci/run"
    assert os.access(path, os.X_OK)
    assert "make test" in path.read_text("utf-8")

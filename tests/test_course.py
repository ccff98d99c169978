"""The launcher's commands: what they call, with what, and what they say."""

import argparse
import ast
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest
from faked_machine import HERE, ROOT, SOURCE, Machine, Process, checkout, refusal, replace_this_machine


@pytest.fixture
def machine(monkeypatch) -> Machine:
    return replace_this_machine(monkeypatch)


@pytest.fixture
def course(tmp_path, machine) -> types.ModuleType:
    return checkout(tmp_path / "the course", machine)


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (["test", "-k", "a or b", "--lf"], ["-m pytest -k a or b --lf"]),
        (["lint"], ["-m ruff check", "-m ruff format --check"]),
        (["check", "-x"], ["-m ruff check", "-m ruff format --check", "-m pytest tests -q -x"]),
        (["run", "02"], ["tools/notebooks.py run 02"]),
        (
            ["claims", "02", "--dataset", "mnist", "--seed=1", "--python", HERE, "--seeds", "0-7"],
            ["tools/notebooks.py claims 02 --dataset mnist --seed=1 --seeds 0-7"],
        ),
        (["readme", "run.jsonl"], ["tools/readme.py run.jsonl"]),
        (["bench", "share", "--quick"], ["-m benchmarks share --quick"]),
        (["weights", "style_faces"], ["-m benchmarks.weights style_faces"]),
        (["setup"], []),
    ],
)
def test_a_command_calls_its_tool_in_venv_with_what_it_does_not_know(course, machine, arguments, calls):
    assert course.main(*arguments) == 0
    assert {call[0] for call in machine.calls} <= {course.PYTHON}
    assert [" ".join(call[1:]) for call in machine.calls] == calls


def test_the_tools_that_are_called_exist(course):
    scripts = {step[0] for steps in course.COMMANDS.values() for step in steps if step[0] != "-m"}
    assert scripts == {"tools/notebooks.py", "tools/readme.py"}
    assert all((ROOT / script).is_file() for script in scripts)


def test_the_first_failure_ends_a_command_and_is_its_exit_code(course, monkeypatch):
    monkeypatch.setattr(course, "setup", lambda *_: None)
    codes = iter([0, 7, 9])
    monkeypatch.setattr(course, "call", lambda *_: next(codes))
    assert course.main("check") == 7
    assert next(codes) == 9


def test_exit_codes_are_those_of_the_tool_and_a_signal_is_told_as_shells_do(course, monkeypatch):
    monkeypatch.setattr(course, "PYTHON", sys._base_executable)
    monkeypatch.setattr(course, "Popen", subprocess.Popen)
    assert course.call("-c", "raise SystemExit(3)") == 3
    monkeypatch.setattr(course, "Popen", lambda *_, **__: Process([], -signal.SIGINT, lambda: None))
    assert course.call() == 130


def test_data_set_seed_and_ledger_of_a_test_are_handed_to_pytests_configuration(course, machine, monkeypatch):
    monkeypatch.setattr(os, "environ", {"AELIB_SEED": "9"})
    assert course.main("test", "--dataset", "mnist", "--seed=1", "--ledger", "run.jsonl", "-x") == 0
    given = {"AELIB_TEST_DATASET": "mnist", "AELIB_TEST_SEED": "1", "AELIB_TEST_LEDGER": "run.jsonl"}
    assert os.environ == {"AELIB_SEED": "9"} | given
    assert machine.calls == [[course.PYTHON, "-m", "pytest", "-x"]]


@pytest.mark.parametrize("name", ["AELIB_DATA", "AELIB_TEXTS"])
def test_a_relative_folder_lies_in_the_course(course, monkeypatch, name):
    for given, expected in (("my data", course.ROOT / "my data"), (str(ROOT / "data"), ROOT / "data"), ("", "")):
        monkeypatch.setenv(name, given)
        course.main("setup")
        assert os.environ[name] == str(expected)


def test_the_help_names_every_command_and_installs_nothing(course, capsys):
    assert course.main() == 0
    printed = capsys.readouterr().out
    for command in (*course.COMMANDS, "lab", "setup", "clean"):
        assert re.search(rf"^  {command} ", printed, re.MULTILINE)
    assert "no command 'tset'" in refusal(course.main, "tset")
    assert "--port" in refusal(course.main, "lab", "--port", "many")
    assert not course.VENV.exists()


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (PermissionError("no"), "cannot be used: no.")]
)
def test_ctrl_c_is_quiet_and_an_error_of_the_system_takes_one_line(monkeypatch, capsys, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", fail)
    monkeypatch.setattr(sys, "argv", ["course.py", "test"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "course.py"), run_name="__main__")
    assert end.value.code == code if isinstance(code, int) else code in end.value.code
    assert capsys.readouterr() == ("", "")


def test_clean_leaves_the_data_alone(course):
    kept = ("data/mnist/__pycache__/x", "data/notes.egg-info", "aelib/data/digits.py", ".git/build/__pycache__/x")
    gone = (
        "aelib/data/__pycache__/x",
        "notebooks/.ipynb_checkpoints/x",
        "aelib.egg-info/x",
        ".venv/x",
        ".venv.log",
        "build/x",
    )
    for name in kept + gone:
        (course.ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (course.ROOT / name).touch()
    assert course.main("clean") == 0
    assert [name for name in kept if not (course.ROOT / name).exists()] == []
    assert [name for name in gone if (course.ROOT / name).exists()] == []
    assert not (course.ROOT / "aelib.egg-info").exists()


# ---- lab ----


@pytest.fixture
def options(course, machine, monkeypatch, capsys):
    """A function that opens the lab, and returns JupyterLab's options and what was said, as an ordinary user."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(course, "free_port", lambda asked: asked)
    course.main("setup")

    def open_lab(*arguments: str) -> tuple[list[str], str]:
        capsys.readouterr()
        assert course.main("lab", *arguments) == 0
        assert machine.calls[-1][:3] == [course.PYTHON, "-m", "jupyterlab"]
        return machine.calls[-1][3:], capsys.readouterr().out

    return open_lab


def test_the_lab_serves_the_loopback_address_with_its_token(options, course):
    given, said = options("--no-browser")
    assert "--ServerApp.ip=127.0.0.1" in given
    assert "--ServerApp.port=8888" in given
    assert f"--ServerApp.root_dir={course.ROOT}" in given
    assert given[-1] == "--no-browser"
    assert any(option.endswith("/lab/tree/notebooks/00_start_here.ipynb") for option in given)
    assert not [option for option in given if "token" in option or "password" in option or "allow" in option]
    assert said.startswith("serving on port 8888: only this machine")
    assert len(said.splitlines()) == 1


def test_the_lab_serves_root_and_codespaces_and_says_so(options, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setenv("CODESPACE_NAME", "fuzzy-disco")
    given, said = options("--port=9000")
    assert {"--allow-root", "--no-browser", "--ServerApp.ip=127.0.0.1"} < set(given)
    assert "--ServerApp.allow_origin=https://fuzzy-disco-9000.app.github.dev" in given
    assert said.startswith("serving on port 9000, as root, forwarded to https://fuzzy-disco-9000.app.github.dev: ")


def test_on_windows_there_is_no_root(options, monkeypatch):
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert "--allow-root" not in options()[0]


def test_a_taken_port_is_passed_over_and_that_is_said(course, machine, capsys):
    course.main("setup")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert course.main("lab", "--port", str(port)) == 0
    said = re.search(rf"serving on port (\d+), since {port} is taken", capsys.readouterr().out)
    assert int(said[1]) > port
    assert f"--ServerApp.port={said[1]}" in machine.calls[-1]
    assert "Port 65536 and those above it" in refusal(course.main, "lab", "--port", "65536")


def test_notebooks_and_exercises_are_trusted_again_only_when_one_has_changed(options, course, machine):
    def signed() -> list[list[str]]:
        machine.calls.clear()
        options()
        return [[Path(name).name for name in call[3:]] for call in machine.calls if "nbformat.sign" in call]

    assert signed() == []
    for folder, name in (("notebooks", "00_a.ipynb"), ("exercises", "00_b.ipynb")):
        (course.ROOT / folder).mkdir()
        (course.ROOT / folder / name).touch()
    assert signed() == [["00_a.ipynb", "00_b.ipynb"]]
    assert signed() == []
    (course.ROOT / "exercises" / "00_b.ipynb").write_text("{}")
    assert signed() == [["00_a.ipynb", "00_b.ipynb"]]


# ---- the file itself ----


def test_the_launcher_is_short_needs_no_package_and_older_pythons_can_read_it():
    tree = ast.parse(SOURCE, feature_version=(3, 7))
    assert len(SOURCE.splitlines()) <= 250
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules <= sys.stdlib_module_names

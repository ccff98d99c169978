"""The launcher: it finds a Python, makes and mends .venv, and calls the tools, on systems that are faked here."""

import argparse
import ast
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tomllib
import types
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (ROOT / "course.py").read_text("utf-8")
REQUIRES = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"])
PYTHONS = [f"3.{minor}" for minor in range(6, 20) if f"3.{minor}.1" in REQUIRES]
LINUX = ("linux-x86_64", "x86_64")
HERE = "/usr/bin/python3"  # the Python that runs the launcher


class Machine:
    """A computer that has only the interpreters and installers put there; it keeps a record of what is called.

    Its pip and its uv install nothing: they make .venv, say what real ones say, and fail or hang when told to.
    """

    def __init__(self) -> None:
        self.interpreters = {}  # what answers to a command: version, platform, machine, path, whether it has ensurepip
        self.installs = []  # the installers' command lines
        self.calls = []  # other command lines
        self.uv = False
        self.failing = ()  # the installers that fail: "pip", "uv"
        self.during = lambda: None  # what happens while an installer works

    def add(self, name: str, version: str, platform: tuple = LINUX, bare: bool = False, path: str = "") -> None:
        self.interpreters[name] = (version, *platform, path or name, bare)

    def which(self, name: str) -> str | None:
        return name if (name == "uv" and self.uv) or name in self.interpreters else None

    def check_output(self, command: list, **_) -> bytes:
        *command, _, _ = [part for part in command if part != "-I"]
        found = self.interpreters.get(" ".join(command))
        if found is None:
            raise FileNotFoundError(command[0])
        if not found[0]:  # a version manager's stand-in, which fails whenever it is run
            raise subprocess.CalledProcessError(127, command)
        return ("|".join(found[:4]) + "\r\n").encode()

    def call(self, command: list, **_) -> int:
        if command[-1] == "import venv, ensurepip":
            return int(next(found[4] for found in self.interpreters.values() if found[3] == command[0]))
        self.calls.append(command)
        return 0

    def popen(self, command: list, **_) -> "Process":
        command = list(command)
        if "install" not in command and "venv" not in command:
            self.calls.append(command)
            return Process([], 0, lambda: None)
        tool = "uv" if command[0] == "uv" else "pip"
        if "venv" in command:
            folder = Path(command[-1])
            folder.mkdir()
            asked = command[-2] if tool == "uv" else command[0]
            version = next((found[0] for found in self.interpreters.values() if found[3] == asked), asked)
            for python in ("bin/python", "Scripts/python.exe"):
                self.add(str(folder / python), version)
            return Process([], 0, lambda: None)
        self.installs.append(command)
        if tool in self.failing:
            return Process([b"ERROR: no such host\n"], 1, self.during)
        said = [
            b"  Downloading big-1.0.whl (123.4 MB)\n",
            b"Downloading small (1.4MiB)\r\n",
            b"Installing collected: \xff",
        ]
        return Process(said, 0, self.during)


class Process:
    """What the launcher uses of a `subprocess.Popen`."""

    def __init__(self, lines: list, returncode: int, during) -> None:
        self.stdout, self.returncode, self.during = lines, returncode, during

    def __enter__(self) -> "Process":
        self.during()
        return self

    def __exit__(self, *_) -> None:
        pass


def load(folder: Path, windows: bool = False) -> types.ModuleType:
    """The launcher as it is when it lies in `folder`."""
    module = types.ModuleType("launcher")
    module.__file__ = str(folder / "course.py")
    source = SOURCE.replace('os.name == "nt"', str(windows))
    assert source != SOURCE
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    return module


@pytest.fixture
def machine(monkeypatch) -> Machine:
    faked = Machine()
    faked.add(HERE, "3.12")
    monkeypatch.setattr(sys, "executable", HERE)
    monkeypatch.setattr(shutil, "which", faked.which)
    monkeypatch.setattr(subprocess, "check_output", faked.check_output)
    monkeypatch.setattr(subprocess, "call", faked.call)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    for name in ("PYTHON", "CONSTRAINTS", "CODESPACE_NAME", "AELIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    return faked


def checkout(folder: Path, machine: Machine, windows: bool = False) -> types.ModuleType:
    """A launcher in a folder of its own, with the files that it reads, on the machine."""
    folder.mkdir(exist_ok=True)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    course = load(folder, windows)
    course.Popen = machine.popen
    return course


@pytest.fixture
def course(tmp_path, machine) -> types.ModuleType:
    return checkout(tmp_path / "the course", machine)


def refusal(function, *arguments) -> str:
    """The one line that a call ends with."""
    with pytest.raises(SystemExit) as end:
        function(*arguments)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code


# ---- the Python of .venv ----


def test_the_supported_pythons_are_those_of_pyproject(course):
    assert list(course.NEEDED) == PYTHONS
    assert ", ".join(PYTHONS[:-1]) + f" or {PYTHONS[-1]} is needed" in SOURCE


@pytest.mark.parametrize(
    ("version", "platform", "bare", "words"),
    [
        ("2.7", LINUX, False, "= 2.7."),
        ("3.10", LINUX, False, "= 3.10."),
        ("3.14", LINUX, False, "= 3.14."),
        ("3.12", LINUX, True, "apt install python3-venv"),
        ("3.12", ("macosx-10.13-universal2", "x86_64"), False, "on x86_64, for which TensorFlow has no wheels"),
        ("3.12", ("win32", "AMD64"), False, "for win32 on AMD64"),
        ("3.12", ("win-arm64", "ARM64"), False, "for win-arm64 on ARM64"),
    ],
)
def test_a_python_that_does_not_do_is_refused_in_one_line(course, machine, version, platform, bare, words):
    machine.add(HERE, version, platform, bare)
    line = refusal(course.main, "setup")
    assert line.startswith("Python 3.11, 3.12 or 3.13 is needed")
    assert f"{HERE} = {version}" in line
    assert words in line
    assert not course.VENV.exists()


@pytest.mark.parametrize(
    "platform", [("macosx-11.0-arm64", "arm64"), ("win-amd64", "AMD64"), ("linux-aarch64", "aarch64")]
)
@pytest.mark.parametrize("version", PYTHONS)
def test_every_supported_python_will_do_where_tensorflow_has_wheels(course, version, platform):
    assert course.unsuited(version, *platform, HERE) == ""


def test_another_python_is_looked_for_where_the_running_one_does_not_do(course, machine):
    machine.add(HERE, "3.14")
    assert "Found: /usr/bin/python3 = 3.14." in refusal(course.find_python, "")
    machine.add("python3.13", "")
    machine.add("python3.11", "3.11")
    assert course.find_python("") == ("3.11", "python3.11")
    machine.add("py -3.13", "3.13", ("win-amd64", "AMD64"), path="C:/Python313/python.exe")
    assert course.find_python("") == ("3.13", "C:/Python313/python.exe")


def test_a_python_that_is_asked_for_is_taken_or_refused_although_others_would_do(course, machine, monkeypatch):
    machine.add("python3.11", "3.11", path="/opt/3.11")
    assert course.find_python("3.11") == ("3.11", "/opt/3.11")
    assert refusal(course.main, "setup", "--python=mine").endswith("Found: no mine.")
    machine.add("mine", "3.10")
    monkeypatch.setenv("PYTHON", "mine")
    assert refusal(course.main, "setup").endswith("Found: mine = 3.10.")


def test_uv_fetches_a_python_where_none_will_do(course, machine):
    machine.uv = True
    machine.add(HERE, "3.14")
    assert course.main("setup") == 0
    assert "python 3.12\n" in course.STAMP.read_text("utf-8")
    assert refusal(course.find_python, "/opt/python3.14").endswith("Found: no /opt/python3.14.")


def test_an_interpreter_says_what_it_is_and_which_one_is_behind_its_virtual_environment(course):
    output = subprocess.run([sys._base_executable, "-c", course.PROBE], capture_output=True, text=True).stdout
    version, platform, _, path = output.strip().split("|")
    assert (version, platform) == (f"{sys.version_info[0]}.{sys.version_info[1]}", sysconfig.get_platform())
    assert Path(path).is_file()
    assert Path(sys.prefix) == Path(sys.base_prefix) or Path(sys.prefix) not in Path(path).parents


# ---- .venv ----


def test_the_exact_versions_are_installed_once_and_long_downloads_shown(course, machine, capsys):
    assert course.main("setup") == 0
    (line,) = machine.installs
    assert line == [
        course.PYTHON,
        *["-m", "pip", "install", "--disable-pip-version-check", "-e", ".[course]", "-c", "constraints.txt"],
    ]
    printed = capsys.readouterr().out
    assert "big-1.0.whl (123.4 MB)" in printed
    assert "small" not in printed
    assert b"small" in course.LOG.read_bytes()
    assert course.main("setup") == 0
    assert len(machine.installs) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [["setup", "--newest"], ["setup"]])
def test_the_newest_versions_are_installed_on_request(course, machine, monkeypatch, arguments):
    if len(arguments) == 1:
        monkeypatch.setenv("CONSTRAINTS", "")
    assert course.main(*arguments) == 0
    assert machine.installs[-1][-2:] == ["-e", ".[course]"]
    monkeypatch.delenv("CONSTRAINTS", raising=False)
    assert course.main("setup") == 0
    assert machine.installs[-1][-2:] == ["-c", "constraints.txt"]


def test_a_file_of_versions_that_is_not_there_is_refused(course, monkeypatch):
    monkeypatch.setenv("CONSTRAINTS", "other.txt")
    assert "CONSTRAINTS=other.txt names no file" in refusal(course.main, "setup")


def test_uv_is_used_where_it_is_installed_and_pip_where_uv_fails(course, machine, capsys):
    machine.uv = True
    assert course.main("setup") == 0
    assert machine.installs == [
        ["uv", "pip", "install", "--python", course.PYTHON, "-e", ".[course]", "-c", "constraints.txt"]
    ]
    machine.failing = ("uv",)
    course.STAMP.unlink()
    assert course.main("setup") == 0
    assert [line[0] for line in machine.installs[1:]] == ["uv", course.PYTHON]
    assert "no such host" in capsys.readouterr().out


def test_on_windows_the_python_of_venv_lies_in_scripts(tmp_path, machine):
    course = checkout(tmp_path / "windows", machine, windows=True)
    locked = []
    fake = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *arguments: locked.append(arguments[1:]))
    sys.modules["msvcrt"], before = fake, sys.modules.get("msvcrt")
    try:
        assert course.main("setup") == 0
    finally:
        sys.modules.pop("msvcrt") if before is None else sys.modules.update(msvcrt=before)
    assert locked == [(fake.LK_NBLCK, 1)]
    assert Path(machine.installs[0][0]) == tmp_path / "windows" / ".venv" / "Scripts" / "python.exe"


def test_an_interrupted_installation_is_built_again(course, machine, capsys):
    def interrupt():
        raise KeyboardInterrupt

    machine.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        course.main("setup")
    assert not course.STAMP.exists()
    (course.VENV / "left over").touch()
    machine.during = lambda: None
    assert course.main("setup") == 0
    assert "was interrupted" in capsys.readouterr().out
    assert not (course.VENV / "left over").exists()


def test_a_failed_installation_says_why_and_leaves_no_stamp(course, machine, capsys):
    machine.failing = ("pip",)
    assert "its log: .venv.log" in refusal(course.main, "setup")
    assert "no such host" in capsys.readouterr().out
    assert not course.STAMP.exists()


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_changed_requirements_are_brought_up_to_date_in_place(course, machine, capsys, name):
    course.main("setup")
    (course.VENV / "kept").touch()
    path = course.ROOT / name
    path.write_text("# changed\n" + path.read_text("utf-8"), "utf-8")
    machine.failing = ("pip",)
    refusal(course.main, "setup")
    assert not course.STAMP.exists(), "a repair that fails must not leave the old stamp"
    machine.failing = ()
    course.main("setup")
    path.write_text("# changed again\n" + path.read_text("utf-8"), "utf-8")
    (course.VENV / "kept").touch()
    capsys.readouterr()
    course.main("setup")
    assert "other requirements" in capsys.readouterr().out
    assert (course.VENV / "kept").exists()
    number = len(machine.installs)
    pyproject = course.ROOT / "pyproject.toml"
    pyproject.write_text(pyproject.read_text("utf-8") + "# an option of pytest\n", "utf-8")
    course.main("setup")
    assert len(machine.installs) == number, "what stands below the requirements does not outdate .venv"


def test_a_venv_whose_python_is_gone_is_built_again(course, machine, capsys):
    course.main("setup")
    del machine.interpreters[course.PYTHON]
    course.main("setup")
    assert "its Python no longer runs" in capsys.readouterr().out
    assert len(machine.installs) == 2


def test_a_moved_checkout_is_built_again(course, machine, tmp_path, capsys):
    course.main("setup")
    (tmp_path / "the course").rename(tmp_path / "elsewhere")
    moved = load(tmp_path / "elsewhere")
    moved.Popen = machine.popen
    machine.add(moved.PYTHON, "3.12")
    moved.main("setup")
    assert "other place" in capsys.readouterr().out
    moved.main("setup")
    assert len(machine.installs) == 2


def test_another_python_is_changed_to_only_when_it_is_asked_for(course, machine, capsys):
    course.main("setup")
    machine.add(HERE, "3.11")  # what python3 means has changed: .venv is as good as before
    machine.add("python3.13", "3.13")
    course.main("setup")
    assert len(machine.installs) == 1
    course.main("setup", "--python", "3.13")
    assert "other python; Python 3.13" in capsys.readouterr().out
    course.main("setup", "--python", "3.13")
    course.main("setup")
    assert len(machine.installs) == 2


def test_two_calls_at_once_are_told_apart_and_a_lock_that_a_killed_call_left_does_not_count(tmp_path):
    """With the lock of the system that this runs on."""
    shutil.copy(ROOT / "course.py", tmp_path)
    course = load(tmp_path, windows=os.name == "nt")
    hold = "import course, sys; file = open(course.LOCK, 'a'); course.lock(file); print('held', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", hold], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with open(course.LOCK, "a") as file:
                assert "Another installation is running" in refusal(course.lock, file)
        finally:
            other.kill()
    with open(course.LOCK, "a") as file:
        course.lock(file)


# ---- commands ----


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


def test_a_relative_data_folder_lies_in_the_course(course, monkeypatch):
    for given, expected in (("my data", course.ROOT / "my data"), (str(ROOT / "data"), ROOT / "data"), ("", "")):
        monkeypatch.setenv("AELIB_DATA", given)
        course.main("setup")
        assert os.environ["AELIB_DATA"] == str(expected)


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

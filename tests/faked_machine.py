"""A machine for the launcher's tests: interpreters and installers that only say what real ones say."""

import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (ROOT / "course.py").read_text("utf-8")
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


def replace_this_machine(monkeypatch) -> Machine:
    """Let the launcher see a machine that has one Python and nothing else."""
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


def refusal(function, *arguments) -> str:
    """The one line that a call ends with."""
    with pytest.raises(SystemExit) as end:
        function(*arguments)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code

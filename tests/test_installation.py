"""The launcher finds a Python, and makes and mends .venv: on systems that are faked here."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import types
from pathlib import Path

import pytest
from faked_machine import HERE, LINUX, ROOT, SOURCE, Machine, checkout, load, refusal, replace_this_machine
from packaging.specifiers import SpecifierSet

REQUIRES = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"])
REAL = sys.executable  # before a test replaces it
PYTHONS = [f"3.{minor}" for minor in range(6, 20) if f"3.{minor}.1" in REQUIRES]


@pytest.fixture
def machine(monkeypatch) -> Machine:
    return replace_this_machine(monkeypatch)


@pytest.fixture
def course(tmp_path, machine) -> types.ModuleType:
    return checkout(tmp_path / "the course", machine)


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
    output = subprocess.run([REAL, "-c", course.PROBE], capture_output=True, text=True).stdout
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
        *["-m", "pip", "install", "--disable-pip-version-check", "-e", ".[course,jax]", "-c", "constraints.txt"],
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
    assert machine.installs[-1][-2:] == ["-e", ".[course,jax]"]
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
        ["uv", "pip", "install", "--python", course.PYTHON, "-e", ".[course,jax]", "-c", "constraints.txt"]
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

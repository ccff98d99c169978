"""The set-up: requirements that agree with one another, and an installer that notices what is wrong."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RUNTIME = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}
COURSE = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["optional-dependencies"]["course"])}
PYTHONS = [f"3.{minor}" for minor in range(6, 20) if f"3.{minor}.1" in SpecifierSet(PROJECT["requires-python"])]
UNPINNED = {"pip", "setuptools", "wheel"}  # the installer's own, which a venv brings along
UTILITIES = (
    "sh",
    "cat",
    "cksum",
    "cp",
    "dirname",
    "echo",
    "env",
    "find",
    "make",
    "mkdir",
    "mv",
    "rm",
    "sleep",
    "touch",
)


def read_constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    names = [canonicalize_name(r.name) for r in requirements]
    assert len(names) == len(set(names)), "constraints.txt names a package twice"
    return dict(zip(names, requirements, strict=True))


CONSTRAINTS = read_constraints()


def pinned(name: str) -> Version:
    (specifier,) = CONSTRAINTS[name].specifier
    assert specifier.operator == "==", f"constraints.txt does not give an exact version of {name}"
    return Version(specifier.version)


# ---- requirements ----


@pytest.mark.parametrize("name", sorted(CONSTRAINTS))
def test_a_constraint_is_an_exact_version(name):
    assert not pinned(name).is_prerelease


@pytest.mark.parametrize("name", sorted(CONSTRAINTS))
def test_an_exact_version_runs_on_the_first_release_of_every_python(name):
    """A distribution may ship Python 3.11.2: a package that wants 3.11.5 would fail to install there."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not needed on this system")
    if Version(metadata["Version"]) != pinned(name):
        pytest.skip("another version is installed")
    pythons = SpecifierSet(metadata["Requires-Python"] or "")
    marker = CONSTRAINTS[name].marker
    for python in PYTHONS:
        if marker is None or marker.evaluate(default_environment() | {"python_version": python}):
            assert f"{python}.0" in pythons, f"{name} {pinned(name)} wants Python {pythons}"


@pytest.mark.parametrize("name", sorted(RUNTIME | COURSE))
def test_a_requirement_is_a_range_that_holds_the_exact_version(name):
    requirement = (RUNTIME | COURSE)[name]
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {">=", "<"}, f"{requirement}: a range from what works to below the next major version"
    assert name in CONSTRAINTS, f"constraints.txt lacks {name}"
    assert pinned(name) in requirement.specifier, f"constraints.txt has {name} outside {requirement}"


def test_the_constraints_are_what_gets_installed_and_nothing_else():
    """Follow the requirements of the installed packages, for every supported Python on Linux and macOS."""
    installed = {canonicalize_name(d.metadata["Name"]): d for d in importlib.metadata.distributions()}
    if any(name not in installed or Version(installed[name].version) != pinned(name) for name in RUNTIME | COURSE):
        pytest.skip("the installed versions are not those of constraints.txt")
    reached = set()
    for python in PYTHONS:
        for platform, system, machine in (("linux", "Linux", "x86_64"), ("darwin", "Darwin", "arm64")):
            environment = default_environment() | {
                "python_version": python,
                "python_full_version": f"{python}.1",
                "sys_platform": platform,
                "platform_system": system,
                "platform_machine": machine,
            }
            reached |= follow(installed, environment)
    missing = reached - set(CONSTRAINTS) - UNPINNED
    assert not missing, f"constraints.txt lacks {sorted(missing)}"
    unused = set(CONSTRAINTS) - reached
    assert not unused, f"constraints.txt names what nothing needs: {sorted(unused)}"


def follow(installed: dict, environment: dict) -> set[str]:
    todo = [(name, extra) for name, r in (RUNTIME | COURSE).items() for extra in ("", *r.extras)]
    seen = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in (installed[name].requires or []) if name in installed else []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(environment | {"extra": extra}):
                todo += [(canonicalize_name(requirement.name), e) for e in ("", *requirement.extras)]
    return {name for name, _ in seen}


def test_the_conda_environment_has_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (python,) = (entry.partition("=")[2] for entry in conda if entry.startswith("python="))
    assert python in PYTHONS
    assert "pip" in conda
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    options = [line for line in pip if line.startswith("-")]
    assert options == ["--constraint constraints.txt", "-e ."]
    versions = {canonicalize_name(r.name): r for r in map(Requirement, (p for p in pip if not p.startswith("-")))}
    assert set(versions) == set(RUNTIME | COURSE)
    for name, requirement in versions.items():
        assert str(requirement.specifier) == str(CONSTRAINTS[name].specifier), f"environment.yml: {name}"


def test_the_citation_names_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


# ---- imports ----


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def code_of(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text("utf-8")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return re.sub(r"^([%!?].*|.*\?)$", "", code, flags=re.MULTILINE)  # IPython's own syntax


SOURCES = [
    path
    for pattern in ("*.py", "aelib/**/*.py", "tools/*.py", "tests/*.py", "benchmarks/**/*.py", "notebooks/*.ipynb")
    for path in sorted(ROOT.glob(pattern))
]


@pytest.fixture(scope="module")
def distributions() -> dict[str, set[str]]:
    """Which installed packages provide a module."""
    found = importlib.metadata.packages_distributions()
    return {module: {canonicalize_name(name) for name in names} for module, names in found.items()}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_import_is_a_declared_requirement(path, distributions):
    files = (path for pattern in ("*.py", "tools/*.py", "tests/*.py") for path in ROOT.glob(pattern))
    own = {"aelib", "benchmarks", *(file.stem for file in files)}
    declared = set(RUNTIME) if path.parent.name in ("aelib", "notebooks") else set(RUNTIME | COURSE)
    for module in imported(ast.parse(code_of(path))) - own - sys.stdlib_module_names:
        providers = distributions.get(module, {canonicalize_name(module)})
        assert providers & declared, f"{path.name} imports {module}, which pyproject.toml does not require"


# ---- tools/setup.sh, with interpreters that only say who they are ----

INTERPRETER = """#!/bin/sh
# Answers what setup.sh asks of a Python, and keeps a record of the pip calls.
case "$*" in
    *version_info*) {version} ;;
    *ensurepip*) exit {bare} ;;
    "-m venv "*)
        for folder; do :; done
        rm -rf "$folder"
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python" ;;
    tools/*) echo "$*, data in $AELIB_DATA" ;;
    "-m pip "*)
        echo "$*" >>"$CALLS"
        if [ -n "${{HANG-}}" ]; then touch "$HANG"; sleep 60; fi
        echo "  Downloading big-1.0.whl (123.4 MB)"
        echo "  Downloading small-1.0.whl (1.4 MB)"
        if [ -n "${{FAIL-}}" ]; then echo "ERROR: no such host"; exit 1; fi ;;
esac
"""


class Checkout:
    """A copy of the set-up in a folder of its own, on a machine that has only the interpreters put there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "the course"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (self.root / "tools").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("tools/setup.sh", "Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root / name)
        for name in UTILITIES:
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)

    def add(self, name: str, version: str, bare: bool = False) -> Path:
        """An interpreter called `name`; without a version, one that fails whenever it is run."""
        path = self.bin / name
        says = f"echo {version}" if version else "echo 'command not found' >&2; exit 127"
        path.write_text(INTERPRETER.format(version=says, bare=int(bare)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def environment(self, **settings: str) -> dict[str, str]:
        return {"PATH": str(self.bin), "CALLS": str(self.calls), **settings}

    def setup(self, *command: str, **settings: str) -> subprocess.CompletedProcess:
        command = command or ("sh", "tools/setup.sh")
        return subprocess.run(
            command, cwd=self.root, env=self.environment(**settings), capture_output=True, text=True, timeout=60
        )

    def installations(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / ".stamp"


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert done.stdout == ""
    for word in words:
        assert word in lines[0]


def assert_installed(done: subprocess.CompletedProcess, checkout: Checkout, *words: str) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert checkout.stamp.exists()
    assert not (checkout.root / ".venv.lock").exists()
    for word in words:
        assert word in done.stdout


def test_no_python_is_refused_in_one_line(checkout):
    assert_refused(checkout.setup(), "3.11, 3.12 or 3.13 is needed", "found no Python", "PYTHON=")


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.10.13", "3.14.0", "3.15.2", "4.0.0"])
def test_an_unsuitable_python_is_refused_in_one_line(checkout, version):
    checkout.add("python3", version)
    assert_refused(checkout.setup(), "3.11, 3.12 or 3.13 is needed", f"found python3 = {version}", "PYTHON=")
    assert not (checkout.root / ".venv").exists()


def test_every_unsuitable_python_is_named(checkout):
    checkout.add("python3", "3.14.0")
    checkout.add("python", "2.7.18")
    assert_refused(checkout.setup(), "found python3 = 3.14.0, python = 2.7.18.")


@pytest.mark.parametrize("python", PYTHONS)
def test_a_supported_python_is_taken(checkout, python):
    checkout.add("python3", f"{python}.1")
    assert_installed(checkout.setup(), checkout, f"Python {python}.1", "Installed.")


def test_the_supported_pythons_are_those_of_pyproject(checkout):
    text = (ROOT / "tools/setup.sh").read_text("utf-8")
    needed = re.search(r'^NEEDED="Python (.*)"$', text, re.MULTILINE)[1]
    assert re.findall(r"3\.\d+", needed) == PYTHONS
    names = re.search(r'^NAMES="(.*)"$', text, re.MULTILINE)[1].split()
    assert [f"python{python}" for python in reversed(PYTHONS)] == [n for n in names if "." in n]


def test_a_versioned_name_is_found_behind_unsuitable_ones(checkout):
    checkout.add("python3", "3.14.0")
    checkout.add("python3.13", "")  # a version manager's stand-in that fails when it is run
    checkout.add("python3.12", "3.12.4")
    assert_installed(checkout.setup(), checkout, "Python 3.12.4 (python3.12)")


def test_a_named_python_is_taken_before_all_others(checkout, tmp_path):
    checkout.add("python3", "3.11.2")
    other = checkout.add("other", "3.13.0").rename(tmp_path / "my python")
    assert_installed(checkout.setup(PYTHON=str(other)), checkout, "Python 3.13.0")


@pytest.mark.parametrize(("version", "words"), [("3.10.13", "mine = 3.10.13"), ("", "nothing that runs as mine")])
def test_a_named_python_that_does_not_do_is_refused_although_others_would(checkout, version, words):
    checkout.add("python3", "3.12.1")
    checkout.add("mine", version)
    assert_refused(checkout.setup(PYTHON="mine"), words)


def test_a_python_without_venv_is_refused_in_one_line_or_passed_over(checkout):
    checkout.add("python3", "3.11.2", bare=True)
    assert_refused(checkout.setup(), "python3 = 3.11.2", "venv", "ensurepip", "python3-venv")
    checkout.add("python3.12", "3.12.1")
    assert_installed(checkout.setup(), checkout, "Python 3.12.1 (python3.12)")


def test_make_adds_no_more_than_its_own_line(checkout):
    checkout.add("python3", "3.10.13")
    done = checkout.setup("make", "lab")
    first, *rest = done.stderr.splitlines()
    assert done.returncode != 0
    assert "found python3 = 3.10.13" in first
    assert len(rest) == 1, rest
    assert rest[0].startswith("make:")


def test_the_exact_versions_are_installed_and_long_downloads_shown(checkout):
    checkout.add("python3", "3.12.1")
    done = checkout.setup()
    assert_installed(done, checkout, "to download", "big-1.0.whl (123.4 MB)")
    assert "small" not in done.stdout
    assert checkout.calls.read_text().rstrip().endswith("-e .[course] -c constraints.txt")


def test_the_newest_versions_are_installed_on_request(checkout):
    checkout.add("python3", "3.12.1")
    assert_installed(checkout.setup("make", "setup", "CONSTRAINTS="), checkout)
    assert checkout.calls.read_text().rstrip().endswith("-e .[course]")
    assert_installed(checkout.setup(), checkout, "Other versions were asked for")
    assert checkout.calls.read_text().rstrip().endswith("-c constraints.txt")


def test_a_file_of_versions_that_is_not_there_is_refused(checkout):
    checkout.add("python3", "3.12.1")
    assert_refused(checkout.setup(CONSTRAINTS="other.txt"), "other.txt")


def test_a_second_call_does_nothing_and_takes_no_time(checkout):
    checkout.add("python3", "3.12.1")
    assert_installed(checkout.setup(), checkout)
    started = time.monotonic()
    done = checkout.setup()
    assert time.monotonic() - started < 2  # some milliseconds, but other tests are running too
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert checkout.installations() == 1


def test_an_interrupted_installation_is_built_again(checkout, tmp_path):
    checkout.add("python3", "3.12.1")
    hang = tmp_path / "hangs"
    process = subprocess.Popen(
        ["sh", "tools/setup.sh"],
        cwd=checkout.root,
        env=checkout.environment(HANG=str(hang)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not hang.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert_refused(checkout.setup(), "Another installation is running", str(process.pid))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not checkout.stamp.exists()
    (checkout.root / ".venv" / "left over").touch()
    assert_installed(checkout.setup(), checkout, "was interrupted")
    assert not (checkout.root / ".venv" / "left over").exists()


def test_a_failed_installation_leaves_no_stamp_and_says_what_to_do(checkout):
    checkout.add("python3", "3.12.1")
    done = checkout.setup(FAIL="yes")
    assert done.returncode != 0
    reason, advice = done.stderr.splitlines()
    assert reason == "ERROR: no such host"
    assert "network" in advice
    assert "again" in advice
    assert not checkout.stamp.exists()
    assert_installed(checkout.setup(), checkout, "was interrupted")


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_changed_requirements_are_brought_up_to_date_in_place(checkout, name):
    checkout.add("python3", "3.12.1")
    checkout.setup()
    (checkout.root / ".venv" / "kept").touch()
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    done = checkout.setup(FAIL="yes")
    assert "requirements have changed" in done.stdout
    assert not checkout.stamp.exists(), "a repair that fails must not leave the old stamp"
    checkout.setup()
    with (checkout.root / name).open("a") as file:
        file.write("# changed again\n")
    (checkout.root / ".venv" / "kept").touch()
    assert_installed(checkout.setup(), checkout, "requirements have changed")
    assert (checkout.root / ".venv" / "kept").exists()
    assert checkout.setup().stdout == ""


def test_a_venv_whose_python_is_gone_is_built_again(checkout):
    checkout.add("python3", "3.12.1")
    checkout.setup()
    python = checkout.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to(checkout.root / "uninstalled")
    assert_installed(checkout.setup(), checkout, "no longer runs")


def test_a_moved_checkout_is_built_again(checkout, tmp_path):
    checkout.add("python3", "3.12.1")
    checkout.setup()
    checkout.root = checkout.root.rename(tmp_path / "elsewhere")
    assert_installed(checkout.setup(), checkout, "was moved")
    assert checkout.setup().stdout == ""


def test_another_python_is_changed_to_only_when_it_is_asked_for(checkout):
    checkout.add("python3", "3.12.1")
    checkout.add("python3.13", "3.13.1")
    checkout.setup()
    checkout.add("python3", "3.11.9")  # what python3 means has changed: the venv is as good as before
    assert checkout.setup().stdout == ""
    assert_installed(checkout.setup(PYTHON="python3.13"), checkout, "Python 3.13 was asked for and .venv has 3.12")
    assert checkout.setup(PYTHON="python3.13").stdout == ""
    assert checkout.setup().stdout == ""


# ---- make and continuous integration ----


def test_help_needs_no_installation_and_names_every_command(checkout):
    done = checkout.setup("make")
    assert done.returncode == 0, done.stderr
    for target in ("lab", "test", "check", "run", "claims", "clean"):
        assert re.search(rf"^make {target} ", done.stdout, re.MULTILINE)
    assert not (checkout.root / ".venv").exists()


def make_prints(*arguments: str, **environment: str) -> str:
    """What make would do."""
    done = subprocess.run(
        ["make", "-n", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tests_drop_the_shells_settings_and_keep_those_given_to_make():
    text = make_prints("test", "AELIB_SEED=1", AELIB_DATASET="mnist", AELIB_LEDGER="x")
    assert "-u AELIB_DATASET" in text
    assert "-u AELIB_LEDGER" in text
    assert "-u AELIB_SEED" not in text


def test_tests_run_with_two_workers_of_one_thread():
    text = make_prints("test")
    for words in ("-n 2 --dist loadscope", "--nbval-lax", "--nbval-cell-timeout=300", "TF_NUM_INTRAOP_THREADS=1"):
        assert words in text


@pytest.mark.parametrize(
    ("given", "expected"), [("../my data", "{root}/../my data"), ("/my data", "/my data"), ("x", "{root}/x")]
)
def test_a_relative_data_folder_is_made_absolute(checkout, given, expected):
    checkout.add("python3", "3.12.1")
    checkout.setup()
    done = checkout.setup("make", "claims", f"AELIB_DATA={given}")
    assert done.stdout == f"tools/notebooks.py claims, data in {expected.format(root=checkout.root)}\n"


def test_lab_passes_port_and_arguments_on():
    text = make_prints("lab", "PORT=8899", "ARGS=--no-browser")
    assert '--port="8899" --no-browser' in text
    assert "notebooks/00_start_here.ipynb" in text


def test_clean_leaves_the_data_alone(checkout):
    for name in ("data/mnist/__pycache__/x", "aelib/__pycache__/x", "notebooks/.ipynb_checkpoints/x", ".venv/x"):
        (checkout.root / name).parent.mkdir(parents=True)
        (checkout.root / name).touch()
    done = checkout.setup("make", "clean")
    assert done.returncode == 0, done.stderr
    left = {path.relative_to(checkout.root).as_posix() for path in checkout.root.rglob("*")}
    assert "data/mnist/__pycache__/x" in left
    assert not [name for name in left if "aelib/__" in name or ".ipynb_checkpoints" in name or ".venv" in name]


def test_continuous_integration_runs_every_supported_python_on_linux_and_macos():
    workflow = yaml.safe_load((ROOT / ".github/workflows/course.yml").read_text("utf-8"))
    triggers = workflow[True]  # YAML 1.1 reads the key `on` as a truth value
    assert "schedule" in triggers
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == PYTHONS
    assert job["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert any(command.startswith("make test") and "CONSTRAINTS=" in command for command in commands)


def test_the_local_entry_of_continuous_integration_can_be_executed():
    path = ROOT / ".ci/run"
    assert os.access(path, os.X_OK)
    assert "make test" in path.read_text("utf-8")

"""Requirements that agree with one another: ranges, exact versions, the conda environment, the code's imports."""

import ast
import importlib.metadata
import json
import re
import sys
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
EXTRAS = [line for extra in ("course", "jax") for line in PROJECT["optional-dependencies"][extra]]
COURSE = {canonicalize_name(r.name): r for r in map(Requirement, EXTRAS)}
PYTHONS = [f"3.{minor}" for minor in range(6, 20) if f"3.{minor}.1" in SpecifierSet(PROJECT["requires-python"])]
ASKED = {}  # what the installed packages ask for, read once
INSTALLED = {canonicalize_name(d.metadata["Name"]): d for d in importlib.metadata.distributions()}
SYSTEMS = [  # sys_platform, platform_system, platform_machine, os_name
    ("linux", "Linux", "x86_64", "posix"),
    ("linux", "Linux", "aarch64", "posix"),
    ("darwin", "Darwin", "arm64", "posix"),
    ("win32", "Windows", "AMD64", "nt"),
]
TEXT = (ROOT / "constraints.txt").read_text("utf-8")
LINES = [Requirement(line) for line in TEXT.splitlines() if line and not line.startswith("#")]
CONSTRAINTS = {canonicalize_name(r.name): r for r in LINES}


def pinned(name: str) -> Version:
    (specifier,) = CONSTRAINTS[name].specifier
    assert specifier.operator == "==", f"constraints.txt does not give an exact version of {name}"
    return Version(specifier.version)


def environments() -> list[dict]:
    """What markers are evaluated in: each supported system with each supported Python."""
    names = ("sys_platform", "platform_system", "platform_machine", "os_name")
    pythons = [{"python_version": python, "python_full_version": f"{python}.1"} for python in PYTHONS]
    systems = [dict(zip(names, system, strict=True)) for system in SYSTEMS]
    return [default_environment() | system | python for system in systems for python in pythons]


def needed(environment: dict) -> set[str]:
    """The names of all packages that the installed ones ask for, directly or not, in another environment."""
    todo = [(name, "") for name in RUNTIME | COURSE]
    seen = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        if name not in ASKED:
            ASKED[name] = [Requirement(text) for text in (INSTALLED[name].requires or [])] if name in INSTALLED else []
        for requirement in ASKED[name]:
            if requirement.marker is None or requirement.marker.evaluate(environment | {"extra": extra}):
                todo += [(canonicalize_name(requirement.name), e) for e in ("", *requirement.extras)]
    return {name for name, _ in seen}


def test_constraints_are_exact_versions_each_named_once_by_no_address():
    assert len(CONSTRAINTS) == len(LINES)
    assert not [name for name in CONSTRAINTS if pinned(name).is_prerelease]
    assert not re.search(r"https?:|index-url|find-links|file:", TEXT)


def test_ranges_go_from_what_works_to_below_the_next_major_version_and_hold_the_exact_one():
    for name, requirement in (RUNTIME | COURSE).items():
        assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}, requirement
        assert pinned(name) in requirement.specifier, f"constraints.txt has {name} outside {requirement}"


def test_exact_versions_run_on_the_first_release_of_every_python():
    """A distribution may ship Python 3.11.2: a package that wants 3.11.5 would fail to install there."""
    looked_at = 0
    for name in CONSTRAINTS.keys() & INSTALLED.keys():
        metadata = INSTALLED[name].metadata
        if Version(metadata["Version"]) == pinned(name):
            looked_at += 1
            wanted = SpecifierSet(metadata["Requires-Python"] or "")
            marker = CONSTRAINTS[name].marker
            for environment in environments():
                if marker is None or marker.evaluate(environment):
                    assert f"{environment['python_version']}.0" in wanted, f"{name} wants Python {wanted}"
    if looked_at < 50:
        pytest.skip("the installed versions are not those of constraints.txt")


def test_the_constraints_are_what_gets_installed_on_linux_macos_and_windows_and_nothing_else():
    if any(name not in INSTALLED or Version(INSTALLED[name].version) != pinned(name) for name in RUNTIME | COURSE):
        pytest.skip("the installed versions are not those of constraints.txt")
    reached = set()
    for environment in environments():
        here = needed(environment)
        reached |= here
        pins = {n for n, r in CONSTRAINTS.items() if r.marker is None or r.marker.evaluate(environment)}
        missing = here - pins
        assert not missing, f"constraints.txt lacks {sorted(missing)} on {environment['sys_platform']}"
    unused = set(CONSTRAINTS) - reached
    assert not unused, f"constraints.txt names what nothing needs: {sorted(unused)}"


def test_the_conda_environment_has_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (python,) = (entry.partition("=")[2] for entry in conda if entry.startswith("python="))
    assert python in PYTHONS
    assert "pip" in conda
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert [line for line in pip if line.startswith("-")] == ["--constraint constraints.txt", "-e ."]
    versions = {canonicalize_name(r.name): r for r in map(Requirement, (p for p in pip if not p.startswith("-")))}
    assert set(versions) == set(RUNTIME | COURSE)
    for name, requirement in versions.items():
        assert str(requirement.specifier) == str(CONSTRAINTS[name].specifier), f"environment.yml: {name}"


def test_the_citation_names_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])


def code_of(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text("utf-8")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return re.sub(r"^([%!?].*|.*\?)$", "", code, flags=re.MULTILINE)  # IPython's own syntax


def imported(code: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(code)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.partition(".")[0] for name in names}


def test_every_import_is_a_declared_requirement():
    """The package and the notebooks import what the package requires; tests and tools, what the course requires."""
    packages = importlib.metadata.packages_distributions()
    own = {
        "aelib",
        "benchmarks",
        *(path.stem for folder in (".", "tools", "tests") for path in (ROOT / folder).glob("*.py")),
    }
    patterns = (
        "*.py",
        "aelib/**/*.py",
        "tools/*.py",
        "tests/*.py",
        "benchmarks/**/*.py",
        "notebooks/*.ipynb",
        "exercises/*.ipynb",
    )
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    assert len(paths) > 50
    for path in paths:
        room = path.relative_to(ROOT).parts[0]
        declared = set(RUNTIME) if room in ("aelib", "notebooks") else set(RUNTIME | COURSE)
        for module in imported(code_of(path)) - own - sys.stdlib_module_names:
            providers = {canonicalize_name(name) for name in packages.get(module, [module])}
            assert providers & declared, f"{path.name} imports {module}, which pyproject.toml does not require"

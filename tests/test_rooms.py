"""The rooms of aelib: one-way imports, no circle, no private names across files, names found lazily."""

import ast
import importlib
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import aelib

ROOT = Path(aelib.__file__).parent
ROOMS = ("data", "models", "figures", "training", "measures")  # each imports only from those before it, and from itself
FILES = sorted(path for path in ROOT.rglob("*.py"))


def imports(path: Path) -> list[tuple[str, str]]:
    """The (module, name) pairs that a file imports from aelib."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    return [(node.module, a.name) for node in nodes if (node.module or "").startswith("aelib") for a in node.names]


def module_of(path: Path) -> str:
    return ".".join(("aelib", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def test_imports_point_one_way_between_rooms():
    for path in FILES:
        own = module_of(path).split(".")
        for module, _ in imports(path):
            parts = module.split(".")
            if len(own) > 1 and own[1] in ROOMS and len(parts) > 1 and parts[1] in ROOMS:
                assert ROOMS.index(parts[1]) <= ROOMS.index(own[1]), f"{path.name} imports {module}"


def test_no_circle_between_files():
    modules = {module_of(path) for path in FILES}
    graph = {module_of(path): set() for path in FILES}
    for path in FILES:
        for module, name in imports(path):
            graph[module_of(path)].add(f"{module}.{name}" if f"{module}.{name}" in modules else module)
    for own in graph:
        graph[own] -= {own, "aelib"}
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_no_private_name_crosses_a_file():
    crossing = [(path.name, name) for path in FILES for _, name in imports(path) if name.startswith("_")]
    assert not crossing


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_finds_all_its_names_and_no_others(room):
    module = importlib.import_module(f"aelib.{room}")
    for name in module.__all__:
        assert getattr(module, name).__class__ is not None and name in dir(module)
    with pytest.raises(AttributeError, match=r"no_such_name.*it has: "):
        _ = module.no_such_name


def test_importing_a_room_loads_none_of_its_files():
    script = "import sys, aelib.measures; print([m for m in sys.modules if m.startswith('aelib.measures.')])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_all_that_lies_in_a_room_is_packaged():
    settings = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]
    for path in ROOT.rglob("*"):
        if path.is_dir() and path.name != "__pycache__":
            assert (path / "__init__.py").exists(), f"{path.name} is no package: setuptools would not find it"
        elif path.is_file() and path.suffix not in {".py", ".pyc"}:
            assert any(path.match(pattern) for pattern in patterns.get(module_of(path.parent), ())), path.name

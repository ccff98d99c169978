"""A hash of the code that a notebook's results come from: its own cells, and the modules of aelib that it needs.

Comments, docstrings and layout do not count, prose does not, and neither does a module that the notebook does not
reach. What it reaches is found by reading the code, never by running it: imports, direct and transitive, wherever they
stand. A package whose `__init__.py` re-exports lazily says so in a dict `_EXPORTS = {"name": "sub-module"}`; then
`from aelib.models import name` needs that sub-module and not the whole room. Importing a module runs the `__init__.py`
of the packages above it, which therefore counts, too, but for its `_EXPORTS`,
`_REGISTERED` (whose layers a saved model may name), `__all__` and `__version__`. Files beside
a module that share its stem (`latent_plane.html` for `latent_plane.py`) belong to it.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

DIGITS = 12
NOT_CODE = {"_EXPORTS", "_REGISTERED", "__all__", "__version__"}  # of an __init__.py
NO_MEANING = {"ctx", "kind", "type_comment", "type_ignores"}  # fields of a syntax tree
MAGIC = re.compile(r"(\s*)(?:\w[\w, ]*=\s*)?(?:[%!?].*|[\w.]+\?+)")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Package:
    """The source of a package, read once: `root` is the folder in which it lies."""

    def __init__(self, root: Path, name: str = "aelib") -> None:
        self.root, self.name = root, name
        self._trees: dict[str, ast.Module] = {}
        self._needs: dict[str, set[str]] = {}
        self._digests: dict[str, list[str]] = {}

    def code_hash(self, notebook: Path) -> str:
        """Twelve hexadecimal digits for a notebook's code, the same on every system and Python from 3.11 on."""
        tree = _notebook_tree(notebook)
        parts = [_text(tree, keep_first=True)]
        for module in self._reached(tree):
            parts += [module, *self._digest(module)]
        return hashlib.sha256("\0".join(parts).encode("ascii")).hexdigest()[:DIGITS]

    def modules_of(self, notebook: Path) -> list[str]:
        """The modules of the package that a notebook needs, sorted by name."""
        return self._reached(_notebook_tree(notebook))

    # ---- files ----

    def file(self, module: str) -> Path | None:
        """The file of `aelib.models.dense`, or the `__init__.py` of `aelib.models`; None if it is no module."""
        path = self.root.joinpath(*module.split("."))
        found = (path / "__init__.py", path.parent / f"{path.name}.py")
        return next((file for file in found if file.is_file()), None)

    def is_package(self, module: str) -> bool:
        """Whether the module is a folder of modules."""
        file = self.file(module)
        return file is not None and file.stem == "__init__"

    def tree(self, module: str) -> ast.Module:
        """The module's code."""
        if module not in self._trees:
            self._trees[module] = ast.parse(self.file(module).read_bytes())
        return self._trees[module]

    def _digest(self, module: str) -> list[str]:
        """What stands for a module and the files beside it that have its stem."""
        if module not in self._digests:
            path, tree = self.file(module), self.tree(module)
            if path.stem == "__init__":
                tree = ast.Module([node for node in tree.body if not NOT_CODE.intersection(_assigned(node))], [])
            parts = [hashlib.sha256(_text(tree).encode("ascii")).hexdigest()]
            for data in sorted(path.parent.glob(f"{path.stem}.*")):
                if data.suffix not in (".py", ".pyc"):
                    content = data.read_bytes().replace(b"\r\n", b"\n")
                    parts += [ascii(data.name), hashlib.sha256(content).hexdigest()]
            self._digests[module] = parts
        return self._digests[module]

    # ---- which modules ----

    def _reached(self, tree: ast.Module) -> list[str]:
        """The modules that a notebook's code needs, the packages above them included."""
        waiting = list(self._imports(tree))
        found: set[str] = set()
        while waiting:
            module = waiting.pop()
            if module in found or not self.file(module):
                continue
            found.add(module)
            if module not in self._needs:
                above = module.rpartition(".")[0]
                self._needs[module] = self._imports(self.tree(module), module) | ({above} if above else set())
            waiting += self._needs[module]
        return sorted(found)

    def _imports(self, tree: ast.Module, module: str = "") -> set[str]:
        """The modules that code imports itself; `module` is its own name, for relative imports."""
        found: set[str] = set()
        bound: dict[str, str] = {}  # names that stand for packages: what is needed is seen where they are used
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias for alias in node.names if alias.name.partition(".")[0] == self.name]
                found.update(alias.name for alias in names)
                bound.update((alias.asname or self.name, alias.name if alias.asname else self.name) for alias in names)
            elif isinstance(node, ast.ImportFrom) and (base := self._base(node, module)):
                for alias in node.names:
                    everything = alias.name == "*"
                    found |= self.whole(base) if everything else self.resolve(base, [alias.name], bare=False)
                    bound[alias.asname or alias.name] = f"{base}.{alias.name}"
        bound = {name: target for name, target in bound.items() if self.is_package(target)}
        for name, *attributes in _chains(tree):
            if name in bound:
                found |= self.resolve(bound[name], attributes)
        return found

    def _base(self, node: ast.ImportFrom, module: str) -> str | None:
        """The full name of the module that `from … import` names; None if it is not of the package."""
        name = node.module or ""
        if node.level:
            parts = module.split(".")
            parts = parts[: len(parts) - node.level + self.is_package(module)]
            name = ".".join([*parts, name] if name else parts)
        return name if name.partition(".")[0] == self.name and self.file(name) else None

    def resolve(self, module: str, attributes: list[str], bare: bool = True) -> set[str]:
        """The modules behind `module.first.second`. `bare`: a package that nothing is taken from counts as a whole."""
        if not self.is_package(module):
            return {module}
        if not attributes:
            return self.whole(module) if bare else {module}
        first, *rest = attributes
        if target := (_exports(self.tree(module)) or {}).get(first):
            return {module} | self.resolve(f"{module}.{target}", attributes, bare)
        if self.file(f"{module}.{first}"):
            return {module} | self.resolve(f"{module}.{first}", rest, bare)
        return {module} if first in _defined(self.tree(module).body) else self.whole(module)

    def whole(self, module: str) -> set[str]:
        """All that a package re-exports: what is needed where the code does not say which part it uses."""
        if not self.is_package(module):
            return {module}
        exports = _exports(self.tree(module))
        if exports is not None:
            return {module} | {f"{module}.{name}" for name in exports.values()}
        if "__getattr__" not in _defined(self.tree(module).body):
            return {module}
        names = (
            ".".join(file.relative_to(self.root).with_suffix("").parts)
            for file in self.file(module).parent.rglob("*.py")
        )
        return {name.removesuffix(".__init__") for name in names}


# ---- code as a tree ----


def _notebook_tree(path: Path) -> ast.Module:
    """The code cells of a notebook as one module."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return ast.Module([node for source in code for node in _cell(source)], [])


def _cell(source: str) -> list[ast.stmt]:
    """A cell's statements. Lines that are IPython's alone become strings; so does a cell that is no Python at all."""
    lines = source.splitlines()
    while True:
        try:
            return ast.parse("\n".join(lines)).body
        except SyntaxError as error:  # magic is only what is no Python: `% 3` may continue the line above
            number = (error.lineno or 1) - 1
            if number >= len(lines) or not MAGIC.fullmatch(lines[number]):
                return ast.parse(repr(source)).body
            lines[number] = MAGIC.sub(lambda line: f"{line[1]}{line[0].strip()!r}", lines[number])


def _assigned(node: ast.stmt) -> list[str]:
    """The plain names to which a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text(node: ast.AST, keep_first: bool = False) -> str:
    return "\n".join(_lines(node, keep_first))


def _lines(node: ast.AST, keep_first: bool = False) -> Iterator[str]:
    """A tree as lines of text that say the same on every Python, without docstrings.

    `ast.dump` and `ast.unparse` differ between versions: they show new fields that are empty, and quote f-strings in
    their own ways. `keep_first`: a first expression that is a string is no docstring (the first line of a cell).
    """
    yield type(node).__name__
    if isinstance(node, ast.Constant):
        yield f"{type(node.value).__name__} {node.value!a}"
        return
    for name, value in sorted(ast.iter_fields(node)):
        if name in NO_MEANING or value is None or value == []:
            continue
        if name == "body" and not keep_first and isinstance(node, (ast.Module, *DEFINITIONS)):
            value = value[ast.get_docstring(node, clean=False) is not None :]
        if isinstance(node, ast.JoinedStr):
            value = _joined(value)
        yield f"({name}"
        for item in value if isinstance(value, list) else [value]:
            yield from _lines(item) if isinstance(item, ast.AST) else [ascii(item)]
        yield ")"


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, neighbouring pieces of text as one: Python 3.12 cuts them otherwise than 3.11."""
    parts: list[ast.expr] = []
    for value in values:
        text = isinstance(value, ast.Constant)
        if text and parts and isinstance(parts[-1], ast.Constant):
            parts[-1] = ast.Constant(parts[-1].value + value.value)
        elif not text or value.value:
            parts.append(value)
    return parts


def _exports(tree: ast.Module) -> dict[str, str] | None:
    """The dict `_EXPORTS` of an `__init__.py`, if it has one that is written out."""
    for node in tree.body:
        if "_EXPORTS" in _assigned(node):
            try:
                return {name: module.removeprefix(".") for name, module in ast.literal_eval(node.value).items()}
            except (ValueError, AttributeError):
                return None
    return None


def _defined(body: list[ast.stmt]) -> set[str]:
    """The names that a module's statements define, those in blocks (`if`, `with`, `try`) included."""
    names: set[str] = set()
    for node in body:
        names.update(_assigned(node))
        if isinstance(node, DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        else:
            inner = [getattr(node, block, []) for block in ("body", "orelse", "finalbody")]
            inner += [handler.body for handler in getattr(node, "handlers", [])]
            names.update(*(_defined(block) for block in inner if isinstance(block, list)))
    return names


def _chains(tree: ast.AST) -> Iterator[list[str]]:
    """Every `a.b.c` that is read in the code, as its names, each chain at its full length."""
    nodes = list(ast.walk(tree))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if id(node) in inner:
            continue
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield [node.id, *names]

"""The hash of a notebook's code: what changes it, and what does not."""

from pathlib import Path

import pytest
from fingerprint import Package
from nbformat import v4, write

LAZY = """\
_EXPORTS = {exports}
__all__ = list(_EXPORTS)
def __getattr__(name):
    from importlib import import_module
    return getattr(import_module(f"{{__name__}}.{{_EXPORTS[name]}}"), name)
"""
FILES = {
    "__init__.py": '"""The package."""\n__version__ = "1"\nfrom aelib import claims\ndef start():\n    return claims\n',
    "claims.py": "def check():\n    pass\n",
    "validate.py": "def is_count(n):\n    return n > 0\n",
    "models/__init__.py": LAZY.format(exports={"stacked": "dense", "conv_autoencoder": "conv"}),
    "models/dense.py": '"""D."""\nfrom aelib.validate import is_count\ndef stacked():\n    """A."""\n    return 1\n',
    "models/conv.py": "from . import layers\n\ndef conv_autoencoder():\n    return layers\n",
    "models/layers.py": "WIDTH = 3\n",
    "figures/__init__.py": LAZY.format(exports={"plane": "latent_plane"}),
    "figures/latent_plane.py": "def plane():\n    from ..models.conv import conv_autoencoder\n",
    "figures/latent_plane.html": "<p>",
    "figures/other.css": "p {}",
}
START = {"aelib", "aelib.claims"}
DENSE = START | {"aelib.models", "aelib.models.dense", "aelib.validate"}
CONV = START | {"aelib.models", "aelib.models.conv", "aelib.models.layers"}
PLANE = CONV | {"aelib.figures", "aelib.figures.latent_plane"}


class Course:
    """A small package and a notebook that uses it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.put(name, text)
        self.notebook("from aelib.models import stacked\nstacked()")

    def put(self, name: str, text: str) -> None:
        path = self.root / "aelib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / "aelib" / name).read_text("utf-8")
        assert old in text
        self.put(name, text.replace(old, new))

    def notebook(self, *cells: str, prose: str = "# Title") -> None:
        both = [v4.new_markdown_cell(prose), *map(v4.new_code_cell, cells)]
        write(v4.new_notebook(cells=both), self.root / "01_x.ipynb")

    @property
    def code(self) -> str:
        return Package(self.root).code_hash(self.root / "01_x.ipynb")

    @property
    def modules(self) -> set[str]:
        return set(Package(self.root).modules_of(self.root / "01_x.ipynb"))


@pytest.fixture
def course(tmp_path) -> Course:
    return Course(tmp_path)


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import numpy", set()),
        ("import aelib\naelib.start()", START),
        ("from aelib.models import stacked", DENSE),
        ("from aelib.models.dense import stacked", DENSE),
        ("import aelib.models.dense as dense", DENSE),
        ("import aelib\naelib.models.stacked()", DENSE),
        ("from aelib import models\nmodels.stacked()", DENSE),
        ("from aelib import models\nmodels.dense.stacked()", DENSE),
        ("from aelib import validate", START | {"aelib.validate"}),
        ("if True:\n    from aelib.models import conv_autoencoder as build", CONV),
        ("from aelib.models import conv", CONV),
        ("from aelib.figures import plane", PLANE),
        ("from aelib.models import *", DENSE | CONV),
        ("from aelib import models\nprint(models)", DENSE | CONV),  # who knows what of it is used
        ("from aelib import models\nmodels.unheard_of()", DENSE | CONV),
    ],
)
def test_a_notebook_needs_what_it_imports_and_what_that_imports(course, code, modules):
    course.notebook(code)
    assert course.modules == modules


def test_what_says_the_same_has_the_same_hash(course):
    before = course.code
    course.notebook("# a comment\nfrom aelib.models import (\n    stacked,\n)", "stacked( )", prose="# Another")
    course.edit("models/dense.py", '"""A."""', '"""Another."""')
    course.edit("models/dense.py", '"""D."""', "# a comment\n")
    course.edit("__init__.py", '__version__ = "1"', '__version__ = "2"')
    course.edit("models/__init__.py", "{'stacked'", "{'new': 'new', 'stacked'")
    course.edit("models/conv.py", "return layers", "return 2")
    course.put("models/new.py", "def new(): pass\n")
    course.put("figures/latent_plane.html", "<b>")
    assert course.code == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("models/dense.py", "return 1", "return 2"),
        ("models/dense.py", "return 1", "return 1.0"),
        ("validate.py", "n > 0", "n >= 0"),
        ("models/__init__.py", "getattr(import", "vars(import"),
        ("models/__init__.py", "'stacked': 'dense'", "'stacked': 'conv'"),
        ("claims.py", "pass", "return 1"),
    ],
)
def test_a_change_of_code_that_it_needs_changes_the_hash(course, file, old, new):
    before = course.code
    course.edit(file, old, new)
    assert course.code != before


def test_a_file_beside_a_module_with_its_stem_belongs_to_it(course):
    course.notebook("from aelib.figures import plane")
    before = course.code
    course.put("figures/other.css", "b {}")
    assert course.code == before
    course.put("figures/latent_plane.html", "<b>")
    assert course.code != before


def test_cells_may_hold_what_only_ipython_understands(course):
    plain = "x = [1,\n  5\n  % 3]\nstacked?\n"
    course.notebook("%matplotlib inline\nfiles = !ls\n" + plain + "from aelib.models import stacked")
    inline = course.code
    assert course.modules == DENSE
    course.notebook("%matplotlib notebook\nfiles = !ls\n" + plain + "from aelib.models import stacked")
    assert course.code != inline
    course.notebook("%%html\n<p>not Python</p>")
    assert course.modules == set()


def test_the_hash_is_the_same_on_every_python_and_system(course):
    """What Python 3.12 and 3.13 parse or show otherwise than 3.11: f-strings, new fields that are empty."""
    course.put("validate.py", 'def f(x: int = -1, *, y="é\\u2713") -> str:\n    return f"a{{b" f"{x!r:>{y}}" "c"\n')
    course.put("claims.py", "class A:\n    x = (1, 2.5, 1e300, b'\\xff', None, ...)\n")
    course.notebook('"a string that is shown"', "match [1]:\n    case [x, *_]: print(f'{x=}')", "import aelib.validate")
    assert course.code == "7162af9da6e4"

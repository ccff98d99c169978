"""The docstrings of the installed scientific packages, read from their files with `ast`; no package is imported for it.

Introduced in chapter 18.
"""

import ast
import contextlib
import gc
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.sparse import csr_array

from aelib.data.dataset import DatasetError
from aelib.data.documents import Document, TextDataset, split_documents

PACKAGES = ("numpy", "scipy", "sklearn", "skimage", "matplotlib", "keras")  # the course's requirements have them all
INSTALLED_AS = {"sklearn": "scikit-learn", "skimage": "scikit-image"}  # where the two names differ
CORE = {"numpy": "_core"}  # a private folder that holds public functions: they are labelled `numpy`
WITHIN = {"keras": "src"}  # where the subpackages lie one folder deeper: `keras/src/layers` is labelled `keras.layers`
# Tests, other people's code, and what NumPy has for some versions of Python only.
LEFT_OUT = {"tests", "testing", "_testing", "conftest", "externals", "_vendored", "distutils"}
LEAST_WORDS = 30  # of a docstring, split at white space
LEAST_DOCSTRINGS = 30  # of a subpackage, from two files or more: smaller ones are no label
SHINGLE, ALIKE = 5, 0.5  # words in a row; the share of them that makes two docstrings near-duplicates


def load_docstrings(packages: Sequence[str] = PACKAGES) -> TextDataset:
    """The docstrings of installed packages, of 30 words or more; the label is the subpackage: `scipy.ndimage`.

    Modules that lie in the package itself, as `matplotlib/patches.py` does, are labelled by its name, `matplotlib`.
    The docstrings are those of modules, public classes, methods and functions; without tests, vendored
    code and private subpackages. A docstring is left out if half of its five-word sequences or more (Jaccard
    similarity of the two sets) are those of one before it, in the order of the files' names. Then subpackages with
    fewer than 30 are left out, and those of a single file: a search leaves out hits from a query's own file, by
    `source_*`, and would find nothing there. Split 80/10/10, stratified, docstring by docstring. The same versions give
    the same splits on every machine.

    Raises `DatasetError` for a package that is not installed, a file that is no Python, and fewer than two labels.
    """
    documents = [document for package in packages for document in read_docstrings(package)]
    documents = without_near_duplicates(documents)
    counts = Counter(document.label for document in documents)
    files = Counter(label for label, _ in {(document.label, document.source) for document in documents})
    labels = {label for label, count in counts.items() if count >= LEAST_DOCSTRINGS and files[label] > 1}
    if len(labels) < 2:
        raise DatasetError(
            f"{', '.join(packages)}: found {dict(counts)} docstrings of {LEAST_WORDS} words or more by subpackage, "
            f"expected two subpackages with {LEAST_DOCSTRINGS} or more, from two files or more: name more packages"
        )
    documents = [document for document in documents if document.label in labels]
    return split_documents("docstrings", documents, {INSTALLED_AS.get(p, p): _version(p) for p in packages})


def read_docstrings(package: str) -> list[Document]:
    """All docstrings of 30 words or more of a package, near-duplicates too, in the order of the files' names."""
    folder = _package_folder(package)
    names = sorted(path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.py"))
    documents = []
    with _no_collection():
        for name in names:
            file = PurePosixPath(name)
            if label := _label(file):
                found = _docstrings_of(folder.parent / name)
                long = [(title, text) for title, text in found if len(text.split()) >= LEAST_WORDS]
                documents += [Document(text, label, name, f"{label}: {title or file.name}") for title, text in long]
    return documents


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection, parsing takes less than half the time: a syntax tree is very many small objects."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def without_near_duplicates(documents: Sequence[Document]) -> list[Document]:
    """Those that share less than half of their five-word sequences with every one kept before them.

    Share: sequences that both have, divided by those that either has (Jaccard similarity; Broder 1997,
    doi:10.1109/SEQUEN.1997.666900, who estimates it by hashes: here it is exact).
    """
    if not documents:
        return []
    shingles = _shingles([document.text for document in documents])
    sizes = shingles.sum(axis=1)
    both = (shingles @ shingles.T).tocoo()
    row, column = both.coords
    close = (both.data >= ALIKE * (sizes[row] + sizes[column] - both.data)) & (column < row)
    kept = np.ones(len(documents), bool)
    for later, earlier in sorted(zip(row[close].tolist(), column[close].tolist(), strict=True)):
        kept[later] &= not kept[earlier]
    return [document for document, keep in zip(documents, kept, strict=True) if keep]


def _shingles(texts: Sequence[str]) -> csr_array:
    """Which text has which sequences of five words: ones, `(texts, sequences)`, int32."""
    places, keys = {}, []
    powers = np.cumprod(np.full(SHINGLE, 6364136223846793005, "uint64"))  # five words to one number, modulo 2⁶⁴
    for text in texts:
        words = re.findall(r"\w+", text.lower())
        row = np.array([places.setdefault(word, len(places)) for word in words], "uint64")
        windows = np.lib.stride_tricks.sliding_window_view(row, SHINGLE) if len(row) >= SHINGLE else row[:0, None]
        keys.append(np.unique((windows * powers).sum(axis=1, dtype="uint64")))
    different, columns = np.unique(np.concatenate(keys), return_inverse=True)
    starts = np.cumsum([0, *map(len, keys)])
    return csr_array((np.ones(len(columns), "int32"), columns, starts), shape=(len(texts), len(different)))


def _package_folder(package: str) -> Path:
    """Where a package lies; finding it does not import it."""
    spec = util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations or spec.origin is None:
        raise DatasetError(
            f"no package {package!r} with files of its own is installed: expected names such as "
            f"{', '.join(PACKAGES)}; install {INSTALLED_AS.get(package, package)}, or leave it out"
        )
    return Path(spec.origin).parent


def _version(package: str) -> str:
    try:
        return metadata.version(INSTALLED_AS.get(package, package))
    except metadata.PackageNotFoundError:
        return "unknown"


def _label(file: PurePosixPath) -> str | None:
    """The subpackage of a file, `scipy.ndimage` for `scipy/ndimage/_filters.py`; None for what is left out."""
    package, *inside = file.with_suffix("").parts
    if LEFT_OUT & set(inside):
        return None
    if inside[0] == WITHIN.get(package):
        inside = inside[1:]
    if len(inside) > 1 and inside[0] == CORE.get(package):
        return package
    if inside[0].startswith("_") and inside[0] != "__init__":
        return None
    return f"{package}.{inside[0]}" if len(inside) > 1 else package


def _docstrings_of(file: Path) -> Iterator[tuple[str, str]]:
    """The name and docstring of a module ("" as name) and of what is public in it: classes, methods, functions."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in other people's strings
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise DatasetError(f"{file} is no Python that can be read ({error}): install its package again") from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}): install its package again") from error
    for name, node in (("", tree), *_definitions(tree)):
        if text := ast.get_docstring(node):
            yield name, text


def _definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Public functions and classes with their public methods, also behind an `if` or a `try`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not child.name.startswith("_"):
                yield prefix + child.name, child
                if isinstance(child, ast.ClassDef):
                    yield from _definitions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try | ast.ExceptHandler):
            yield from _definitions(child, prefix)

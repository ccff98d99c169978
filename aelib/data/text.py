"""Texts with labels: the docstrings of the installed scientific packages, or a reader's own folder of texts.

Introduced in chapter 18. The docstrings are read from the packages' files with `ast`; no package is imported for it.
"""

import ast
import contextlib
import gc
import hashlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import train_test_split

from aelib.data.dataset import DatasetError
from aelib.validate import is_count

PACKAGES = ("numpy", "scipy", "sklearn", "skimage", "matplotlib", "keras")  # the course's requirements have them all
INSTALLED_AS = {"sklearn": "scikit-learn", "skimage": "scikit-image"}  # where the two names differ
CORE = {"numpy": "_core"}  # a private folder that holds public functions: they are labelled `numpy`
WITHIN = {"keras": "src"}  # where the subpackages lie one folder deeper: `keras/src/layers` is labelled `keras.layers`
# Tests, other people's code, and what NumPy has for some versions of Python only.
LEFT_OUT = {"tests", "testing", "_testing", "conftest", "externals", "_vendored", "distutils"}
LEAST_WORDS = 30  # of a docstring, split at white space
LEAST_DOCSTRINGS = 30  # of a subpackage, from two files or more: smaller ones are no label
LEAST_TEXTS = 10  # of a class of one's own: a tenth of them is one
SHINGLE, ALIKE = 5, 0.5  # words in a row; the share of them that makes two docstrings near-duplicates
WORD = r"[^\W\d_]{2,}"  # two letters or more: `n_samples` is "samples", `array_like` is "array" and "like"
NO_TEXTS = ("thumbs.db", "desktop.ini", "__macosx")  # what file managers leave behind, beside hidden files


@dataclass(frozen=True)
class TextDataset:
    """Texts and labels in three splits.

    `x_*`: tuples of n texts. `y_*`: int64 in 0…k−1, shape `(n,)`. `source_*`: the file that each text comes from, an
    array of strings `(n,)`, so that hits from a query's own file can be left out. `title_*`: what each text documents
    (`scipy.ndimage: gaussian_filter`), or its file, `(n,)`. `versions`: of the packages that the texts come from, by
    the names under which they are installed; none for texts of one's own.
    """

    name: str
    x_train: tuple[str, ...]
    y_train: np.ndarray
    source_train: np.ndarray
    title_train: np.ndarray
    x_valid: tuple[str, ...]
    y_valid: np.ndarray
    source_valid: np.ndarray
    title_valid: np.ndarray
    x_test: tuple[str, ...]
    y_test: np.ndarray
    source_test: np.ndarray
    title_test: np.ndarray
    class_names: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def documents(self) -> int:
        """Texts in all three splits."""
        return len(self.x_train) + len(self.x_valid) + len(self.x_test)

    @property
    def words(self) -> int:
        """Words of all texts, split at white space."""
        return sum(len(text.split()) for text in (*self.x_train, *self.x_valid, *self.x_test))

    @property
    def summary(self) -> str:
        """One line that is the same for the same texts, labels and splits: two that differ are of different corpora."""
        digest = hashlib.sha256()
        for split in ("train", "valid", "test"):
            x, y, titles = (getattr(self, f"{part}_{split}") for part in ("x", "y", "title"))
            for text, label, title in zip(x, y, titles, strict=True):
                digest.update("\0".join((split, self.class_names[label], title, *text.split(), "")).encode())
        return (
            f"{self.documents:,} documents, {self.words:,} words, {len(self.class_names)} labels, "
            f"content {digest.hexdigest()[:12]}"
        )

    def __repr__(self) -> str:
        sizes = " / ".join(f"{len(x):,}" for x in (self.x_train, self.x_valid, self.x_test))
        return f"{self.name}: {sizes} texts (train / valid / test), {len(self.class_names)} classes"


@dataclass(frozen=True)
class Document:
    """A text, its label, the file it comes from, and what it documents."""

    text: str
    label: str
    source: str
    title: str


def load_text() -> TextDataset:
    """The texts of the folder that `$AELIB_TEXTS` names, or else the docstrings of the installed packages."""
    folder = os.environ.get("AELIB_TEXTS")
    return load_texts(folder) if folder else load_docstrings()


# ---- docstrings ----


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
    return _split("docstrings", documents, {INSTALLED_AS.get(p, p): _version(p) for p in packages})


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


# ---- a folder of one's own ----


def load_texts(folder: str | Path) -> TextDataset:
    """The texts of a folder with one folder per class, `my_texts/spam/01.txt`: every file is read as UTF-8.

    Split 80/10/10, stratified, the same on every machine. Nothing is left out but hidden files. Raises `DatasetError`
    for what cannot be read or is empty, with the file's name, and for fewer than two classes or ten texts of one.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder: expected one with a folder of texts per class; mend AELIB_TEXTS")
    try:
        classes = text_classes(folder)
    except OSError as error:
        raise DatasetError(f"{error.filename} cannot be read ({error.strerror}): take it away, or copy it") from error
    documents = []
    for label, files in classes.items():
        for file in files:
            name = f"{label}/{file.name}"
            documents.append(Document(read_text(file), label, name, name))
    return _split(folder.resolve().name, documents, {})


def text_classes(folder: Path) -> dict[str, list[Path]]:
    """The files of each class, by the name of its folder, sorted; `DatasetError` for too few, or files elsewhere."""
    inside = _visible(folder)
    if loose := [path for path in inside if not path.is_dir()]:
        raise DatasetError(f"{loose[0]} lies beside the folders of the classes: move it into one, or take it away")
    classes = {path.name: _visible(path) for path in inside}
    if len(classes) < 2:
        raise DatasetError(
            f"{folder} has {len(classes)} folders of texts: expected one per class, at least two, with {LEAST_TEXTS} "
            f"texts each, such as {folder.name}/spam and {folder.name}/ham"
        )
    for name, files in classes.items():
        if deeper := [path for path in files if path.is_dir()]:
            raise DatasetError(f"{deeper[0]} is a folder inside a class: move its texts up into {folder / name}")
        if len(files) < LEAST_TEXTS:
            raise DatasetError(
                f"{folder / name} has {len(files)} text files: expected at least {LEAST_TEXTS}, so that each of the "
                "three splits gets one; add texts, or take the folder away"
            )
    return classes


def read_text(file: Path) -> str:
    """A file's text, with or without a byte order mark; `DatasetError` if it is not UTF-8, no text, or empty."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{file} is not UTF-8 (byte {error.start} is 0x{error.object[error.start]:02x}): save it as UTF-8, or take "
            "it out of the folder"
        ) from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}): take it away, or copy it anew") from error
    if "\0" in text:
        raise DatasetError(f"{file} holds null characters, so it is no text: save it as UTF-8, or take it away")
    if not text.strip():
        raise DatasetError(f"{file} is empty: expected a text; take the file away")
    return text


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, without what no person put there."""
    found = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name.lower() not in NO_TEXTS)
    return sorted(found, key=lambda path: path.name)  # paths themselves sort in another order on Windows


def _split(name: str, documents: Sequence[Document], versions: Mapping[str, str]) -> TextDataset:
    """A tenth of every class for test, another for validation, the same on every machine."""
    names, y = np.unique([document.label for document in documents], return_inverse=True)
    places, size = np.arange(len(y)), max(len(y) // 10, len(names))
    options = {"random_state": 0, "shuffle": True, "test_size": size}
    rest, test = train_test_split(places, stratify=y, **options)
    train, valid = train_test_split(rest, stratify=y[rest], **options)
    parts = []
    for chosen in (train, valid, test):
        those = [documents[i] for i in chosen]
        sources, titles = (np.array([getattr(d, key) for d in those]) for key in ("source", "title"))
        parts += [tuple(d.text for d in those), y[chosen].astype("int64"), sources, titles]
    return TextDataset(name, *parts, tuple(names.tolist()), dict(versions))


# ---- words ----


def vocabulary(texts: Sequence[str], words: int | None = 2000) -> tuple[str, ...]:
    """The `words` most frequent words of the texts, the most frequent first, then by the alphabet; None: all words.

    A word is two letters or more in a row, in lower case; scikit-learn's English stop words ("the", "of", …) are left
    out. Raises `ValueError` for texts that are no sequence of strings or have no such word, and for a bad `words`.
    """
    if words is not None and not is_count(words):
        raise ValueError(f"words is {words!r}: expected a whole number, at least 1, or None for all words")
    counter = CountVectorizer(token_pattern=WORD, stop_words="english")
    try:
        counts = counter.fit_transform(_checked(texts, "training texts"))
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        raise ValueError(
            f"the {len(texts)} training texts have no word but stop words: expected words of two letters or more"
        ) from error
    # CountVectorizer's own max_features lets the processor decide between words of the same frequency.
    totals = zip(-np.asarray(counts.sum(axis=0)).ravel(), counter.get_feature_names_out().tolist(), strict=True)
    return tuple(word for _, word in sorted(totals)[:words])


def word_counts(train_texts: Sequence[str], *others: Sequence[str], words: int | None = 2000) -> tuple:
    """How often each text has each word of `vocabulary(train_texts, words)`: a matrix for each argument.

    Matrices are `(texts, words)`, float32, sparse (CSR): `.toarray()` makes one dense. Raises `ValueError` for a text
    that has none of the words, with its place, and as `vocabulary` does.
    """
    known = vocabulary(train_texts, words)
    counter = CountVectorizer(token_pattern=WORD, vocabulary=known, dtype=np.float32)
    matrices = []
    for i, texts in enumerate((train_texts, *others)):
        what = f"texts of set {i}" if i else "training texts"
        counts = counter.transform(_checked(texts, what))
        empty = np.flatnonzero(np.diff(counts.indptr) == 0)
        if len(empty):
            raise ValueError(
                f"{len(empty)} of {len(texts)} {what} have none of the {len(known):,} known words, the first is text "
                f"{empty[0]}, {texts[empty[0]][:60]!r}: leave them out, say it in other words, or raise words"
            )
        matrices.append(counts)
    return tuple(matrices)


def _checked(texts: Sequence[str], what: str) -> Sequence[str]:
    if isinstance(texts, str) or len(texts) == 0 or not all(isinstance(text, str) for text in texts):
        found = f"one string, {texts[:40]!r}" if isinstance(texts, str) else f"{len(texts)} items"
        raise ValueError(f"{what} are {found}: expected a list or tuple of strings, at least one")
    return texts

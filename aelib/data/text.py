"""Texts by default, the docstrings of the installed packages, or a reader's own folder of texts.

Introduced in chapter 18.
"""

import os
from pathlib import Path

from aelib.data.dataset import DatasetError
from aelib.data.docstrings import load_docstrings
from aelib.data.documents import Document, TextDataset, split_documents

LEAST_TEXTS = 10  # of a class of one's own: a tenth of them is one
NO_TEXTS = ("thumbs.db", "desktop.ini", "__macosx")  # what file managers leave behind, beside hidden files


def load_text() -> TextDataset:
    """The texts of the folder that `$AELIB_TEXTS` names, or else the docstrings of the installed packages."""
    folder = os.environ.get("AELIB_TEXTS")
    return load_texts(folder) if folder else load_docstrings()


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
    return split_documents(folder.resolve().name, documents, {})


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

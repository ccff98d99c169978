"""Texts with labels in three splits.

Introduced in chapter 18.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split


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


def split_documents(name: str, documents: Sequence[Document], versions: Mapping[str, str]) -> TextDataset:
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

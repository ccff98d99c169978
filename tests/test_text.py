"""Texts: docstrings read and never imported, near-duplicates, splits, folders of one's own, words and their counts."""

import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from aelib.data import (
    DatasetError,
    docstrings,
    documents,
    load_docstrings,
    load_text,
    load_texts,
    text,
    vocabulary,
    word_counts,
)

WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ri") for b in ("bar", "dok", "fen", "gul", "hip", "jos")]


def prose(seed, words=40):
    """A docstring of its own: random made-up words."""
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


def module(*parts):
    """The text of a module that nobody can import."""
    return "\n\n".join(("raise RuntimeError('imported')", *parts)) + "\n"


def functions(first, count):
    return module(*(f'def f{seed}():\n    """{prose(seed)}"""' for seed in range(first, first + count)))


def two_labels(last=30):
    """Files of two subpackages, of 40 docstrings and of ten more than `last`."""
    sizes = {"one__in__a": 20, "one__in__b": 20, "two__in__a": 10, "two__in__b": last}
    return {name: functions(50 * i, size) for i, (name, size) in enumerate(sizes.items())}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that writes a package `madeup` of the given files, next to which Python looks for packages."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files):
        for name, content in {"__init__": module(), **files}.items():
            path = tmp_path / "madeup" / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        return tmp_path / "madeup"

    yield write
    assert "madeup" not in sys.modules


def splits(data):
    return [
        (getattr(data, f"x_{s}"), *(getattr(data, f"{part}_{s}") for part in ("y", "source", "title")))
        for s in ("train", "valid", "test")
    ]


# ---- docstrings ----


def test_docstrings_of_modules_classes_methods_and_functions_are_found(package):
    module_text, long = prose(0), [prose(seed) for seed in range(1, 7)]
    package(
        cooking__in__meals=f'"""{module_text}"""\n'
        + module(
            f'def bake():\n    """{long[0]}"""\n    def inner():\n        """{prose(90)}"""',
            f'class Pot:\n    """{long[1]}"""\n    def stir(self):\n        """{long[2]}"""\n'
            f'    def _scrub(self):\n        """{prose(91)}"""',
            f'try:\n    pass\nexcept ImportError:\n    async def fry():\n        """{long[3]}"""',
            f'if True:\n    def cook():\n        """{long[4]}"""',
            f'def _private():\n    """{prose(92)}"""',
            f'def short():\n    """{prose(93, 29)}"""',
            f'def enough():\n    """{prose(94, 30)}"""',
            f'NAME = """{prose(95)}"""',
        ),
    )
    found = docstrings.read_docstrings("madeup")
    assert [d.text for d in found] == [module_text, *long[:5], prose(94, 30)]
    names = ["meals.py", "bake", "Pot", "Pot.stir", "fry", "cook", "enough"]
    assert [d.title for d in found] == [f"madeup.cooking: {name}" for name in names]
    assert {(d.label, d.source) for d in found} == {("madeup.cooking", "madeup/cooking/meals.py")}


def test_tests_vendored_and_private_code_are_left_out(package):
    one = functions(0, 1)
    kept = {"a": one, "sub__in___private": one, "sub__in__deep__in__b": one}
    left = ("tests__in__a", "sub__in__tests__in__a", "externals__in__a", "_lib__in__a", "_own", "sub__in__conftest")
    package(**kept, **dict.fromkeys(left, one))
    found = [(d.source, d.label) for d in docstrings.read_docstrings("madeup")]
    assert found == [
        ("madeup/a.py", "madeup"),
        ("madeup/sub/_private.py", "madeup.sub"),
        ("madeup/sub/deep/b.py", "madeup.sub"),
    ]


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("scipy/ndimage/_filters.py", "scipy.ndimage"),
        ("numpy/_core/fromnumeric.py", "numpy"),
        ("numpy/__init__.py", "numpy"),
        ("numpy/_utils/a.py", None),
        ("matplotlib/patches.py", "matplotlib"),
        ("matplotlib/_text_helpers.py", None),
        ("matplotlib/axes/_axes.py", "matplotlib.axes"),
        ("keras/src/layers/core/dense.py", "keras.layers"),
        ("keras/src/__init__.py", "keras"),
        ("numpy/distutils/a.py", None),
    ],
)
def test_the_label_is_the_subpackage(file, label):
    assert docstrings._label(docstrings.PurePosixPath(file)) == label


def test_a_split_is_stratified_repeatable_and_whole(package, monkeypatch):
    parts = {
        f"part{i}__in__{half}": functions(50 * n, 20 + 5 * i) for i in range(3) for n, half in enumerate("ab", 2 * i)
    }
    small = {"small__in__a": functions(900, 28), "small__in__b": functions(950, 1)}
    package(**parts, **small, lone__in__a=functions(1000, 40))
    data = load_docstrings(["madeup"])
    assert data.class_names == (
        "madeup.part0",
        "madeup.part1",
        "madeup.part2",
    )  # not the small one, nor that of one file
    assert [np.bincount(y).tolist() for _, y, *_ in splits(data)] == [[32, 40, 48], [4, 5, 6], [4, 5, 6]]
    assert len({t for x, *_ in splits(data) for t in x}) == data.documents == 150 and data.words == 150 * 40
    for x, y, sources, titles in splits(data):
        assert len(x) == len(y) == len(sources) == len(titles) and y.dtype == np.int64
        for label, source, title in zip(y, sources, titles, strict=True):
            assert source.startswith(f"madeup/part{label}/") and title.startswith(f"madeup.part{label}: f")
    rglob = docstrings.Path.rglob
    monkeypatch.setattr(docstrings.Path, "rglob", lambda *args: reversed(list(rglob(*args))))  # another file system
    again = load_docstrings(["madeup"])
    assert again.x_test == data.x_test and again.summary == data.summary
    assert data.versions == {"madeup": "unknown"}
    assert repr(data) == "docstrings: 120 / 15 / 15 texts (train / valid / test), 3 classes"


def test_a_summary_tells_corpora_apart(package):
    folder = package(**two_labels())
    before = load_docstrings(["madeup"]).summary
    assert before.startswith("80 documents, 3,200 words, 2 labels, content ")
    file = folder / "one" / "a.py"
    file.write_text(file.read_text("utf-8").replace(prose(7), prose(7) + "!"), "utf-8")
    after = load_docstrings(["madeup"]).summary
    assert after != before and after.rpartition(" ")[0] == before.rpartition(" ")[0]


def test_near_duplicates_are_dropped_by_the_stated_rule():
    """34 different words make 30 sequences of five; which share of all that two documents have decides."""
    words = [f"word{i}" for i in range(200)]

    def document(*numbers):
        return documents.Document(" ".join(words[i] for i in numbers), "a", "a", "a")

    first = document(*range(34))  # 30 sequences
    at_half = document(*range(24), *range(50, 60))  # 20 shared of 40: half
    below = document(*range(23), *range(60, 71))  # 19 shared of 41
    other = document(*range(100, 140))
    shouted = documents.Document(other.text.upper().replace(" ", ",\n"), "b", "b", "b")
    assert docstrings.without_near_duplicates([first, at_half, below, other, shouted]) == [first, below, other]
    assert docstrings.without_near_duplicates([at_half, first]) == [at_half]


def test_a_document_is_compared_with_those_that_were_kept():
    """b is like a, c is like b and not like a: b goes, c stays."""
    a, b, c = (documents.Document(" ".join(f"w{i}" for i in range(s, s + 34)), "", "", "") for s in (0, 8, 16))
    assert docstrings.without_near_duplicates([a, b, c]) == [a, c]
    assert docstrings.without_near_duplicates([b, c]) == [b]


def test_without_near_duplicates_takes_short_texts_and_none():
    short = documents.Document("two words", "", "", "")
    assert docstrings.without_near_duplicates([short, short]) == [
        short,
        short,
    ]  # no five words in a row
    assert docstrings.without_near_duplicates([]) == []


def test_errors_of_packages_say_what_to_do(package):
    with pytest.raises(DatasetError, match=r"no package 'no_such_package'.*leave it out"):
        load_docstrings(["no_such_package"])
    with pytest.raises(DatasetError, match=r"no package 'json.decoder'"):
        load_docstrings(["json.decoder"])
    folder = package(**two_labels(19))
    with pytest.raises(DatasetError, match=r"'madeup.one': 40, 'madeup.two': 29.*two subpackages with 30"):
        load_docstrings(["madeup"])
    (folder / "two.py").write_text("def f(:\n", "utf-8")
    with pytest.raises(DatasetError, match=r"two\.py is no Python that can be read.*install its package again"):
        load_docstrings(["madeup"])


def test_garbage_collection_is_left_as_it_was(package):
    package(one="def f(:\n")
    with pytest.raises(DatasetError):
        docstrings.read_docstrings("madeup")
    assert docstrings.gc.isenabled()


def test_the_installed_packages_give_a_corpus_and_are_not_imported():
    script = """
import json, sys
from aelib.data import docstrings, word_counts
before = set(sys.modules)
data = docstrings.load_docstrings()
x = (*data.x_train, *data.x_valid, *data.x_test)
shortest = min(len(t.split()) for t in x)
new = sorted(m for m in set(sys.modules) - before if m.split(".")[0] in docstrings.PACKAGES)
counts = word_counts(data.x_train, data.x_valid, data.x_test)  # none without a known word
print(json.dumps([len(x), data.class_names, shortest, new, "skimage" in sys.modules, data.versions]))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    documents, labels, shortest, new, skimage, versions = json.loads(run.stdout)
    assert documents > 3000 and len(labels) >= 15 and shortest >= 30
    assert {"scipy.ndimage", "scipy.stats", "sklearn.cluster", "skimage.filters", "keras.layers"} <= set(labels)
    assert new == [] and not skimage
    assert list(versions) == ["numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib", "keras"]
    assert all(version[0].isdigit() for version in versions.values())


# ---- a folder of one's own ----


@pytest.fixture
def own(tmp_path):
    """Twenty texts of ham and ten of spam."""
    folder = tmp_path / "my_texts"
    for i, (name, count) in enumerate((("ham", 20), ("spam", 10))):
        (folder / name).mkdir(parents=True)
        for j in range(count):
            (folder / name / f"{j:02}.txt").write_text(f"Grüße, {prose(100 * i + j)}\n", "utf-8")
    return folder


def test_a_folder_per_class_becomes_a_data_set(own, monkeypatch):
    (own / ".hidden").write_text("")
    (own / "ham" / "Thumbs.db").write_bytes(b"\xff\0")
    data = load_texts(own)
    assert data.name == "my_texts" and data.class_names == ("ham", "spam") and data.versions == {}
    assert [np.bincount(y).tolist() for _, y, *_ in splits(data)] == [[16, 8], [2, 1], [2, 1]]
    sources = Counter(source for _, _, those, _ in splits(data) for source in those)
    assert len(sources) == 30 and set(sources.values()) == {1}
    for x, y, those, _ in splits(data):
        for content, label, source in zip(x, y, those, strict=True):
            assert (own / source).read_text("utf-8") == content and source.startswith(("ham/", "spam/")[label])
    monkeypatch.setenv("AELIB_TEXTS", str(own))
    assert load_text().summary == data.summary


def test_without_a_folder_the_docstrings_are_loaded(monkeypatch):
    monkeypatch.setattr(text, "load_docstrings", lambda: "docstrings")
    monkeypatch.setenv("AELIB_TEXTS", "")
    assert load_text() == "docstrings"
    monkeypatch.delenv("AELIB_TEXTS")
    assert load_text() == "docstrings"


def test_a_byte_order_mark_is_no_part_of_the_text(own):
    (own / "ham" / "00.txt").write_text("first", "utf-8-sig")
    assert text.read_text(own / "ham" / "00.txt") == "first"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Grüße".encode("latin-1"), r"07\.txt is not UTF-8 \(byte 2 is 0xfc\): save it as UTF-8"),
        ("Grüße".encode("utf-16"), r"07\.txt is not UTF-8 \(byte 0 is 0xf"),
        (b"a\0b", r"07\.txt holds null characters"),
        (b"", r"07\.txt is empty"),
        (b" \n\t", r"07\.txt is empty"),
    ],
)
def test_a_bad_file_is_named(own, content, message):
    (own / "spam" / "07.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        load_texts(own)


def test_errors_of_folders_say_what_to_do(own, tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere is no folder: .*AELIB_TEXTS"):
        load_texts(tmp_path / "nowhere")
    (own / "note.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"note\.txt lies beside the folders"):
        load_texts(own)
    (own / "note.txt").unlink()
    (own / "ham" / "old").mkdir()
    with pytest.raises(DatasetError, match=r"old is a folder inside a class"):
        load_texts(own)
    (own / "ham" / "old").rmdir()
    (own / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"empty has 0 text files: expected at least 10"):
        load_texts(own)
    (own / "empty").rmdir()
    (own / "spam" / "00.txt").unlink()
    with pytest.raises(DatasetError, match=r"spam has 9 text files: expected at least 10"):
        load_texts(own)


def test_one_class_is_too_few(tmp_path):
    for name, found in (("none", 0), ("one", 1)):
        (tmp_path / name).mkdir()
        for i in range(found):
            (tmp_path / name / f"class{i}").mkdir()
        with pytest.raises(DatasetError, match=rf"{name} has {found} folders of texts: expected one per class"):
            load_texts(tmp_path / name)


# ---- words ----

TRAIN = ["The cat, the CAT and n_samples of it", "a dog; cat2 dog x", "Übung zebra"]


def test_the_vocabulary_is_ordered_by_frequency_then_alphabet():
    assert vocabulary(TRAIN, None) == ("cat", "dog", "samples", "zebra", "übung")
    assert vocabulary(TRAIN, 3) == ("cat", "dog", "samples") and vocabulary(TRAIN, 99) == vocabulary(TRAIN)


def test_words_are_counted_in_every_set():
    train, queries = word_counts(TRAIN, ["dog and dog and cat", "samples"], words=None)
    assert train.dtype == queries.dtype == np.float32
    np.testing.assert_array_equal(train.toarray(), [[2, 0, 1, 0, 0], [1, 2, 0, 0, 0], [0, 0, 0, 1, 1]])
    np.testing.assert_array_equal(queries.toarray(), [[1, 2, 0, 0, 0], [0, 0, 1, 0, 0]])


def test_a_text_without_a_known_word_is_named():
    with pytest.raises(ValueError, match=r"2 of 3 texts of set 1 have none of the 5 known words.*text 1, 'a mouse'"):
        word_counts(TRAIN, ["cat", "a mouse", ""])
    with pytest.raises(ValueError, match=r"1 of 3 training texts have none of the 2 known words.*text 2, 'Übung"):
        word_counts(TRAIN, words=2)


@pytest.mark.parametrize(
    ("texts", "words", "message"),
    [
        ("one string", 5, "training texts are one string, 'one string': expected a list or tuple"),
        ([], 5, "training texts are 0 items"),
        ([3], 5, "training texts are 1 items: expected a list or tuple of strings"),
        (["the of 1 2"], 5, "the 1 training texts have no word but stop words"),
        (TRAIN, 0, "words is 0: expected a whole number"),
        (TRAIN, 2.5, "words is 2.5: expected a whole number"),
    ],
)
def test_bad_texts_and_words_are_refused(texts, words, message):
    with pytest.raises(ValueError, match=message):
        vocabulary(texts, words)

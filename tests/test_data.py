"""Data sets: forms, splits, IDX files good and bad, downloads that fail."""

import gzip
import re
import struct
import tracemalloc
import urllib.error

import keras
import numpy as np
import pytest

from aelib.data import IDX_FILES, DatasetError, deformed_copies, directions, load, make_shapes
from aelib.data.download import download_cache
from aelib.data.loading import FASHION_CLASSES


def gz(content: bytes) -> bytes:
    """Without the time, which would give two workers different names for one test."""
    return gzip.compress(content, mtime=0)


def idx(array: np.ndarray, kind: int = 0x08) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return header + array.astype({0x08: ">u1", 0x0D: ">f4"}[kind]).tobytes()


def write(folder, part: str, content: bytes, compress: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = IDX_FILES[part] + (".gz" if compress else "")
    (folder / name).write_bytes(gz(content) if compress else content)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A set of one's own: 20×24 pixels, five classes labelled 3, 5, 7, 8, 9, sorted by class."""
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    for split, each in (("train", 40), ("test", 8)):
        labels = np.repeat([3, 5, 7, 8, 9], each)
        write(tmp_path / "my_glyphs", f"x_{split}", idx(rng.integers(0, 256, (len(labels), 20, 24))))
        write(tmp_path / "my_glyphs", f"y_{split}", idx(labels))
    return tmp_path / "my_glyphs"


def test_digits_are_split_stratified_and_alike_everywhere():
    data = load("digits")
    for x, y, per_class in (
        (data.x_train, data.y_train, 400),
        (data.x_valid, data.y_valid, 50),
        (data.x_test, data.y_test, 50),
    ):
        assert x.shape == (10 * per_class, 28, 28, 1) and x.dtype == np.float32
        assert x.min() == 0 and x.max() == 1
        assert np.bincount(y).tolist() == [per_class] * 10
    # a fingerprint: the split must not depend on the machine
    assert data.y_test[:10].tolist() == [9, 3, 4, 0, 9, 0, 2, 8, 1, 1]
    assert len({image.tobytes() for image in (*data.x_train, *data.x_valid, *data.x_test)}) == 5000


def test_shapes_have_the_form_of_the_others():
    data = load("shapes")
    assert repr(data) == "shapes: 10,000 / 1,000 / 1,000 images (train / valid / test) of 28×28, 3 classes"
    for seed, (x, y) in enumerate(
        ((data.x_train, data.y_train), (data.x_valid, data.y_valid), (data.x_test, data.y_test))
    ):
        assert x.dtype == np.float32 and y.dtype == np.int64 and x.min() == 0 and x.max() == 1
        assert np.bincount(y).min() > 0.3 * len(y)
        drawn = make_shapes(2000, seed)  # more of the same begin with the same
        np.testing.assert_array_equal(x[:1000], drawn.images[:1000])
        np.testing.assert_array_equal(y[:1000], directions(drawn.factors)[:1000])


def test_dataset_is_frozen_and_describes_itself():
    data = load("digits")
    with pytest.raises(AttributeError):
        data.name = "other"
    assert repr(data) == "digits: 4,000 / 500 / 500 images (train / valid / test) of 28×28, 10 classes"
    assert data.image_shape == (28, 28, 1) and data.pixels == 784


def test_own_folder_sorted_by_class_is_split_stratified(folder):
    data = load("my_glyphs")
    assert data.image_shape == (20, 24, 1)
    assert np.bincount(data.y_valid).tolist() == [4] * 5
    assert np.bincount(data.y_train).tolist() == [36] * 5
    assert np.bincount(data.y_test).tolist() == [8] * 5
    assert data.class_names == ("3", "5", "7", "8", "9")


def test_images_and_labels_stay_together(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    labels = np.repeat([10, 20, 30], 20)
    images = np.broadcast_to(labels[:, None, None], (60, 4, 5))
    for split in ("train", "test"):
        write(tmp_path / "set", f"x_{split}", idx(images))
        write(tmp_path / "set", f"y_{split}", idx(labels))
    data = load("set")
    for x, y in ((data.x_train, data.y_train), (data.x_valid, data.y_valid), (data.x_test, data.y_test)):
        np.testing.assert_array_equal(np.round(x[:, 0, 0, 0] * 255), 10 * (y + 1))


@pytest.mark.parametrize("name", ["mnist", "my_set"])
def test_loading_holds_less_than_two_of_the_set(tmp_path, monkeypatch, name):
    """NumPy reports to tracemalloc: the set in float32, its bytes once or twice, and no second copy in float32."""
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    for split, count in (("train", 10_000), ("test", 1_000)):
        images = rng.integers(0, 256, (count, 20, 20), dtype=np.uint8)
        write(tmp_path / name, f"x_{split}", idx(images))
        write(tmp_path / name, f"y_{split}", idx(np.arange(count) % 10))
    tracemalloc.start()
    try:
        data = load(name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = sum(x.nbytes for x in (data.x_train, data.x_valid, data.x_test))
    assert size < peak < 1.6 * size
    np.testing.assert_array_equal(data.x_test[..., 0], (images / np.float32(255)).astype("float32"))


def test_classes_txt_names_the_labels(folder):
    (folder / "classes.txt").write_text("three\nfive\nseven\neight\nnine\n")
    assert load("my_glyphs").class_names == ("three", "five", "seven", "eight", "nine")
    (folder / "classes.txt").write_text("three\nfive\n")
    with pytest.raises(DatasetError, match=r"names 2 classes, .* 5 values"):
        load("my_glyphs")


def test_files_need_not_be_compressed(folder):
    packed = folder / f"{IDX_FILES['x_test']}.gz"
    before = load("my_glyphs").x_test
    (folder / IDX_FILES["x_test"]).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    np.testing.assert_array_equal(load("my_glyphs").x_test, before)


def test_the_environment_chooses_the_data_set(folder, monkeypatch):
    monkeypatch.setenv("AELIB_DATASET", "my_glyphs")
    assert load().name == "my_glyphs"
    assert load("digits").name == "digits"


@pytest.mark.parametrize("name", ["no_such_set", "../my_glyphs", "/etc", "my.glyphs"])
def test_unknown_name_lists_the_known_ones(folder, name):
    with pytest.raises(DatasetError, match=r"digits, mnist, fashion_mnist, shapes, faces, photos, my_glyphs"):
        load(name)


def test_missing_file_is_named(folder):
    (folder / f"{IDX_FILES['y_test']}.gz").unlink()
    with pytest.raises(DatasetError, match=r"has no t10k-labels-idx1-ubyte\.gz"):
        load("my_glyphs")


def break_gzip(raw):
    return raw[: len(raw) // 2]


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("x_train", break_gzip(gz(idx(np.zeros((200, 20, 24))))), "is not a whole gzip file"),
        ("x_train", b"not gzip at all", "is not a whole gzip file"),
        ("x_train", gz(idx(np.zeros((200, 20, 24)))[:-7]), "truncated"),
        ("x_train", gz(idx(np.zeros((200, 20, 24)))[:6]), "truncated"),
        ("x_train", gz(idx(np.zeros((200, 20, 24))) + b"x"), "too long"),
        ("x_train", gz(b"PK\x03\x04 something else"), "found 50 4b 03 04"),
        ("x_train", gz(b""), "found nothing"),
        ("x_train", gz(idx(np.zeros((200, 20, 24)), 0x0D)), "float values"),
        ("x_train", gz(idx(np.zeros(200))), "1 axes, .* 3"),
        ("y_train", gz(idx(np.zeros((200, 2)))), "2 axes, .* 1"),
        ("y_train", gz(idx(np.repeat(range(3), 66))), "200 train images and 198 train labels"),
        ("x_test", gz(idx(np.zeros((40, 28, 28)))), "20×24 and test images of 28×28 pixels"),
        ("y_train", gz(idx(np.r_[[3] * 199, 5])), "two training images"),
        ("y_test", gz(idx(np.full(40, 4))), "every class"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(folder, part, content, message):
    (folder / f"{IDX_FILES[part]}.gz").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        load("my_glyphs")
    assert "my_glyphs" in str(caught.value) and "\n" not in str(caught.value)


def test_a_small_set_under_an_official_name_is_refused(folder):
    folder.rename(folder.parent / "mnist")
    with pytest.raises(DatasetError, match=r"expected 60,000.* a name of its own"):
        load("mnist")


def test_official_split_is_the_last_5000(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    labels = np.arange(6000) % 10
    for split in ("train", "test"):
        write(tmp_path / "mnist", f"x_{split}", idx(np.broadcast_to(labels[:, None, None], (6000, 2, 2))))
        write(tmp_path / "mnist", f"y_{split}", idx(labels))
    data = load("mnist")
    assert [len(x) for x in (data.x_train, data.x_valid, data.x_test)] == [1000, 5000, 6000]
    np.testing.assert_array_equal(data.y_valid, labels[1000:])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("mnist", urllib.error.URLError("no route to host")),
        ("fashion_mnist", EOFError("cut short")),
        ("mnist", KeyboardInterrupt()),
    ],
)
def test_failed_download_says_what_to_do_and_leaves_nothing(tmp_path, monkeypatch, name, error):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    cache = tmp_path / "keras" / "datasets"
    half = cache / "mnist.npz" if name == "mnist" else cache / "fashion-mnist" / "train-images-idx3-ubyte.gz"

    def fail():
        half.parent.mkdir(parents=True)
        half.write_bytes(b"half a file")
        raise error

    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", fail)
    if isinstance(error, Exception):
        with pytest.raises(DatasetError, match=r"four IDX files.*'digits'"):
            load(name)
    else:
        with pytest.raises(KeyboardInterrupt):
            load(name)
    assert not half.exists()


def test_failed_load_keeps_a_whole_download_and_drops_a_broken_one(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    cache = tmp_path / "keras" / "datasets" / "fashion-mnist"
    cache.mkdir(parents=True)
    whole, broken = cache / "train-images-idx3-ubyte.gz", cache / "t10k-images-idx3-ubyte.gz"
    whole.write_bytes(gz(b"all of it"))
    broken.write_bytes(gz(b"all of it")[:-9])

    def fail():
        raise MemoryError("for another reason")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    with pytest.raises(DatasetError, match=r"for another reason"):
        load("fashion_mnist")
    assert whole.exists() and not broken.exists()


def test_downloads_go_where_keras_puts_them(tmp_path, monkeypatch):
    source = tmp_path / "source.npz"
    source.write_bytes(b"anything")
    before = download_cache()
    path = keras.utils.get_file("aelib-test.npz", origin=source.as_uri(), cache_dir=str(before.parent))
    try:
        assert before == type(before)(path).parent
    finally:
        type(before)(path).unlink()


def test_downloaded_set_has_the_same_form(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    images, labels = np.full((5010, 28, 28), 255, np.uint8), np.arange(5010, dtype=np.uint8) % 10
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: ((images, labels), (images, labels)))
    data = load("fashion_mnist")
    assert data.x_train.shape == (10, 28, 28, 1) and data.x_train.dtype == np.float32 and data.x_train.max() == 1
    assert data.class_names == FASHION_CLASSES


def test_deformed_copies_keep_form_and_content():
    images = load("digits").x_train[:20]
    copies = deformed_copies(images, 3, seed=1)
    assert copies.shape == (60, 28, 28, 1) and copies.dtype == np.float32
    assert copies.min() >= 0 and copies.max() <= 1
    np.testing.assert_array_equal(copies, deformed_copies(images, 3, seed=1))
    assert not np.array_equal(copies[:20], copies[20:40])
    # copy j of image i stands at j·n + i: nearer to its own original than to the others, on the whole
    flat, originals = copies.reshape(60, -1), images.reshape(20, -1)
    nearest = np.linalg.norm(flat[:, None] - originals[None], axis=2).argmin(axis=1)
    assert np.mean(nearest == np.tile(np.arange(20), 3)) > 0.8


def test_deformation_keeps_a_centred_disc_about_where_it_is():
    rows, columns = np.mgrid[:20, :24]
    disc = ((rows - 9.5) ** 2 + (columns - 11.5) ** 2 < 16).astype("float32")[None, :, :, None]
    copies = deformed_copies(disc, 50)[..., 0]
    mass = copies.sum(axis=(1, 2))
    assert np.all(np.abs(mass / disc.sum() - 1) < 0.4)  # 1 / (0.88 · 0.88) = 1.29, and the pixels' grain
    middle = np.array([(copies * grid).sum(axis=(1, 2)) / mass for grid in (rows, columns)])
    assert np.all(np.abs(middle - np.array([[9.5], [11.5]])) < 0.055 * np.array([[20], [24]]) * 1.5 + 0.3)


def test_deformation_turns_stretches_and_shears():
    """The second moments of a bar: shifting alone would leave them as they are."""
    rows, columns = np.mgrid[:29, :29] - 14
    bar = ((abs(rows) < 9) & (abs(columns) < 3)).astype("float32")[None, :, :, None]
    copies = deformed_copies(bar, 200)[..., 0].astype("float64")
    weights = copies / copies.sum(axis=(1, 2), keepdims=True)
    r = rows - (weights * rows).sum(axis=(1, 2), keepdims=True)
    c = columns - (weights * columns).sum(axis=(1, 2), keepdims=True)
    spread, lean = np.sqrt((weights * r**2).sum(axis=(1, 2))), (weights * r * c).sum(axis=(1, 2))
    tilt = np.degrees(0.5 * np.arctan2(2 * lean, spread**2 - (weights * c**2).sum(axis=(1, 2))))
    assert 5 < np.abs(tilt).max() < 25 and abs(tilt.mean()) < 2  # rotation and shear, either way
    before = np.sqrt((rows**2)[bar[0, :, :, 0] > 0].mean())
    assert (spread / before).max() > 1.08 and (spread / before).min() < 0.92


def test_deformation_continues_a_white_background():
    copies = deformed_copies(np.ones((1, 8, 8, 1), "float32"), 20)
    np.testing.assert_allclose(copies, 1, atol=1e-6)


def test_a_colour_image_is_deformed_as_each_of_its_channels():
    images = np.random.default_rng(0).random((3, 9, 12, 3), "float32")
    copies = deformed_copies(images, 2, seed=4)
    assert copies.shape == (6, 9, 12, 3)
    for channel in range(3):
        alone = deformed_copies(images[..., channel : channel + 1], 2, seed=4)
        np.testing.assert_array_equal(copies[..., channel : channel + 1], alone)


def test_what_cannot_be_deformed_is_refused():
    with pytest.raises(ValueError, match=r"copies is 0"):
        deformed_copies(np.zeros((1, 4, 4, 1)), 0)
    for shape in ((4, 5), (2, 4, 5), (2, 4, 5, 2), (2, 4, 5, 1, 1)):
        with pytest.raises(ValueError, match=rf"{re.escape(str(shape))}.*channels"):
            deformed_copies(np.zeros(shape), 1)

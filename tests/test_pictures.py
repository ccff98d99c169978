"""Folders of pictures: formats, orientation, transparency, errors that name the file, and what is kept."""

import dataclasses
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from aelib.data import DatasetError, cache, load, photos, pictures
from aelib.data.folder import REPOSITORY as ROOT

RED, GREEN, BLUE, GREY = (200, 30, 20), (20, 180, 60), (30, 60, 210), (90, 90, 90)


def plain(colour, size=(40, 30)):
    return Image.new("RGB", size, colour)


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """Twenty red cats, ten green dogs, in four formats and odd sizes."""
    monkeypatch.setenv("AELIB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AELIB_IMAGE_SIZE", raising=False)
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    folder = tmp_path / "data" / "my_pets"
    for name, colour, count in (("cats", RED, 20), ("dogs", GREEN, 10)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            plain(colour, (33 + i, 61 - i)).save(folder / name / f"{i:02}.{('jpg', 'png', 'webp', 'bmp')[i % 4]}")
    return folder


def colours(images):
    """Mean colour of each image, in bytes."""
    return np.rint(255 * images.mean(axis=(1, 2))).astype(int)


def deep_png(path, colour_type):
    """A PNG of 16 bits per channel, grey (0) or RGB (2), which Pillow reads and does not write."""
    channels = {0: 1, 2: 3}[colour_type]
    rows = b"".join(b"\0" + struct.pack(">H", 4000) * 8 * channels for _ in range(8))

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, colour_type, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_a_folder_per_class_becomes_a_data_set(pets):
    data = load("my_pets")
    assert data.class_names == ("cats", "dogs") and data.image_shape == (32, 32, 3) and data.name == "my_pets"
    for split, counts in (("train", [16, 8]), ("valid", [2, 1]), ("test", [2, 1])):
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        assert x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
        assert np.bincount(y).tolist() == counts
        np.testing.assert_allclose(colours(x), np.array([RED, GREEN])[y], atol=4)  # JPEG and WebP are lossy


def test_the_size_is_asked_for_by_the_environment(pets, monkeypatch):
    monkeypatch.setenv("AELIB_IMAGE_SIZE", "20")
    assert load("my_pets").image_shape == (20, 20, 3)
    for bad in ("7", "65", "2.5", "big", "-32"):
        monkeypatch.setenv("AELIB_IMAGE_SIZE", bad)
        with pytest.raises(DatasetError, match=rf"'{bad}': expected a whole number of pixels from 8 to 64"):
            load("my_pets")


def test_grey_pictures_have_one_channel_and_become_colour_among_colours(pets):
    rng = np.random.default_rng(0)
    for file in pets.glob(
        "*/*"
    ):  # smooth ones: WebP, which knows no grey, gives their channels back slightly different
        small = Image.fromarray(rng.integers(0, 256, (5, 4), "uint8"))
        small.resize((40, 50), Image.Resampling.BICUBIC).save(file)
    assert load("my_pets").image_shape == (32, 32, 1)
    plain(BLUE).save(pets / "dogs" / "blue.png")
    data = load("my_pets")
    images = np.concatenate([data.x_train, data.x_valid, data.x_test])
    assert images.shape[1:] == (32, 32, 3)
    coloured = np.ptp(colours(images), axis=1) > 0
    assert coloured.sum() == 1 and colours(images)[coloured].tolist() == [list(BLUE)]


def read(path, size=16):
    return pictures.read_picture(path, size).astype(int)


def test_the_middle_square_is_kept(tmp_path):
    wide = np.zeros((30, 90, 3), "uint8")
    wide[:, :30], wide[:, 30:60], wide[:, 60:] = RED, GREEN, BLUE
    for picture in (wide, wide.transpose(1, 0, 2)):
        Image.fromarray(picture).save(tmp_path / "wide.png")
        assert (np.abs(read(tmp_path / "wide.png")[4:-4, 4:-4] - GREEN) <= 1).all()


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_pictures_are_turned_as_exif_says(tmp_path, orientation, corner):
    """The red corner of what the camera stored, top left, is shown where the orientation puts it."""
    stored = plain(BLUE, (64, 64))
    stored.paste(RED, (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    np.testing.assert_allclose(read(tmp_path / "turned.jpg")[corner], RED, atol=12)


def transparent(kind):
    """A picture whose left half is transparent, and whose right half is red or, in grey, 60."""
    half = np.zeros((20, 20), "uint8")
    half[:, 10:] = 255
    if kind == "RGBA":
        return Image.merge("RGBA", [*plain(RED, (20, 20)).split(), Image.fromarray(half)]), {}
    if kind == "LA":
        return Image.merge("LA", [Image.new("L", (20, 20), 60), Image.fromarray(half)]), {}
    picture = Image.fromarray(half // 255)
    picture = picture.convert("P") if kind == "P" else picture
    if kind == "P":
        picture.putpalette([0, 0, 0, *RED])
    return picture, {"transparency": 0}


@pytest.mark.parametrize(("kind", "right"), [("RGBA", RED), ("LA", (60, 60, 60)), ("P", RED), ("L", (1, 1, 1))])
def test_what_is_transparent_shows_white(tmp_path, kind, right):
    picture, options = transparent(kind)
    picture.save(tmp_path / "half.png", **options)
    image = read(tmp_path / "half.png", 20)
    assert (image[:, :7] == 255).all()
    np.testing.assert_allclose(image[:, 13:], np.broadcast_to(right, (20, 7, 3)), atol=1)


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "a.jpg"), ("P", "a.gif"), ("1", "a.png"), ("L", "a.webp")])
def test_other_modes_become_rgb(tmp_path, mode, name):
    plain((255, 255, 255)).convert(mode).save(tmp_path / name)
    assert read(tmp_path / name).shape == (16, 16, 3) and read(tmp_path / name).min() >= 253


def test_a_large_jpeg_is_decoded_small_and_looks_as_in_full(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (6, 8, 3), "uint8")).resize((1600, 1200), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "large.jpg", quality=95)
    small = read(tmp_path / "large.jpg", 32)
    decoded, upright = [], pictures._upright
    monkeypatch.setattr(pictures, "_upright", lambda picture: decoded.append(picture.size) or upright(picture))
    read(tmp_path / "large.jpg", 32)
    assert decoded == [(200, 150)]
    smooth.save(tmp_path / "large.png")
    assert np.abs(small - read(tmp_path / "large.png", 32)).mean() < 3


# ---- what is refused, with the file's name ----

NO_PICTURE = "is no JPEG, PNG, WebP, BMP or GIF picture, or a broken one"


def truncated(path):
    plain(RED, (300, 300)).save(path)
    path.write_bytes(path.read_bytes()[:-400])


def broken_inside(path):
    plain(RED, (300, 300)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:-80] + b"x" * 20 + content[-60:])


def animated(path):
    plain(RED).save(path, save_all=True, append_images=[plain(GREEN)])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("notes.txt", lambda path: path.write_text("not a picture"), NO_PICTURE),
        ("empty.jpg", lambda path: path.write_bytes(b""), NO_PICTURE),
        ("scan.tif", lambda path: plain(RED).save(path), NO_PICTURE),
        ("half.jpg", truncated, "is broken .*copy it again"),
        ("odd.png", broken_inside, "is broken .*copy it again"),
        ("film.gif", animated, "is an animation of 2 pictures: save the one"),
        ("film.webp", animated, "is an animation of 2 pictures: save the one"),
        ("film.png", animated, "is an animation of 2 pictures: save the one"),
        ("deep.png", lambda path: deep_png(path, 0), "has 16 bits per channel: save it with 8"),
        ("deeper.png", lambda path: deep_png(path, 2), "has 16 bits per channel: save it with 8"),
    ],
)
def test_what_cannot_be_read_is_named(pets, name, make, message):
    make(pets / "cats" / name)
    with pytest.raises(DatasetError, match=rf"{name} {message}"):
        load("my_pets")
    assert not cache.CACHE.exists()  # nothing half-read is kept


def test_a_decompression_bomb_is_refused(pets, monkeypatch):
    plain(RED, (300, 300)).save(pets / "cats" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    with pytest.raises(DatasetError, match=r"bomb\.png has more than .* million pixels.*make it smaller"):
        load("my_pets")


def test_what_file_managers_leave_behind_is_ignored(pets):
    expected = load("my_pets")
    for path in (pets / "Thumbs.db", pets / "cats" / "Thumbs.db", pets / ".DS_Store", pets / "dogs" / ".hidden.jpg"):
        path.write_bytes(b"no picture")
    (pets / ".git").mkdir()
    np.testing.assert_array_equal(load("my_pets").x_train, expected.x_train)


def one_class(pets):
    for file in (pets / "dogs").iterdir():
        file.unlink()
    (pets / "dogs").rmdir()


def empty(pets):
    one_class(pets)
    for file in (pets / "cats").iterdir():
        file.unlink()
    (pets / "cats").rmdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty, r"my_pets has 0 folders of pictures: expected one per class, at least two.*four IDX files"),
        (one_class, r"my_pets has 1 folders of pictures: expected one per class, at least two"),
        (lambda pets: (pets / "dogs" / "00.jpg").unlink(), r"dogs has 9 pictures: expected at least 10"),
        (lambda pets: plain(RED).save(pets / "loose.png"), r"loose\.png lies beside the folders of the classes: move"),
        (lambda pets: (pets / "cats" / "more").mkdir(), r"more is a folder inside a class: move its pictures up"),
    ],
)
def test_folders_that_are_no_classes_are_refused(pets, spoil, message):
    spoil(pets)
    with pytest.raises(DatasetError, match=message):
        load("my_pets")


# ---- what is kept ----


@pytest.fixture
def reads(monkeypatch):
    """The files that are read, as they are read."""
    files, original = [], pictures.read_picture
    monkeypatch.setattr(pictures, "read_picture", lambda file, size: files.append(file) or original(file, size))
    return files


def test_pictures_are_read_once_and_anew_when_one_has_changed(pets, reads):
    first = load("my_pets")
    assert len(reads) == 30
    again = load("my_pets")
    assert len(reads) == 30
    np.testing.assert_array_equal(first.x_test, again.x_test)
    plain(BLUE).save(pets / "cats" / "00.jpg")
    os.utime(pets / "cats" / "00.jpg", ns=(1, 1))
    changed = load("my_pets")
    assert len(reads) == 60 and (np.abs(colours(changed.x_train) - BLUE).max(axis=1) < 5).any()
    (pets / "dogs" / "00.jpg").rename(pets / "dogs" / "new.jpg")
    load("my_pets")
    assert len(reads) == 90
    assert len(list(cache.CACHE.iterdir())) == 1  # the old ones are gone


def test_a_damaged_file_of_kept_pictures_is_read_anew(pets, reads):
    expected = load("my_pets")
    (kept,) = cache.CACHE.iterdir()
    content = kept.read_bytes()
    flipped = [content[:i] + bytes([content[i] ^ 0x41]) + content[i + 1 :] for i in (8, 60, 70, len(content) - 30)]
    truncated = [b"", content[:100], content[:-200], b"\0" + content[1:]]
    for damaged in truncated + flipped:
        reads.clear()
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(load("my_pets").x_train, expected.x_train)
        assert len(reads) == 30 or damaged in flipped  # some bytes of a zip file say nothing


def test_only_what_was_kept_of_the_same_folder_and_size_is_forgotten(pets, monkeypatch):
    load("my_pets")
    monkeypatch.setenv("AELIB_IMAGE_SIZE", "16")
    load("my_pets")
    pets.rename(pets.with_name("my_pets-16"))
    load("my_pets-16")
    assert len(list(cache.CACHE.iterdir())) == 3


def test_a_file_that_cannot_be_read_is_named(pets):
    (pets / "cats" / "gone.jpg").symlink_to(pets / "nowhere.jpg")
    with pytest.raises(DatasetError, match=r"gone\.jpg cannot be read \(.*\): take it away, or copy it anew"):
        load("my_pets")


def test_the_order_of_classes_and_files_depends_on_no_system(pets):
    (pets / "dogs").rename(pets / "Dogs")
    assert list(pictures.picture_classes(pets)) == [
        "Dogs",
        "cats",
    ]  # by character, as on Linux, also where case counts not


@pytest.mark.parametrize("name", ["digits", "shapes", "photos"])
def test_a_folder_with_the_name_of_a_set_of_the_course_is_not_passed_over(pets, name):
    pets.rename(pets.with_name(name))
    with pytest.raises(
        DatasetError, match=rf"{name} has the name of a data set of the course: give the folder another"
    ):
        load(name)


def test_a_long_read_shows_how_far_it_is(pets, monkeypatch, capsys):
    monkeypatch.setattr(pictures, "PATIENCE", -1.0)
    load("my_pets")
    assert "30/30" in capsys.readouterr().out
    load("my_pets")  # kept
    assert capsys.readouterr().out == ""


# ---- photographs ----


def test_photos_have_every_kind_in_every_split_and_whole_photographs_apart():
    data = load("photos")
    assert data.image_shape == (32, 32, 3) and len(data.class_names) == 5
    for y in (data.y_train, data.y_valid, data.y_test):
        assert set(y) == set(range(5))
    for y in (data.y_train, data.y_valid, data.y_test):
        assert set(y[:100]) == set(range(5))  # chapters look at the first images
    splits = {(p.kind, p.split) for p in photos.PHOTOGRAPHS}
    assert splits == {(kind, split) for kind in photos.KINDS for split in ("train", "valid", "test")}
    assert len({p.file for p in photos.PHOTOGRAPHS}) == len(photos.PHOTOGRAPHS)
    test_images = {image.tobytes() for image in data.x_test}
    assert not test_images & {image.tobytes() for image in (*data.x_train, *data.x_valid)}


def test_patches_are_squares_of_the_photograph():
    (coffee,) = (p for p in photos.PHOTOGRAPHS if p.file == "coffee.png")
    picture, squares = coffee.pixels(), photos.patches(coffee)
    assert picture.shape == (400, 600, 3) and len(squares) == 24 * 36  # every 16 pixels, none of them empty
    np.testing.assert_array_equal(squares[0], picture[:32, :32])
    np.testing.assert_array_equal(squares[37], picture[16:48, 16:48])
    (coins,) = (p for p in photos.PHOTOGRAPHS if p.file == "coins.png")
    assert len(photos.patches(coins)) == 9 * 12  # of a test photograph, side by side


def test_jpegs_are_halved():
    (china,) = (p for p in photos.PHOTOGRAPHS if p.file == "china.jpg")
    assert china.pixels().shape == (214, 320, 3)  # 427×640 in the file


def test_a_missing_photograph_says_which_package_to_install():
    gone = dataclasses.replace(photos.PHOTOGRAPHS[0], file="gone.jpg")
    with pytest.raises(DatasetError, match=r"gone\.jpg is missing or broken in scikit-image .*install scikit-image"):
        gone.pixels()


def test_the_card_of_the_photographs_is_up_to_date():
    card = (ROOT / "docs" / "PHOTOS.md").read_text("utf-8")
    assert photos.card() in card, "write docs/PHOTOS.md anew: its table is what aelib.data.photos.card() returns"

"""JPEG and WebP: what comes back, headers, and mosaics."""

import io

import numpy as np
import pytest
from PIL import Image

from aelib.measures import as_mosaic, code_as_files, from_mosaic, lanczos, payload_bytes

RAMP = np.tile(np.linspace(0, 1, 20), (7, 22, 1))[..., None].astype("float32")  # 7 pictures of 22×20


@pytest.mark.parametrize("kind", ["JPEG", "WebP"])
@pytest.mark.parametrize("mosaic", [False, True])
def test_a_better_quality_is_nearer_and_larger(kind, mosaic):
    images = np.clip(RAMP + np.random.default_rng(0).normal(0, 0.1, RAMP.shape), 0, 1)
    found = [code_as_files(images, kind, quality, mosaic=mosaic) for quality in (5, 50, 95)]
    errors = [np.square(files.decoded - images).mean() for files in found]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-3
    assert [f.bytes for f in found] == sorted(f.bytes for f in found)
    assert all(0 < f.payload < f.bytes and f.decoded.shape == images.shape for f in found)


def test_a_mosaic_can_be_taken_apart_whatever_the_sizes():
    for n, height, width in ((1, 28, 28), (7, 22, 24), (10, 16, 17), (9, 1, 1)):
        levels = np.random.default_rng(n).integers(0, 256, (n, height, width)).astype("uint8")
        for block in (1, 16):
            picture = as_mosaic(levels, block)
            assert picture.shape[0] % block == picture.shape[1] % block == 0
            np.testing.assert_array_equal(from_mosaic(picture, levels.shape, block), levels)


def test_lanczos_keeps_smooth_pictures_and_their_mean():
    np.testing.assert_array_equal(lanczos(RAMP, (22, 20)), RAMP)
    small = lanczos(RAMP, (11, 10))
    assert small.shape == (7, 11, 10, 1) and small.mean() == pytest.approx(RAMP.mean(), abs=1e-3)
    assert np.abs(lanczos(small, (22, 20)) - RAMP).max() < 0.05
    with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
        lanczos(255 * RAMP, (11, 10))


def test_one_mosaic_has_fewer_headers_than_files():
    one, many = (code_as_files(RAMP, "JPEG", 30, mosaic=mosaic) for mosaic in (True, False))
    assert many.bytes - many.payload > 3 * (one.bytes - one.payload)


def test_headers_do_not_grow_with_the_picture_and_the_rest_does():
    for kind, options in (("JPEG", {}), ("WEBP", {"method": 6})):
        headers, rest = [], []
        for side in (64, 256):
            noise = np.random.default_rng(0).integers(0, 256, (side, side)).astype("uint8")
            buffer = io.BytesIO()
            Image.fromarray(noise).save(buffer, kind, quality=50, **options)
            rest.append(payload_bytes(buffer.getvalue()))
            headers.append(len(buffer.getvalue()) - rest[-1])
        assert headers[0] == headers[1] < 700 and rest[1] > 10 * rest[0]


def test_bad_input_is_told_in_one_sentence():
    for call, words in (
        (lambda: code_as_files(RAMP, "PNG", 50), "found 'PNG' of quality 50"),
        (lambda: code_as_files(RAMP, "JPEG", 101), "quality 101"),
        (lambda: code_as_files(np.zeros((1, 8, 8, 3)), "JPEG", 50), "3 channels"),
        (lambda: code_as_files(RAMP * 255, "JPEG", 50), r"expected \[0, 1\]"),
        (lambda: payload_bytes(b"%PDF-1.7"), "expected a JPEG"),
    ):
        with pytest.raises(ValueError, match=words):
            call()

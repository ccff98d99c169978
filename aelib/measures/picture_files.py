"""Pictures as JPEG and WebP files: how many bytes, how many without headers, and what comes back.

Written and read by Pillow. Introduced in chapter 19.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, features

from aelib.validate import check_grey

KINDS = ("JPEG", "WebP")
WEBP_HEADERS = 30  # bytes: RIFF 12, chunk 8, frame 10 (RFC 9649; RFC 6386, section 9.1)


@dataclass(frozen=True)
class CodedFiles:
    """What files made of pictures: `bytes` in all, `payload` without headers and tables, and the pictures `decoded`."""

    bytes: int
    payload: int
    decoded: np.ndarray


def code_as_files(images, kind: str, quality: int, *, mosaic: bool = False) -> CodedFiles:
    """Write grey images `(n, height, width, 1)` in [0, 1] as files, one each or all as one `mosaic`; read them again.

    (A mosaic's tiles touch: padded to whole blocks, digits of 28×28 pixels need more bits at the same error.)

    `kind`: `"JPEG"` (with Huffman tables of its own) or `"WebP"` (lossy, slowest method); `quality`: 0 to 100, as
    Pillow takes it. `decoded`: float32 in [0, 1], the images' shape. Raises `ValueError` for another kind or quality.
    """
    images = check_grey(images)
    if kind not in KINDS or not isinstance(quality, int) or not 0 <= quality <= 100:
        raise ValueError(f"found {kind!r} of quality {quality!r}: expected JPEG or WebP, and a whole number, 0 to 100")
    if kind == "WebP" and not features.check("webp"):
        raise ValueError("this Pillow cannot write WebP: install it from PyPI or conda-forge, whose builds can")
    levels = np.round(255 * images[..., 0]).astype("uint8")
    pictures = [as_mosaic(levels)] if mosaic else levels
    files = [_write(picture, kind, quality) for picture in pictures]
    decoded = np.array([np.asarray(Image.open(io.BytesIO(file)).convert("L")) for file in files])
    decoded = from_mosaic(decoded[0], levels.shape) if mosaic else decoded
    payload = sum(payload_bytes(file) for file in files)
    return CodedFiles(sum(map(len, files)), payload, (decoded[..., None] / 255).astype("float32"))


def _write(picture, kind: str, quality: int) -> bytes:
    options = {"optimize": True} if kind == "JPEG" else {"method": 6}
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, quality=quality, **options)
    return buffer.getvalue()


def payload_bytes(file: bytes) -> int:
    """Bytes of a file without its headers: a JPEG's after its one "start of scan", a WebP's after its frame header."""
    if file[:2] == b"\xff\xd8":
        scan = file.index(b"\xff\xda")
        return len(file) - 2 - (scan + 2 + int.from_bytes(file[scan + 2 : scan + 4], "big"))
    if file[:4] == b"RIFF" and file[8:16] == b"WEBPVP8 ":
        return len(file) - WEBP_HEADERS
    raise ValueError(f"the file begins with {file[:16]!r}: expected a JPEG, or a lossy WebP without extensions")


def lanczos(images, size) -> np.ndarray:
    """Grey images `(n, height, width, 1)` in [0, 1], resized to `size` (height, width) by Pillow's Lanczos filter."""
    images = np.float32(check_grey(images)[..., 0])
    resized = [Image.fromarray(image).resize(tuple(size)[::-1], Image.Resampling.LANCZOS) for image in images]
    return np.clip(np.array(resized, "float32"), 0, 1)[..., None]


def as_mosaic(levels: np.ndarray, block: int = 1) -> np.ndarray:
    """Bytes `(n, height, width)` as one nearly square picture; each tile's edge repeated up to whole blocks."""
    n, height, width = levels.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    tiles = np.pad(levels, ((0, 0), (0, -height % block), (0, -width % block)), "edge")
    tiles = np.concatenate([tiles, np.repeat(tiles[-1:], rows * columns - n, axis=0)])
    return tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2).reshape(rows * tiles.shape[1], -1)


def from_mosaic(picture: np.ndarray, shape, block: int = 1) -> np.ndarray:
    """The pictures, of this shape `(n, height, width)`, that `as_mosaic` has put together."""
    n, height, width = shape
    tall, wide = height + -height % block, width + -width % block
    tiles = picture.reshape(picture.shape[0] // tall, tall, -1, wide).swapaxes(1, 2).reshape(-1, tall, wide)
    return tiles[:n, :height, :width]

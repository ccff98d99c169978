"""The course's own file of compressed pictures: codes, tables and a checksum.

All whole numbers, so that every machine reads the same codes. (Pixels are then computed by the decoder, a network in
float32: on another machine they may differ by rounding.) Introduced in chapter 19.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from aelib.measures.rate import DamagedDataError, FrequencyTable, decode, encode

MAGIC, VERSION = b"AELC", 1
HEADER = struct.Struct("<4sBI3I3I")  # magic, version, model; pictures, height, width; rows, columns, channels of codes
TABLE, CHECK = struct.Struct("<iH"), struct.Struct("<I")


class CompressedFileError(ValueError):
    """A file that cannot be read as compressed pictures: the message says why, and what to do."""


@dataclass(frozen=True)
class Compressed:
    """`codes`: whole numbers `(n, rows, columns, channels)`. `size`: height and width of the pictures. `tables`."""

    codes: np.ndarray
    size: tuple[int, int]
    tables: list[FrequencyTable]


def fingerprint(model: keras.Model) -> int:
    """A checksum of what turns codes into pictures: the weights of a `CompressionModel`'s decoder, and its medians.

    Of weights and shapes only: another activation between the same weights is not noticed.
    """
    value = 0
    for array in (*model.decoder.get_weights(), np.asarray(model.medians)):
        value = zlib.crc32(repr(array.shape).encode(), value)
        value = zlib.crc32(np.ascontiguousarray(array, "<f4").tobytes(), value)
    return value


def write_compressed(path, codes, size, tables, model: keras.Model) -> int:
    """Write codes `(n, rows, columns, channels)` or `(n, channels)` of pictures of `size`; the file's size in bytes.

    `model`: the `CompressionModel` that made the codes. Raises `ValueError` for codes or a size that are not its own.
    """
    codes = np.asarray(codes)
    codes = codes[:, None, None] if codes.ndim == 2 else codes
    if codes.ndim != 4 or len(size) != 2:
        raise ValueError(
            f"codes have the shape {codes.shape} and the size is {size}: expected (n, channels) or "
            "(n, rows, columns, channels), and height and width"
        )
    _check_sizes(codes.shape, size, model.decoder)
    n, rows, columns, channels = codes.shape
    content = HEADER.pack(MAGIC, VERSION, fingerprint(model), n, *size, rows, columns, channels)
    for table in tables:
        content += TABLE.pack(table.low, len(table.frequencies))
        content += np.array(table.frequencies, "<u2").tobytes()
    content += encode(codes.reshape(-1, channels), tables)
    return Path(path).write_bytes(content + CHECK.pack(zlib.crc32(content)))


def _check_sizes(codes, size, decoder: keras.Model) -> None:
    """Does this decoder draw pictures of this size from codes of this shape `(n, rows, columns, channels)`?"""
    taken = decoder.input_shape[1:] if len(decoder.input_shape) == 4 else (1, 1, decoder.input_shape[-1])
    if any(of_decoder not in (None, here) for of_decoder, here in zip(taken, codes[1:], strict=True)):
        raise ValueError(f"codes have the shape {codes[1:]} and the decoder takes {taken}: expected the same shape")
    drawn = decoder.compute_output_shape(codes if len(decoder.input_shape) == 4 else (codes[0], codes[3]))[1:3]
    if tuple(drawn) != tuple(size):
        raise ValueError(f"the size is {tuple(size)} and the decoder draws {tuple(drawn)}: expected the same size")


def read_compressed(path, model: keras.Model) -> Compressed:
    """What `write_compressed` has written. Raises `CompressedFileError` for any other file, and for another model.

    A damaged file is found by its checksum (zlib.crc32): of 4 billion random changes it misses about one.
    """
    name = Path(path).name
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CompressedFileError(f"{name} cannot be read ({error.strerror}): is the path right?") from error
    if len(content) < 5 or content[:4] != MAGIC:
        raise CompressedFileError(
            f"{name} begins with {content[:4]!r}: expected {MAGIC!r}, a file that write_compressed wrote"
        )
    if content[4] != VERSION:
        raise CompressedFileError(f"{name} has version {content[4]}: expected {VERSION}; write it again")
    body = content[: -CHECK.size]
    if len(content) < HEADER.size + CHECK.size or CHECK.unpack(content[-CHECK.size :])[0] != zlib.crc32(body):
        raise CompressedFileError(f"{name} is damaged or cut short ({len(content):,} bytes): get it again")
    _, _, of_model, n, height, width, rows, columns, channels = HEADER.unpack_from(body)
    if of_model != fingerprint(model):
        raise CompressedFileError(
            f"{name} was written with the model {of_model:08x}, this one is {fingerprint(model):08x}: load that model"
        )
    try:
        _check_sizes((n, rows, columns, channels), (height, width), model.decoder)
        tables, at = _read_tables(body, channels)
        codes = decode(body[at:], tables, n * rows * columns)
    except (ValueError, struct.error) as error:
        raise CompressedFileError(f"{name} is no file that write_compressed wrote ({error}): write it again") from error
    return Compressed(codes.reshape(n, rows, columns, channels), (height, width), tables)


def _read_tables(body: bytes, channels: int) -> tuple[list[FrequencyTable], int]:
    """The tables, and where the codes begin."""
    at, tables = HEADER.size, []
    for _ in range(channels):
        low, length = TABLE.unpack_from(body, at)
        at += TABLE.size
        frequencies = np.frombuffer(body, "<u2", length, at)
        tables.append(FrequencyTable(low, tuple(frequencies.tolist())))
        at += 2 * length
    if not tables:
        raise DamagedDataError("there is no table")
    return tables, at

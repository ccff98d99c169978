"""Entropy coding: whole numbers to bytes and back, bit for bit, and how many bits that takes.

An rANS coder (range variant of asymmetric numeral systems: Duda 2013, arXiv:1311.2540) in Python's whole numbers.
Introduced in chapter 19.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

PRECISION = 12
TOTAL = 1 << PRECISION  # the frequencies of a table add up to this
LOWEST = 1 << 24  # the coder's state lies between this and 256 times as much, once it has filled
MOST_SYMBOLS = 512  # of a table; rarer values take the escape
HALF = TOTAL // 2
LONGEST = 31  # bits of the distance of an escaped value from its table


class DamagedDataError(ValueError):
    """Coded data that no encoder has written with these tables."""


@dataclass(frozen=True)
class FrequencyTable:
    """How often each value comes, in parts of 4,096: whole numbers, so that every machine decodes the same.

    `low`: the smallest value. `frequencies`: of `low`, `low + 1`, …, and last that of the escape, which announces a
    value outside of the table. Raises `ValueError` unless each is a whole number of at least 1 and their sum 4,096.
    """

    low: int
    frequencies: tuple[int, ...]

    def __post_init__(self):
        whole = all(isinstance(each, int) and each > 0 for each in (*self.frequencies, abs(self.low) + 1))
        if not whole or sum(self.frequencies) != TOTAL or not 2 <= len(self.frequencies) <= MOST_SYMBOLS + 1:
            raise ValueError(
                f"a table has {len(self.frequencies)} frequencies with the sum {sum(self.frequencies)}: expected 2 to "
                f"{MOST_SYMBOLS + 1} whole numbers of at least 1 with the sum {TOTAL:,}, as frequency_tables makes them"
            )

    @cached_property
    def starts(self) -> list[int]:
        """Where each value's interval begins."""
        return [0, *accumulate(self.frequencies[:-1])]

    def intervals(self, value: int) -> list[tuple[int, int]]:
        """Start and width of what codes `value`: one interval, or an escape and raw bits (Elias 1975, gamma code)."""
        place, escape = value - self.low, len(self.frequencies) - 1
        if 0 <= place < escape:
            return [(self.starts[place], self.frequencies[place])]
        above = place >= escape
        distance = place - escape + 1 if above else -place  # at least 1
        length = distance.bit_length()
        bits = [above, *[False] * (length - 1), *(distance >> k & 1 for k in reversed(range(length)))]
        return [(self.starts[escape], self.frequencies[escape]), *((HALF * bit, HALF) for bit in bits)]


def frequency_tables(codes) -> list[FrequencyTable]:
    """A table for each column of `codes`, whole numbers `(n, columns)`, from how often its values come there.

    The table reaches from the smallest to the largest value, at most 512 of them around the median. Each value gets 1
    and its share of the rest. Raises `ValueError` for codes that are not whole numbers.
    """
    return [_table(column) for column in _whole(codes).T]


def _table(column) -> FrequencyTable:
    middle = int(np.median(column))
    low = max(int(column.min()), middle - MOST_SYMBOLS // 2)
    high = min(int(column.max()), low + MOST_SYMBOLS - 1)
    counts = np.bincount(column[(column >= low) & (column <= high)] - low, minlength=high - low + 1).tolist()
    counts.append(len(column) - sum(counts))  # of the escape
    rest = TOTAL - len(counts)
    frequencies = [1 + rest * count // len(column) for count in counts]
    frequencies[counts.index(max(counts))] += TOTAL - sum(frequencies)
    return FrequencyTable(low, tuple(frequencies))


def encode(codes, tables) -> bytes:
    """`codes`, whole numbers `(n, columns)`, as bytes; a table for each column. Raises `ValueError` for others."""
    rows = _fitting(codes, tables).tolist()
    intervals = [i for row in rows for value, table in zip(row, tables, strict=True) for i in table.intervals(value)]
    state, low_bytes = TOTAL, bytearray()
    for start, width in reversed(intervals):  # the decoder runs forwards
        while state >= width * (LOWEST // TOTAL) * 256:  # it would grow too large: write its lowest byte
            low_bytes.append(state % 256)
            state //= 256
        state = state // width * TOTAL + start + state % width
    return state.to_bytes((state.bit_length() + 7) // 8, "big") + bytes(reversed(low_bytes))


def decode(data: bytes, tables, n: int) -> np.ndarray:
    """The codes, `(n, columns)`, that `encode` has written with the same tables.

    Raises `DamagedDataError` if bytes are missing or left over, if the state does not end where the encoder began, and,
    before the first step, if so few bytes cannot hold `n` rows: the time that it takes grows with the bytes.
    """
    least = -sum(np.log2(max(table.frequencies) / TOTAL) for table in tables)  # bits of a row
    if n * least * (1 - 1 / 2048) > 8 * len(data) + 64:  # what rounding of the state can save is less than that
        raise DamagedDataError(f"the {len(data):,} bytes are damaged: {n:,} rows of codes need more of them")
    stream, values = _Stream(data), []
    for _ in range(n):
        for table in tables:
            place = stream.take(table.starts, table.frequencies)
            if place == len(table.frequencies) - 1:
                place = _escaped(stream, place)
            values.append(table.low + place)
    if stream.state != TOTAL or stream.at < len(data):
        raise DamagedDataError(
            f"the {len(data):,} bytes are damaged, or were written with other tables or another number of codes"
        )
    return np.array(values, "int64").reshape(n, len(tables))


class _Stream:
    """The decoder's state, and how far it has read."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 4
        self.state = int.from_bytes(data[:4], "big")

    def take(self, starts, widths) -> int:
        """The place of the next interval."""
        slot = self.state % TOTAL
        place = bisect_right(starts, slot) - 1
        self.state = widths[place] * (self.state // TOTAL) + slot - starts[place]
        while self.state < LOWEST and self.at < len(self.data):
            self.state = self.state * 256 + self.data[self.at]
            self.at += 1
        return place


def _escaped(stream: _Stream, escape: int) -> int:
    """The place of a value outside of its table."""
    halves = (0, HALF), (HALF, HALF)
    above, length = stream.take(*halves), 1
    while not stream.take(*halves):
        length += 1
        if length > LONGEST:
            raise DamagedDataError("the bytes are damaged: an escaped value has more than 31 bits")
    distance = 1
    for _ in range(length - 1):
        distance = 2 * distance + stream.take(*halves)
    return escape + distance - 1 if above else -distance


def ideal_bits(codes, tables) -> float:
    """−Σ log₂ p over all codes, with p the frequencies of the tables: what the coder can reach but for rounding up.

    `codes`: whole numbers `(n, columns)`. An escaped value counts as its escape and its raw bits.
    """
    columns = _fitting(codes, tables).T
    bits = 0.0
    for column, table in zip(columns, tables, strict=True):
        for value, count in zip(*np.unique(column, return_counts=True), strict=True):
            bits -= count * sum(np.log2(width / TOTAL) for _, width in table.intervals(int(value)))
    return float(bits)


def table_bytes(tables) -> int:
    """Bytes of the tables in the course's file: the smallest value, the length, and two bytes a frequency."""
    return sum(6 + 2 * len(table.frequencies) for table in tables)


def _whole(codes) -> np.ndarray:
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.size == 0 or codes.dtype.kind not in "iuf" or not np.isfinite(codes).all():
        raise ValueError(
            f"codes have the shape {codes.shape} and the type {codes.dtype}: expected finite whole numbers, "
            "(n, columns), with at least one of each"
        )
    if (codes != np.round(codes)).any() or codes.max() >= 2**30 or codes.min() <= -(2**30):
        raise ValueError("codes are not whole numbers below 2³⁰: round them first, np.round(codes)")
    return codes.astype("int64")


def _fitting(codes, tables) -> np.ndarray:
    codes = _whole(codes)
    if codes.shape[1] != len(tables):
        raise ValueError(f"codes have {codes.shape[1]} columns and there are {len(tables)} tables: expected one each")
    return codes

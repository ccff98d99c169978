"""The entropy coder: round trips, the length against the cross-entropy, tables, and damaged data."""

import numpy as np
import pytest

from aelib.measures import DamagedDataError, FrequencyTable, decode, encode, frequency_tables, ideal_bits, table_bytes

RNG = np.random.default_rng(0)


def drawn(n, columns, width, seed):
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(size=(n, columns)) * width * rng.random(columns)).astype(int)


@pytest.mark.parametrize(("n", "columns", "width"), [(1, 1, 1), (1, 9, 3), (300, 7, 0.2), (200, 5, 60), (50, 2, 3000)])
def test_codes_come_back_and_take_the_bits_of_the_cross_entropy(n, columns, width):
    codes, learned_from = drawn(n, columns, width, 1), drawn(400, columns, width / 2, 2)  # half as wide: escapes, too
    tables = frequency_tables(learned_from)
    data = encode(codes, tables)
    np.testing.assert_array_equal(decode(data, tables, n), codes)
    assert -1 <= 8 * len(data) - ideal_bits(codes, tables) <= 21  # 12 for the start of the state, 8 for whole bytes


def test_random_tables_code_values_in_them_and_far_outside():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        symbols = int(rng.integers(1, 300))
        frequencies = 1 + rng.multinomial(4096 - symbols - 1, rng.dirichlet(np.full(symbols + 1, 0.2)))
        table = FrequencyTable(int(rng.integers(-500, 500)), tuple(frequencies.tolist()))
        codes = np.concatenate([rng.integers(-600, 900, 50), [2**30 - 1, 1 - 2**30]])[:, None]
        np.testing.assert_array_equal(decode(encode(codes, [table]), [table], len(codes)), codes)


def test_a_table_is_the_counts_and_each_value_keeps_a_frequency():
    column = np.repeat([-1, 0, 2], [10, 80, 10])
    (table,) = frequency_tables(column[:, None])
    assert table.low == -1 and sum(table.frequencies) == 4096 and len(table.frequencies) == 5
    np.testing.assert_allclose(np.array(table.frequencies) / 4096, [0.1, 0.8, 0, 0.1, 0], atol=0.002)
    assert min(table.frequencies) == 1 and table_bytes([table]) == 16
    wide = frequency_tables(RNG.integers(-5000, 5000, (1000, 1)))[0]
    assert len(wide.frequencies) == 513 and wide.frequencies[-1] > 3000  # most take the escape


def test_ideal_bits_are_those_of_a_formula():
    table = FrequencyTable(0, (2048, 1024, 512, 512))
    assert ideal_bits(np.array([[0], [1], [2]]), [table]) == 1 + 2 + 3
    assert ideal_bits(np.array([[3]]), [table]) == 3 + 2  # escape; above; a distance of 1 is one bit
    assert ideal_bits(np.array([[-4]]), [table]) == 3 + 1 + 5  # 4 is 100: two zeros before it


def test_damaged_data_end_in_an_error_or_in_other_codes_but_end():
    codes, tables = drawn(100, 4, 3, 3), frequency_tables(drawn(400, 4, 3, 4))
    data, noticed = encode(codes, tables), 0
    for _ in range(200):
        broken = bytearray(data)
        broken[RNG.integers(len(data))] ^= int(RNG.integers(1, 256))
        try:
            assert (decode(bytes(broken), tables, 100) != codes).any()
        except DamagedDataError:
            noticed += 1
    assert noticed > 190  # the state does not end where it began
    for wrong in (data[:-1], data + b"\0", b"", bytes(3), bytes(1000), b"\xff" * 1000):
        with pytest.raises(DamagedDataError, match="damaged"):
            decode(wrong, tables, 100)


def test_more_rows_than_the_bytes_can_hold_are_refused_at_once():
    for codes in (np.zeros((20_000, 2), int), drawn(2000, 2, 0.3, 5)):  # few bytes for many codes: not refused
        tables = frequency_tables(codes)
        data = encode(codes, tables)
        np.testing.assert_array_equal(decode(data, tables, len(codes)), codes)
        with pytest.raises(DamagedDataError, match="need more of them"):
            decode(data, tables, 2**32 - 1)


def test_bad_input_is_told_in_one_sentence():
    tables = frequency_tables(np.zeros((3, 2)))
    for call, words in (
        (lambda: encode(np.full((2, 2), 0.5), tables), "not whole numbers"),
        (lambda: encode(np.full((2, 2), np.nan), tables), "expected finite whole numbers"),
        (lambda: encode(np.full((2, 2), -(2**63)), tables), "whole numbers below"),  # what a NaN becomes in int64
        (lambda: encode(np.zeros((2, 3)), tables), "3 columns and there are 2 tables"),
        (lambda: encode(np.zeros(2), tables), r"shape \(2,\)"),
        (lambda: frequency_tables(np.zeros((0, 2))), r"shape \(0, 2\)"),
        (lambda: FrequencyTable(0, (4000, 90)), "sum 4090"),
        (lambda: FrequencyTable(0, (4096, 0)), "at least 1"),
        (lambda: FrequencyTable(0, (4096,)), "expected 2 to 513"),
    ):
        with pytest.raises(ValueError, match=words):
            call()

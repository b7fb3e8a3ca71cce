"""Quantities: what sizes people may write, and how sizes are told."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.quantity import format_bytes, parse_amount, parse_bytes, parse_cpus

BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}


@given(st.integers(1, 7), st.sampled_from(sorted(BINARY | DECIMAL)))
def test_a_suffix_multiplies(number: int, suffix: str) -> None:
    assert parse_bytes(f"{number}{suffix}") == number * (BINARY | DECIMAL)[suffix]


@pytest.mark.parametrize(("text", "size"), [(1024, 1024), ("1.5Gi", 3 * 2**29), ("0.5Ki", 512), ("007", 7)])
def test_plain_numbers_and_fractions_are_sizes_too(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "Gi", "8gi", "8GiB", "8 Gi", "-1Gi", "+1Gi", "1e9", "0x10", "٨Gi", "8Gi\n", ".5Gi", "1m"]
)
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape("is not a quantity; write for example 512Mi or 8Gi")):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["0", "0Gi", "0.3", "0.0001Ki", "8Ei", "9999999999999999Pi", 2**63])
def test_a_size_is_a_whole_positive_number_that_fits_64_bits(text: str | int) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_bytes(text)


def test_the_largest_size_fits_a_signed_64_bit_number() -> None:
    assert parse_bytes(2**63 - 1) == 2**63 - 1


def test_a_refusal_repeats_little_of_what_was_written() -> None:
    with pytest.raises(ValueError, match="is not a quantity") as refused:
        parse_bytes("9" * 100_000)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(("text", "cpus"), [(1, 1), ("2", 2), ("2000m", 2), ("16", 16)])
def test_cpus_are_whole(text: str | int, cpus: int) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", [0, "0", "000m", "500m", "1.5", "-1", "", "two", "1\n", "9" * 7])
def test_a_part_of_a_cpu_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError, match="is not a whole, positive number of CPUs"):
        parse_cpus(text)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (512 * 2**20, "512 MiB"),
        (8 * 2**30, "8 GiB"),
        (3 * 2**40, "3 TiB"),
        (2**53, "8192 TiB"),
        (1.25 * 2**20, "1.2 MiB"),
    ],
)
def test_sizes_are_told_in_binary_units(size: float, told: str) -> None:
    assert format_bytes(size) == told


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10", "10"),
        (4, "4"),
        (0.5, "0.5"),
        ("500m", "0.5"),
        ("100u", "0.0001"),
        ("7n", "0.000000007"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
        ("2E", "2000000000000000000"),
        ("1.5Gi", "1610612736"),
        (".5k", "500"),
        ("5.", "5"),
        ("0", "0"),
    ],
)
def test_any_quantity_is_a_number(text: str | float, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["", "-1", "1x", "1e", "e3", "1e999", "Gi", "1 Gi", "nan", "1Gi\n", "9" * 20, "\u0663"]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_amount(text)

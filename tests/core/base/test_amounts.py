"""Sizes as people type them: exact bytes, or one clear refusal."""

import pytest

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import parse_size


@pytest.mark.parametrize(
    ("typed", "count"),
    [
        ("0", 0),
        ("5000000", 5_000_000),
        ("50B", 50),
        ("50GB", 50_000_000_000),
        ("50G", 50_000_000_000),
        ("50g", 50_000_000_000),
        (" 4.9 GB\n", 4_900_000_000),
        ("500MB", 500_000_000),
        ("10k", 10_000),
        ("1.5TB", 1_500_000_000_000),
        ("2PB", 2_000_000_000_000_000),
        ("50GiB", 50 * 1024**3),
        ("1.5Ki", 1_536),
        ("0.1B", 1),
        ("0.0000000001GB", 1),
    ],
)
def test_reads_sizes(typed: str, count: int) -> None:
    assert parse_size(typed) == count


@pytest.mark.parametrize(("typed", "count"), [("20%", 200), ("0%", 0), ("100%", 1_000), ("0.05 %", 1), ("1k", 1_000)])
def test_reads_percents_where_they_mean_something(typed: str, count: int) -> None:
    assert parse_size(typed, percent_of=1_000) == count


@pytest.mark.parametrize(
    "typed",
    [
        *["", "GB", "-1GB", "+1GB", "50XB", "50 G B", "1,5GB", ".5GB", "5.GB", "1e9", "1..5G", "٧GB", "5GB\n5", "20%"],
        *["iB", "5iB", "5i", "9" * 60, "99999PB", "1e999999999", "1\x1b[2Jd", "half", "GB50", "50 GBit", "0x10"],
    ],
)
def test_refuses_what_is_no_size(typed: str) -> None:
    with pytest.raises(InvalidInput, match=r"invalid size .*: use 50GB") as refusal:
        parse_size(typed)
    assert str(refusal.value).isprintable()
    assert "%" not in str(refusal.value).replace(typed, "")


@pytest.mark.parametrize("typed", ["1", "50", " 999999 ", "0.5"])
def test_refuses_a_small_number_without_a_unit(typed: str) -> None:
    number = typed.strip()
    with pytest.raises(InvalidInput, match=f"“{number}” has no unit: use {number}GB or {number}MB$"):
        parse_size(typed)
    with pytest.raises(InvalidInput, match=f"use {number}GB, {number}MB or {number}%$"):
        parse_size(typed, percent_of=1_000)


@pytest.mark.parametrize("typed", ["101%", "%", "-1%", "20%%", "20%GB"])
def test_refuses_what_is_no_percentage(typed: str) -> None:
    with pytest.raises(InvalidInput, match="or 20%"):
        parse_size(typed, percent_of=1_000)

"""Ages as people type them: never "now" by mistake."""

import pytest

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import DEFAULT_RETENTION, parse_age


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("0", 0),
        ("0d", 0),
        ("45s", 45),
        ("30m", 1_800),
        ("12h", 43_200),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1d12h", 129_600),
        (" 7D\n", 604_800),
        (DEFAULT_RETENTION, 604_800),
    ],
)
def test_reads_ages(typed: str, seconds: int) -> None:
    assert parse_age(typed) == seconds


@pytest.mark.parametrize(
    "typed",
    [
        *["", "7", "00", "d", "-1d", "1.5d", "7 d", "7d ago", "d7", "1y", "1mo", "٧d", "7d\n7", "0x1d", "yesterday"],
        *["9" * 60 + "d", "0" * 60 + "d", "9999999w", "1\x1b[2Jd"],
    ],
)
def test_refuses_what_is_no_age(typed: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_age(typed)
    assert str(refusal.value).isprintable()

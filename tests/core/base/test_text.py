"""Text from disk is harmless before it is shown, and nothing of it is lost."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella_core.base.text import clean


@given(st.text(st.characters(exclude_categories=())))
def test_only_printable_characters_come_out(text: str) -> None:
    assert clean(text).isprintable()
    assert "\x1b" not in clean(text)


@given(st.binary())
def test_any_file_name_can_be_shown(name: bytes) -> None:
    assert clean(os.fsdecode(name)).encode().decode().isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("llama3.2:latest", "llama3.2:latest"),
        ("日本語 é [bold]", "日本語 é [bold]"),
        ("", ""),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\0", r"a\x0ab\x09c\x00"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_shows_what_was_there(text: str, shown: str) -> None:
    assert clean(text) == shown

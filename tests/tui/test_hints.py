"""Hints are told one at a time, and each goes for good once it was done."""

from pathlib import Path

import pytest

from prunella_tui.app.dialogs import WORDS
from prunella_tui.app.hints import Hint, Hints
from prunella_tui.app.tabs import TABS
from tui.conftest import Open


def first(hints: Hints) -> str:
    """What is told where nothing is marked and nothing lies in the trash."""
    return hints.told(marked=False, has_trash=False)


def test_each_hint_is_told_until_it_was_done(tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "hints")
    for hint in (Hint.MARK, Hint.FREE, Hint.HELP):
        hints = Hints(path)
        assert first(hints) == hint.value
        hints.learn(hint)
    assert first(Hints(path)) == ""
    assert Hints(path).told(marked=True, has_trash=False) == Hint.REMOVE.value
    assert Hints(path).told(marked=False, has_trash=True) == Hint.UNDO.value


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"NOTHING KNOWN\n" * 1_000])
def test_a_file_that_is_none_of_ours_teaches_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hints"
    path.write_bytes(content)
    assert first(Hints(str(path))) == Hint.MARK.value


def test_hints_do_without_a_place_to_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    hints = Hints(str(tmp_path / "file" / "hints"))
    hints.learn(Hint.MARK)
    assert first(hints) == Hint.FREE.value


async def test_the_way_from_a_mark_to_its_undo_is_told_by_the_screen(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        assert Hint.MARK.value in journey.footer
        await journey.press("end", "up", "space")
        assert Hint.REMOVE.value in journey.footer
        await journey.press("d", "right", "enter", "enter")
        assert Hint.UNDO.value in journey.footer
        await journey.press("u", "enter")
        assert Hint.FREE.value in journey.footer
        await journey.press("space")
        assert Hint.REMOVE.value not in journey.footer


async def test_help_explains_every_column(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        await journey.press("1", "2", "3", "4")
        view = journey.browse.view
        assert view
        titles = {column.title for tab in TABS for column in tab.columns(view)} - {" "}
        explained = " ".join(f"{word} {meaning}" for word, meaning in WORDS)
        assert {title for title in titles if title not in explained} == set()

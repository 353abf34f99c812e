"""The question which of several stores is meant: with the arrows and enter, remembered if wished."""

from pathlib import Path

import pytest

from prunella_core.store.locate import FoundStore
from prunella_tui.app.chooser import Chooser

CLOSED = FoundStore("/usr/share/ollama/.ollama/models", "the Linux service", "ollama", is_readable=False)


def chooser(tmp_path: Path, remembered: list[str]) -> Chooser:
    found = [FoundStore(str(tmp_path / name), f"a reason for {name}", "ann") for name in ("one", "two")]
    return Chooser([CLOSED, *found], "textual-dark", remembered.append)


def text(app: Chooser) -> str:
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())


@pytest.mark.parametrize(("keys", "picked"), [("enter", "one"), ("down enter", "two"), ("j k enter", "one")])
async def test_the_arrows_and_enter(tmp_path: Path, keys: str, picked: str) -> None:
    remembered: list[str] = []
    app = chooser(tmp_path, remembered)
    async with app.run_test() as pilot:
        await pilot.press(*keys.split())
    assert app.return_value == str(tmp_path / picked)
    assert remembered == []


async def test_it_says_what_each_is_and_the_way_into_what_is_closed(tmp_path: Path) -> None:
    app = chooser(tmp_path, [])
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        shown = text(app)
    assert str(tmp_path / "two") in shown
    assert "owner ann · a reason for two" in shown
    assert f"sudo -u ollama prunella --store {CLOSED.path}" in shown


async def test_it_is_remembered_if_wished(tmp_path: Path) -> None:
    remembered: list[str] = []
    app = chooser(tmp_path, remembered)
    async with app.run_test() as pilot:
        await pilot.press("r", "r", "r", "down", "enter")
    assert app.return_value == str(tmp_path / "two")
    assert remembered == [str(tmp_path / "two")]


async def test_what_cannot_be_remembered_is_said_and_opens_all_the_same(tmp_path: Path) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    app = chooser(tmp_path, [])
    app.remember = refuse
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("r", "enter")
        assert app.return_value is None
        assert "Permission denied" in next(iter(app._notifications)).message
        await pilot.press("enter")
    assert app.return_value == str(tmp_path / "one")


@pytest.mark.parametrize("key", ["q", "escape", "ctrl+q"])
async def test_leaving_picks_nothing(tmp_path: Path, key: str) -> None:
    app = chooser(tmp_path, [])
    async with app.run_test() as pilot:
        await pilot.press(key)
    assert (app.return_value, app.return_code) == (None, 0)

"""What the application says before an operation is what it does, and what it says afterwards is what happened."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from journeys import NOW, Journey, Open
from prunella_core.apply import World
from prunella_core.ollama.server import Loaded, ServerError
from prunella_core.operations.carry_out import carry_out
from prunella_core.plan.records import Plan, Receipt
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.store.locate import locate
from prunella_tui.app.columns import Snapshot
from prunella_tui.app.scanning import Scan
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.review import Review
from prunella_tui.app.screens.working import Result, Working
from stores import DAY, look, remove, tree


class DeletingServer:
    """A server that works on the store at ``root`` and deletes models from it, but for those of ``fails_on``."""

    address = "http://stub"

    def __init__(self, root: str, *fails_on: str) -> None:
        self.root = root
        self.fails_on = fails_on
        self.asked: list[str] = []
        self.digests = {model.name: model.digest for model in scan(locate(root, {}, root), NOW).models}

    def version(self) -> str:
        return "0.33.0"

    def weights(self, name: str) -> str:
        return ""

    def loaded(self) -> list[Loaded]:
        return []

    def models(self) -> dict[str, str]:
        return self.digests

    def unload(self, name: str) -> None:
        raise AssertionError(name)

    def delete(self, name: str) -> None:
        self.asked.append(name)
        if name in self.fails_on:
            raise ServerError("the server at http://stub says: no room")
        os.unlink(os.path.join(self.root, "manifests/registry.ollama.ai/library", name.replace(":", "/")))


async def test_a_server_that_serves_another_store_is_asked_for_nothing(family: StoreBuilder, open_app: Open) -> None:
    server = DeletingServer(family.root)
    server.digests = dict.fromkeys(server.digests, "0" * 64)
    before = tree(family.root)
    async with open_app(Path(family.root), connect=lambda: server) as journey:
        journey.become_another_user()
        await journey.point_at("apart:7b")
        await journey.press("d", "down", "enter")
        assert isinstance(journey.top, Reading)
        assert "Nothing was changed" in journey.text()
        assert "works on another store" in journey.text()
    assert server.asked == []
    assert tree(family.root) == before


async def test_the_plan_that_was_confirmed_runs_though_time_went_by(family: StoreBuilder, open_app: Open) -> None:
    family.layer("weights", "fresh", written=100_000, age=30)
    async with open_app(Path(family.root)) as journey:
        await journey.press("p", "d")
        review = journey.top
        assert isinstance(review, Review)
        confirmed = {item.file.path for item in review.plans["delete"].files}
        assert confirmed
        assert review.plan.held_back
        journey.session.setup = replace(journey.session.setup, now=lambda: NOW + 601)
        journey.session.mark("models", {"apart:7b"})  # nor does another mark change what was confirmed
        before = tree(family.root)
        await journey.press("x", "enter")
        assert isinstance(journey.top, Result)
    assert before.keys() - tree(family.root).keys() == confirmed


async def test_what_the_server_deleted_is_not_said_to_be_in_the_trash(family: StoreBuilder, open_app: Open) -> None:
    server = DeletingServer(family.root)
    before = tree(family.root)
    async with open_app(Path(family.root), connect=lambda: server) as journey:
        journey.become_another_user()
        await journey.point_at("apart:7b")
        await journey.press("d")
        assert "no undo" in journey.text(".meaning")
        await journey.press("down", "enter")
        result = journey.top
        assert isinstance(result, Result)
        assert "trash" not in journey.text().lower()
        gone = before.keys() - tree(family.root).keys()
        assert set(result.receipt.removed) == gone == {"manifests/registry.ollama.ai/library/apart/7b"}


async def test_a_server_that_fails_half_way_leaves_a_receipt(family: StoreBuilder, open_app: Open) -> None:
    server = DeletingServer(family.root, "base:latest")
    async with open_app(Path(family.root), connect=lambda: server) as journey:
        journey.become_another_user()
        await journey.point_at("apart:7b")
        await journey.press("space")
        await journey.point_at("base:latest")
        await journey.press("space", "d", "down", "enter")
        result = journey.top
        assert isinstance(result, Result)
        assert result.receipt.errors
        assert "Nothing was changed" not in journey.text()
        assert "no room" in journey.text()
    assert server.asked == ["apart:7b", "base:latest"]
    assert not os.path.exists(os.path.join(family.root, "manifests/registry.ollama.ai/library/apart/7b"))


async def removed_with_expired_trash(family: StoreBuilder, open_app: Open) -> tuple[Receipt, str]:
    """Move a model to the trash, where another one is past its time; return the receipt and what is shown of it."""
    old = remove(family.root, "derived:latest", now=NOW - 8 * DAY)
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "down", "enter")
        result = journey.top
        assert isinstance(result, Result)
        assert "Nothing was changed" not in journey.text()
        assert "Moved to trash: 311.3 kB" in journey.text()
        kept = [entry.id for entry in look(family.root, NOW).trash]
        assert result.receipt.id in kept
        assert old.id in kept or os.path.exists(f"{family.root}/.prunella/removing")
        return result.receipt, journey.text()


async def test_trash_that_cannot_be_read_after_a_removal_is_said_with_what_was_done(
    family: StoreBuilder, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("prunella_core.operations.carry_out.rescan", fails)
    receipt, text = await removed_with_expired_trash(family, open_app)
    assert receipt.done
    assert "Expired trash was not emptied: Input/output error" in text


async def test_trash_that_cannot_be_deleted_after_a_removal_is_said_with_what_was_done(
    family: StoreBuilder, open_app: Open, undeletable: None
) -> None:
    receipt, text = await removed_with_expired_trash(family, open_app)
    assert receipt.errors
    assert "Read-only file system" in text


async def test_deleting_every_model_through_the_server_asks_for_the_word(family: StoreBuilder, open_app: Open) -> None:
    server = DeletingServer(family.root)
    async with open_app(Path(family.root), connect=lambda: server) as journey:
        journey.become_another_user()
        await journey.press("a", "d")
        assert journey.app.focused
        assert journey.app.focused.id == "word"
        await journey.press("enter")
        assert journey.app.screen.query_one("#server").disabled
        assert not server.asked
        await journey.press("shift+tab")
        await journey.type("everything")
        await journey.press("enter", "enter")
        assert isinstance(journey.top, Result)
    assert len(server.asked) == 3


async def test_a_pin_that_cannot_be_written_is_said(family: StoreBuilder, open_app: Open, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", os.path.join(family.root, ".prunella"))
    async with open_app(Path(family.root)) as journey:
        await journey.press("P")
        assert isinstance(journey.top, Reading)
        assert "is a link" in journey.text()
        await journey.press("escape")
        assert journey.app.screen == journey.main
    assert os.listdir(tmp_path / "elsewhere") == []


async def test_a_pin_on_a_full_disk_is_said(
    family: StoreBuilder, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "pins")

    monkeypatch.setattr("prunella_core.fs.disk.Disk.write", is_full)
    async with open_app(Path(family.root)) as journey:
        await journey.press("P")
        assert isinstance(journey.top, Reading)
        assert "No space left on device" in journey.text()


class Gate:
    """Holds an operation up until it is let through or cancelled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_open = False
        monkeypatch.setattr("prunella_tui.app.flows.carry_out", self._wait)

    def _wait(self, plan: Plan, world: World) -> Receipt:
        while not (self.is_open or world.cancelled()):
            time.sleep(0.001)  # lets the application run
        return carry_out(plan, world)


async def _until(journey: Journey, is_so: Callable[[], bool]) -> None:
    for _turn in range(2_000):
        if is_so():
            return
        await asyncio.sleep(0.01)  # not the pilot's pause: that waits for widgets that an ending application stopped
    raise AssertionError(journey.top)


async def test_work_that_ends_below_the_palette_ends_its_dialog_when_that_goes(
    family: StoreBuilder, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "down")
        await journey.pilot.press("enter")
        await _until(journey, lambda: isinstance(journey.top, Working))
        working = journey.top
        assert isinstance(working, Working)
        await journey.pilot.press("ctrl+p")
        await _until(journey, lambda: journey.top is not working)
        gate.is_open = True
        await _until(journey, working.over.is_set)
        assert working in journey.app.screen_stack
        await journey.pilot.press("escape")
        await _until(journey, lambda: isinstance(journey.top, Result))
    assert not os.path.exists(os.path.join(family.root, "manifests/registry.ollama.ai/library/apart/7b"))


@pytest.mark.parametrize("way_out", ["escape", "ctrl+c", "leave", "hang up"])
async def test_an_operation_that_is_left_before_its_decision_is_undone(
    family: StoreBuilder, open_app: Open, monkeypatch: pytest.MonkeyPatch, way_out: str
) -> None:
    Gate(monkeypatch)
    before = tree(family.root)
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "down", "down")
        await journey.pilot.press("enter")
        await _until(journey, lambda: isinstance(journey.top, Working))
        if way_out in ("leave", "hang up"):
            journey.app.end_soon(129) if way_out == "hang up" else journey.app.end(0)
            await _until(journey, lambda: not journey.app.is_running)
        else:
            await journey.pilot.press(way_out)
            await _until(journey, lambda: isinstance(journey.top, Result))
            assert "Cancelled" in journey.text()
    assert tree(family.root) == before
    if way_out == "hang up":
        assert journey.app.return_code == 129


async def test_a_restore_offers_no_way_out_that_it_does_not_have(
    family: StoreBuilder, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(family.root)
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "down", "enter", "enter")
        gate = Gate(monkeypatch)
        await journey.pilot.press("u")
        await _until(journey, lambda: isinstance(journey.top, Working))
        assert not journey.app.screen.query("Button")
        await journey.pilot.press("escape")
        gate.is_open = True
        await _until(journey, lambda: isinstance(journey.top, Result))
    assert tree(family.root) == before


async def test_undo_right_after_a_removal_waits_for_the_scan_that_follows(
    family: StoreBuilder, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = without_ledger(tree(family.root))
    async with open_app(Path(family.root)) as journey:
        is_pressed, read = threading.Event(), Scan.read

        def slowly(scan: Scan) -> Snapshot:
            is_pressed.wait()
            return read(scan)

        await journey.point_at("apart:7b")
        await journey.press("d", "t")
        monkeypatch.setattr(Scan, "read", slowly)
        await journey.pilot.press("enter")
        for _turn in range(1000):
            if isinstance(journey.top, Result):
                break
            await asyncio.sleep(0.01)
        await journey.pilot.press("enter", "u")
        is_pressed.set()
        await journey.rest()
    assert without_ledger(tree(family.root)) == before


def without_ledger(found: dict[str, str]) -> dict[str, str]:
    return {path: what for path, what in found.items() if "ledger" not in path}

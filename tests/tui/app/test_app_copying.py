"""``c``: models are copied or moved to another disk, which ends in two checked stores."""

from pathlib import Path
from typing import Any

import pytest

from journeys import NOW, Journey, Open, app_over
from prunella_core.copy.run import copy_models
from prunella_core.sample import StoreBuilder
from prunella_tui.app.screens.asking import CopyDialog, FolderField, completed
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.review import Review
from prunella_tui.app.screens.working import Result
from stores import Killed, KilledDisk, carry_out, disk_use, look, plan_for, small_store, to_trash, tree


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    return small_store(tmp_path / "store")


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    return tmp_path / "usb"


def _models(root: str | Path) -> list[str]:
    return sorted(look(str(root)).model_by_name)


async def ask(journey: Journey, folder: Path, *keys: str) -> None:
    """Open the dialog by ``keys`` and name the folder, until it is known what would be written there."""
    await journey.press(*(keys or ("c",)))
    assert isinstance(journey.top, CopyDialog)
    await paste(journey, folder)


async def paste(journey: Journey, folder: Path) -> None:
    """Paste the path of a folder, and wait until it is known what would be written there."""
    journey.app.screen.query_one("#folder", FolderField).value = str(folder)
    await journey.rest()


async def test_what_is_marked_is_copied_and_stays_here(builder: StoreBuilder, usb: Path, open_app: Open) -> None:
    before = tree(builder.root)
    async with open_app(Path(builder.root), size=(80, 24)) as journey:
        for name in ("base:latest", "derived:latest"):
            await journey.point_at(name)
            await journey.press("space")
        await journey.press("c")
        assert "Copy 2 models to another disk" in journey.text(".title")
        await paste(journey, usb)
        preview = journey.text("#preview")
        assert "A new folder" in preview
        assert f"Copy 2 models to {usb}: " in preview.replace("\n", "")
        assert "Needs" in preview
        await journey.press("enter", "enter")
        assert isinstance(journey.top, Reading)
        assert journey.text(".title") == "Copied"
        assert "2 models are in" in journey.text("#text")
        assert "Use it: OLLAMA_MODELS=" in journey.text("#text")
        await journey.press("enter")
        assert journey.status.startswith("2 marked")
    assert _models(usb) == ["base:latest", "derived:latest"]
    assert tree(builder.root) == before


async def test_the_row_is_moved_to_the_trash(builder: StoreBuilder, usb: Path, open_app: Open) -> None:
    async with open_app(Path(builder.root)) as journey:
        await journey.point_at("team/solo:v1")
        await ask(journey, usb)
        await journey.press("enter", "right", "enter")
        review = journey.top
        assert isinstance(review, Review)
        assert list(review.plans) == ["trash", "delete"]
        assert journey.focused == "cancel"
        assert journey.text(".title") == "Copy 1 model, then delete here?"
        assert "Not recoverable" not in journey.text("#text")
        await journey.press("t", "enter")
        result = journey.top
        assert isinstance(result, Result)
        assert "1 model is in" in journey.text("#text")
        assert "Nothing freed yet" in journey.text("#text")
        await journey.press("enter")
        assert "team/solo:v1" not in journey.table.shown_keys
        await journey.press("u", "enter")
        assert "team/solo:v1" in journey.table.shown_keys
    assert _models(usb) == ["team/solo:v1"]


async def test_the_review_offers_another_disk_and_delete_now_frees_at_once(
    builder: StoreBuilder, usb: Path, open_app: Open
) -> None:
    before = disk_use(builder.root)
    async with open_app(Path(builder.root)) as journey:
        await journey.point_at("team/solo:v1")
        await journey.press("space", "d", "c", "enter")
        assert journey.text(".title") == "Move team/solo:v1 to another disk"
        await paste(journey, usb)
        await journey.press("enter", "enter", "x", "enter")
        result = journey.top
        assert isinstance(result, Result)
        assert result.receipt.freed == before - disk_use(builder.root) > 20_000
        await journey.press("enter")
        assert "Nothing marked" in journey.status
    assert _models(usb) == ["team/solo:v1"]
    assert "team/solo:v1" not in _models(builder.root)


async def test_leaving_on_the_way_changes_nothing_and_keeps_the_marks(
    builder: StoreBuilder, usb: Path, open_app: Open
) -> None:
    before = tree(builder.root)
    async with open_app(Path(builder.root)) as journey:
        await journey.point_at("team/solo:v1")
        await journey.press("space", "d", "c", "enter", "escape")
        assert journey.top is journey.main
        await ask(journey, usb)
        await journey.press("enter", "right", "enter")
        assert isinstance(journey.top, Review)
        await journey.press("escape")
        assert journey.status.startswith("1 marked")
    assert not usb.exists()
    assert tree(builder.root) == before


async def test_what_is_in_the_way_is_said_while_one_types(builder: StoreBuilder, usb: Path, open_app: Open) -> None:
    async with open_app(Path(builder.root)) as journey:
        await ask(journey, Path(builder.root))
        assert "one store" in journey.text("#preview")
        await journey.press("enter", "enter")
        assert isinstance(journey.top, CopyDialog)
        await journey.press("escape")
        usb.mkdir()
        (usb / "holidays.jpg").write_bytes(b"x")
        await ask(journey, usb)
        assert "is not a model store, and not empty" in journey.text("#preview").replace("\n", " ")


async def test_a_disk_without_room_takes_nothing(
    builder: StoreBuilder, usb: Path, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(Path(builder.root)) as journey:
        monkeypatch.setattr(
            "prunella_core.copy.plan.capacity_of",
            lambda _path: journey.session.setup.capacity_of("/")._replace(free=9),
        )
        await ask(journey, usb)
        assert "has 9 B free, and the copy needs" in journey.text("#preview").replace("\n", " ")
        await journey.press("enter", "enter")
        assert isinstance(journey.top, CopyDialog)


async def test_of_a_store_that_may_not_be_changed_models_can_only_be_copied(
    builder: StoreBuilder, usb: Path, open_app: Open
) -> None:
    async with open_app(Path(builder.root)) as journey:
        journey.become_another_user()
        await ask(journey, usb)
        assert "Only a copy is possible: " in journey.text("#preview")
        assert journey.app.screen.query_one("#move").disabled
        await journey.press("enter", "enter", "enter")
        assert journey.top is journey.main
    assert len(_models(usb)) == 1


async def test_what_was_interrupted_there_is_finished_first(
    builder: StoreBuilder, tmp_path: Path, open_app: Open
) -> None:
    other = StoreBuilder(str(tmp_path / "usb"), NOW)
    other.model("there", other.layer("weights", "there", age=90_000), age=90_000)
    with pytest.raises(Killed):
        carry_out(plan_for(other.root, to_trash("there:latest")), disk=KilledDisk(3, after=True))
    async with open_app(Path(builder.root)) as journey:
        await journey.point_at("team/solo:v1")
        await ask(journey, Path(other.root))
        await journey.press("enter", "enter")
        assert journey.text(".title") == "Copied"
    assert "team/solo:v1" in _models(other.root)


async def test_a_copy_is_cancelled_and_resumes(
    builder: StoreBuilder, usb: Path, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled_at_once(*arguments: Any, **options: Any) -> Any:
        return copy_models(*arguments, **{**options, "cancelled": lambda: True})

    async with open_app(Path(builder.root)) as journey:
        monkeypatch.setattr("prunella_tui.app.flows.copy_models", cancelled_at_once)
        await journey.point_at("team/solo:v1")
        await ask(journey, usb)
        await journey.press("enter", "right", "enter", "t", "enter")
        assert journey.text(".title") == "Cancelled"
        assert "copying again resumes here" in journey.text("#text")
        monkeypatch.undo()
        await journey.press("enter")
        await ask(journey, usb)
        await journey.press("enter", "enter")
        assert journey.text(".title") == "Copied"
    assert _models(usb) == ["team/solo:v1"]
    assert "team/solo:v1" in _models(builder.root)


async def test_without_a_model_it_says_what_it_needs(builder: StoreBuilder) -> None:
    async with app_over(Path(builder.root)).run_test(size=(120, 40), notifications=True) as pilot:
        journey = Journey(pilot)
        await journey.rest()
        await journey.press("2", "c")
        assert "Put the cursor on a model (tab 1), or mark models" in journey.text("Toast")


async def test_tab_completes_a_path_and_then_leaves_the_field(
    builder: StoreBuilder, tmp_path: Path, open_app: Open
) -> None:
    (tmp_path / "some disk").mkdir()
    async with open_app(Path(builder.root)) as journey:
        await ask(journey, tmp_path / "so")
        await journey.press("end", "tab")
        assert journey.app.screen.query_one("#folder", FolderField).value == f"{tmp_path}/some disk/"
        await journey.press("tab")
        assert journey.focused != "folder"


def test_a_path_is_completed_as_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("models", "models-2", ".hidden", "mo\x1b[1m"):
        (tmp_path / name).mkdir()
    (tmp_path / "more").write_text("no folder")
    assert completed("~/mo") == "~/models/"
    assert completed(f"{tmp_path}/models-") == f"{tmp_path}/models-2/"
    assert completed("~/.h") == "~/.hidden/"
    assert [completed(path) for path in ("", "~/", "~/more", f"{tmp_path}/nowhere/x", "no\0path")] == [None] * 5
    monkeypatch.chdir(tmp_path)
    assert completed("models-") == "models-2/"

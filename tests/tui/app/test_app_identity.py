"""What the detail side can say of a blob without a name."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_tui.app.identity import identity_lines
from stores import look, small_store


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return look(small_store(tmp_path / "store").root)


def row(inventory: Inventory, state: State) -> Blob:
    return next(blob for blob in inventory.blobs if blob.state is state)


def plain(inventory: Inventory, blob: Blob, identity: str | None) -> list[str]:
    return [line.plain for line in identity_lines(inventory, blob, identity)]


def test_what_it_is_and_whose(inventory: Inventory) -> None:
    loose = replace(row(inventory, State.UNREFERENCED), last_model="llama3.2:latest")
    assert plain(inventory, loose, "GGUF weights, [b]llama") == [
        "Content  GGUF weights, [b]llama",
        "         likely from an older llama3.2:latest",
    ]
    assert plain(inventory, loose, None) == ["Content  likely from an older llama3.2:latest"]
    assert plain(inventory, replace(loose, last_model="\x1b[2J"), None) == ["Content  likely from an older \\x1b[2J"]


def test_a_download_is_of_the_model_itself(inventory: Inventory) -> None:
    partial = replace(row(inventory, State.PARTIAL), last_model="llama3.2:latest")
    assert plain(inventory, partial, None) == ["Content  likely from llama3.2:latest"]


def test_of_others_nothing_is_said(inventory: Inventory) -> None:
    assert plain(inventory, row(inventory, State.REFERENCED), None) == []
    assert plain(inventory, row(inventory, State.UNREFERENCED), None) == []

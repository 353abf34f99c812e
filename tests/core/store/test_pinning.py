"""Pins, as both front ends set them."""

import os
from pathlib import Path

import pytest

from prunella_core.base.errors import NotFound, Refused
from prunella_core.sample import StoreBuilder
from prunella_core.store import read_pins
from prunella_core.store.access import pin, toggle_pin, unpin
from stores import look, open_store


def test_pins_come_and_go(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    pin(store, ("base", "qwen*"))
    unpin(store, ("base",))
    assert read_pins(store) == ("qwen*",)
    with pytest.raises(NotFound, match="no pin “base”"):
        unpin(store, ("base",))


def test_a_model_is_pinned_and_unpinned_by_its_name(builder: StoreBuilder) -> None:
    store = open_store(builder.root)

    def toggle() -> str:
        model = look(builder.root).model_by_name["base:latest"]
        return toggle_pin(store, model.name, model.is_pinned)

    assert "is pinned" in toggle()
    assert "no longer" in toggle()
    pin(store, ("ba*",))
    assert "by a pattern" in toggle()
    assert read_pins(store) == ("ba*",)


def test_pins_behind_a_link_are_refused(builder: StoreBuilder, tmp_path: Path) -> None:
    model = look(builder.root).models[0]
    os.symlink(tmp_path, f"{builder.root}/.prunella")
    with pytest.raises(Refused, match="is a link"):
        toggle_pin(open_store(builder.root), model.name, model.is_pinned)


def test_pins_that_cannot_be_written_are_as_they_were(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    pin(store, ("base",))
    os.makedirs(f"{builder.root}/.prunella/pins.new/in the way")
    with pytest.raises(Refused, match="the pins are as they were"):
        pin(store, ("derived",))
    assert read_pins(store) == ("base",)

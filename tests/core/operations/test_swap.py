"""Two versions of a model change places, or the present one stays where it is."""

import os
from pathlib import Path

import pytest

from prunella_core.apply import World
from prunella_core.base.errors import Refused
from prunella_core.operations.carry_out import plan_to_make_room, swap
from prunella_core.plan.records import Plan, Restore
from stores import DAY, NOW, look, of_ollama, remove, small_store

NAME = "team/solo:v1"
LATER = NOW + DAY


def two_versions(root: Path) -> tuple[Restore, Plan]:
    """A store with a version in the trash and another one in its place; the request, and the plan that makes room."""
    builder = small_store(root)
    entry = remove(root, NAME)
    builder.model(NAME, builder.layer("weights", "newer" * 900), config=builder.config(model_type="9B"))
    request = Restore(entry=entry.id, model=NAME)
    room = plan_to_make_room(look(root, LATER), request, LATER)
    assert room
    return request, room


def world(*, is_cancelled: bool = False) -> World:
    return World(now=lambda: LATER, settle=0, cancelled=lambda: is_cancelled)


def test_they_change_places(tmp_path: Path) -> None:
    request, room = two_versions(tmp_path)
    newer = look(tmp_path).model_by_name[NAME].digest
    assert swap(request, room, world()).done
    assert look(tmp_path).model_by_name[NAME].digest != newer
    assert [model.digest for entry in look(tmp_path).trash for model in entry.models] == [newer]


def test_what_cannot_be_restored_leaves_the_present_version(tmp_path: Path) -> None:
    request, room = two_versions(tmp_path)
    before = of_ollama(tmp_path)
    blob = max((file for file in look(tmp_path).trash[0].files), key=lambda file: file.size)
    os.unlink(tmp_path / blob.path)
    with pytest.raises(Refused, match="the present version is back"):
        swap(request, room, world())
    assert of_ollama(tmp_path) == before


def test_cancelled_it_changes_nothing(tmp_path: Path) -> None:
    request, room = two_versions(tmp_path)
    before = of_ollama(tmp_path)
    assert swap(request, room, world(is_cancelled=True)).cancelled
    assert of_ollama(tmp_path) == before

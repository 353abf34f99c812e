"""Whatever lies in a store and in its trash: a choice frees what its plan reclaims."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from inventories import check_proposal
from prunella_core.advice.choice import Candidate, Guard, candidates
from prunella_core.advice.free import Item, propose
from prunella_core.base.errors import NotFound
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Removal
from prunella_core.sample import StoreBuilder
from prunella_core.space import Holder, space_of
from recipes import Recipe, built, recipes
from stores import DAY, NOW, carry_out, for_good, look, plan_for, prune, to_trash

EVERYTHING: tuple[Guard, ...] = ("pinned", "loaded", "local")
ROWS = ("leftover", "partial", "unreferenced")


def request(items: list[Candidate] | tuple[Item, ...]) -> Removal:
    """The removal that takes exactly ``items``."""
    return for_good(
        models=tuple(item.key for item in items if item.kind == "model"),
        blobs=tuple(item.key for item in items if item.kind in ROWS),
        entries=tuple(item.key for item in items if item.kind == "trash"),
    )


def holder(item: Candidate) -> Holder:
    return Holder(item.kind if item.kind in ("model", "trash") else "blob", item.key)


def check_some_choices(inventory: Inventory, now: float, data: st.DataObject) -> None:
    items, _left_out, _held_back = candidates(inventory, now, (), EVERYTHING)
    space = space_of(inventory, "delete")
    numbers = st.sets(st.integers(0, len(items) - 1)) if items else st.just(set[int]())
    for _choice in range(4):
        chosen = [items[number] for number in sorted(data.draw(numbers, label="chosen"))]
        plan = make_plan(inventory, request(chosen), now)
        assert plan.reclaims == space.frees([holder(item) for item in chosen]), chosen
        assert not plan.held_back
        assert not {item.key for item in chosen if item.kind == "model"} - set(plan.models)
    reachable = space.frees([holder(item) for item in items])
    check_proposal(inventory, propose(inventory, data.draw(st.integers(0, reachable + 1), label="target"), now), now)


@settings(deadline=None, max_examples=60)
@given(recipe=recipes(), data=st.data())
def test_reckons_as_the_plan_does(recipe: Recipe, data: st.DataObject) -> None:
    with built(recipe) as (builder, _top):
        check_some_choices(look(builder.root), NOW, data)


class Event(NamedTuple):
    """Something that happens to the store: a pull of layers, a removal, a prune, or a file that is deleted."""

    what: str
    model: str
    layers: str


EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(["pull", "pull", "pull", "remove", "remove", "empty", "delete", "lose", "download"]),
        st.sampled_from("mnop"),
        st.text("abcd", min_size=1, max_size=3),
    ),
    min_size=3,
    max_size=14,
)


def happen(builder: StoreBuilder, event: Event) -> None:
    builder.now += DAY
    match event.what:
        case "pull":
            layers = [builder.layer("weights", letter * 9_000) for letter in event.layers]
            builder.model(event.model, *layers, config=builder.config(model_type="7B"))
        case "remove":
            with suppress(NotFound):
                carry_out(plan_for(builder.root, to_trash(f"{event.model}:latest"), builder.now))
        case "empty":
            entries = look(builder.root, builder.now).trash
            carry_out(plan_for(builder.root, for_good(entries=tuple(entry.id for entry in entries[:1])), builder.now))
        case "delete":
            Path(builder.root, builder.manifest_path(event.model)).unlink(missing_ok=True)
        case "lose":
            lost = builder.layer("weights", event.layers[0] * 9_000)
            Path(builder.blob_path(lost.digest)).unlink()
        case "download":
            builder.partial(event.layers, size=50_000, done=5_000)
            carry_out(plan_for(builder.root, prune(20 * DAY), builder.now))


@settings(deadline=None, max_examples=100)
@given(events=EVENTS, data=st.data())
def test_reckons_the_trash_as_the_plan_does(events: list[Event], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory(prefix="prunella-") as folder:
        builder = StoreBuilder(f"{folder}/store", NOW)
        for event in events:
            happen(builder, event)
        now = builder.now + DAY
        check_some_choices(look(builder.root, now), now, data)

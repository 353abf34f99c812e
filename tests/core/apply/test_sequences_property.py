"""Whatever is done in whatever order: no model misses a blob, and what the trash holds comes back whole."""

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from prunella_core.plan.records import Empty, Plan, PruneClass, Receipt, Request, Restore
from prunella_core.sample import Layer, StoreBuilder
from stores import (
    DAY,
    HOUR,
    NOW,
    RUBBISH,
    broken_models,
    carry_out,
    disk_use,
    for_good,
    look,
    plan_for,
    prune,
    set_aside,
    to_trash,
    tree,
)

MODELS = ("a:latest", "b:latest", "ns/c:v1", "hf.co/x/d:Q4")
MODEL = st.sampled_from(MODELS)
LAYERS = st.sets(st.sampled_from("abcde"), min_size=1, max_size=3)
SOME_MODELS = st.sets(MODEL, min_size=1, max_size=3)
CLASSES = st.sampled_from([RUBBISH, RUBBISH | {PruneClass.TRASH}, {PruneClass.TRASH}, frozenset(PruneClass)])
AGES = st.sampled_from([0, 12 * HOUR, 2 * DAY, 7 * DAY])


class Sequence(RuleBasedStateMachine):
    """A store, a clock, and for every entry of the trash that was not emptied what has to come back from it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="prunella-")
        self.builder = StoreBuilder(f"{self.folder}/store", NOW)
        self.root = self.builder.root
        self.promised: dict[str, dict[str, bytes]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @property
    def now(self) -> float:
        return self.builder.now

    # What the server and the time do

    @rule(seconds=st.sampled_from([1, HOUR, DAY, 3 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.builder.now += seconds

    @rule(name=MODEL, chosen=LAYERS)
    def pull(self, name: str, chosen: set[str]) -> None:
        layers = [self.layer(letter) for letter in sorted(chosen)]
        self.builder.model(name, *layers, config=self.builder.config(model_type=layers[0].digest[:12]))

    def layer(self, letter: str) -> Layer:
        return self.builder.layer("weights", letter * 3_000)

    @rule(source=MODEL, name=MODEL)
    def copy(self, source: str, name: str) -> None:
        if source in self.models() and source != name:
            self.builder.manifest(name, self.manifest(source))

    @rule(name=MODEL)
    def somebody_deletes_a_manifest(self, name: str) -> None:
        if name in self.models():
            os.unlink(f"{self.root}/{self.builder.manifest_path(name)}")

    @rule(letter=st.sampled_from("xyz"))
    def pull_breaks_off(self, letter: str) -> None:
        self.builder.partial(letter, size=50_000, done=5_000)

    # What Prunella does

    @rule(names=SOME_MODELS)
    def remove_to_trash(self, names: set[str]) -> None:
        gone = {name: self.manifest(name) for name in sorted(names & self.models())}
        receipt = self.carry_out(to_trash(*gone))
        assert not names & self.models()
        if gone:
            self.promised[receipt.id] = gone

    @rule(names=SOME_MODELS)
    def remove_now(self, names: set[str]) -> None:
        self.carry_out(for_good(models=tuple(names & self.models())))
        assert not names & self.models()

    @rule(data=st.data(), names=SOME_MODELS)
    def remove_now_and_empty_along(self, data: st.DataObject, names: set[str]) -> None:
        chosen = data.draw(some(self.promised), label="entries")
        self.carry_out(for_good(models=tuple(names & self.models()), entries=tuple(chosen)))
        assert not names & self.models()
        self.forget(chosen)

    @rule(age=AGES, classes=CLASSES, force=st.booleans())
    def prune(self, age: int, classes: frozenset[PruneClass], force: bool) -> None:
        self.carry_out(prune(age, *classes, force=force))
        if PruneClass.TRASH in classes:
            self.forget({entry for entry in self.promised if self.now - removed_at(entry) >= age})

    @rule(data=st.data(), everything=st.booleans())
    def empty(self, data: st.DataObject, everything: bool) -> None:
        chosen = set(self.promised) if everything else data.draw(some(self.promised), label="entries")
        self.carry_out(Empty(entries=None if everything else tuple(chosen)))
        self.forget(chosen)

    @rule(data=st.data(), whole=st.booleans(), under=st.sampled_from([None, None, *MODELS]))
    def restore(self, data: st.DataObject, whole: bool, under: str | None) -> None:
        if not self.promised:
            return
        entry = data.draw(st.sampled_from(sorted(self.promised)), label="entry")
        name = data.draw(st.sampled_from(sorted(self.promised[entry])), label="model")
        one = not whole or under is not None
        names = {under or name: name} if one else {name: name for name in self.promised[entry]}
        before, there = tree(self.root), self.models()
        expected = {target: self.promised[entry][source] for target, source in names.items()}
        plan = self.plan(Restore(entry=entry, model=name if one else None, under=under))
        carry_out(plan)
        if names.keys() & there:
            assert plan.blocked
            assert tree(self.root) == before
            return
        assert {name: self.manifest(name) for name in names} == expected
        for source in names.values():
            del self.promised[entry][source]
        if not self.promised[entry]:
            del self.promised[entry]

    # What always holds

    @invariant()
    def no_model_misses_a_blob(self) -> None:
        assert broken_models(self.root) == {}

    @invariant()
    def the_trash_holds_what_was_promised(self) -> None:
        held = {entry.id: {model.name for model in entry.models} for entry in look(self.root, self.now).trash}
        assert {entry: names for entry, names in held.items() if names} == {
            entry: set(models) for entry, models in self.promised.items()
        }

    @invariant()
    def everything_in_the_trash_comes_back_whole(self) -> None:
        if not self.promised:
            return
        copy = f"{self.folder}/copy"
        shutil.copytree(self.root, copy, symlinks=True)
        promised = [(entry, name, data) for entry, models in self.promised.items() for name, data in models.items()]
        for number, (entry, name, data) in enumerate(promised):
            plan = plan_for(copy, Restore(entry=entry, model=name, under=f"back:{number}"), self.now)
            assert (plan.missing, plan.blocked) == ((), ())
            carry_out(plan)
            assert Path(copy, self.builder.manifest_path(f"back:{number}")).read_bytes() == data
        assert broken_models(copy) == {}
        shutil.rmtree(copy)

    @invariant()
    def nothing_is_left_aside(self) -> None:
        assert set_aside(self.root) == set()

    # Helpers

    def models(self) -> set[str]:
        return {name for name in MODELS if os.path.exists(f"{self.root}/{self.builder.manifest_path(name)}")}

    def manifest(self, name: str) -> bytes:
        data = Path(self.root, self.builder.manifest_path(name)).read_bytes()
        assert json.loads(data)
        return data

    def plan(self, request: Request) -> Plan:
        return plan_for(self.root, request, self.now)

    def carry_out(self, request: Request) -> Receipt:
        """Plan and apply, and measure that what was planned is what happened."""
        plan = self.plan(request)
        parts = [f"{self.root}/{part}" for part in ("blobs", "manifests")]
        use, parts_use = disk_use(self.root), disk_use(*parts)
        receipt = carry_out(plan)
        assert receipt.done
        if plan.mode == "trash":
            assert (receipt.trashed, receipt.freed) == (plan.reclaims, 0)
            assert parts_use - disk_use(*parts) == plan.reclaims
        else:
            assert (receipt.trashed, receipt.freed) == (0, plan.reclaims)
            assert use - disk_use(self.root) == plan.reclaims
        return receipt

    def forget(self, entries: set[str]) -> None:
        for entry in entries:
            self.promised.pop(entry, None)


def some(entries: dict[str, dict[str, bytes]]) -> st.SearchStrategy[set[str]]:
    return st.sets(st.sampled_from(sorted(entries))) if entries else st.just(set())


def removed_at(entry: str) -> float:
    """When an entry was made, by its place among the seconds of the test's clock."""
    return datetime.strptime(entry.split("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()


TestSequences = Sequence.TestCase
TestSequences.settings = settings(
    max_examples=120,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

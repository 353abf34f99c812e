"""Whatever Ollama and Prunella do in whatever order: what Ollama destroyed after the guard saw it comes back whole."""

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ollama_rules import Ollama
from prunella_core.guard.status import Settings
from prunella_core.guard.sync import sync, turn_off, turn_on
from prunella_core.plan.records import Empty, Request, Restore
from stores import (
    DAY,
    broken_models,
    carry_out,
    disk_use,
    entries,
    for_good,
    look,
    of_ollama,
    open_store,
    plan_for,
    prune,
    set_aside,
    to_trash,
)

NAMES = ("a", "b", "c")
NAME = st.sampled_from(NAMES)
LETTERS = st.lists(st.sampled_from("pqrst"), min_size=1, max_size=3, unique=True)


class Guarded(RuleBasedStateMachine):
    """A store, its server, and the guard. ``promised`` are the versions of models that have to come back."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="prunella-")
        self.root = f"{self.folder}/store"
        self.server = Ollama(self.root)
        for folder in ("blobs", "manifests"):
            os.makedirs(f"{self.root}/{folder}")
        self.server.pull("a", ["p" * 3_000, "q" * 3_000])
        self.now = time.time() + DAY  # the server writes at the real time, and all of it has settled
        turn_on(open_store(self.root), Settings(), self.now)
        self.seen = self.manifests()
        self.owed: set[bytes] = set()
        self.promised: set[bytes] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    # What the server does

    @rule(name=NAME)
    def rm(self, name: str) -> None:
        if name in self.manifests():
            self.destroys(name)
            self.server.rm(name)

    @rule(name=NAME, letters=LETTERS)
    def pull(self, name: str, letters: list[str]) -> None:
        before = self.manifests()
        self.server.pull(name, [letter * 3_000 for letter in letters])
        if name in before and self.manifests()[name] != before[name]:
            self.destroys(name, before[name])

    @rule(source=NAME, copied=NAME)
    def cp(self, source: str, copied: str) -> None:
        there = self.manifests()
        if source in there and copied not in there:
            self.server.cp(source, copied)

    def destroys(self, name: str, version: bytes | None = None) -> None:
        version = version or self.manifests()[name]
        if self.seen.get(name) == version:
            self.owed.add(version)

    # What Prunella does

    @rule()
    def sync(self) -> None:
        self.now += 1
        synced = sync(open_store(self.root), self.now)
        assert synced
        assert synced.waits is None
        self.seen = self.manifests()
        self.promised |= self.owed
        self.owed = set()

    @rule(names=st.sets(NAME, min_size=1))
    def to_trash(self, names: set[str]) -> None:
        self.carry_out(to_trash(*self.there(names)))

    @rule(names=st.sets(NAME, min_size=1))
    def delete_now(self, names: set[str]) -> None:
        found = [model for entry in look(self.root, self.now).trash for model in entry.models]
        trashed = {Path(self.root, model.manifest.path).read_bytes() for model in found}
        going = {version for name, version in self.manifests().items() if name in names}
        self.promised -= going - trashed  # they were back; what the trash has of them stays there
        self.carry_out(for_good(models=self.there(names)))

    @rule()
    def prune(self) -> None:
        self.carry_out(prune())

    @rule()
    def empty(self) -> None:
        self.carry_out(Empty())
        self.promised = set()

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        found = [entry for entry in look(self.root, self.now).trash if entry.models]
        if found:
            entry = data.draw(st.sampled_from(found), label="entry")
            plan = plan_for(self.root, Restore(entry=entry.id), self.now)
            if not (plan.blocked or plan.missing):
                self.promised -= {Path(self.root, model.manifest.path).read_bytes() for model in entry.models}
                carry_out(plan)
                self.sync()

    # What always holds

    @invariant()
    def no_model_misses_a_blob(self) -> None:
        assert broken_models(self.root) == {}

    @invariant()
    def what_was_promised_comes_back_whole(self) -> None:
        if not self.promised:
            return
        copy = f"{self.folder}/copy"
        shutil.copytree(self.root, copy, symlinks=True)
        if not self.manifests():  # their folder may not be mounted: the guard waits until there is a model again
            Ollama(copy).pull("another", ["z" * 3_000])
        sync(open_store(copy), self.now + 1)  # as every command does that may write, before it plans
        back = set(self.manifests().values())  # the server may have brought it back itself
        for number, entry in enumerate(look(copy, self.now + 1).trash):
            for place, model in enumerate(entry.models):
                under = f"back:{number}-{place}"
                plan = plan_for(copy, Restore(entry=entry.id, model=model.name, under=under), self.now)
                assert (plan.missing, plan.blocked) == ((), ())
                back.add(Path(copy, model.manifest.path).read_bytes())
                carry_out(plan)
        assert broken_models(copy) == {}
        assert self.promised <= back
        shutil.rmtree(copy)

    @invariant()
    def off_leaves_what_ollama_has(self) -> None:
        copy = f"{self.folder}/copy"
        shutil.copytree(self.root, copy, symlinks=True)
        before = of_ollama(copy)
        turn_off(open_store(copy))
        assert of_ollama(copy) == before
        shutil.rmtree(copy)

    @invariant()
    def nothing_is_left_aside(self) -> None:
        assert set_aside(self.root) <= {"guard"}

    # Helpers

    def manifests(self) -> dict[str, bytes]:
        paths = {name: Path(self.server.manifest(name)) for name in NAMES}
        return {name: path.read_bytes() for name, path in paths.items() if path.exists()}

    def there(self, names: set[str]) -> tuple[str, ...]:
        return tuple(f"{name}:latest" for name in sorted(names & self.manifests().keys()))

    def carry_out(self, request: Request) -> None:
        """Plan, apply and measure; then let the guard follow, as every operation does."""
        plan = plan_for(self.root, request, self.now)
        used = disk_use(self.root) - copies(self.root)
        receipt = carry_out(plan)
        assert receipt.done
        if plan.mode == "delete":
            assert plan.reclaims == receipt.freed == used - (disk_use(self.root) - copies(self.root))
        self.sync()


def copies(root: str) -> int:
    """Bytes of the guard's copies of manifests."""
    guard = os.path.join(root, ".prunella/guard")
    found = (status for path, status in entries(guard) if path.startswith("manifests") and status.st_nlink == 1)
    return sum(status.st_blocks * 512 for status in found if not stat.S_ISDIR(status.st_mode))


TestGuarded = Guarded.TestCase
TestGuarded.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

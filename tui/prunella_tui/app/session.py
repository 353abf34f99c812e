"""The state of one run: the store, what is in it, the server, and what is marked."""

import asyncio
import gc
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.inventory.records import Inventory, Problem, State, TrashEntry
from prunella_core.plan.policy import Marked
from prunella_core.plan.records import Plan, Removal, Request
from prunella_core.store import Store
from prunella_tui.app.columns import Snapshot
from prunella_tui.app.scanning import Scan, Setup
from prunella_tui.app.widgets.table import Mark
from prunella_tui.report import format as show

if TYPE_CHECKING:
    from prunella_core.ollama.server import Server

_FRAME_SECONDS = 0.02
"""So long what was found is being drawn, before another thread works on the rest."""
_LARGE = 2_000
"""From so many blobs on, walking over them takes longer than a key press may."""
_UNUSED = {State.UNREFERENCED, State.PARTIAL, State.LEFTOVER}


class Marks(Struct, frozen=True):
    """The rows that are marked: models by name, blobs by key, damaged manifests by path, trash entries by ID."""

    models: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()
    trash: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many rows of the store are marked, without those of the trash."""
        return len(self.models) + len(self.blobs) + len(self.manifests)

    def toggle(self, kind: str, key: str, inventory: Inventory, implied: frozenset[str]) -> "Marks":
        """Mark or unmark one row. Unmarking a model also unmarks the blobs that imply it."""
        if kind == "models" and (key in self.models or key in implied):
            implying = {blob for blob in self.blobs if key in inventory.blob_by_key[blob].models}
            return replace(self, models=self.models - {key}, blobs=self.blobs - implying)
        return replace(self, **{kind: getattr(self, kind) ^ {key}})

    def surviving(self, before: Inventory | None, inventory: Inventory) -> "Marks":
        """The marks that still mean the same in a newer inventory.

        A blob that was marked unused, and that a model needs by now, is no longer what was marked.
        """
        if self == Marks():
            return self

        def users(known: Inventory, key: str) -> set[str]:
            return set(known.blob_by_key[key].models) if key in known.blob_by_key else set()

        claimed = {key for key in self.blobs if before and users(before, key) != users(inventory, key)}
        return Marks(
            self.models & inventory.model_by_name.keys(),
            (self.blobs & inventory.blob_by_key.keys()) - claimed,
            self.manifests & inventory.broken_by_path.keys(),
            self.trash & {entry.id for entry in inventory.trash},
        )


def problem_key(problem: Problem) -> str:
    """A problem is known by its file and what is wrong there."""
    return f"{problem.path} {problem.message}"


class Session:
    """Only its methods change what is known and what is marked; ``on_scan`` and ``on_marks`` are called after it."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.snapshot: Snapshot | None = None
        self.server: Server | None = None
        self.scan: Scan | None = None
        self.failure = ""
        self.guard_trouble = ""
        self.is_interrupted = False
        self._has_read = asyncio.Event()
        self._awaiting = asyncio.Lock()
        self.marks = Marks()
        self.dropped: Marks | None = None
        """Marks that were dropped after the last removal: undo puts them back first."""
        self.frees_first = False
        """Whether the marks are a proposal to free space: then deleting permanently is offered first."""
        self.marked: Marked | None = None
        self._problems: dict[str, Problem] = {}
        self.on_scan: Callable[[], None] = lambda: None
        self.on_marks: Callable[[], None] = lambda: None

    @property
    def store(self) -> Store:
        return self.setup.store

    @property
    def inventory(self) -> Inventory | None:
        """What the last scan found; ``None`` before the first."""
        return self.snapshot.inventory if self.snapshot else None

    @property
    def loaded(self) -> frozenset[str]:
        return self.snapshot.loaded if self.snapshot else frozenset()

    @property
    def implied(self) -> frozenset[str]:
        """The models that are not marked, and are deleted because a blob of theirs is."""
        return self.marked.implied - self.marks.models if self.marked else frozenset()

    # Scanning

    async def read(self) -> None:
        """Scan the store, then ask the server and read its log. Cancelled, it leaves everything as it was."""
        self.scan = scan = Scan(self.setup)
        self._has_read.clear()
        self.failure = ""
        self.on_scan()
        try:
            snapshot = await asyncio.to_thread(scan.read)
            self.guard_trouble = scan.guard_trouble
            self._take(snapshot)
            await asyncio.sleep(_FRAME_SECONDS)
            self.server, asked = await asyncio.to_thread(scan.ask_server, snapshot)
            is_new, self.is_interrupted = scan.is_interrupted != self.is_interrupted, scan.is_interrupted
            if self.server or is_new or asked.inventory is not snapshot.inventory:
                self._take(asked)
            snapshot = asked
            if (known := await asyncio.to_thread(scan.read_log, snapshot)) is not snapshot:
                self._take(known)
            if len(known.inventory.blobs) > _LARGE:  # the collector would walk all of it again during some key press
                gc.unfreeze()
                gc.collect()
                gc.freeze()
        except OSError as error:
            self.failure = show.failure(error, self.store.root)
        finally:
            scan.is_over = True
            if self.scan is scan:  # else a later one has begun, or this one showed what it found
                self.scan = None
                self._has_read.set()
                self.on_scan()

    async def known(self) -> Inventory | None:
        """Return what is there, once a scan that is under way has found it: ``u`` right after a removal undoes that.

        ``None`` before the first scan, and where this is waited for already.
        """
        if self.inventory is None or self._awaiting.locked():
            return None
        async with self._awaiting:
            await self._has_read.wait()
        return self.inventory

    def _take(self, snapshot: Snapshot) -> None:
        kept = self.marks.surviving(self.inventory, snapshot.inventory)
        self.snapshot = snapshot
        self.scan = None
        self._has_read.set()
        self.marked = Marked(snapshot.inventory, self.setup.now())
        self._problems = {problem_key(problem): problem for problem in snapshot.inventory.problems}
        self._set(kept, frees_first=self.frees_first)
        self.on_scan()

    # Marks

    def toggle(self, tab: str, key: str) -> str:
        """Mark or unmark one row of a tab; return why that cannot be done, or nothing."""
        if self.inventory is None:
            return ""
        kind, key_or_why_not = self._markable(tab, key)
        if not kind:
            return key_or_why_not
        self._set(self.marks.toggle(kind, key_or_why_not, self.inventory, self.implied))
        return ""

    def _markable(self, tab: str, key: str) -> tuple[str, str]:
        """What a mark of a row marks; without a kind, why it cannot be marked.

        A problem is marked by its file; that of a listed model is marked as the model.
        """
        if tab != "problems" or self.inventory is None:
            return tab, key
        problem = self._problems.get(key)
        if problem is None:
            return "", "Ollama does this itself; nothing to mark"
        if problem.path in self.inventory.broken_by_path:
            return "manifests", problem.path
        if problem.model in self.inventory.model_by_name:
            return "models", problem.model or ""
        return "", "No file to delete here; the details say how to fix it"

    def mark(self, kind: str, keys: Collection[str]) -> None:
        self._set(replace(self.marks, **{kind: getattr(self.marks, kind).union(keys)}))

    def unmark(self, kind: str, keys: Iterable[str]) -> None:
        """Unmark many rows of a kind, each as a press on it would."""
        marks = self.marks
        for key in keys:
            if self.inventory and key in getattr(marks, kind):
                marks = marks.toggle(kind, key, self.inventory, self.implied)
        self._set(marks)

    def mark_unused(self) -> str:
        """Mark everything that no model uses; return what was done."""
        keys = [blob.key for blob in self.inventory.blobs if blob.state in _UNUSED] if self.inventory else []
        if not keys or not self.inventory:
            return "Nothing to prune: every blob is in use"
        self.mark("blobs", keys)
        marked = f"Marked {show.counted(len(keys), 'unused blob')} (tab 2)"
        kept = "; a problem could hide a model: unreferenced blobs are kept until you fix it (tab 4)"
        return marked + (kept if self.inventory.blocking else "")

    def propose(self, removal: Removal) -> None:
        """Mark what was suggested to free space, and nothing else; undo puts back what was marked."""
        before, named = self.marks, (removal.models, removal.blobs, removal.manifests, removal.entries)
        self.put_back(Marks(*map(frozenset, named)), frees_first=True)
        if before not in (Marks(), self.marks):
            self.dropped = before
            self.on_marks()

    def drop_marks(self) -> None:
        """Unmark everything; undo puts it back."""
        if self.marks != Marks():
            self.dropped = self.marks
            self._set(Marks())

    def forget_marks(self) -> None:
        """Unmark everything, since it was dealt with."""
        self.dropped = None
        self._set(Marks())

    def put_back(self, marks: Marks | None = None, *, frees_first: bool = False) -> None:
        """Mark exactly ``marks``, or what was dropped last, as far as it is still there."""
        wanted = marks or self.dropped or Marks()
        self.dropped = None
        self._set(wanted.surviving(None, self.inventory) if self.inventory else wanted, frees_first=frees_first)

    def _set(self, marks: Marks, *, frees_first: bool = False) -> None:
        self.marks = marks
        self.frees_first = frees_first and marks != Marks()
        if self.marked:
            self.marked.mark(marks.models, marks.blobs, marks.manifests)
        self.on_marks()

    def mark_of(self, tab: str, key: str) -> Mark:
        """How a row is drawn: marked itself, or deleted because of another mark."""
        if not self.marked or self.marks == Marks():
            return ""
        kind, key = self._markable(tab, key)
        if kind and key in getattr(self.marks, kind):
            return "marked"
        is_implied = key in self.marked.implied if kind == "models" else kind == "blobs" and self.marked.leaves(key)
        return "implied" if is_implied and self.marks.count else ""

    # Plans

    def refusal(self, *, by_server: bool = False) -> str | None:
        """Why nothing can be changed; with ``by_server`` the server, where there is one, can do it instead."""
        return self.store.refusal(by_server=by_server and self.server is not None)

    def removal_plans(self, inventory: Inventory, *, force: bool) -> list[Plan]:
        """The ways to delete what is marked: one of them is chosen, and is what runs."""
        marks = self.marks
        for_good = Removal(
            models=tuple(sorted(marks.models | self.implied)),  # those that need a marked blob could not run without
            blobs=tuple(sorted(marks.blobs)),
            manifests=tuple(sorted(marks.manifests)),
            entries=tuple(sorted(marks.trash)),
            to_trash=False,
            force=force,
            loaded=self.loaded,
        )
        requests = [for_good]
        if not self.store.writable:
            requests = [replace(for_good, by_server=True, entries=())]
        elif not marks.trash:  # what is in the trash can only be emptied
            requests.insert(1 if self.frees_first else 0, replace(for_good, to_trash=True))
        return [self.plan(inventory, each) for each in requests]

    def plan(self, inventory: Inventory, request: Request) -> Plan:
        from prunella_core.plan.build import make_plan

        return make_plan(inventory, request, self.setup.now())

    @property
    def last_removal(self) -> TrashEntry | None:
        return next(reversed(self.snapshot.rows["trash"]), None) if self.snapshot else None

    @property
    def undoes(self) -> str:
        """What undo would bring back: marks that were dropped since the last removal, else that removal."""
        return "marks" if self.dropped else "removal" if self.last_removal else ""

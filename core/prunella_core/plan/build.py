"""Makes plans: pure functions of an Inventory, a request and the time. Nothing is deleted that is not planned here."""

from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from msgspec.structs import replace

from prunella_core.base.errors import NotFound
from prunella_core.base.text import clean
from prunella_core.fs.sizes import File, reclaimed_each
from prunella_core.inventory.records import GUARD, Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.ollama.names import match_name, parse_name, place_of
from prunella_core.plan.policy import BLOCKED, Policy, Reason
from prunella_core.plan.records import (
    Empty,
    HeldBack,
    Kept,
    Lost,
    Plan,
    PlannedFile,
    PruneClass,
    PrunePolicy,
    Removal,
    Repair,
    Request,
    Restore,
)
from prunella_core.plan.repair import plan_repair
from prunella_core.plan.restore import plan_restore
from prunella_core.space.cells import Cell, Holder
from prunella_core.space.space import space_of

_REASONS = {
    State.UNREFERENCED: "nothing references it",
    State.PARTIAL: "interrupted download",
    State.LEFTOVER: "left over from a create or upload",
    State.STRAY: "not a file of Ollama, chosen by name",
}


def make_plan(inventory: Inventory, request: Request, now: float) -> Plan:
    """Plan ``request`` against ``inventory`` at ``now`` (seconds, UTC).

    Raises NotFound for a model, blob, manifest or entry that is not there.
    """
    if isinstance(request, Restore):
        return plan_restore(inventory, request, now)
    if isinstance(request, Repair):
        return plan_repair(inventory, request, now)
    draft = _Draft(_with_guard(inventory) if _mode_of(request) == "server" else inventory, request, now)
    match request:
        case Removal():
            draft.choose(request)
        case PrunePolicy():
            draft.prune(request)
        case Empty(entries=wanted):
            draft.empty([entry.id for entry in inventory.trash] if wanted is None else wanted)
    return draft.finish()


def reclaimable(inventory: Inventory, now: float) -> int:
    """What a prune of everything unused would free now: unreferenced blobs, partials and leftovers."""
    classes = frozenset({PruneClass.UNREFERENCED, PruneClass.PARTIAL, PruneClass.LEFTOVER})
    return make_plan(inventory, PrunePolicy(age=0, classes=classes), now).reclaims


def prunable(inventory: Inventory, now: float, age: int) -> tuple[int, int]:
    """Bytes that ``prune`` frees at ``now``, and those it frees once they are ``age`` seconds old; no models."""
    classes = frozenset(PruneClass) - {PruneClass.MODEL}
    due, whole = (make_plan(inventory, PrunePolicy(age=each, classes=classes), now).reclaims for each in (age, 0))
    return due, max(whole - due, 0)


def trash_reclaims(inventory: Inventory, entry: TrashEntry) -> int:
    """What emptying this entry of the trash alone frees."""
    return space_of(inventory, "delete").frees([Holder("trash", entry.id)])


def _mode_of(request: Removal | PrunePolicy | Empty) -> Literal["trash", "delete", "server"]:
    if not isinstance(request, Removal):
        return "delete"
    return "server" if request.by_server else "trash" if request.to_trash else "delete"


def _with_guard(inventory: Inventory) -> Inventory:
    """The store as Ollama deletes from it: the guard's links are not its own, and keep what they hold on the disk."""
    if not inventory.guarded:
        return inventory

    def with_link(file: File) -> File:
        is_guarded = (file.device, file.inode) in inventory.guarded
        return replace(file, links=file.links + 1) if is_guarded else file

    return replace(inventory, blobs=tuple(replace(b, files=tuple(map(with_link, b.files))) for b in inventory.blobs))


class _Draft:
    """A Selection and a Policy: row by row it is decided what goes, and at the end what stays and why."""

    def __init__(self, inventory: Inventory, request: Removal | PrunePolicy | Empty, now: float) -> None:
        self.inventory = inventory
        self.request = request
        self.mode = _mode_of(request)
        self.policy = Policy(inventory, now, () if isinstance(request, Empty) else request.loaded)
        self.space = space_of(inventory, self.mode)
        self.selection = self.space.selection()
        self.held_back: list[HeldBack] = []
        self.overridden: list[HeldBack] = []
        self.younger: list[HeldBack] = []
        self.wants_unneeded = False

    def choose(self, removal: Removal) -> None:
        """Take what was named."""
        if not removal.to_trash:
            self.empty(removal.entries)
        for path in removal.manifests:
            self._require(path, self.inventory.broken_by_path, "damaged manifest")
            self.selection.add(Holder("manifest", path))
        by_name = self.inventory.model_by_name
        for text in removal.models:
            name = text if text in by_name else match_name(parse_name(text), by_name)
            self._require(name or text, by_name, "model")
            self.selection.add(Holder("model", name or text))
        for key in dict.fromkeys(removal.blobs):
            self._require(key, self.inventory.blob_by_key, "blob")
            self._take_row(self.inventory.blob_by_key[key])

    def _require(self, key: str, known: Collection[str], what: str) -> None:
        if key not in known:
            raise NotFound(f"no {what} {clean(key)} in {clean(self.inventory.store.root)}")

    def prune(self, request: PrunePolicy) -> None:
        """Take what is old enough."""
        if PruneClass.TRASH in request.classes:
            self.empty([entry.id for entry in self.inventory.trash if self.policy.is_due(entry, request.age)])
        if PruneClass.MODEL in request.classes:
            for model in self.inventory.models:
                if not self.policy.younger(model, request.age):
                    self._take(Holder("model", model.name), self.policy.model(model), model.manifest.path)
        states = {State(chosen.value) for chosen in request.classes - {PruneClass.MODEL, PruneClass.TRASH}}
        self.wants_unneeded = bool(request.classes & {PruneClass.UNREFERENCED, PruneClass.MODEL})
        for blob in self.inventory.others:
            if blob.state in states:
                if reason := self.policy.younger(blob, request.age):
                    self.younger.append(_held(reason, _path(blob), blob))
                else:
                    self._take_row(blob)

    def empty(self, entries: Iterable[str]) -> None:
        """Take entries of the trash."""
        known = {entry.id for entry in self.inventory.trash}
        for entry in dict.fromkeys(entries):
            self._require(entry, known, "trash entry")
            self._take(Holder("trash", entry), self.policy.trash(), f".prunella/trash/{entry}")

    def _take_row(self, blob: Blob) -> None:
        self.wants_unneeded |= blob.state is State.UNREFERENCED
        self._take(Holder("blob", blob.key), self.policy.row(blob), _path(blob), blob)

    def _take(self, holder: Holder, reason: Reason | None, path: str, blob: Blob | None = None) -> None:
        if reason:
            is_forced = reason.can_be_forced and self.request.force
            (self.overridden if is_forced else self.held_back).append(_held(reason, path, blob))
            if not is_forced:
                return
        self.selection.add(holder)

    # The plan

    def finish(self) -> Plan:
        """Decide about the whole set, and freeze it."""
        blocked = self._block()
        models = tuple(model.name for model in self.inventory.models if self._is_gone("model", model.name))
        files = list(self._files())
        sizes = reclaimed_each(item.file for item in files)
        return Plan(
            store=self.inventory.store,
            request=self.request,
            made_at=self.policy.now,
            mode=self.mode,
            models=models,
            files=tuple(replace(item, reclaims=n) if n else item for item, n in zip(files, sizes, strict=True)),
            kept=tuple(self._kept()),
            held_back=tuple(self.held_back),
            overridden=tuple(self.overridden),
            younger=tuple(self.younger),
            blocked=tuple(blocked),
            reclaims=sum(sizes),
            lost=tuple(sorted(self._lost(models, files), key=lambda lost: not lost.is_weights)),
            loaded=tuple(name for name in models if name in (self.policy.loaded or ())),
        )

    def _is_gone(self, kind: Literal["model", "blob", "trash"], key: str) -> bool:
        return Holder(kind, key) in self.selection.gone

    def _block(self) -> list[Problem]:
        """Let the problems that stay keep what they could hide; return them where they keep anything.

        Ollama heeds none: what it deletes goes all the same.
        """
        blocking = [] if self.mode == "server" else self.policy.blocking(self.selection.gone)
        keeps = self.wants_unneeded or any(cell.may_be_needed for cell in self.selection.leaving())
        self.selection.block(bool(blocking))
        return blocking if keeps else []

    def _files(self) -> Iterator[PlannedFile]:
        """Everything that goes, manifests first; what each frees is known when the set is whole."""
        leaving = list(filter(self.selection.leaves, self.space.cells))
        leaving.sort(key=lambda cell: cell.kind not in ("manifest", "broken"))
        for cell in leaving:
            if cell.kind == State.TRASHED:
                yield from self._trashed(cell)
            elif cell.kind == "manifest":
                model = self.inventory.model_by_name[cell.models[0]]
                yield _planned(model.manifest, f"manifest of {model.name}", cell.models, model)
            elif cell.kind == "broken":
                broken = self.inventory.broken_by_path[cell.files[0].path].model
                yield _planned(cell.files[0], "a manifest that cannot be read", (broken,) if broken else ())
            for blob in cell.blobs:
                reason = f"only used by {_few(blob.models)}" if blob.models else _REASONS[blob.state]
                for file in blob.files:
                    yield _planned(file, reason, blob.models, blob)

    def _trashed(self, cell: Cell) -> Iterator[PlannedFile]:
        removed_at = {entry.id: entry.removed_at for entry in self.inventory.trash}
        for file in cell.files:
            item = _planned(file, "in the trash: can't be restored afterwards")
            digest = place_of(file.path).whole
            yield replace(item, digest=digest, idle_since=removed_at[_entry_of(file)], clock="removed")

    def _kept(self) -> Iterator[Kept]:
        """What stays of what was asked for, and why."""
        gone = self.selection.gone
        for cell in self.selection.kept():
            if cell.kind == State.TRASHED:
                for file in cell.files:
                    if (digest := place_of(file.path).whole) and self._is_gone("trash", _entry_of(file)):
                        yield self._stays(cell, digest, file.allocated)
            elif any(holder.kind != "trash" and holder in gone for holder in cell.holders):
                yield from (self._stays(cell, blob.key, blob.allocated) for blob in cell.blobs)
        for key in dict.fromkeys(self.request.blobs) if isinstance(self.request, Removal) else ():
            blob, named = self.inventory.blob_by_key[key], self.space.cell_of.get(key)
            if blob.models and named and gone.isdisjoint(named.holders):
                yield self._stays(named, key, blob.allocated)

    def _stays(self, cell: Cell, key: str, allocated: int) -> Kept:
        digest = key if cell.kind == State.TRASHED else self.inventory.blob_by_key[key].digest
        others = sorted(cell.holders - self.selection.gone)
        users = tuple(holder.key for holder in others if holder.kind == "model")
        return Kept(digest=digest or "", allocated=allocated, used_by=users, reason=self._why_kept(cell, others, key))

    def _why_kept(self, cell: Cell, others: list[Holder], key: str) -> str:
        if not others:
            return BLOCKED
        if any(holder.kind == "model" for holder in others):
            is_missed = cell.kind == State.TRASHED
            return "a model in the store misses it: restore it first" if is_missed else "used by models that stay"
        if others[0] == Holder("trash", GUARD):
            return f"{self._trashed_model(GUARD, key)} needs it, which Ollama deleted: see prunella guard run"
        if others[0].kind == "trash":
            return f"{self._trashed_model(others[0].key, key)} in the trash needs it"
        if others[0].kind == "staged":
            return "a removal that was interrupted needs it: the next one undoes that first"
        if others[0].key != key:
            return f"{others[0].key} links to it"
        return "only the link to it is deleted; prune deletes it when nothing needs it"

    def _trashed_model(self, entry: str, digest: str) -> str:
        models = (model for each in self.inventory.keeping if each.id == entry for model in each.models)
        return next(model.name for model in models if digest in model.needs)

    def _lost(self, models: Iterable[str], files: Iterable[PlannedFile]) -> Iterator[Lost]:
        """The models of which something goes that nothing brings back."""
        going = {item.digest for item in files}
        for name in models:
            origin = self.inventory.origins[name]
            layers = tuple(digest for digest in origin.only_here if digest in going)
            if layers:
                kinds = dict.fromkeys(self.inventory.blob_by_key[digest].kind or "unknown" for digest in layers)
                yield Lost(model=name, origin=origin, layers=layers, kinds=tuple(kinds))


def _planned(file: File, reason: str, models: tuple[str, ...] = (), row: Blob | Model | None = None) -> PlannedFile:
    return PlannedFile(
        file=file,
        reclaims=0,
        digest=row.digest if isinstance(row, Blob) else None,
        reason=reason,
        models=models,
        idle_since=row.idle_since if row else None,
        clock=row.clock if row else None,
    )


def _held(reason: Reason, path: str, blob: Blob | None) -> HeldBack:
    return HeldBack(
        path=path,
        allocated=blob.allocated if blob else 0,
        reason=reason.text,
        idle_since=blob.idle_since if blob else None,
        clock=blob.clock if blob else None,
    )


def _entry_of(file: File) -> str:
    return place_of(file.path).entry


def _few(names: tuple[str, ...]) -> str:
    """Names for a sentence: a blob may be shared by thousands of models."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _path(blob: Blob) -> str:
    return blob.files[0].path if blob.files and blob.digest else blob.key

"""Makes plans: pure functions of an Inventory, a request and the time. Nothing is deleted that is not planned here."""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec.structs import replace

from prunella_core.base.errors import NotFound
from prunella_core.base.text import clean
from prunella_core.fs.sizes import File, reclaimed_each
from prunella_core.inventory.records import GUARD, Blob, Clock, Inventory, Problem, State, TrashEntry, digest_of_file
from prunella_core.ollama.names import match_name, parse_name
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
    Request,
    Restore,
)
from prunella_core.plan.restore import plan_restore
from prunella_core.space.cells import Cell, Holder
from prunella_core.space.space import space_of

_REASONS = {
    State.UNREFERENCED: "nothing references it",
    State.PARTIAL: "interrupted download",
    State.LEFTOVER: "left over from a create or upload",
    State.STRAY: "not a file of Ollama, chosen by name",
}
_FOR_GOOD = "in the trash: can't be restored afterwards"


def make_plan(inventory: Inventory, request: Request, now: float) -> Plan:
    """Plan ``request`` against ``inventory`` at ``now`` (seconds, UTC).

    Raises NotFound for a model, blob, manifest or entry that is not there.
    """
    if isinstance(request, Restore):
        return plan_restore(inventory, request, now)
    draft = _Draft(_with_guard(inventory) if _mode_of(request) == "server" else inventory, request, now)
    match request:
        case Removal():
            draft.choose(request)
        case PrunePolicy():
            draft.prune(request)
        case Empty(entries=chosen):
            draft.empty(inventory.trash if chosen is None else _entries(inventory, chosen))
    return draft.finish()


def _with_guard(inventory: Inventory) -> Inventory:
    """The store as Ollama deletes from it: the guard's links are not its own, and keep what they hold on the disk."""
    if not inventory.guarded:
        return inventory

    def with_link(file: File) -> File:
        is_guarded = (file.device, file.inode) in inventory.guarded
        return replace(file, links=file.links + 1) if is_guarded else file

    return replace(inventory, blobs=tuple(replace(b, files=tuple(map(with_link, b.files))) for b in inventory.blobs))


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


def _entries(inventory: Inventory, wanted: Iterable[str]) -> list[TrashEntry]:
    known = {entry.id: entry for entry in inventory.trash}
    for identity in wanted:
        if identity not in known:
            raise NotFound(f"no entry {clean(identity)} in the trash")
    return [known[identity] for identity in dict.fromkeys(wanted)]


def _mode_of(request: Removal | PrunePolicy | Empty) -> Literal["trash", "delete", "server"]:
    if not isinstance(request, Removal):
        return "delete"
    return "server" if request.by_server else "trash" if request.to_trash else "delete"


class _Draft:
    """A Selection and a Policy: row by row it is decided what goes, and at the end what stays and why."""

    def __init__(self, inventory: Inventory, request: Removal | PrunePolicy | Empty, now: float) -> None:
        self.inventory = inventory
        self.request = request
        self.mode = _mode_of(request)
        loaded = () if isinstance(request, Empty) else request.loaded
        self.policy = Policy(inventory, now, loaded)
        self.space = space_of(inventory, self.mode)
        self.selection = self.space.selection()
        self.chosen: list[Blob] = []
        """Rows chosen by themselves that models need."""
        self.held_back: list[HeldBack] = []
        self.overridden: list[HeldBack] = []
        self.younger: list[HeldBack] = []
        self.wants_unneeded = False

    # What goes

    def choose(self, removal: Removal) -> None:
        """Take what was named."""
        if not removal.to_trash:
            self.empty(_entries(self.inventory, removal.entries))
        for path in removal.manifests:
            if path not in self.inventory.broken_by_path:
                raise NotFound(f"no damaged manifest at {clean(path)}")
            self.selection.add(Holder("manifest", path))
        self.selection.add(*(Holder("model", self._name(model)) for model in removal.models))
        for key in dict.fromkeys(removal.blobs):
            self._choose_row(key)

    def _name(self, text: str) -> str:
        if text in self.inventory.model_by_name:
            return text
        name = match_name(parse_name(text), self.inventory.model_by_name)
        if name is None:
            raise NotFound(f"no model {clean(text)} in {clean(self.inventory.store.root)}")
        return name

    def _choose_row(self, key: str) -> None:
        blob = self.inventory.blob_by_key.get(key)
        if blob is None:
            raise NotFound(f"no blob {clean(key)} in {clean(self.inventory.store.root)}")
        if blob.state in (State.REFERENCED, State.MISSING):
            self.chosen.append(blob)
            self.selection.add(Holder("blob", key))
        else:
            self._take_row(blob)

    def _take_row(self, blob: Blob) -> None:
        self.wants_unneeded |= blob.state is State.UNREFERENCED
        if self._may_go(_path(blob), blob.allocated, self.policy.row(blob)):
            self.selection.add(Holder("blob", blob.key))

    def prune(self, request: PrunePolicy) -> None:
        """Take what is old enough."""
        if PruneClass.TRASH in request.classes:
            self.empty(entry for entry in self.inventory.trash if self.policy.is_due(entry, request.age))
        if PruneClass.MODEL in request.classes:
            for model in self.inventory.models:
                is_due = not self.policy.younger(model, request.age)
                if is_due and self._may_go(model.manifest.path, 0, self.policy.model(model)):
                    self.selection.add(Holder("model", model.name))
        states = {State(chosen.value) for chosen in request.classes - {PruneClass.MODEL, PruneClass.TRASH}}
        self.wants_unneeded = bool(request.classes & {PruneClass.UNREFERENCED, PruneClass.MODEL})
        for blob in self.inventory.blobs:
            if blob.state in states:
                if reason := self.policy.younger(blob, request.age):
                    self.younger.append(_held(blob, reason))
                else:
                    self._take_row(blob)

    def empty(self, entries: Iterable[TrashEntry]) -> None:
        """Take entries of the trash."""
        for entry in entries:
            if self._may_go(f".prunella/trash/{entry.id}", 0, self.policy.entry(entry)):
                self.selection.add(Holder("trash", entry.id))

    def _may_go(self, path: str, allocated: int, reason: Reason | None) -> bool:
        if reason is None:
            return True
        is_forced = reason.can_be_forced and self.request.force
        held = HeldBack(path=path, allocated=allocated, reason=reason.text)
        (self.overridden if is_forced else self.held_back).append(held)
        return is_forced

    # The plan

    def finish(self) -> Plan:
        """Decide about the whole set, and freeze it."""
        blocked = self._block()
        models = tuple(model.name for model in self.inventory.models if self._is_gone("model", model.name))
        files = _with_sizes(list(self._files()))
        return Plan(
            store=self.inventory.store,
            request=self.request,
            made_at=self.policy.now,
            mode=self.mode,
            models=models,
            files=files,
            kept=tuple(self._kept()),
            held_back=tuple(self.held_back),
            overridden=tuple(self.overridden),
            younger=tuple(self.younger),
            blocked=tuple(blocked),
            reclaims=sum(item.reclaims for item in files),
            lost=tuple(sorted(self._lost(models, files), key=lambda lost: not lost.is_weights)),
            loaded=tuple(name for name in models if name in (self.policy.loaded or ())),
        )

    def _is_gone(self, kind: Literal["model", "trash"], key: str) -> bool:
        return Holder(kind, key) in self.selection.gone

    def _block(self) -> list[Problem]:
        """Let the problems that stay keep what they could hide; return them where they keep anything.

        Ollama heeds none: what it deletes goes all the same.
        """
        if not self.inventory.blocking or self.mode == "server":
            return []
        going = {self.inventory.model_by_name[h.key].manifest.path for h in self.selection.gone if h.kind == "model"}
        going |= {h.key for h in self.selection.gone if h.kind == "manifest"}
        blocking = self.policy.blocking(going)
        keeps = self.wants_unneeded or any(cell.may_be_needed for cell in self.selection.leaving())
        self.selection.block(bool(blocking))
        return blocking if keeps else []

    def _files(self) -> Iterator[PlannedFile]:
        """Everything that goes, manifests first; what each frees is known when the set is whole."""
        leaving = list(filter(self.selection.leaves, self.space.cells))
        leaving.sort(key=lambda cell: cell.kind not in ("manifest", "broken"))
        removed_at = {entry.id: entry.removed_at for entry in self.inventory.trash}
        for cell in leaving:
            for blob in cell.blobs:
                yield from _of_blob(blob)
            if cell.kind == State.TRASHED:
                for file in cell.files:
                    yield _planned(file, _FOR_GOOD, digest_of_file(file.path), removed_at[_entry_of(file)], "removed")
            elif not cell.blobs:
                yield from self._manifests(cell)

    def _manifests(self, cell: Cell) -> Iterator[PlannedFile]:
        for file in cell.files:
            if not cell.models:
                model = self.inventory.broken_by_path[file.path].model
                names = (model,) if model else ()
                yield PlannedFile(
                    file=file, reclaims=0, digest=None, reason="a manifest that cannot be read", models=names
                )
            else:
                model_ = self.inventory.model_by_name[cell.models[0]]
                item = _planned(file, f"manifest of {model_.name}", None, model_.idle_since, model_.clock)
                yield replace(item, models=cell.models)

    def _kept(self) -> Iterator[Kept]:
        """What stays of what was asked for, and why."""
        for cell in self.selection.kept():
            if cell.kind == State.TRASHED:
                yield from self._kept_in_trash(cell)
            elif any(holder.kind != "trash" and holder in self.selection.gone for holder in cell.holders):
                for blob in cell.blobs:
                    yield self._stays(cell, blob)
        for blob in self.chosen:
            cell_ = self.space.cell_of.get(blob.key)
            if cell_ and not any(holder in self.selection.gone for holder in cell_.holders):
                yield self._stays(cell_, blob)

    def _stays(self, cell: Cell, blob: Blob) -> Kept:
        users = tuple(name for name in cell.models if not self._is_gone("model", name))
        reason = "used by models that stay" if users else self._why_kept(cell, blob.key)
        return Kept(digest=blob.digest or "", allocated=blob.allocated, used_by=users, reason=reason)

    def _kept_in_trash(self, cell: Cell) -> Iterator[Kept]:
        """Blobs of emptied entries that something else needs."""
        for file in cell.files:
            digest = digest_of_file(file.path)
            if digest and self._is_gone("trash", _entry_of(file)):
                users = tuple(holder.key for holder in cell.holders if holder.kind == "model")
                reason = "a model in the store misses it: restore it first" if users else self._why_kept(cell, digest)
                yield Kept(digest=digest, allocated=file.allocated, used_by=users, reason=reason)

    def _why_kept(self, cell: Cell, key: str) -> str:
        others = sorted(holder for holder in cell.holders if holder not in self.selection.gone)
        if not others:
            return BLOCKED
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


def _of_blob(blob: Blob) -> Iterator[PlannedFile]:
    reason = f"only used by {_few(blob.models)}" if blob.models else _REASONS[blob.state]
    for file in blob.files:
        item = _planned(file, reason, blob.digest, blob.idle_since, blob.clock)
        yield replace(item, models=blob.models) if blob.models else item


def _planned(file: File, reason: str, digest: str | None, since: float | None, clock: Clock | None) -> PlannedFile:
    return PlannedFile(file=file, reclaims=0, digest=digest, reason=reason, idle_since=since, clock=clock)


def _with_sizes(files: list[PlannedFile]) -> tuple[PlannedFile, ...]:
    sizes = reclaimed_each(item.file for item in files)
    return tuple(replace(item, reclaims=size) if size else item for item, size in zip(files, sizes, strict=True))


def _held(blob: Blob, reason: Reason) -> HeldBack:
    return HeldBack(
        path=_path(blob),
        allocated=blob.allocated,
        reason=reason.text,
        idle_since=blob.idle_since,
        clock=blob.clock,
    )


def _entry_of(file: File) -> str:
    """The entry of the trash that a file lies in."""
    return file.path.split("/")[2]


def _few(names: tuple[str, ...]) -> str:
    """Names for a sentence: a blob may be shared by thousands of models."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _path(blob: Blob) -> str:
    return blob.files[0].path if blob.files and blob.digest else blob.key

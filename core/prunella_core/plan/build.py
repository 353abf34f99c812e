"""Makes plans: pure functions of an Inventory, a request and the time. Nothing is deleted that is not planned here."""

from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from prunella_core.base.errors import NotFound, StalePlan
from prunella_core.base.text import clean, few
from prunella_core.fs.files import File
from prunella_core.inventory.origin import origins
from prunella_core.inventory.records import GUARD, Blob, Clock, Inventory, Problem, State, TrashEntry
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
    with_reclaims,
)
from prunella_core.plan.recover import plan_repair, plan_restore
from prunella_core.space import Cell, Holder, Mode, space_of

_REASONS = {
    State.UNREFERENCED: "nothing references it",
    State.PARTIAL: "interrupted download",
    State.LEFTOVER: "left over from a create or upload",
    State.STRAY: "not a file of Ollama, chosen by name",
}
_MOST_CHANGES = 3


def make_plan(inventory: Inventory, request: Request, now: float) -> Plan:
    """Plan ``request`` against ``inventory`` at ``now`` (seconds, UTC).

    Raises NotFound for a model, blob, manifest or entry that is not there.
    """
    match request:
        case Restore():
            return plan_restore(inventory, request, now)
        case Repair():
            return plan_repair(inventory, request, now)
        case Removal():
            mode: Mode = "server" if request.by_server else "trash" if request.to_trash else "delete"
            draft = _Draft(_with_guard(inventory) if request.by_server else inventory, request, now, mode)
            draft.choose(request)
        case PrunePolicy():
            draft = _Draft(inventory, request, now)
            draft.prune(request)
        case Empty(entries=wanted):
            draft = _Draft(inventory, request, now)
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


def refuse_if_stale(plan: Plan, inventory: Inventory) -> None:
    """Raise StalePlan, saying what changed, unless a plan made of a new scan does exactly the same, file by file.

    It is made at the moment of ``plan``: what became old enough since is not in it.
    """
    try:
        changes = list(_changes(plan, make_plan(inventory, plan.request, plan.made_at), inventory))
    except NotFound as gone:
        changes = [str(gone)]
    if changes:
        more = f"; and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
        shown = "; ".join(changes[:_MOST_CHANGES]) + more
        raise StalePlan(f"the store changed since this was planned: {shown}. Nothing was changed; look again")


def _changes(plan: Plan, fresh: Plan, inventory: Inventory) -> Iterator[str]:
    before, after = ({item.file.path: item for item in each.files} for each in (plan, fresh))
    held = {row.path: row.reason for row in fresh.held_back}
    kept = {kept.digest: kept.reason for kept in fresh.kept}
    for path, item in before.items():
        if path not in after:
            blob = inventory.blob_by_key.get(item.digest or "")
            users = [name for name in blob.models if name not in item.models] if blob else []
            used = users and f"is used by {', '.join(users[:_MOST_CHANGES])}"
            yield clean(f"{path} {used or held.get(path) or kept.get(item.digest or '') or 'is gone'}")
        elif item.identity != after[path].identity:
            yield f"{clean(path)} was changed"
    yield from (f"{clean(path)} is new" for path in after.keys() - before.keys())


def _with_guard(inventory: Inventory) -> Inventory:
    """The store as Ollama deletes from it: the guard's links are not its own, and keep what they hold on the disk."""
    guarded = {(file.device, file.inode) for file in inventory.guard}
    if not guarded:
        return inventory

    def with_link(file: File) -> File:
        return replace(file, links=file.links + 1) if (file.device, file.inode) in guarded else file

    return replace(inventory, blobs=tuple(replace(b, files=tuple(map(with_link, b.files))) for b in inventory.blobs))


class _Draft:
    """A Selection and a Policy: row by row it is decided what goes, and at the end what stays and why."""

    def __init__(
        self, inventory: Inventory, request: Removal | PrunePolicy | Empty, now: float, mode: Mode = "delete"
    ) -> None:
        self.inventory = inventory
        self.request = request
        self.mode: Mode = mode
        self.policy = Policy(inventory, now, () if isinstance(request, Empty) else request.loaded)
        self.space = space_of(inventory, mode)
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
            due = (entry for entry in self.inventory.trash if self.policy.now - entry.removed_at >= request.age)
            self.empty([entry.id for entry in due])
        if PruneClass.MODEL in request.classes:
            for model in self.inventory.models:
                if not self.policy.younger(model, request.age):
                    self._take(Holder("model", model.name), self.policy.model(model), model.manifest.path)
        states = {State(chosen.value) for chosen in request.classes - {PruneClass.MODEL, PruneClass.TRASH}}
        self.wants_unneeded = bool(request.classes & {PruneClass.UNREFERENCED, PruneClass.MODEL})
        for blob in self.inventory.others:
            if blob.state in states:
                if reason := self.policy.younger(blob, request.age):
                    self.younger.append(_held(reason, blob))
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
        self._take(Holder("blob", blob.key), self.policy.row(blob), blob)

    def _take(self, holder: Holder, reason: Reason | None, row: Blob | str) -> None:
        if reason:
            is_forced = reason.can_be_forced and self.request.force
            (self.overridden if is_forced else self.held_back).append(_held(reason, row))
            if not is_forced:
                return
        self.selection.add(holder)

    # The plan

    def finish(self) -> Plan:
        """Decide about the whole set, and freeze it."""
        blocked = self._block()
        names = [model.name for model in self.inventory.models if Holder("model", model.name) in self.selection.gone]
        files = with_reclaims(self._files())
        return Plan(
            store=self.inventory.store,
            request=self.request,
            made_at=self.policy.now,
            mode=self.mode,
            models=tuple(names),
            files=files,
            kept=tuple(self._kept()),
            held_back=tuple(self.held_back),
            overridden=tuple(self.overridden),
            younger=tuple(self.younger),
            blocked=tuple(blocked),
            reclaims=sum(item.reclaims for item in files),
            lost=tuple(sorted(self._lost(names, files), key=lambda lost: not lost.is_weights)),
            loaded=tuple(name for name in names if name in (self.policy.loaded or ())),
        )

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
        removed_at = {entry.id: entry.removed_at for entry in self.inventory.trash}
        leaving = filter(self.selection.leaves, self.space.cells)
        for cell in sorted(leaving, key=lambda cell: cell.kind not in ("manifest", "broken")):
            if cell.kind == "manifest":
                model = self.inventory.model_by_name[cell.models[0]]
                yield from _planned(cell.files, f"manifest of {model.name}", model.idle, cell.models)
            elif cell.kind == "broken":
                broken = self.inventory.broken_by_path[cell.files[0].path].model
                yield from _planned(cell.files, "a manifest that cannot be read", models=(broken,) if broken else ())
            elif cell.kind == State.TRASHED:
                for file in cell.files:
                    place = place_of(file.path)
                    idle: tuple[float, Clock] = removed_at[place.entry], "removed"
                    yield from _planned([file], "in the trash: can't be restored afterwards", idle, digest=place.whole)
            for blob in cell.blobs:
                reason = f"only used by {few(blob.models)}" if blob.models else _REASONS[blob.state]
                yield from _planned(blob.files, reason, blob.idle, blob.models, blob.digest)

    def _kept(self) -> Iterator[Kept]:
        """What stays of what was asked for, and why."""
        gone = self.selection.gone
        for cell in self.selection.kept():
            if cell.kind == State.TRASHED:
                for file in cell.files:
                    place = place_of(file.path)
                    if place.whole and Holder("trash", place.entry) in gone:
                        yield self._stays(cell, place.whole, file.allocated)
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
        first = others[0]
        if first.kind == "trash":
            entries = (entry for entry in self.inventory.keeping if entry.id == first.key)
            model = next(model.name for entry in entries for model in entry.models if key in model.needs)
            by_ollama = "needs it, which Ollama deleted: see prunella guard run"
            return f"{model} {by_ollama if first.key == GUARD else 'in the trash needs it'}"
        if first.kind == "staged":
            return "a removal that was interrupted needs it: the next one undoes that first"
        if first.key != key:
            return f"{first.key} links to it"
        return "only the link to it is deleted; prune deletes it when nothing needs it"

    def _lost(self, models: Iterable[str], files: Iterable[PlannedFile]) -> Iterator[Lost]:
        """The models of which something goes that nothing brings back."""
        going = {item.digest for item in files}
        for name in models:
            origin = origins(self.inventory)[name]
            layers = tuple(digest for digest in origin.only_here if digest in going)
            if layers:
                kinds = dict.fromkeys(self.inventory.blob_by_key[digest].kind or "unknown" for digest in layers)
                yield Lost(model=name, origin=origin, layers=layers, kinds=tuple(kinds))


def _planned(
    files: Iterable[File],
    reason: str,
    idle: tuple[float | None, Clock | None] = (None, None),
    models: tuple[str, ...] = (),
    digest: str | None = None,
) -> list[PlannedFile]:
    since, clock = idle
    return [
        PlannedFile(file=file, digest=digest, reason=reason, models=models, idle_since=since, clock=clock)
        for file in files
    ]


def _held(reason: Reason, row: Blob | str) -> HeldBack:
    if isinstance(row, str):
        return HeldBack(path=row, allocated=0, reason=reason.text)
    path = row.files[0].path if row.files and row.digest else row.key
    since, clock = row.idle
    return HeldBack(path=path, allocated=row.allocated, reason=reason.text, idle_since=since, clock=clock)

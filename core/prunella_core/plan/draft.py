"""A plan in the making: decides row by row what goes, what stays and why."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

from msgspec.structs import replace

from prunella_core.base.units import SETTLING_SECONDS
from prunella_core.fs.sizes import File, reclaimed_each
from prunella_core.inventory.records import Blob, Clock, Inventory, Model, Problem, State, TrashEntry, digest_of_file
from prunella_core.plan.records import HeldBack, Kept, Lost, Mode, Plan, PlannedFile, PrunePolicy, Request

NOTHING_REFERENCES_IT = "nothing references it"
_REASONS = {
    State.UNREFERENCED: NOTHING_REFERENCES_IT,
    State.PARTIAL: "a download that never ended",
    State.LEFTOVER: "left over from a create or upload",
    State.STRAY: "no file of Ollama's, chosen by name",
}
_SIGNS_OF_A_PULL = {State.PARTIAL, State.LEFTOVER, State.UNREFERENCED}
"""A pull or create writes partials or temporary files, renames them to blobs, and ends with the manifest."""
_JUST_WRITTEN = "written in the last 10 minutes: it may belong to a pull or create that is running"
_PULL_RUNNING = "a download was written to in the last 10 minutes: what nothing references yet may belong to it"
_YOUNGER: dict[Clock | None, str] = {
    "written": "younger than the age: it was written since",
    "seen-referenced": "younger than the age: a model was seen to need it since",
}
_HELD_OPEN = "a process has it open: a pull is running"
_PINNED = "is pinned"
_LOADED = "is loaded in the server"
_PERHAPS_LOADED = "may be loaded: the server does not answer"
_A_FOLDER = "a folder: look into it and remove it yourself"
_IN_TRASH = "in the trash already: empty it there"
_BLOCKED = "kept because a problem could hide a model that needs it"


class Draft:
    """A plan in the making. It decides one row at a time; sizes are reckoned at the end, for the whole set."""

    def __init__(self, inventory: Inventory, now: float, force: bool, mode: Mode = "delete") -> None:
        self.inventory = inventory
        self.now = now
        self.force = force
        self.mode = mode
        self.restorable = dict(_needed_by_trash(inventory.trash, ()))
        self.emptied: set[str] = set()
        self.from_trash: list[tuple[File, str, float]] = []
        self.models: list[str] = []
        self.manifests: list[tuple[File, str, str]] = []
        self.rows: dict[str, tuple[Blob, str, tuple[str, ...]]] = {}
        self.kept: dict[str, Kept] = {}
        self.held_back: list[HeldBack] = []
        self.overridden: list[HeldBack] = []
        self.younger: list[HeldBack] = []
        self.is_blocked = False

    @cached_property
    def pull_is_running(self) -> bool:
        """Whether something was just written, or is held open, that looks like a pull or create on its way."""
        return any(
            self._is_fresh(blob.written_at) or blob.key in self.inventory.held_open
            for blob in self.inventory.others
            if blob.state in _SIGNS_OF_A_PULL
        )

    def _is_fresh(self, written_at: float | None) -> bool:
        return written_at is not None and self.now - written_at < SETTLING_SECONDS

    def is_due(self, blob: Blob, age: int) -> bool:
        """Whether an unused row has reached the age (seconds); a time in the future counts as now."""
        due = max(self.now - (blob.idle_since or 0), 0) >= age
        if not due:
            self.younger.append(
                HeldBack(
                    path=_path(blob),
                    allocated=blob.allocated,
                    reason=_YOUNGER.get(blob.clock, "younger than the age"),
                    idle_since=blob.idle_since,
                    clock=blob.clock,
                )
            )
        return due

    def is_due_model(self, model: Model, policy: PrunePolicy) -> bool:
        """Whether a model has reached the age, is neither pinned nor loaded, and no running pull may build on it."""
        if max(self.now - model.idle_since, 0) < policy.age:
            return False
        path = model.manifest.path
        if model.is_pinned or model.name in (policy.loaded or ()):
            reason = _PINNED if model.is_pinned else _LOADED
            self.held_back.append(HeldBack(path=path, allocated=0, reason=f"{model.name} {reason}"))
            return False
        if policy.loaded is None and not self._is_free(path, 0, f"{model.name} {_PERHAPS_LOADED}"):
            return False
        return self._is_free(path, 0, _PULL_RUNNING if self.pull_is_running else None)

    def _is_free(self, path: str, allocated: int, reason: str | None) -> bool:
        if reason is None:
            return True
        held = HeldBack(path=path, allocated=allocated, reason=reason)
        (self.overridden if self.force else self.held_back).append(held)
        return self.force

    def break_off(self, broken: Iterable[Problem]) -> None:
        """Take damaged manifests out. What they may have needed stays: nobody knows it."""
        for problem in broken:
            if problem.file:
                self.manifests.append((problem.file, problem.model or "", "a manifest that cannot be read"))

    def remove_models(self, models: Sequence[Model]) -> None:
        """Take out models, with the blobs that no other model needs."""
        self.models += [model.name for model in models]
        for model in models:
            self.manifests.append((model.manifest, model.name, f"manifest of {model.name}"))
        going = set(self.models)
        for digest in dict.fromkeys(digest for model in models for digest in model.needs):
            self._decide_needed(self.inventory.blob_by_key[digest], going)

    def _decide_needed(self, blob: Blob, going: set[str]) -> None:
        staying = tuple(name for name in blob.models if name not in going)
        if not blob.files:
            return
        if staying:
            self._keep(blob, staying, "used by models that stay")
        elif self.note_blocking():
            self._keep(blob, (), _BLOCKED)
        elif self._is_restorable(blob):
            self._keep(blob, (), self.restorable[blob.key])
        else:
            self.rows[blob.key] = (blob, f"only used by {_few(blob.models)}", blob.models)

    def note_blocking(self) -> bool:
        """Let the plan name the problems that stay and could hide a reference; say whether there are any."""
        self.is_blocked |= bool(self._blocking())
        return self.is_blocked

    def _blocking(self) -> list[Problem]:
        if not self.inventory.blocking:  # asked for every blob: what goes need not be gathered for nothing
            return []
        going = {file.path for file, _name, _reason in self.manifests}
        return [problem for problem in self.inventory.blocking if problem.path not in going]

    def _keep(self, blob: Blob, used_by: tuple[str, ...], reason: str) -> None:
        self.kept[blob.key] = Kept(digest=blob.digest or "", allocated=blob.allocated, used_by=used_by, reason=reason)

    def remove_chosen(self, blob: Blob) -> None:
        """Take out a row that somebody chose; one that a model needs stays unless all its models go."""
        if blob.state in (State.REFERENCED, State.MISSING):
            self._decide_needed(blob, set(self.models))
        elif blob.state not in (State.TRASHED, State.STRAY):
            self.remove_unused(blob)
        elif reason := self.why_not(blob):
            self.held_back.append(HeldBack(path=blob.key, allocated=blob.allocated, reason=reason))
        else:
            self._take(blob)

    def why_not(self, blob: Blob) -> str | None:
        """Why a row that nothing references does not go, though somebody chose it."""
        if blob.state is State.TRASHED:
            return _IN_TRASH
        if blob.state is State.STRAY:
            is_file = all(file.path == blob.key for file in blob.files) and bool(blob.files)
            return None if is_file else _A_FOLDER
        return self._settling(blob)

    def remove_unused(self, blob: Blob) -> None:
        """Take out a row that nothing references, unless it is settling or a problem could hide a reference."""
        if blob.state is State.UNREFERENCED and self.note_blocking():
            self._keep(blob, (), _BLOCKED)
        elif self._is_restorable(blob):
            self._keep(blob, (), self.restorable[blob.key])
        elif self._is_free(_path(blob), blob.allocated, self._settling(blob)):
            self._take(blob)

    def _is_restorable(self, blob: Blob) -> bool:
        """Whether a model in the trash needs this blob of the store: it may move there, but not be deleted."""
        return self.mode == "delete" and blob.key in self.restorable

    def spare_what_the_trash_needs(self, going: set[str]) -> None:
        """Reckon with the trash as it is without the entries ``going``."""
        self.restorable = dict(_needed_by_trash(self.inventory.trash, going))

    def remove_from_trash(self, file: File, reason: str, removed_at: float) -> None:
        """Take a file out of the trash for good."""
        self.from_trash.append((file, reason, removed_at))

    def keep_in_trash(self, digest: str, file: File, reason: str) -> None:
        """Leave a blob in the trash although its entry goes."""
        self.kept[file.path] = Kept(digest=digest, allocated=file.allocated, used_by=(), reason=reason)

    def _settling(self, blob: Blob) -> str | None:
        if blob.key in self.inventory.held_open:
            return _HELD_OPEN
        if self._is_fresh(blob.written_at):
            return _JUST_WRITTEN
        return _PULL_RUNNING if blob.state is State.UNREFERENCED and self.pull_is_running else None

    def _take(self, blob: Blob) -> None:
        self.rows[blob.key] = (blob, _REASONS[blob.state], ())

    def finish(self, request: Request) -> Plan:
        """Reckon the sizes of the whole set and freeze it."""
        files = tuple(self._files())
        return Plan(
            store=self.inventory.store,
            request=request,
            made_at=self.now,
            mode=self.mode,
            models=tuple(self.models),
            files=files,
            kept=tuple(self.kept.values()),
            held_back=tuple(self.held_back),
            overridden=tuple(self.overridden),
            younger=tuple(self.younger),
            blocked=tuple(self._blocking()) if self.is_blocked else (),
            reclaims=sum(item.reclaims for item in files),
            lost=tuple(sorted(self._lost(), key=lambda lost: not lost.is_weights)),
            loaded=tuple(name for name in self.models if name in (getattr(request, "loaded", ()) or ())),
        )

    def _lost(self) -> Iterator[Lost]:
        for name in self.models:
            origin = self.inventory.origins[name]
            layers = tuple(digest for digest in origin.only_here if digest in self.rows)
            if layers:
                kinds = dict.fromkeys(self.rows[digest][0].kind or "unknown" for digest in layers)
                yield Lost(model=name, origin=origin, layers=layers, kinds=tuple(kinds))

    def _files(self) -> Iterator[PlannedFile]:
        going = list(self._going())
        for item, reclaims in zip(going, reclaimed_each(item.file for item in going), strict=True):
            yield replace(item, reclaims=reclaims) if reclaims else item

    def _going(self) -> Iterator[PlannedFile]:
        """Everything that goes, manifests first; what each frees is reckoned when the set is whole."""
        for file, name, reason in self.manifests:
            model = self.inventory.model_by_name.get(name)
            yield PlannedFile(
                file=file,
                reclaims=0,
                digest=None,
                reason=reason,
                models=(name,) if name else (),
                idle_since=model.idle_since if model else None,
                clock=model.clock if model else None,
            )
        for blob, reason, models in self.rows.values():
            for file in blob.files:
                yield PlannedFile(
                    file=file,
                    reclaims=0,
                    digest=blob.digest,
                    reason=reason,
                    models=models,
                    idle_since=blob.idle_since,
                    clock=blob.clock,
                )
        for file, reason, removed_at in self.from_trash:
            yield PlannedFile(
                file=file,
                reclaims=0,
                digest=digest_of_file(file.path),
                reason=reason,
                idle_since=removed_at,
                clock="removed",
            )


def _needed_by_trash(trash: Iterable[TrashEntry], going: Collection[str]) -> Iterator[tuple[str, str]]:
    """What the models need that stay in the trash, and the sentence that says so."""
    for entry in trash:
        if entry.id not in going:
            for model in entry.models:
                for digest in model.needs:
                    yield digest, f"{model.name} in the trash needs it"


def _few(names: tuple[str, ...]) -> str:
    """Names for a sentence: a blob may be shared by thousands of models."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _path(blob: Blob) -> str:
    return blob.files[0].path if blob.files else blob.key

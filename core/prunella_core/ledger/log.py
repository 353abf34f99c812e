"""The log of a store: what was deleted when, and how much. It lies in the ledger, so it outlives the trash.

A run that is killed may leave its line out; no line says what did not happen. The newest thousand lines are kept, up to
four megabytes.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.text import clean
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.ledger.file import consult, decoded, fetch, is_trace
from prunella_core.ollama.names import ModelName, is_short_name, place_of
from prunella_core.plan.records import Empty, Mode, Plan, PrunePolicy, Receipt, Removal, Repair, Restore
from prunella_core.store import Store

Action = Literal["rm", "free", "move", "prune", "empty", "expire", "restore", "guard", "repair"]
Fate = Literal["trashed", "restored", "back", "gone"]
"""In the trash; restored from it; in the store again by a pull or create; gone."""

MOST_LINES = 1_000
MOST_BYTES = 4_000_000


class LoggedModel(Struct, frozen=True, kw_only=True):
    """A model that an operation deleted, moved to the trash or restored."""

    name: str
    entry: str
    """The removal that took it out of the store: this one, or that of its trash entry."""
    pull: str | None = None
    """The name to pull it by; empty where no pull brings it back, ``None`` where that is not known."""


class LogLine(Struct, frozen=True, kw_only=True):
    """One operation. ``at`` is in seconds (UTC), ``size`` in bytes: what it freed, moved to the trash or restored.

    ``size`` is ``None`` for a removal that was interrupted and finished later: it was not measured as a whole.
    """

    id: str
    at: float
    action: Action
    mode: Mode
    models: tuple[LoggedModel, ...]
    files: int
    size: int | None
    note: str = ""
    """What likely keeps the space that it freed."""
    target: str = ""
    """The other store that the models were moved to."""


def action_of(plan: Plan) -> Action:
    """What the log calls the execution of ``plan``."""
    match plan.request:
        case Restore():
            return "restore"
        case Empty(expired=expired):
            return "expire" if expired else "empty"
        case PrunePolicy():
            return "prune"
        case Removal(moved_to=target) if target:
            return "move"
        case Removal(proposed=True):
            return "free"
        case Repair():
            return "repair"
        case _:
            return "rm"


def note(receipt: Receipt, at: float, origins: Mapping[str, Origin]) -> Receipt:
    """Write into the log what was done at ``at`` (seconds, UTC); where that fails, the receipt says so.

    ``origins`` says what would bring the models back.
    """
    plan, identity, removed = receipt.plan, clean(receipt.id), set(receipt.removed)
    taken = [item for item in plan.files if (item.target or item.file.path) in removed]
    if not taken:
        return receipt
    models = models_in((item.file.path for item in taken), identity)
    is_restore = plan.mode == "restore"
    line = LogLine(
        id=identity,
        at=at,
        action=action_of(plan),
        mode="delete" if plan.mode == "server" else plan.mode,
        # of a model in the trash, its own removal has noted what brings it back
        models=tuple(
            _with_pull(model, origins.get(model.name)) if model.entry == identity else model for model in models
        ),
        files=len(taken),
        size=sum(item.reclaims for item in taken) if is_restore else receipt.trashed + receipt.freed,
        target=clean(plan.request.moved_to) if isinstance(plan.request, Removal) else "",
    )
    if write_line(plan.store, line):
        return receipt
    return replace(receipt, notes=(*receipt.notes, "prunella log will not show this: its ledger could not be written"))


def _with_pull(model: LoggedModel, origin: Origin | None) -> LoggedModel:
    if origin is None:
        return model
    return replace(model, pull=(origin.source or "") if origin.kind in ("pullable", "cloud") else "")


def models_in(paths: Iterable[str], entry: str) -> tuple[LoggedModel, ...]:
    """Return the models whose manifests are among ``paths`` of the store; ``entry`` is the removal that took them.

    Those of the trash keep the removal that put them there.
    """
    places = (place for path in paths if (place := place_of(path)).is_manifest)
    found = ((place.entry or entry, ModelName.of_path(place.inner)) for place in places)
    return tuple(LoggedModel(name=name.short, entry=clean(taken_by)) for taken_by, name in found if name.is_valid)


def write_line(store: Store, line: LogLine) -> bool:
    """Add ``line`` to the log of ``store``, unless it is there; say whether the log has it now.

    Only the scan before a removal begins a ledger: a removal that comes without one leaves no new file behind.
    """

    def work(ledger: sqlite3.Connection) -> bool:
        known = fetch(ledger, tuple[int], "SELECT 1 FROM log WHERE id = ?", line.id)
        if line.action == "restore" or not known:  # a removal can be restored piece by piece
            ledger.execute("INSERT INTO log (id, line) VALUES (?, ?)", (line.id, msgspec.json.encode(line)))
            _forget_oldest(ledger)
        return True

    return is_trace(store) and bool(consult(store, work, write=True))


def add_note(store: Store, identity: str, note: str) -> None:
    """Add ``note`` to the line of an operation, where the log has it and can be written."""

    def work(ledger: sqlite3.Connection) -> None:
        newest = "SELECT number, line FROM log WHERE id = ? ORDER BY number DESC LIMIT 1"
        for number, data in fetch(ledger, tuple[int, bytes], newest, clean(identity)):
            if line := _line_in(data):
                noted = msgspec.json.encode(replace(line, note=note))
                ledger.execute("UPDATE log SET line = ? WHERE number = ?", (noted, number))

    consult(store, work, write=True)


def _forget_oldest(ledger: sqlite3.Connection) -> None:
    room = MOST_BYTES
    sizes = fetch(ledger, tuple[int, int], "SELECT number, length(line) FROM log ORDER BY number DESC")
    for count, (number, size) in enumerate(sizes):
        room -= size
        if count and (count >= MOST_LINES or room < 0):
            ledger.execute("DELETE FROM log WHERE number <= ?", (number,))
            return


def read_log(store: Store) -> tuple[LogLine, ...]:
    """Return the log of ``store``, the oldest line first. A line that is not Prunella's is left out."""
    newest = "SELECT line FROM log WHERE length(line) <= ? ORDER BY number DESC LIMIT ?"
    rows = consult(store, lambda ledger: fetch(ledger, tuple[Any], newest, MOST_BYTES, MOST_LINES)) or []
    return tuple(line for (data,) in reversed(rows) if (line := _line_in(data)))


def _line_in(data: object) -> LogLine | None:
    line = decoded(data, LogLine)
    names = (name for model in line.models for name in (model.name, model.pull or model.name)) if line else ()
    return line if all(map(is_short_name, names)) else None


# What became of it


class Event(Struct, frozen=True, kw_only=True):
    """One line of the log, and what became of each of its models."""

    line: LogLine
    fates: tuple[Fate, ...]
    fate: Fate
    """What became of files that belong to no model."""


class History(Struct, frozen=True, kw_only=True):
    """Every deletion and restore that is known, the oldest first."""

    events: tuple[Event, ...]
    pullable: tuple[str, ...]
    """The names to pull for models that are gone."""
    lost: tuple[str, ...]
    """Models that are gone, and that no pull brings back."""


def history(log: Sequence[LogLine], inventory: Inventory) -> History:
    """Say what became of everything in ``log``, and of what lies in the trash without a line. Pure."""
    entries = {clean(entry.id): entry for entry in inventory.trash if not entry.is_spent}
    known = {line.id for line in log if line.action != "restore"}
    # what only the trash knows: the run was killed, or is older than the log
    unlogged = (_line_of(identity, entry) for identity, entry in entries.items() if identity not in known)
    lines = sorted((*log, *unlogged), key=lambda line: line.at)
    restored = [line for line in lines if line.action == "restore"]
    restored_from = {line.id for line in restored}
    from_trash = {(model.entry, model.name) for line in restored for model in line.models}
    in_trash = {(identity, model.name) for identity, entry in entries.items() for model in entry.models}
    in_store = {name.casefold() for name in inventory.model_by_name}

    def fate_of(model: LoggedModel) -> Fate:
        key = (model.entry, model.name)
        if key in in_trash or key in from_trash:
            return "trashed" if key in in_trash else "restored"
        return "back" if model.name.casefold() in in_store else "gone"

    def fate_of_files(line: LogLine) -> Fate:
        if line.mode == "delete":
            return "gone"
        if line.id in entries and line.action != "restore":
            return "trashed"
        return "restored" if line.id in restored_from else "gone"

    held = {name for _entry, name in in_trash}
    elsewhere = {line.id for line in lines if line.action == "move"}
    last = (model for model in _last_known(lines) if model.name not in held and model.entry not in elsewhere)
    gone = [model for model in last if fate_of(model) == "gone"]
    pullable = dict.fromkeys(model.name if model.pull is None else model.pull for model in gone)
    return History(
        events=tuple(Event(line=ln, fates=tuple(map(fate_of, ln.models)), fate=fate_of_files(ln)) for ln in lines),
        pullable=tuple(filter(None, pullable)),
        lost=tuple(model.name for model in gone if model.pull == ""),
    )


def _line_of(identity: str, entry: TrashEntry) -> LogLine:
    return LogLine(
        id=identity,
        at=entry.removed_at,
        action="rm",
        mode="trash",
        models=tuple(LoggedModel(name=model.name, entry=identity) for model in entry.models),
        files=len(entry.files),
        size=sum(file.allocated for file in entry.files),
    )


def _last_known(lines: Iterable[LogLine]) -> Iterable[LoggedModel]:
    """Every model, as its last removal from the store has it."""
    found: dict[str, LoggedModel] = {}
    for line in lines:
        for model in line.models:
            known = found.get(model.name)
            if model.entry != line.id or line.action == "restore":  # what took it out of the store knows more
                found.setdefault(model.name, model)
            elif known and model.pull is None:
                found[model.name] = replace(model, pull=known.pull)
            else:
                found[model.name] = model
    return found.values()

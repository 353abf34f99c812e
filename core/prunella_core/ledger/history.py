"""What became of what was deleted: the log, compared with the store and its trash as they are now. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.ledger.log import LoggedModel, LogLine

Fate = Literal["trashed", "restored", "back", "gone"]
"""In the trash; restored from it; in the store again by a pull or create; gone."""


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
    """Say what became of everything in ``log``, and of what lies in the trash without a line."""
    lines = sorted((*log, *_unlogged(log, inventory.trash)), key=lambda line: line.at)
    now = _Now(lines, inventory)
    events = tuple(
        Event(line=line, fates=tuple(map(now.fate_of, line.models)), fate=now.fate_of_files(line)) for line in lines
    )
    gone = now.gone()
    pullable = dict.fromkeys(model.name if model.pull is None else model.pull for model in gone)
    lost = tuple(model.name for model in gone if model.pull == "")
    return History(events=events, pullable=tuple(name for name in pullable if name), lost=lost)


def _unlogged(log: Iterable[LogLine], trash: Iterable[TrashEntry]) -> Iterable[LogLine]:
    """Removals that only the trash knows: their run was killed, or is older than the log."""
    known = {line.id for line in log if line.action != "restore"}
    for entry in trash:
        if clean(entry.id) not in known and not entry.is_spent:
            yield LogLine(
                id=clean(entry.id),
                at=entry.removed_at,
                action="rm",
                mode="trash",
                models=tuple(LoggedModel(name=model.name, entry=clean(entry.id)) for model in entry.models),
                files=len(entry.files),
                size=sum(file.allocated for file in entry.files),
            )


class _Now:
    """Where every model is now."""

    def __init__(self, lines: Sequence[LogLine], inventory: Inventory) -> None:
        self.lines = lines
        entries = [entry for entry in inventory.trash if not entry.is_spent]
        self.in_trash = {(clean(entry.id), model.name) for entry in entries for model in entry.models}
        self.entries = {clean(entry.id) for entry in entries}
        self.in_store = {name.casefold() for name in inventory.model_by_name}
        restored = [line for line in lines if line.action == "restore"]
        self.restored = {(model.entry, model.name) for line in restored for model in line.models}
        self.restored_from = {line.id for line in restored}

    def fate_of(self, model: LoggedModel) -> Fate:
        key = (model.entry, model.name)
        if key in self.in_trash:
            return "trashed"
        if key in self.restored:
            return "restored"
        return "back" if model.name.casefold() in self.in_store else "gone"

    def fate_of_files(self, line: LogLine) -> Fate:
        if line.mode == "delete":
            return "gone"
        if line.id in self.entries and line.action != "restore":
            return "trashed"
        return "restored" if line.id in self.restored_from else "gone"

    def gone(self) -> list[LoggedModel]:
        """The models that are neither in the store nor in the trash, as their last removal from the store has them."""
        found: dict[str, LoggedModel] = {}
        held = {name for _entry, name in self.in_trash}
        for line in self.lines:
            for model in line.models:
                known = found.get(model.name)
                if model.entry != line.id or line.action == "restore":  # what took it out of the store knows more
                    found.setdefault(model.name, model)
                elif known and model.pull is None:
                    found[model.name] = replace(model, pull=known.pull)
                else:
                    found[model.name] = model
        return [model for name, model in found.items() if name not in held and self.fate_of(model) == "gone"]

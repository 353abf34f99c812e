"""What became of what was removed: the log, held against the store and its trash as they are now. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.ledger.log import LoggedModel, LogLine

Fate = Literal["trashed", "restored", "back", "gone"]
"""It lies in the trash; it came back from there; its name is in the store again, by a pull or create; it is gone."""


class Event(Struct, frozen=True, kw_only=True):
    """One line of the log, and what became of what it tells: of each model, and of it as a whole where it has none."""

    line: LogLine
    fates: tuple[Fate, ...]
    fate: Fate
    """What became of files that belong to no model."""


class History(Struct, frozen=True, kw_only=True):
    """Everything that is known to have been removed or restored, the oldest first."""

    events: tuple[Event, ...]
    pullable: tuple[str, ...]
    """The names whose pull brings back models that are gone."""
    lost: tuple[str, ...]
    """Models that are gone, and that no pull brings back."""


def history(log: Sequence[LogLine], inventory: Inventory) -> History:
    """Tell what became of what ``log`` says was removed. What lies in the trash is told although no line does."""
    lines = sorted((*log, *_unlogged(log, inventory.trash)), key=lambda line: line.at)
    reckoning = _Reckoning(lines, inventory)
    events = tuple(
        Event(line=line, fates=tuple(map(reckoning.fate_of, line.models)), fate=reckoning.fate_of_files(line))
        for line in lines
    )
    gone = reckoning.gone()
    pullable = dict.fromkeys(model.name if model.pull is None else model.pull for model in gone)
    lost = tuple(model.name for model in gone if model.pull == "")
    return History(events=events, pullable=tuple(name for name in pullable if name), lost=lost)


def _unlogged(log: Iterable[LogLine], trash: Iterable[TrashEntry]) -> Iterable[LogLine]:
    """Removals that the trash tells of, and the log does not: their run was killed, or is older than the log."""
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


class _Reckoning:
    """Where every model is now."""

    def __init__(self, lines: Sequence[LogLine], inventory: Inventory) -> None:
        self.lines = lines
        entries = [entry for entry in inventory.trash if not entry.is_spent]
        self.in_trash = {(clean(entry.id), model.name) for entry in entries for model in entry.models}
        self.entries = {clean(entry.id) for entry in entries}
        self.there = {name.casefold() for name in inventory.model_by_name}
        restored = [line for line in lines if line.action == "restore"]
        self.restored = {(model.entry, model.name) for line in restored for model in line.models}
        self.restored_from = {line.id for line in restored}

    def fate_of(self, model: LoggedModel) -> Fate:
        """What became of a model after it was removed."""
        key = (model.entry, model.name)
        if key in self.in_trash:
            return "trashed"
        if key in self.restored:
            return "restored"
        return "back" if model.name.casefold() in self.there else "gone"

    def fate_of_files(self, line: LogLine) -> Fate:
        """What became of a removal as a whole."""
        if line.mode == "delete":
            return "gone"
        if line.id in self.entries and line.action != "restore":
            return "trashed"
        return "restored" if line.id in self.restored_from else "gone"

    def gone(self) -> list[LoggedModel]:
        """The models that are neither in the store nor in the trash, as their last removal from the store told them."""
        found: dict[str, LoggedModel] = {}
        held = {name for _entry, name in self.in_trash}
        for line in self.lines:
            for model in line.models:
                known = found.get(model.name)
                if model.entry != line.id or line.action == "restore":  # what took it out of the store tells more
                    found.setdefault(model.name, model)
                elif known and model.pull is None:
                    found[model.name] = replace(model, pull=known.pull)
                else:
                    found[model.name] = model
        return [model for name, model in found.items() if name not in held and self.fate_of(model) == "gone"]

"""Writes the log: after an operation what it did, and after a recovery what it finished."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from prunella_core.apply.places import operations, read_record, removing
from prunella_core.base.text import clean
from prunella_core.ledger.log import Action, LoggedModel, LogLine, models_in, write_line
from prunella_core.plan.records import Empty, Plan, PlannedFile, PruneClass, PrunePolicy, Receipt, Restore
from prunella_core.scan import removed_at
from prunella_core.store.locate import Store

if TYPE_CHECKING:
    from prunella_core.inventory.origin import Origin

_UNWRITTEN = "prunella log will not tell of this: its ledger could not be written"


def action_of(plan: Plan) -> Action:
    """What the log calls the execution of ``plan``."""
    match plan.request:
        case Restore():
            return "restore"
        case Empty():
            return "empty"
        case PrunePolicy(classes=classes):
            return "expire" if classes == {PruneClass.TRASH} else "prune"
        case _:
            return "rm"


def note(receipt: Receipt, at: float, origins: "Mapping[str, Origin]") -> Receipt:
    """Write ``receipt`` into the log, at ``at`` (seconds, UTC); where that fails, let the receipt say so.

    ``origins`` says how the models could have been downloaded again.
    """
    plan = receipt.plan
    if not receipt.removed:
        return receipt
    identity = clean(receipt.id)
    models = models_in(_paths_taken(receipt), identity)
    line = LogLine(
        id=identity,
        at=at,
        action=action_of(plan),
        mode="delete" if plan.mode == "server" else plan.mode,
        models=tuple(_with_pull(model, identity, origins) for model in models),
        files=len(receipt.removed),
        size=_size(receipt),
    )
    return receipt if write_line(plan.store, line) else replace(receipt, notes=(*receipt.notes, _UNWRITTEN))


def _paths_taken(receipt: Receipt) -> Sequence[str]:
    """Where what was dealt with lay before: of a restore, in the trash."""
    return [item.file.path for item in _restored(receipt)] if receipt.plan.mode == "restore" else receipt.removed


def _restored(receipt: Receipt) -> list[PlannedFile]:
    back = set(receipt.removed)
    return [item for item in receipt.plan.files if item.target in back]


def _size(receipt: Receipt) -> int:
    if receipt.plan.mode == "restore":
        return sum(item.reclaims for item in _restored(receipt))
    return receipt.trashed if receipt.plan.mode == "trash" else receipt.freed


def _with_pull(model: LoggedModel, operation: str, origins: "Mapping[str, Origin]") -> LoggedModel:
    """Note what brings a model of the store back; of one in the trash, its own removal has noted it."""
    origin = origins.get(model.name) if model.entry == operation else None
    if origin is None:
        return model
    return replace(model, pull=(origin.source or "") if origin.kind in ("pullable", "cloud") else "")


def unfinished(store: Store) -> list[LogLine]:
    """Return what the log has to say of removals that were decided and killed, once they are finished."""
    return [line for operation in operations(removing(store)) if (line := _line_of(store, operation))]


def _line_of(store: Store, operation: str) -> LogLine | None:
    """What the record of a removal says of it; nothing when it cannot be read."""
    record = read_record(removing(store, operation))
    if record is None:
        return None
    return LogLine(
        id=operation,
        at=removed_at(removing(store), operation),
        action=record.action,
        mode="delete",
        models=models_in(record.files, operation),
        files=len(record.files),
        size=None,
    )


def note_finished(store: Store, lines: Iterable[LogLine]) -> None:
    """Write ``lines`` of removals that a recovery has finished. Where none can be written, they are left out."""
    for line in lines:
        write_line(store, line)

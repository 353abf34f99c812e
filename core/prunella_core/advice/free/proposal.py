"""What is proposed, and why each item is in it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from prunella_core.advice.free.candidates import Candidate, ItemKind, LeftOut
from prunella_core.advice.free.greedy import Items, partners
from prunella_core.advice.free.regret import regret
from prunella_core.base.text import clean
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Inventory, Model, Problem
from prunella_core.plan.records import HeldBack, Plan, Removal
from prunella_core.space.cells import Holder, Selection

_DAY = 86_400
_KINDS: tuple[ItemKind, ...] = ("leftover", "partial", "unreferenced", "trash", "model")
_FEW = 3


class Item(Struct, frozen=True, kw_only=True):
    """One row of a proposal, in the order in which it is read."""

    kind: ItemKind
    key: str
    """A key of a blob, the ID of a removal, or a model's name."""
    reason: str
    frees: int
    """Bytes that leave the disk when it goes along with all items before it: the running sum is that of these."""
    regret: int
    """In bytes, counted as ``frees`` is."""
    idle_since: float


class Proposal(Struct, frozen=True, kw_only=True):
    """What to delete so that ``target`` bytes leave the disk; all sizes in bytes."""

    target: int
    items: tuple[Item, ...]
    plan: Plan
    """What would happen: the truth that the rows only explain."""
    reachable: int
    """The most there is, as long as nothing more is allowed."""
    left_out: tuple[LeftOut, ...]
    held_back: tuple[HeldBack, ...]
    blocked: tuple[Problem, ...]
    """Problems because of which models and unreferenced blobs are left out."""

    @property
    def removal(self) -> Removal:
        """The request that takes it all."""
        assert isinstance(self.plan.request, Removal)
        return self.plan.request

    @property
    def reclaims(self) -> int:
        """Bytes that leave the disk with all of it."""
        return self.plan.reclaims

    @property
    def is_met(self) -> bool:
        """Whether it frees what was asked for."""
        return self.reclaims >= self.target

    @property
    def regret(self) -> int:
        """How much all of it would be missed, in bytes, as ``docs/free.md`` counts them."""
        return sum(item.regret for item in self.items)


def rows(inventory: Inventory, selection: Selection, items: Items, now: float) -> tuple[Item, ...]:
    """Return the rows of what is selected, what is recovered most easily first, and what goes together together."""
    with_it = {holder: partners(selection, holder) for holder in selection.gone}
    so_far = Selection(selection.of)
    found = []
    for holder in _in_order(items, with_it):
        item, frees = items[holder], so_far.gain([holder])
        so_far.add(holder)
        found.append(
            Item(
                kind=item.kind,
                key=item.key,
                reason=_reason(inventory, item, [other.key for other in with_it[holder]], now),
                frees=frees,
                regret=regret([item], frees, now),
                idle_since=item.idle_since,
            )
        )
    return tuple(found)


def _in_order(items: Items, with_it: Mapping[Holder, list[Holder]]) -> Iterable[Holder]:
    by_ease = sorted(
        with_it, key=lambda holder: (_KINDS.index(items[holder].kind), items[holder].idle_since, holder.key)
    )
    return dict.fromkeys(holder for first in by_ease for holder in (first, *with_it[first]))


def _reason(inventory: Inventory, item: Candidate, partners: list[str], now: float) -> str:
    days = int(max(now - item.idle_since, 0) // _DAY)
    since = f"for {days} day{'' if days == 1 else 's'}" if days else "since today"
    match item.kind:
        case "leftover":
            why = f"left over from a create or upload, untouched {since}"
        case "partial":
            why = f"interrupted download, untouched {since}; pulling again starts over"
        case "unreferenced":
            why = f"no model has needed it {since}"
        case "trash":
            why = f"in the trash {since}; can't be restored afterwards"
        case "model":
            why = f"{_unused(inventory.model_by_name[item.key], since)}; {_way_back(item.origin)}{_asked(item)}"
    return why + (f"; only together with {_few(partners)}" if partners else "")


def _unused(model: Model, since: str) -> str:
    return f"neither changed nor known to be used {since}" if model.last_used is None else f"not used {since}"


def _way_back(origin: Origin | None) -> str:
    if origin is None or origin.kind == "created":
        return "not recoverable"
    if origin.kind == "cloud" and not origin.only_here:
        return "runs in the cloud"
    pull = f"ollama pull {clean(origin.source or '')}"
    if origin.only_here:
        return f"{pull} brings its base back, but not its own layers"
    base = " its base" if origin.kind == "derived" else " it"
    return f"{pull} {'brings' if origin.certainty == 'known' else 'should bring'}{base} back"


def _asked(item: Candidate) -> str:
    asked = [guard for guard in item.guards if guard != "local"]
    return f"; {' and '.join(asked)}" if asked else ""


def _few(names: list[str]) -> str:
    shown = ", ".join(clean(name) for name in names[:_FEW])
    return shown + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")

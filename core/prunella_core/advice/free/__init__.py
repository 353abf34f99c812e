"""Proposes what to delete to free a given amount, least-missed first, and why. Nothing is deleted here.

The proposal is a ``Removal`` like any other: it is planned, reviewed and executed as such.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

from msgspec import Struct

from prunella_core.advice.free.candidates import Candidate, Guard, ItemKind, LeftOut, candidates, regret
from prunella_core.advice.free.greedy import Items, choose, partners
from prunella_core.base.text import clean
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Inventory, Model, Problem
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import HeldBack, Plan, Removal
from prunella_core.space.cells import Holder, Selection
from prunella_core.space.space import space_of

_DAY = 86_400
_KINDS: tuple[ItemKind, ...] = get_args(ItemKind)
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


class Proposal(Struct, frozen=True, kw_only=True):
    """What to delete so that ``target`` bytes leave the disk; all sizes in bytes."""

    target: int
    items: list[Item]
    plan: Plan
    """What would happen: the truth that the rows only explain."""
    removal: Removal
    """The request that takes it all."""
    reachable: int
    """The most there is, as long as nothing more is allowed."""
    left_out: list[LeftOut]
    held_back: list[HeldBack]
    blocked: tuple[Problem, ...]
    """Problems because of which models and unreferenced blobs are left out."""

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


def propose(
    inventory: Inventory,
    target: int,
    now: float,
    *,
    loaded: Collection[str] | None = (),
    allowed: Collection[Guard] = (),
) -> Proposal:
    """Propose what to delete at ``now`` (seconds, UTC) so that ``target`` bytes leave the disk, least-missed first.

    Without any one item the target would be missed. Where all that may go is not enough, the proposal is the most there
    is. Pinned models, ``loaded`` ones, and those that nothing brings back whole are left out unless ``allowed``.
    """
    found = candidates(inventory, now, loaded, allowed)
    items = {item.holder: item for item in found.items}
    space = space_of(inventory, "delete")
    reachable = space.frees(items.keys())
    chosen = list(_rows(inventory, choose(space, items, max(min(target, reachable), 0), now), items, now))
    removal = Removal(
        models=tuple(item.key for item in chosen if item.kind == "model"),
        blobs=tuple(item.key for item in chosen if item.kind not in ("model", "trash")),
        entries=tuple(item.key for item in chosen if item.kind == "trash"),
        loaded=None if loaded is None else frozenset(loaded),
        to_trash=False,
        proposed=True,
    )
    return Proposal(
        target=max(target, 0),
        items=chosen,
        reachable=reachable,
        plan=make_plan(inventory, removal, now),
        removal=removal,
        left_out=found.left_out,
        held_back=found.held_back,
        blocked=inventory.blocking,
    )


def proposal_fields(proposal: Proposal) -> dict[str, Any]:
    """What ``free --json`` adds to the plan or the receipt; regret is in bytes to be downloaded again."""
    rows = [(item, {"key": clean(item.key), "reason": item.reason}) for item in proposal.items]
    return {
        "target": proposal.target,
        "reachable": proposal.reachable,
        "regret": proposal.regret,
        "model_reasons": [{"name": row["key"], "reason": item.reason} for item, row in rows if item.kind == "model"],
        "items": [{"kind": item.kind, **row, "reclaims": item.frees, "regret": item.regret} for item, row in rows],
        "not_proposed": [{"name": clean(left.name), "because": left.guards} for left in proposal.left_out],
    }


def _rows(inventory: Inventory, selection: Selection, items: Items, now: float) -> Iterator[Item]:
    """What is selected, what is recovered most easily first, and what goes together together."""
    with_it = {holder: partners(selection, holder) for holder in selection.gone}
    so_far = Selection(selection.of)
    for holder in _in_order(items, with_it):
        item, frees = items[holder], so_far.gain([holder])
        so_far.add(holder)
        reason = _reason(inventory, item, now)
        if others := [clean(other.key) for other in with_it[holder]]:
            more = f" and {len(others) - _FEW} more" if len(others) > _FEW else ""
            reason += f"; only together with {', '.join(others[:_FEW])}{more}"
        yield Item(kind=item.kind, key=item.key, reason=reason, frees=frees, regret=regret([item], frees, now))


def _in_order(items: Items, with_it: Mapping[Holder, list[Holder]]) -> Collection[Holder]:
    def ease(holder: Holder) -> tuple[int, float, str]:
        return _KINDS.index(items[holder].kind), items[holder].idle_since, holder.key

    return dict.fromkeys(holder for first in sorted(with_it, key=ease) for holder in (first, *with_it[first]))


def _reason(inventory: Inventory, item: Candidate, now: float) -> str:
    days = int(max(now - item.idle_since, 0) // _DAY)
    since = f"for {days} day{'' if days == 1 else 's'}" if days else "since today"
    match item.kind:
        case "leftover":
            return f"left over from a create or upload, untouched {since}"
        case "partial":
            return f"interrupted download, untouched {since}; pulling again starts over"
        case "unreferenced":
            return f"no model has needed it {since}"
        case "trash":
            return f"in the trash {since}; can't be restored afterwards"
        case "model":
            asked = " and ".join(guard for guard in item.guards if guard != "local")
            why = f"{_unused(inventory.model_by_name[item.key], since)}; {_way_back(item.origin)}"
            return f"{why}; {asked}" if asked else why


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

"""Proposes what to delete to free a given amount, least-missed first, and why. Nothing is deleted here.

The proposal is a ``Removal`` like any other: it is planned, reviewed and executed as such.
"""

from collections.abc import Collection, Iterator
from typing import Any, get_args

from msgspec import Struct

from prunella_core.advice.choice import Candidate, Guard, ItemKind, Items, candidates, choose, regret
from prunella_core.base.text import clean, few, parse_size
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Inventory, Problem
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import HeldBack, Plan, Removal
from prunella_core.space import Holder, Selection, space_of
from prunella_core.space.totals import totals

_DAY = 86_400
_REASONS = {
    "leftover": "left over from a create or upload, untouched {since}",
    "partial": "interrupted download, untouched {since}; pulling again starts over",
    "unreferenced": "no model has needed it {since}",
    "trash": "in the trash {since}; can't be restored afterwards",
}


class Item(Struct, frozen=True, kw_only=True):
    """One row of a proposal, in the order in which it is read."""

    kind: ItemKind
    key: str
    """A key of a blob, the ID of a removal, or a model's name."""
    reason: str
    frees: int
    """Bytes that leave the disk when it goes along with all items before it: the running sum is that of these."""
    regret: int


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
    left_out: dict[str, tuple[Guard, ...]]
    """Models that are not proposed unless that is asked for, and what was not allowed."""
    held_back: list[HeldBack]
    """Rows that may belong to a running pull."""
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
        """How much all of it would be missed."""
        return sum(item.regret for item in self.items)


def to_free(inventory: Inventory, wanted: str) -> int:
    """Return how much to delete for ``50GB``; for ``20%``, until that much of the file system is free.

    Raises InvalidInput, as the other goals do.
    """
    return until_free(inventory, wanted) if "%" in wanted else parse_size(wanted, inventory.disk_total)


def until_free(inventory: Inventory, wanted: str) -> int:
    """Return what is missing until ``20%`` of the file system, or ``100GB``, are free."""
    return max(parse_size(wanted, inventory.disk_total) - inventory.disk_free, 0)


def down_to(inventory: Inventory, most: str) -> int:
    """Return by how much the whole store, its trash too, takes more than ``300GB``."""
    return max(totals(inventory).allocated - parse_size(most), 0)


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
    found, left_out, held_back = candidates(inventory, now, loaded, allowed)
    items = {item.holder: item for item in found}
    space = space_of(inventory, "delete")
    reachable = space.frees(items)
    chosen = list(_rows(inventory, choose(space, items, min(target, reachable), now), items, now))
    removal = Removal(
        models=tuple(item.key for item in chosen if item.kind == "model"),
        blobs=tuple(item.key for item in chosen if item.kind not in ("model", "trash")),
        entries=tuple(item.key for item in chosen if item.kind == "trash"),
        loaded=None if loaded is None else frozenset(loaded),
        to_trash=False,
        proposed=True,
    )
    return Proposal(
        target=target,
        items=chosen,
        reachable=reachable,
        plan=make_plan(inventory, removal, now),
        removal=removal,
        left_out=left_out,
        held_back=held_back,
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
        "not_proposed": [{"name": clean(name), "because": guards} for name, guards in proposal.left_out.items()],
    }


def _rows(inventory: Inventory, selection: Selection, items: Items, now: float) -> Iterator[Item]:
    """What is selected, what is recovered most easily first, and what goes together together."""
    kinds = get_args(ItemKind)

    def ease(holder: Holder) -> tuple[int, float, str]:
        return kinds.index(items[holder].kind), items[holder].idle_since, holder.key

    with_it = {holder: _partners(selection, holder) for holder in sorted(selection.gone, key=ease)}
    so_far = Selection(selection.of)
    for holder in dict.fromkeys(each for first in with_it for each in (first, *with_it[first])):
        item, frees = items[holder], so_far.gain([holder])
        so_far.add(holder)
        reason = _reason(inventory, item, now)
        if others := [clean(other.key) for other in with_it[holder]]:
            reason += f"; only together with {few(others)}"
        yield Item(kind=item.kind, key=item.key, reason=reason, frees=frees, regret=regret([item], frees, now))


def _partners(selection: Selection, holder: Holder) -> list[Holder]:
    """The others without which most of what this one frees would stay."""
    leaving = sorted(filter(selection.leaves, selection.of.get(holder, [])), key=lambda cell: -cell.allocated)
    return sorted(leaving[0].holders - {holder}) if leaving else []


def _reason(inventory: Inventory, item: Candidate, now: float) -> str:
    days = int(max(now - item.idle_since, 0) // _DAY)
    since = f"for {days} day{'' if days == 1 else 's'}" if days else "since today"
    if item.origin is None:
        return _REASONS[item.kind].format(since=since)
    is_known = inventory.model_by_name[item.key].last_used is not None
    unused = f"not used {since}" if is_known else f"neither changed nor known to be used {since}"
    asked = " and ".join(guard for guard in item.guards if guard != "local")
    return "; ".join(filter(None, (unused, _way_back(item.origin), asked)))


def _way_back(origin: Origin) -> str:
    if origin.kind == "created":
        return "not recoverable"
    if origin.kind == "cloud" and not origin.only_here:
        return "runs in the cloud"
    pull = f"ollama pull {clean(origin.source or '')}"
    if origin.only_here:
        return f"{pull} brings its base back, but not its own layers"
    base = " its base" if origin.kind == "derived" else " it"
    return f"{pull} {'brings' if origin.certainty == 'known' else 'should bring'}{base} back"

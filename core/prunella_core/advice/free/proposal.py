"""What is proposed, and why each item is in it."""

from collections.abc import Collection, Iterator

from msgspec import Struct

from prunella_core.advice.free.candidates import Candidate, ItemKind, LeftOut
from prunella_core.advice.free.reckoning import Reckoning
from prunella_core.base.text import clean
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Inventory, Model, Problem
from prunella_core.plan.records import HeldBack, Plan, Removal

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
    """In millionths of a byte, counted as ``frees`` is."""
    idle_since: float


class Proposal(Struct, frozen=True, kw_only=True):
    """What to let go so that ``target`` bytes leave the disk; all sizes in bytes."""

    target: int
    items: tuple[Item, ...]
    plan: Plan
    """What would happen: the truth that the rows only explain."""
    reachable: int
    """The most there is, as long as nothing more is allowed."""
    regret: int
    """In millionths of a byte, as ``docs/free.md`` counts them."""
    at_least: int
    """No choice that reaches the target has less regret; the proposal is surely the best when both are equal."""
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
    def is_best(self) -> bool:
        """Whether no other choice could have less regret."""
        return self.regret <= self.at_least

    @property
    def excess(self) -> float:
        """By what share of the least possible regret it may be worse than the best choice, at most."""
        return 0.0 if self.is_best else self.regret / max(self.at_least, 1) - 1


def told(
    inventory: Inventory, items: tuple[Candidate, ...], reckoning: Reckoning, chosen: Collection[int], now: float
) -> tuple[Item, ...]:
    """Return the rows of the ``chosen`` items, what is recovered most easily first, and what goes together together."""
    reckoning.set_to(chosen)
    partners = {number: _partners(reckoning, number) for number in chosen}
    reckoning.set_to(())
    rows = []
    for number in _ordered(items, partners):
        before = reckoning.frees, reckoning.regret
        reckoning.add(number)
        item = items[number]
        rows.append(
            Item(
                kind=item.kind,
                key=item.key,
                reason=_reason(inventory, item, [items[other].key for other in partners[number]], now),
                frees=reckoning.frees - before[0],
                regret=reckoning.regret - before[1],
                idle_since=item.idle_since,
            )
        )
    return tuple(rows)


def _partners(reckoning: Reckoning, number: int) -> list[int]:
    """The items without which most of what this one frees would stay."""
    cells = [reckoning.cells[cell] for cell in reckoning.of_atom[number] if not reckoning.waiting[cell]]
    largest = max(cells, key=lambda cell: cell.frees, default=None)
    return sorted(largest.needs & reckoning.chosen - {number}) if largest else []


def _ordered(items: tuple[Candidate, ...], partners: dict[int, list[int]]) -> Iterator[int]:
    by_ease = sorted(partners, key=lambda number: (_KINDS.index(items[number].kind), items[number].idle_since))
    done: set[int] = set()
    for first in by_ease:
        for number in (first, *partners[first]):
            if number not in done:
                done.add(number)
                yield number


def _reason(inventory: Inventory, item: Candidate, partners: list[str], now: float) -> str:
    days = int(max(now - item.idle_since, 0) // _DAY)
    since = f"for {days} day{'' if days == 1 else 's'}" if days else "since today"
    match item.kind:
        case "leftover":
            why = f"left over from a create or upload, untouched {since}"
        case "partial":
            why = f"a download that broke off, untouched {since}; a new pull would begin anew"
        case "unreferenced":
            why = f"no model has needed it {since}"
        case "trash":
            why = f"in the trash {since}; it cannot be restored afterwards"
        case "model":
            why = f"{_unused(inventory.model_by_name[item.key], since)}; {_way_back(item.origin)}{_asked(item)}"
    return why + (f"; only together with {_few(partners)}" if partners else "")


def _unused(model: Model, since: str) -> str:
    return f"neither changed nor known to be used {since}" if model.last_used is None else f"not used {since}"


def _way_back(origin: Origin | None) -> str:
    if origin is None or origin.kind == "created":
        return "nothing brings it back"
    if origin.kind == "cloud" and not origin.only_here:
        return "it runs elsewhere"
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

"""The tables of ``ls``, ``blobs`` and ``df``, and what became more or less since."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from prunella_core.inventory.records import Blob, Inventory, Model, State
from prunella_core.ledger.memory import Noted
from prunella_core.scan.system import OtherFiles
from prunella_core.space import space_of
from prunella_core.space.totals import Totals, growth, model_changes, totals
from prunella_tui.report import format as show
from prunella_tui.report.lines import Block, Column, Part, Table, Tone, line, section, table, table_of
from prunella_tui.report.rows import contents

_BAR = 20
_NAMES = {"listed": "ollama list", "allocated": "on disk", "disk_free": "free"}
_STEPS = "▁▂▃▄▅▆▇█"
_MOST_STEPS = 30
_SIGNS = {"came": "+", "went": "−", "changed": "~"}
_SHARES: tuple[tuple[str, str, Tone], ...] = (
    ("exclusive", "used by one model", "good"),
    ("shared", "used by several models", "info"),
    ("unreferenced", "used by no model", "warning"),
    ("partial", "interrupted downloads", "accent"),
    ("leftover", "temporary files", "accent"),
    ("stray", "not files of Ollama", "quiet"),
    ("trashed", "deleted, can be restored", "quiet"),
)


def models_lines(inventory: Inventory, shown: Sequence[Model]) -> Iterator[Block]:
    """Yield the table of the models ``shown``, the totals of the whole store, and what needs attention."""
    if shown:
        yield from (_models(inventory, shown), line())
    sums = totals(inventory)
    is_all = len(shown) == len(inventory.models)
    count = f"{'' if is_all else f'{len(shown):,} of '}{show.counted(sums.models, 'model')}"
    sizes = f"{show.size(sums.listed)} listed · {show.size(sums.allocated)} on disk · {show.size(sums.disk_free)} free"
    yield line((count, "strong"), f" · {'' if is_all else 'in all '}{sizes}")
    unused = {"unreferenced": sums.unreferenced, "partial": sums.partial, "leftover": sums.leftover}
    if waste := ", ".join(f"{show.size(count)} {word}" for word, count in unused.items() if count):
        yield line((waste, "warning"), ": prunella prune --dry-run")
    if inventory.problems:
        yield line((f"! {show.counted(len(inventory.problems), 'problem')}", "bad"), ": prunella doctor")


def _models(inventory: Inventory, shown: Sequence[Model]) -> Table:
    space = space_of(inventory)
    usage = space.models

    def sharers(model: Model) -> str:
        sharing = space.shared_with(model.name)
        return show.names(sharing.names, 2, sharing.count)

    def about(model: Model) -> Part:
        return f"{show.details(model)} · cloud" if model.details.remote_host else show.details(model), "quiet"

    return table_of(
        shown,
        (Column(), lambda model: ("!", "bad") if inventory.problems_by_model[model.name] else ""),
        (Column("NAME", least=24, is_name=True), lambda model: (model.name, "strong")),
        (Column("ID", rank=4), lambda model: (model.digest[:12], "quiet")),
        (Column("SIZE", right=True, rank=1), lambda model: show.size(model.size)),
        (Column("ON DISK", right=True), lambda model: show.size(usage[model.name].allocated)),
        (Column("FREES", right=True), lambda model: (show.size(usage[model.name].frees), "good")),
        (Column("SHARED", right=True, rank=2), lambda model: _unless_zero(usage[model.name].shared)),
        (Column("AGE", right=True, rank=3), lambda model: show.age(inventory.scanned_at - model.modified_at)),
        (Column("SHARED WITH", rank=5), sharers),
        (Column("DETAILS", rank=6), about),
    )


def blobs_lines(inventory: Inventory, rows: Sequence[Blob], identities: Mapping[str, str]) -> Iterator[Block]:
    """Yield the table of ``rows`` and their sums; ``identities`` is what first bytes say, by key."""
    if not rows:
        yield line("No such blobs")
        return

    def idle(blob: Blob) -> str:
        return show.age(None if blob.idle_since is None else inventory.scanned_at - blob.idle_since)

    yield table_of(
        rows,
        (Column("STATE"), lambda blob: show.state_text(blob.state)),
        (Column("BLOB", least=22, is_name=True), show.blob_title),
        (Column("KIND", rank=3), lambda blob: (blob.kind or "", "quiet")),
        (Column("SIZE", right=True, rank=2), lambda blob: show.size(blob.size)),
        (Column("ON DISK", right=True), lambda blob: show.size(blob.allocated)),
        (Column("AGE", right=True, rank=1), idle),
        (Column("MODELS", right=True, rank=1), lambda blob: f"{len(blob.models):,}" if blob.models else ""),
        (Column("USED BY", least=12, rank=2), lambda blob: show.names(blob.models, 2)),
        (Column("CONTENT", least=24, rank=4), lambda blob: contents(inventory, blob, identities.get(blob.key))),
    )
    yield line()
    counts, taken = Counter(blob.state for blob in rows), Counter[State]()
    for blob in rows:
        taken[blob.state] += blob.allocated
    parts = [f"{count:,} {state.value} {_unless_zero(taken[state])}".strip() for state, count in counts.items()]
    yield line((show.counted(len(rows), "row"), "strong"), f": {', '.join(parts)}")


def _unless_zero(count: int) -> str:
    return show.size(count) if count else ""


def usage_lines(
    inventory: Inventory, retention: int, other: OtherFiles | None = None, noted: Sequence[Noted] = ()
) -> Iterator[Block]:
    """Yield the way from what Ollama lists to what is on disk, what each part takes, and what prune can free.

    ``retention`` is in seconds; ``other`` is what else lies in the store, ``noted`` what it took before.
    """
    sums = totals(inventory)
    yield line((inventory.store.root, "head"), (f"  ({inventory.store.why})", "quiet"))
    yield from (line(), _difference(sums), line())
    yield table((Column(), Column(right=True), Column(), Column(least=16, rank=1)), _shares(sums), indent=2)
    if other and other.allocated:
        largest = show.names([f"{name} {show.size(count)}" for name, count in other.entries])
        yield line(f"Other files in the store: {show.size(other.allocated)}", (f" ({largest})", "quiet"))
        yield from (line((note, "warning")) for note in other.notes)
    yield from (line(), _reclaimable(inventory, retention, sums))
    yield line(f"{show.size(sums.disk_free)} of {show.size(sums.disk_total)} free on this file system")
    if noted:
        yield from (line(), line((f"Since {show.when(noted[0].at, inventory.scanned_at)}", "head")))
        course = trend([*(each.totals.allocated for each in noted), sums.allocated])
        yield line("On disk: ", (course, "info"), indent=2)
        yield _growth(noted[0].totals, sums)


def _reclaimable(inventory: Inventory, retention: int, sums: Totals) -> Block:
    from prunella_core.plan.build import prunable  # late: `ls` does without

    now, later = prunable(inventory, inventory.scanned_at, retention)
    share = (now + later) / sums.allocated if sums.allocated else 0.0
    after = f"{show.size(later)} within {show.time_left(retention)}" if later else ""
    parts = ", ".join(filter(None, (f"{show.size(now)} now (prunella prune)" if now else "", after)))
    return line((f"Reclaimable: {show.size(now + later)}, {share:.0%}", "good"), f": {parts}" if parts else "")


def _shares(sums: Totals) -> Iterator[tuple[Part, ...]]:
    for name, meaning, tone in _SHARES:
        if count := getattr(sums, name):
            share = count / sums.allocated
            yield name, show.size(count), (show.share_bar(share, _BAR), tone), (f"{share:4.0%}  {meaning}", "quiet")


def _difference(sums: Totals) -> Table:
    sign, why = ("−", "shared data counted twice, or sparse files")
    if sums.counted_twice < 0:
        sign, why = ("+", "manifests and whole blocks")
    unused = show.size(sums.allocated - sums.referenced)
    rows: tuple[tuple[Part, ...], ...] = (
        ("  ollama list", show.size(sums.listed), (show.counted(sums.models, "model"), "quiet")),
        (f"{sign} listed, not on disk", show.size(abs(sums.counted_twice)), (why, "quiet")),
        ("+ used by no model", unused, ("not in ollama list", "quiet")),
        (("= on disk", "strong"), (show.size(sums.allocated), "strong"), ""),
    )
    return table((Column(), Column(right=True), Column(rank=1, least=20)), rows)


def trend(counts: Sequence[int]) -> str:
    """Return a line of bars from nothing to the largest of ``counts``; of many, some evenly apart and the last."""
    every = -(-len(counts) // _MOST_STEPS)
    shown = counts[::-1][::every][::-1]
    most = max(*shown, 1)
    return "".join(_STEPS[count * (len(_STEPS) - 1) // most] for count in shown)


def diff_lines(old: Inventory, new: Inventory) -> Iterator[Block]:
    """Yield both scans, what became more or less, and the models that came, went or changed."""
    for sign, inventory in (("−", old), ("+", new)):
        yield line((f"{sign} {inventory.store.place}", "head"), (f"  {show.date(inventory.scanned_at)}", "quiet"))
    yield from (line(), _growth(totals(old), totals(new)))
    found = table_of(
        model_changes(old, new),
        (Column(), lambda change: _SIGNS[change.kind]),
        (Column(least=20, is_name=True), lambda change: change.name),
        (Column(right=True), lambda change: _signed(change.after - change.before, show.size)),
        (Column(right=True), lambda change: (f"{show.size(change.before)} → {show.size(change.after)}", "quiet")),
        indent=2,
    )
    yield from section("Models", "head", [found])


def _growth(old: Totals, new: Totals) -> Block:
    rows: list[tuple[Part, ...]] = []
    for name, change in growth(old, new).items():
        written: Callable[[int], str] = "{:,}".format if name == "models" else show.size
        if change:
            rows.append(
                (_NAMES.get(name, name), _signed(change, written), (f"now {written(getattr(new, name))}", "quiet"))
            )
    if not rows:
        return line(("Nothing became more or less", "quiet"), indent=2)
    return table((Column(), Column(right=True), Column(right=True)), rows, indent=2)


def _signed(change: int, written: Callable[[int], str]) -> str:
    return f"{'+' if change > 0 else '−'}{written(abs(change))}" if change else "±0"

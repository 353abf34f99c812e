"""The stores of a machine in words."""

from collections.abc import Iterable, Iterator, Sequence

from prunella_core.store.find import FoundStore, blob_bytes
from prunella_core.store.locate import Store
from prunella_tui.report.format import size
from prunella_tui.report.lines import Block, Column, line, table


def stores_lines(found: Sequence[FoundStore], chosen: Store | None) -> Iterator[Block]:
    """Yield the stores that were found, and which one is used."""
    rows = table(Column(), Column("STORE", is_name=True), Column("ON DISK", right=True), Column("OWNER"), Column("WHY"))
    for store in found:
        mark = "✓" if chosen and chosen.named and store.is_at(chosen.root) else ""
        rows.add(mark, (store.path, "strong"), _bytes(store), store.owner, (store.why, "quiet"))
    if found:
        yield from (rows, line())
    yield from closed_lines(found)
    if chosen and chosen.named:
        yield line(f"Used here: {chosen.root} ({chosen.why})")
    elif chosen:
        yield line(("Several stores found. Pick one: --store DIR, PRUNELLA_STORE, or store in config.toml", "warning"))


def about(store: FoundStore) -> str:
    """Return what is known of a store."""
    return f"{_bytes(store)} · owner {store.owner} · {store.why}"


def closed_lines(found: Iterable[FoundStore]) -> Iterator[Block]:
    """Yield how to look into stores that this user can't read."""
    for store in found:
        if not store.is_readable:
            yield line(("! ", "warning"), f"You can't read {store.path} ({store.why}). Try:")
            yield line(store.way_in, indent=2)


def _bytes(store: FoundStore) -> str:
    count = blob_bytes(store.path)
    return "?" if count is None else size(count)

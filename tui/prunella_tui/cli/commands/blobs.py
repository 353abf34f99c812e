"""``prunella blobs``."""

from collections.abc import Iterable
from operator import attrgetter

import click

from prunella_core.advice.identify import described
from prunella_core.export.documents.looking import blobs_document
from prunella_core.inventory.records import Blob, State
from prunella_core.query import select
from prunella_tui.cli.filters import filters, read_filter
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store

SORTS = ("disk", "size", "age", "state", "digest")
_STATES = [state.value for state in State]


@click.command()
@click.option("--sort", type=click.Choice(SORTS), default="disk", help="Largest or oldest first.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@filters("blobs")
@looks
def command(
    words: tuple[str, ...], states: tuple[str, ...], sort: str, reverse: bool, as_json: bool, **flags: str | None
) -> None:
    """The files: what each is, and which models use it.

    Of what no model needs it shows what its first bytes say it is, and whose it likely was.

    FILTER is words that must occur, and terms of size, disk, age, unused, state, kind, name and used.

    \b
      prunella blobs --state unreferenced --state partial
      prunella blobs --sort age
      prunella blobs --state partial --age 7d --min-size 1GB
      prunella blobs 'unused>30d' 'disk>1GB'
    """
    query = read_filter("blobs", words, states, flags)
    inventory = look(open_store())
    now = inventory.scanned_at
    rows = _in_order(select(inventory.blobs, query, inventory, now), sort, reverse)
    found = {blob.key: described(inventory.store, blob) for blob in rows if not blob.models}
    identities = {key: identity for key, identity in found.items() if identity}
    if as_json:
        print_json(blobs_document(inventory, now, rows, identities))
        return
    from prunella_tui.report.tables import blobs_lines

    show(blobs_lines(inventory, rows, identities, now))


def _in_order(rows: Iterable[Blob], sort: str, reverse: bool) -> list[Blob]:
    keys = {
        "disk": lambda blob: -blob.allocated,
        "size": lambda blob: -blob.size,
        "age": lambda blob: blob.idle_since or 0,
        "state": lambda blob: _STATES.index(blob.state.value),
    }
    in_order = sorted(rows, key=attrgetter("key"))
    if sort in keys:
        in_order.sort(key=keys[sort])
    return in_order[::-1] if reverse else in_order

"""``prunella blobs``."""

from collections.abc import Iterable
from operator import attrgetter

import click
from msgspec.structs import replace

from prunella_core.documents import blobs_document
from prunella_core.inventory import Blob, State
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store

SORTS = ("disk", "size", "age", "state", "digest")
_STATES = [state.value for state in State]


@click.command()
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these; may be repeated.")
@click.option("--sort", type=click.Choice(SORTS), default="disk", help="Largest or oldest first.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@looks
def command(states: tuple[str, ...], sort: str, reverse: bool, as_json: bool) -> None:
    """The files: what each is, and which models use it.

    \b
      prunella blobs --state unreferenced --state partial
      prunella blobs --sort age
    """
    found = look(open_store())
    rows = [blob for blob in found.blobs if not states or blob.state in states]
    inventory = replace(found, blobs=tuple(_in_order(rows, sort, reverse)))
    if as_json:
        print_json(blobs_document(inventory, found.scanned_at))
        return
    from prunella_tui.cli.views.blobs import blobs_view

    show(blobs_view(inventory, found.scanned_at))


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

"""``prunella df``."""

import click

from prunella_core.base.units import parse_size
from prunella_core.export.documents.looking import df_document
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import reclaimable
from prunella_tui.cli.codes import DONE, FAILED
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import complain, print_json, show
from prunella_tui.cli.session import look, open_store


@click.command()
@click.option(
    "--fail-if-reclaimable", "limit", metavar="SIZE", help="End with 1 if a prune would free at least so much now."
)
@looks
def command(limit: str | None, as_json: bool) -> int:
    """What Ollama lists against what is on the disk.

    Ollama counts weights once for every model that shares them, and nothing that no model needs. This shows where
    the difference lies.

    With --fail-if-reclaimable it counts what no model needs and nothing holds back: unreferenced blobs, partial
    downloads and leftovers of any age, not the trash.

    \b
      prunella df --fail-if-reclaimable 20GB || prunella prune --age 0 --yes
    """
    most = None if limit is None else parse_size(limit)
    inventory = look(open_store())
    _print(inventory, as_json)
    return DONE if most is None else _judge(inventory, most)


def _print(inventory: Inventory, as_json: bool) -> None:
    if as_json:
        print_json(df_document(inventory))
        return
    from prunella_tui.report.tables import usage_lines

    show(usage_lines(inventory))


def _judge(inventory: Inventory, most: int) -> int:
    waste = reclaimable(inventory, inventory.scanned_at)
    if waste < max(most, 1):
        return DONE
    from prunella_tui.report.format import size

    complain(f"a prune would free {size(waste)} now, and {size(most)} is the limit: prunella prune --age 0")
    return FAILED

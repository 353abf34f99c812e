"""``prunella why``."""

import click

from prunella_core.advice.identify import THOROUGH, described
from prunella_core.export.documents.looking import blob_document
from prunella_tui.cli.completion import complete_digests
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store
from prunella_tui.cli.targets import find_row


@click.command()
@click.argument("digest", shell_complete=complete_digests)
@looks
def command(digest: str, as_json: bool) -> None:
    """Why a blob is on the disk: the models that keep it, or since when nothing does.

    Of one that no model needs it tells what its first bytes say it is, and whose it likely was.

    DIGEST may be any beginning that only one blob has, with or without sha256:, or a path like blobs/NAME.

    \b
      prunella why 3f1a9c
      prunella why blobs/README.txt
    """
    inventory = look(open_store())
    blob = find_row(inventory, digest)
    identity = described(inventory.store, blob, THOROUGH)
    if as_json:
        print_json(blob_document(inventory, blob, inventory.scanned_at, identity))
        return
    from prunella_tui.report.blob import blob_lines

    show(blob_lines(inventory, blob, identity, inventory.scanned_at))

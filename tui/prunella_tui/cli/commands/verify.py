"""``prunella verify``."""

import time

import click

from prunella_tui.cli.codes import DONE, FAILED, INTERRUPTED, PARTLY
from prunella_tui.cli.completion import complete_targets
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store


@click.command()
@click.argument("names", metavar="[MODEL|DIGEST]...", nargs=-1, shell_complete=complete_targets)
@click.option("--again", is_flag=True, help="Read what an earlier run found sound, too.")
@looks
def command(names: tuple[str, ...], again: bool, as_json: bool) -> int:
    """Whether every blob has the bytes that its name stands for.

    Hashes the blobs of the models that are named, single blobs, or all of the store; what is in the trash only by its
    digest. A link is read through; hard links to one file are read once. Files that were found sound and are still the
    same (inode, size, mtime) are not read again, so an interrupted run goes on where it was. Bad blobs are shown by ls
    and doctor from then on. Nothing is ever removed or changed.

    \b
      prunella verify                   all that was not verified before
      prunella verify llama3.2 --again  a model, whatever was verified before
      prunella verify sha256:3f1a9c
    """
    from prunella_core.verify import whole_blobs
    from prunella_tui.cli.targets import find_whole
    from prunella_tui.cli.verifying import run

    inventory = look(open_store())
    blobs = find_whole(inventory, names) if names else whole_blobs(inventory)
    begun = time.monotonic()
    result = run(inventory, blobs, again)
    if as_json:
        from prunella_core.export.documents.checking import verify_document

        print_json(verify_document(inventory.store, result))
    else:
        from prunella_tui.report.verify import verify_lines

        show(verify_lines(result, time.monotonic() - begun))
    if result.cancelled:
        return INTERRUPTED
    if result.bad:
        return FAILED
    return PARTLY if result.changed else DONE

"""``prunella export``."""

import os

import click

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.export.portable import dump
from prunella_core.fs.files import write_new
from prunella_tui.cli.options import store_option
from prunella_tui.cli.output import print_document
from prunella_tui.cli.session import look, open_store

_TO_STDOUT = "-"


@click.command()
@click.argument("file", type=click.Path(), default=_TO_STDOUT)
@store_option
def command(file: str) -> None:
    """Write what was found, to look at it elsewhere: names, sizes and times, no model's data.

    FILE is stdout when it is left out. It is never overwritten, and packed when its name ends in .gz.

    \b
      prunella export store.json.gz           there: prunella --import store.json.gz
      ssh server prunella export | prunella --import -
      prunella --import store.json.gz ls      what ls says there
    """
    store = open_store()
    data = dump(look(store), os.uname().nodename)
    if file == _TO_STDOUT:
        print_document(data)
    else:
        _write(file, data, store.root)


def _write(path: str, data: bytes, store_root: str) -> None:
    if path.endswith(".gz"):
        import gzip

        data = gzip.compress(data, compresslevel=6)
    try:
        write_new(path, data, store_root)
    except FileExistsError:
        raise Refused(f"{clean(path)} is there already, and nothing is overwritten") from None

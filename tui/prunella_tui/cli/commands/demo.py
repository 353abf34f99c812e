"""``prunella demo``."""

import os
import tempfile
import time

import click

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.sample import build_demo_store
from prunella_core.store.locate import locate
from prunella_tui.cli.application import open_application, require_terminal
from prunella_tui.cli.signals import end_on_hang_up


@click.command()
@click.option(
    "--dir", "folder", metavar="DIR", type=click.Path(), help="Only write the sample store, into this folder."
)
def command(folder: str | None) -> int:
    """Try everything on a sample store, in a temporary folder that is removed afterwards.

    \b
      prunella demo
      prunella --store "$(prunella demo --dir /tmp/sample)" ls
    """
    if folder is not None:
        return _write_sample(folder)
    require_terminal()
    with end_on_hang_up(), tempfile.TemporaryDirectory(prefix="prunella-demo-") as root:
        build_demo_store(root, time.time())
        return open_application(locate(root, {}, root), is_sample=True)


def _write_sample(folder: str) -> int:
    path = os.path.abspath(folder)
    os.makedirs(path, exist_ok=True)
    if os.listdir(path):
        raise InvalidInput(f"{clean(path)} is not empty; the sample store wants a folder of its own")
    build_demo_store(path, time.time())
    click.echo(clean(path))
    return 0

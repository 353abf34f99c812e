"""The commands around it: demo, completion."""

import os
import tempfile
import time

import click

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_tui.cli.application import open_application, require_terminal
from prunella_tui.cli.completion import SHELLS, script
from prunella_tui.cli.options import command
from prunella_tui.cli.signals import ending


@command
@click.option("--dir", "folder", metavar="DIR", type=click.Path(), help="Only write the sample store into DIR.")
def demo(folder: str | None) -> int:
    """It lives in a temporary folder that is deleted when you quit. With --dir it is only written, and stays.

    \b
      prunella demo
      prunella --store "$(prunella demo --dir /tmp/sample)" ls
    """
    from prunella_core.sample import build_demo_store
    from prunella_core.store.locate import locate

    if folder is not None:
        return _write_sample(folder)
    require_terminal()
    with ending() as ignore_signals, tempfile.TemporaryDirectory(prefix="prunella-demo-") as root:
        try:
            build_demo_store(root, time.time())
            return open_application(locate(root, {}, root), is_sample=True)
        finally:
            ignore_signals()  # the folder is deleted whatever comes now


def _write_sample(folder: str) -> int:
    from prunella_core.sample import build_demo_store

    path = os.path.abspath(folder)
    os.makedirs(path, exist_ok=True)
    if os.listdir(path):
        raise InvalidInput(f"{clean(path)} is not empty: use a new folder")
    build_demo_store(path, time.time())
    click.echo(clean(path))
    return 0


@command
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """By default for your login shell. It completes commands, options, model names and digests.

    \b
      bash   eval "$(prunella completion bash)"       in ~/.bashrc
      zsh    eval "$(prunella completion zsh)"        in ~/.zshrc
      fish   prunella completion fish > ~/.config/fish/completions/prunella.fish
    """
    wanted = shell or os.path.basename(os.environ.get("SHELL", ""))
    if wanted not in SHELLS:
        raise InvalidInput(f"unknown shell: use {', '.join(SHELLS)}")
    click.echo(script(wanted), nl=False)

"""The commands around it: demo, completion."""

import os
import tempfile
import time

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_tui.cli.options import command
from prunella_tui.cli.output import ending
from prunella_tui.cli.root import open_application, require_terminal, root

SHELLS = ("bash", "zsh", "fish")


@add_completion_class
class _BashWithColons(BashComplete):
    """Bash takes a colon for the end of a word, and model names are full of them."""

    done = ""
    """What Bash takes for words before the one that it completes."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Join again what Bash split at colons."""
        args, current = super().get_completion_args()
        whole: list[str] = []
        for word in (*args, current):
            if whole and (word == ":" or whole[-1].endswith(":")):
                whole[-1] += word
            else:
                whole.append(word)
        if whole[-1] != current:
            self.done = whole[-1][: whole[-1].rindex(":") + 1]
        return whole[:-1], whole[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Answer only with what Bash does not have yet."""
        item.value = item.value.removeprefix(self.done)
        return super().format_completion(item)


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
        path = os.path.abspath(folder)
        os.makedirs(path, exist_ok=True)
        if os.listdir(path):
            raise InvalidInput(f"{clean(path)} is not empty: use a new folder")
        build_demo_store(path, time.time())
        click.echo(clean(path))
        return 0
    require_terminal()
    with ending() as ignore_signals, tempfile.TemporaryDirectory(prefix="prunella-demo-") as path:
        try:
            build_demo_store(path, time.time())
            return open_application(locate(path, {}, path), is_sample=True)
        finally:
            ignore_signals()  # the folder is deleted whatever comes now


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
    kind = get_completion_class(wanted)
    assert kind is not None
    click.echo(kind(root, {}, "prunella", "_PRUNELLA_COMPLETE").source(), nl=False)

"""``prunella completion``."""

import os

import click

from prunella_core.base.errors import InvalidInput
from prunella_tui.cli.completion import SHELLS, script


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the completion script for a shell, by default for yours.

    It completes commands, options, model names and digests.

    \b
      bash   eval "$(prunella completion bash)"       in ~/.bashrc
      zsh    eval "$(prunella completion zsh)"        in ~/.zshrc
      fish   prunella completion fish > ~/.config/fish/completions/prunella.fish
    """
    wanted = shell or os.path.basename(os.environ.get("SHELL", ""))
    if wanted not in SHELLS:
        raise InvalidInput(f"say for which shell: {', '.join(SHELLS)}")
    click.echo(script(wanted), nl=False)

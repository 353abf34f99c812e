"""The command ``prunella`` itself: its global options, its help, and the table of commands."""

from importlib import import_module

import click

from prunella_core import __version__
from prunella_core.base.errors import Refused
from prunella_tui.cli.options import remember, said

SECTIONS = {
    "See": {
        "ls": "The models: what each takes, shares, and would free.",
        "blobs": "The files: what each is, and which models use it.",
        "show": "One model and its layers, and who shares each.",
        "why": "Why a blob is on the disk.",
        "df": "What Ollama lists against what is on the disk.",
        "doctor": "What is wrong with the store, and how to mend it.",
        "verify": "Whether every blob has the bytes that its name stands for.",
        "export": "Write what was found, to look at it elsewhere.",
    },
    "Remove": {
        "rm": "Remove models, or single blobs: into the trash.",
        "prune": "Remove what nothing needs any more.",
        "free": "Free so much space, with the least regret.",
        "pin": "Keep models from prune --all.",
    },
    "Bring back": {
        "trash": "What was removed, and until when it can come back.",
        "restore": "Bring back a model or a whole removal.",
        "empty": "Free what is in the trash.",
        "log": "What went when, and what became of it.",
    },
    "More": {
        "demo": "Try everything on a sample store.",
        "completion": "Print the completion script for a shell.",
    },
}
"""Every command with its line in the help. Kept here so that ``--help`` need not import ten modules."""

LOOKING = frozenset({"ls", "blobs", "show", "why", "df", "doctor", "trash", "export"})
"""What works on an export too. Everything else wants the store itself, and is refused before anything is read."""


class CommandTable(click.Group):
    """A group whose commands are imported one by one, when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found = import_module(f"prunella_tui.cli.commands.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


@click.group(
    cls=CommandTable,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--store",
    metavar="DIR",
    envvar="PRUNELLA_STORE",
    type=click.Path(),
    expose_value=False,
    callback=remember,
    help="The model store.  [PRUNELLA_STORE; else OLLAMA_MODELS; else the one found]",
)
@click.option(
    "--theme",
    metavar="NAME",
    envvar="PRUNELLA_THEME",
    expose_value=False,
    callback=remember,
    help="Colours of the application.  [PRUNELLA_THEME]",
)
@click.option(
    "--retention",
    metavar="AGE",
    envvar="PRUNELLA_RETENTION",
    expose_value=False,
    callback=remember,
    help="How long the trash keeps things.  [PRUNELLA_RETENTION; else 7d]",
)
@click.option(
    "--import",
    metavar="FILE",
    type=click.Path(),
    expose_value=False,
    callback=remember,
    help="Look at an export instead, read-only; - reads it from stdin.",
)
@click.version_option(__version__, message="prunella %(version)s")
@click.pass_context
def root(context: click.Context) -> int:
    """See what takes the disk in an Ollama model store, and remove it safely.

    Without a command it opens the application.

    \b
      prunella                      look around, mark, remove
      prunella ls --sort frees      the models that free most
      prunella prune --dry-run      what a clean-up would do
      prunella restore llama3.2     bring back what was removed
      prunella demo                 try it on a sample store
      prunella --import FILE ls     what another machine exported

    \b
    Exit codes: 0 done, 1 failed, 2 usage, 3 refused and nothing changed,
    4 partly done, 130 interrupted.
    """
    if context.invoked_subcommand is not None:
        if said("import") and context.invoked_subcommand not in LOOKING:
            raise Refused(f"an export is read-only: {context.invoked_subcommand} wants the store itself")
        return 0
    from prunella_tui.cli.application import open_application

    return open_application()

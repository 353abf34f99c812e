"""The command ``prunella`` itself: its global options, its help, and the table of commands."""

from importlib import import_module

import click

from prunella_core import __version__
from prunella_core.base.errors import Refused
from prunella_tui.cli.options import said, setting_option

SECTIONS = {
    "See": {
        "ls": "List models with their sizes, what they share, and what each frees.",
        "blobs": "List the files in blobs/: what each is, and which models use it.",
        "show": "Show one model, its layers, and which models share them.",
        "why": "Explain why a blob is on disk.",
        "df": "Compare what ollama list shows with what is on disk.",
        "doctor": "Show what is wrong with the store and how to fix it.",
        "verify": "Check every blob against its hash.",
        "export": "Export a scan to view on another machine.",
    },
    "Delete": {
        "rm": "Move models or single blobs to the trash.",
        "prune": "Delete what no model uses.",
        "free": "Free a given amount of space, least-missed first.",
        "pin": "Protect models from prune --all.",
    },
    "Undo": {
        "trash": "List what is in the trash, and when it expires.",
        "restore": "Restore a model or a whole trash entry.",
        "empty": "Delete trash entries permanently.",
        "log": "Show the history: what was deleted, and where it is now.",
    },
    "More": {
        "demo": "Try everything on a sample store.",
        "completion": "Print the completion script for a shell.",
    },
}
"""Every command with its line in the help. Kept here so that ``--help`` need not import them."""
_MODULES = {
    "see": ("ls", "blobs", "show", "why", "df"),
    "check": ("doctor", "verify", "export"),
    "delete": ("rm", "prune", "free", "pin"),
    "undo": ("trash", "restore", "empty", "log"),
    "more": ("demo", "completion"),
}
READ_ONLY = frozenset({"ls", "blobs", "show", "why", "df", "doctor", "trash", "export"})
"""What works on an export too. Everything else needs the store itself, and is refused before anything is read."""


class CommandTable(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        for module, names in _MODULES.items():
            if cmd_name in names:
                commands = vars(import_module(f"prunella_tui.cli.commands.{module}"))
                found = commands["show_" if cmd_name == "show" else cmd_name]
                assert isinstance(found, click.Command)
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for an unknown one, name the nearest."""
        if args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"no command “{args[0]}”{hint}", ctx)
        return super().resolve_command(ctx, args)

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
@setting_option("--store", "DIR", "The model store.  [PRUNELLA_STORE; else OLLAMA_MODELS; else the one found]")
@setting_option("--theme", "NAME", "Colours of the application.  [PRUNELLA_THEME]")
@setting_option("--retention", "AGE", "How long the trash keeps things.  [PRUNELLA_RETENTION; else 7d]")
@setting_option("--import", "FILE", "Read an export instead of a store; - reads it from stdin.")
@click.version_option(__version__, message="prunella %(version)s")
@click.pass_context
def root(context: click.Context) -> int:
    """See what fills your Ollama store, and get it back safely.

    Without a command it opens the application.

    \b
      prunella                      look around, mark, delete
      prunella ls --sort frees      the models that free most
      prunella prune --dry-run      what a clean-up would delete
      prunella restore llama3.2     undo a removal
      prunella demo                 try it on a sample store
      prunella --import FILE ls     what another machine exported

    \b
    Exit codes: 0 done, 1 failed, 2 usage, 3 refused and nothing changed,
    4 partly done, 130 interrupted.
    """
    _check_settings()
    if context.invoked_subcommand is not None:
        if said("import") and context.invoked_subcommand not in READ_ONLY:
            raise Refused(f"an export is read-only: {context.invoked_subcommand} needs the store itself")
        return 0
    from prunella_tui.cli.application import open_application

    return open_application()


def _check_settings() -> None:
    """Raise InvalidInput for a value that this run might not even use: it is a typing error all the same."""
    if age := said("retention"):
        from prunella_core.base.units import parse_age

        parse_age(age.value)
    if theme := said("theme"):
        from prunella_tui.cli.application import check_theme

        check_theme(theme.value)

"""The command ``prunella`` itself: its global options, its help, and the table of commands."""

from importlib import import_module

import click

from prunella_core import __version__
from prunella_core.base.errors import Refused
from prunella_tui.cli.help import LINES, READ_ONLY, page
from prunella_tui.cli.options import given, no_log_option, setting_option

_MODULES = {
    "see": ("ls", "blobs", "show", "why", "df", "diff"),
    "check": ("doctor", "stores", "verify", "export", "metrics"),
    "delete": ("rm", "prune", "free", "pin"),
    "copying": ("copy", "move"),
    "undo": ("trash", "restore", "empty", "log"),
    "guard": ("guard",),
    "more": ("demo", "completion"),
}
_MEANT = {"remove": "rm", "delete": "rm"}
"""What people type for a command that is called otherwise, where a near name would do something else."""


class CommandTable(click.Group):
    """A group that imports its commands when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help."""
        return list(LINES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        for module, names in _MODULES.items():
            if cmd_name in names:
                found = vars(import_module(f"prunella_tui.cli.commands.{module}"))[cmd_name]
                assert isinstance(found, click.Command)
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for an unknown one, name the nearest."""
        if args[0] not in LINES and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(_MEANT.get(args[0], args[0]), LINES, n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"no command “{args[0]}”{hint}", ctx)
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """Return the page."""
        return page().rstrip("\n")


@click.group(
    cls=CommandTable,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@setting_option("--store", "DIR")
@setting_option("--theme", "NAME")
@setting_option("--retention", "AGE")
@setting_option("--import", "FILE")
@no_log_option
@click.version_option(__version__, message="prunella %(version)s")
@click.pass_context
def root(context: click.Context) -> int:
    """Check what holds for every command, and open the application where none is named."""
    _check_settings()
    if context.invoked_subcommand is not None:
        if given("import") and context.invoked_subcommand not in READ_ONLY:
            raise Refused(f"an export is read-only: {context.invoked_subcommand} needs the store itself")
        return 0
    from prunella_tui.cli.application import open_application

    return open_application()


def _check_settings() -> None:
    """Raise InvalidInput for a value that this run might not even use: it is a typing error all the same."""
    if age := given("retention"):
        from prunella_core.base.text import parse_age

        parse_age(age.value)
    if theme := given("theme"):
        from prunella_tui.cli.application import check_theme

        check_theme(theme.value)

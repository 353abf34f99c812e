"""Options that several commands have, and where what they say is kept for the run."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Said(NamedTuple):
    """A setting, and by what it was said: a flag, a variable or the configuration."""

    value: str
    by: str


def remember(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Keep a global setting for the whole run. A later one, after the command's name, wins."""
    if value is None or option.name is None:
        return
    from_variable = context.get_parameter_source(option.name) is click.core.ParameterSource.ENVIRONMENT
    by = str(option.envvar) if from_variable else f"--{option.name}"
    context.meta[f"prunella.{option.name}"] = Said(value, by)


def said(name: str) -> Said | None:
    """Return what a flag or variable of this run said."""
    found = click.get_current_context().meta.get(f"prunella.{name}")
    return found if isinstance(found, Said) else None


store_option = click.option(
    "--store", metavar="DIR", type=click.Path(), expose_value=False, callback=remember, hidden=True
)
"""``--store`` after the command's name, where people type it too."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document for scripts.")


def looks(command: _Command) -> _Command:
    """Give a command the options of those that look at a store."""
    return store_option(json_option(command))


class Wishes(NamedTuple):
    """How somebody wants a change done."""

    dry_run: bool
    yes: bool
    no_gc: bool
    as_json: bool


def changes(command: _Command) -> _Command:
    """Give a command the options of those that change the store."""
    for option in (
        click.option("--no-gc", is_flag=True, envvar="PRUNELLA_NO_GC", help="Leave what has expired in the trash."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("-n", "--dry-run", is_flag=True, help="Show the plan and change nothing."),
    ):
        command = option(command)
    return looks(command)


force_option = click.option("--force", is_flag=True, help="Take what was written in the last 10 minutes too.")

"""Options that several commands share, and the settings of a run that they carry."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Result = TypeVar("_Result")


class Said(NamedTuple):
    """A setting, and where it was made: a flag, a variable or the configuration."""

    value: str
    by: str


def remember(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Keep a setting for the whole run. A later one, after the command's name, wins."""
    if value is not None:
        context.meta[f"prunella.{option.name}"] = Said(value, f"--{option.name}")


def said(name: str) -> Said | None:
    """Return the setting of a flag, else of the variable ``PRUNELLA_NAME``."""
    found = click.get_current_context().meta.get(f"prunella.{name}")
    if isinstance(found, Said):
        return found
    variable = f"PRUNELLA_{name.upper()}"
    value = os.environ.get(variable, "")
    return Said(value, variable) if value else None


def setting_option(flag: str, metavar: str, help_: str = "") -> Callable[[_Command], _Command]:
    """Return an option whose value is kept for the whole run; without a help text it is hidden."""
    kind = click.Path() if metavar in ("DIR", "FILE") else str
    keep: dict[str, Any] = {"expose_value": False, "callback": remember, "type": kind}
    return click.option(flag, metavar=metavar, help=help_, hidden=not help_, **keep)


def once(name: str, make: Callable[[], _Result]) -> _Result:
    """Return what ``make`` returns, made once a run."""
    kept = click.get_current_context().meta
    key = f"prunella.made.{name}"
    if key not in kept:
        kept[key] = make()
    found: _Result = kept[key]
    return found


store_option = setting_option("--store", "DIR")
"""``--store`` after the command's name, where people type it too."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document for scripts.")
force_option = click.option("--force", is_flag=True, help="Include files written in the last 10 minutes.")


def looks(command: _Command) -> _Command:
    """Give a command the options of those that only read a store."""
    return store_option(json_option(command))


class Wishes(NamedTuple):
    """How a change is to be made."""

    dry_run: bool
    no_gc: bool
    as_json: bool
    yes: bool


def restores(command: _Command) -> _Command:
    """Give a command the options of those that change the store without asking."""
    return _changes(click.option("-y", "--yes", is_flag=True, hidden=True)(command))


def deletes(command: _Command) -> _Command:
    """Give a command the options of those that ask before they delete."""
    watch = "Watch for a pull before deleting for good; 0: don't.  [PRUNELLA_SETTLE; else 10s]"
    command = setting_option("--settle", "AGE", watch)(command)
    return _changes(click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command))


def _changes(command: _Command) -> _Command:
    command = setting_option("--wait", "AGE", "Wait for another run to end.  [5s]")(command)
    no_gc = click.option("--no-gc", is_flag=True, envvar="PRUNELLA_NO_GC", help="Keep expired trash.")
    dry_run = click.option("-n", "--dry-run", is_flag=True, help="Show the plan and change nothing.")
    return looks(dry_run(no_gc(command)))

"""Options that several commands share, and the settings of a run that they carry."""

import os
from collections.abc import Callable
from inspect import cleandoc
from typing import Any, NamedTuple, TypeVar

import click

from prunella_tui.cli.help import LINES

_Result = TypeVar("_Result")
_Command = Callable[..., Any]
_Option = Callable[[_Command], _Command]


class Setting(NamedTuple):
    """A setting, and where it was made: a flag, a variable or the configuration."""

    value: str
    by: str


def given(name: str) -> Setting | None:
    """Return the setting of a flag, else of the variable ``PRUNELLA_NAME``."""
    found = click.get_current_context().meta.get(f"prunella.{name}")
    if found is not None:
        return Setting(found, f"--{name}")
    variable = f"PRUNELLA_{name.upper()}"
    value = os.environ.get(variable, "")
    return Setting(value, variable) if value else None


def is_set(flag: str) -> bool:
    """Whether a flag of this run is given: ``json``, ``dry_run``, ``yes``, ``no_gc`` or ``no_log``."""
    return bool(click.get_current_context().meta.get(f"prunella.{flag}"))


def once(name: str, make: Callable[[], _Result]) -> _Result:
    """Return what ``make`` returns, made once a run."""
    kept = click.get_current_context().meta
    key = f"prunella.made.{name}"
    if key not in kept:
        kept[key] = make()
    found: _Result = kept[key]
    return found


def _keep(context: click.Context, option: click.Parameter, value: object) -> None:
    """Keep a value for the whole run. A later one, after the command's name, wins."""
    if value is not None and value is not False:
        context.meta[f"prunella.{option.name}"] = value


def setting_option(flag: str, metavar: str, help_: str = "", *, hidden: bool = False) -> _Option:
    """Return an option that keeps its value for the whole run."""
    kind = click.Path() if metavar in ("DIR", "FILE") else str
    keep: dict[str, Any] = {"expose_value": False, "callback": _keep, "type": kind}
    return click.option(flag, metavar=metavar, help=help_, hidden=hidden, **keep)


def _flag(*names: str, help_: str = "") -> _Option:
    keep: dict[str, Any] = {"expose_value": False, "callback": _keep, "is_flag": True}
    return click.option(*names, help=help_, hidden=not help_, **keep)


def all_of(*options: _Option) -> _Option:
    """Return one decorator for several options, in the order of the help."""

    def give(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return give


def command(function: _Command) -> click.Command:
    """Declare a command. Its help begins with its line in the help of all, and goes on with its docstring."""
    name = function.__name__
    return click.command(name, help=f"{LINES[name]}\n\n{cleandoc(function.__doc__ or '')}")(function)


store_option = setting_option("--store", "DIR", hidden=True)
"""``--store`` after the command's name, where people type it too."""
force_option = click.option("--force", is_flag=True, help="Include files written in the last 10 minutes.")
looks = all_of(store_option, _flag("--json", help_="Print one JSON document for scripts."))
"""Options of commands that only read a store."""
no_log_option = _flag("--no-log", help_="Do not read Ollama's log.  [PRUNELLA_NO_LOG]")
_dry_run = _flag("-n", "--dry-run", help_="Show the plan and change nothing.")
_wait = setting_option("--wait", "AGE", "How long to wait for another run to end.  [PRUNELLA_WAIT; else 5s]")
_changes = all_of(_dry_run, looks, _flag("--no-gc", help_="Keep expired trash.  [PRUNELLA_NO_GC]"), _wait)
copies = all_of(_dry_run, looks, no_log_option, _wait)
"""Options of commands that only add to another store."""
restores = all_of(_changes, _flag("-y", "--yes"))
"""Options of commands that change the store without asking."""
yes_option = _flag("-y", "--yes", help_="Do not ask.")
repairs = all_of(yes_option, _changes)
"""Options of a command that may repair the store."""
deletes = all_of(
    yes_option,
    _changes,
    setting_option("--settle", "AGE", "How long to watch for a pull before deleting.  [PRUNELLA_SETTLE; else 10s]"),
)
"""Options of commands that ask before they delete."""

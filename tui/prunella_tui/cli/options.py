"""Settings of a run, from options that commands share, from ``PRUNELLA_*`` variables, and from the configuration."""

import os
from collections.abc import Callable
from contextlib import closing
from inspect import cleandoc
from typing import Any, NamedTuple, TypeVar

import click

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import DEFAULT_RETENTION, clean, parse_age
from prunella_tui.cli.help import LINES


class Config(NamedTuple):
    """The keys of ``config.toml``; ``None`` where it has none."""

    store: str | None = None
    theme: str | None = None
    retention: str | None = None
    settle: str | None = None
    keep: str | None = None
    max_size: str | None = None
    min_free: str | None = None
    gc: bool | None = None
    log: bool | None = None


def config_path() -> str:
    """Return where this platform keeps the file: ``~/.config/prunella/config.toml`` on Linux."""
    if os.uname().sysname == "Linux":  # as platformdirs has it, which takes longer to import than a small store to read
        base = os.environ.get("XDG_CONFIG_HOME", "").strip() or os.path.expanduser("~/.config")
        return os.path.join(base, "prunella", "config.toml")
    from platformdirs import user_config_dir

    return os.path.join(user_config_dir("prunella", appauthor=False), "config.toml")


def read_config(path: str) -> Config:
    """Return the configuration at ``path``, empty without a file. Raises InvalidInput, naming the file."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except OSError as error:
        raise InvalidInput(f"cannot read the configuration {clean(path)}: {error.strerror}") from error
    return _understand(data, path)


def remember(path: str, key: str, value: str) -> None:
    """Write a setting into the configuration at ``path``, owned as its folder, and leave the rest as it is.

    Raises OSError, and UnicodeError for text that no TOML can hold.
    """
    import json

    from prunella_core.fs.disk import Disk

    path = os.path.realpath(path)
    lines = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file.read().splitlines() if line.partition("=")[0].strip() != key]
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    with closing(Disk()) as disk:
        disk.make_folder(os.path.dirname(path))
        disk.write(path, "\n".join([*lines, f"{key} = {text}", ""]).encode())


def _understand(data: bytes, path: str) -> Config:
    import tomllib

    try:
        document = tomllib.loads(data.decode())
    except ValueError as error:  # bytes that are not UTF-8, or text that is not TOML
        raise InvalidInput(f"the configuration {clean(path)} is not valid TOML: {clean(str(error))}") from error
    for key, value in document.items():
        if key not in Config._fields:
            known = ", ".join(Config._fields)
            raise InvalidInput(f"the configuration {clean(path)}: unknown key “{clean(key)}”: use {known}")
        is_switch = key in ("gc", "log")
        if is_switch and not isinstance(value, bool):
            raise InvalidInput(f"the configuration {clean(path)}: {key} must be true or false")
        if not is_switch and not (isinstance(value, str) and value):
            raise InvalidInput(f"the configuration {clean(path)}: {key} must be text in quotes")
    return Config(**document)


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


def configuration() -> Config:
    """Return the configuration, read once: later, root may not be root any more. Raises InvalidInput."""
    return once("configuration", lambda: read_config(config_path()))


def setting(name: str) -> Setting | None:
    """Return a setting: what a flag says, else a variable, else the configuration."""
    configured = getattr(configuration(), name, None)  # read even when not needed: a broken file is named at once
    return given(name) or (Setting(configured, config_path()) if configured else None)


def duration_setting(name: str, default: str) -> int:
    """Return a setting in seconds. Raises InvalidInput when it is not an age."""
    found = setting(name)
    return parse_age(found.value if found else default)


def retention() -> int:
    """Return how long the trash keeps things, in seconds. Raises InvalidInput."""
    return duration_setting("retention", DEFAULT_RETENTION)


def is_on(name: str) -> bool:
    """Whether ``gc`` (expired trash is emptied after a change) or ``log`` (Ollama's is read) is on, as by default."""
    is_off = is_set(f"no_{name}") or _is_yes(f"PRUNELLA_NO_{name.upper()}")
    return not is_off and getattr(configuration(), name) is not False


def _is_yes(variable: str) -> bool:
    value = os.environ.get(variable, "").strip()
    try:
        return bool(click.BOOL.convert(value or "no", None, None))
    except click.BadParameter as error:
        raise InvalidInput(f"invalid {variable} “{clean(value)}”: use 1 or 0") from error


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

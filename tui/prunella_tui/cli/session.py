"""What every command starts with: the settings of this run, the store they lead to, and what is in it."""

import os
import sys
import time
from collections.abc import Callable

import click
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import DEFAULT_RETENTION, clean, parse_age
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.memory import scan_store
from prunella_core.scan.system import Progress
from prunella_core.store import Store, may_be_unfinished
from prunella_core.store.access import as_owner_of
from prunella_core.store.locate import FoundStore, find_stores, locate
from prunella_tui.cli.following import Following
from prunella_tui.cli.help import READ_ONLY
from prunella_tui.cli.options import Setting, given, is_set, once
from prunella_tui.cli.output import Meter, say
from prunella_tui.config import Config, config_path, read_config


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


def open_store(choose: Callable[[Store], Store] = lambda store: store) -> Store:
    """Return the store of this run, of several the chosen one; root becomes its owner. Raises NotFound, Refused."""
    found = imported()
    return found.store if found else as_owner_of(choose(located()))


def located() -> Store:
    """Return the store of this run as the caller sees it. Raises NotFound."""
    wanted = setting("store")
    home = os.path.expanduser("~")
    if wanted is None or (given("store") is None and os.environ.get("OLLAMA_MODELS", "").strip()):  # before the file
        return locate(None, os.environ, home)
    return replace(locate(wanted.value, os.environ, home), why=wanted.by)


def stores_here() -> list[FoundStore]:
    """Return the stores of this machine, also those that this user may not read."""
    return find_stores(os.environ, os.path.expanduser("~"))


def imported() -> Inventory | None:
    """Return the export that ``--import`` names, if any, read once. Raises InvalidInput, and OSError with its name."""
    option = given("import")
    store = given("store")
    if option and store and store.by == "--store":
        raise InvalidInput("--store and --import cannot be combined")
    return once("import", lambda: read_export(option.value, "--import ")) if option else None


def read_export(name: str, way: str = "") -> Inventory:
    """Return the export in a file, or piped in for ``-``. Raises InvalidInput, and OSError with its name."""
    from prunella_core.export.portable import load, read

    if name != "-":
        with open(name, "rb") as file:
            return load(read(file))
    if sys.stdin.isatty():
        raise InvalidInput(f"nothing is piped into {way}-: prunella export | prunella {way or 'diff '}-")
    return load(read(sys.stdin.buffer))


def look(store: Store, *, log_for: float = 0) -> Inventory:
    """Scan a store, with progress on stderr if that takes a while. An export is returned as it is.

    Ollama's log is waited for ``log_for`` seconds; 0: it is not read.
    """
    if (found := imported()) and store.exported_from is not None:
        return found
    if not store.named and click.get_current_context().info_name in READ_ONLY:  # others refuse, or say what they change
        say(f"Several stores found; this is {store.root}. prunella stores lists them.")
    if may_be_unfinished(store):
        _say_if_unfinished(store)
    following = Following(store) if log_for and is_on("log") else None
    with Meter() as meter:

        def report(progress: Progress) -> None:
            meter.show(f"reading the store: {progress.models + progress.blobs:,} files")

        inventory = scan_store(store, time.time(), report)
    return following.add_to(inventory, log_for) if following else inventory


def _say_if_unfinished(store: Store) -> None:
    from prunella_core.apply import has_unfinished

    if has_unfinished(store):
        say("An operation was interrupted. What it set aside is not shown; the next rm or restore repairs it.")

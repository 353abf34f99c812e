"""What every command starts with: the settings of this run, the store they lead to, and what is in it."""

import os
import time
from collections.abc import Collection

import click
from msgspec.structs import replace

from prunella_core.apply.unfinished import is_unfinished
from prunella_core.base.units import DEFAULT_RETENTION, parse_age
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.ages import scan_store
from prunella_core.scan import Progress
from prunella_core.store.locate import Store, locate
from prunella_core.store.owner import as_owner_of
from prunella_tui.cli.importing import imported
from prunella_tui.cli.meter import Meter
from prunella_tui.cli.options import Said, said
from prunella_tui.cli.output import tell
from prunella_tui.config import Config, config_path, read_config

_CONFIG = "prunella.config"


def _configuration() -> Config:
    """Read once a run, before root may become the owner of a store: then the file may be out of reach."""
    kept = click.get_current_context().meta
    if _CONFIG not in kept:
        kept[_CONFIG] = read_config(config_path())
    found = kept[_CONFIG]
    assert isinstance(found, Config)
    return found


def setting(name: str) -> Said | None:
    """Return a setting: what a flag says, else a variable, else the configuration."""
    configured = getattr(_configuration(), name)  # read even when not needed: a broken file is told at once
    return said(name) or (Said(configured, config_path()) if configured else None)


def retention() -> int:
    """Return how long the trash keeps things, in seconds. Raises InvalidInput when the setting is no age."""
    found = setting("retention")
    return parse_age(found.value if found else DEFAULT_RETENTION)


def collects(no_gc: bool) -> bool:
    """Whether what has expired in the trash goes after this command."""
    return not no_gc and _configuration().gc is not False


def open_store() -> Store:
    """Return the store of this run; root becomes its owner. Raises NotFound and Refused.

    ``OLLAMA_MODELS`` is a variable, so it comes before the configuration.
    """
    found = imported()
    return found.store if found else as_owner_of(_located())


def _located() -> Store:
    wanted = setting("store")
    home = os.path.expanduser("~")
    if wanted is None or (said("store") is None and os.environ.get("OLLAMA_MODELS", "").strip()):
        return locate(None, os.environ, home)
    return replace(locate(wanted.value, os.environ, home), why=wanted.by)


def look(store: Store, loaded: Collection[str] = ()) -> Inventory:
    """Survey a store; if that takes a while, say so on stderr. ``loaded`` is what the server has loaded.

    Of an export it returns what is in it: the disk of this machine has nothing to do with that.
    """
    if (found := imported()) and store.exported_from is not None:
        return found
    meter = Meter()

    def report(progress: Progress) -> None:
        meter.tell(f"reading the store: {progress.models + progress.blobs:,} files")

    if is_unfinished(store):
        tell("A removal was interrupted. What it had set aside is not shown; the next rm or restore sets it right.")
    try:
        return scan_store(store, time.time(), report, loaded=loaded)
    finally:
        meter.clear()

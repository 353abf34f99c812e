"""What every command starts with: the settings of this run, the store they lead to, and what is in it."""

import os
import sys
import time
from collections.abc import Callable, Iterable
from itertools import chain
from threading import Event, Thread

import click
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.ledger.memory import scan_store
from prunella_core.ledger.uses import Follower, with_uses
from prunella_core.scan.system import Progress
from prunella_core.store import Store, may_be_unfinished
from prunella_core.store.access import as_owner_of
from prunella_core.store.locate import FoundStore, find_stores, locate
from prunella_tui.cli.help import READ_ONLY
from prunella_tui.cli.options import given, is_on, once, setting
from prunella_tui.cli.output import Meter, say

SHOWING = 0.04
"""Seconds that a list waits for the log."""
DELETING = 2.0
"""Seconds that a proposal to delete waits: what was used lately must not be in it."""
_REST = 2.0


class Following:
    """One reading, from the beginning of a command to its end."""

    def __init__(self, store: Store) -> None:
        self._is_scanned, self._is_over = Event(), Event()
        self._follower = Follower(store, os.path.expanduser("~"), self._is_over.is_set)
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()
        click.get_current_context().call_on_close(self._finish)

    def _read(self) -> None:
        self._follower.read_journal()
        self._is_scanned.wait()  # files are searched by this process: not while it reads the store
        self._follower.read_files()

    def add_to(self, inventory: Inventory, seconds: float) -> Inventory:
        """Return ``inventory`` with what the log said until now, or within ``seconds``."""
        self._is_scanned.set()
        self._thread.join(seconds)
        return with_uses(inventory, self._follower.uses)

    def _finish(self) -> None:
        self._is_scanned.set()
        if self._thread.is_alive():
            sys.stdout.flush()
            self._thread.join(_REST)
        self._is_over.set()
        self._thread.join(_REST)
        if not self._thread.is_alive():
            self._follower.save()


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
        from prunella_core.apply import has_unfinished

        if has_unfinished(store):
            say("An operation was interrupted. What it set aside is not shown; the next rm or restore repairs it.")
    following = Following(store) if log_for and is_on("log") else None
    with Meter() as meter:

        def report(progress: Progress) -> None:
            meter.show(f"reading the store: {progress.models + progress.blobs:,} files")

        inventory = scan_store(store, time.time(), report)
    return following.add_to(inventory, log_for) if following else inventory


_Source = Callable[[str], Iterable[str]]


def complete(*sources: _Source) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return what click asks for completions: what ``sources`` offer for the typed beginning, in any case."""

    def answer(context: click.Context, _argument: click.Parameter, typed: str) -> list[str]:
        try:
            with context.scope(cleanup=False):
                offered = dict.fromkeys(chain.from_iterable(source(typed) for source in sources))
        except Exception:  # noqa: BLE001 -- a shell in the middle of a word is no place for a complaint
            return []
        return [name for name in offered if name.casefold().startswith(typed.casefold())]

    return answer


def models(_typed: str) -> list[str]:
    """Return the names of the models."""
    from prunella_core.scan.manifests import read_manifests

    return [manifest.name for manifest in read_manifests(open_store()).manifests.values()]


def digests(typed: str) -> list[str]:
    """Return the digests, written as they were begun."""
    from prunella_core.ollama.names import place_of

    known = sorted({place_of(f"blobs/{name}").digest or "" for name in os.listdir(open_store().blobs)} - {""})
    return known if typed.startswith("s") else [digest.removeprefix("sha256:") for digest in known]


def clear_digests(typed: str) -> list[str]:
    """Return the digests once it is clear that one is meant."""
    return digests(typed) if typed.startswith("sha256:") else []


def trash_entries(_typed: str) -> list[str]:
    """Return the IDs of the trash."""
    return [entry.id for entry in _trash()]


def trashed_models(_typed: str) -> list[str]:
    """Return the names of the models in the trash."""
    return [model.name for entry in _trash() for model in entry.models]


def _trash() -> list[TrashEntry]:
    from prunella_core.scan.own import read_trash

    return [entry for entry in read_trash(open_store())[0] if not entry.is_spent]

"""The commands that check and export: doctor, verify, export."""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import click
from msgspec.structs import replace

from prunella_core.advice.forecast import dangers, is_noprune, next_start
from prunella_core.apply import has_unfinished
from prunella_core.base.errors import InvalidInput, Refused
from prunella_core.base.text import clean
from prunella_core.export.documents.checking import doctor_document, next_start_document, verify_document
from prunella_core.export.portable import dump
from prunella_core.fs.files import write_new
from prunella_core.inventory.records import Blob, Inventory
from prunella_core.ollama.client import Server, ServerError, address, connect
from prunella_core.operations.served import loaded_here, serves, version_of
from prunella_core.verify import VerifyProgress, VerifyResult, verify_blobs, whole_blobs
from prunella_tui.cli.completion import complete_targets
from prunella_tui.cli.options import looks, store_option
from prunella_tui.cli.output import DONE, FAILED, INTERRUPTED, PARTLY, Meter, present, print_document
from prunella_tui.cli.session import look, open_store
from prunella_tui.cli.signals import cancelling
from prunella_tui.cli.targets import find_whole
from prunella_tui.report.forecast import forecast_lines
from prunella_tui.report.problem import doctor_lines
from prunella_tui.report.verify import progress_text, verify_lines

_TO_STDOUT = "-"


@click.command()
@click.option("--next-start", "is_forecast", is_flag=True, help="Show what Ollama itself deletes at its next start.")
@looks
def doctor(is_forecast: bool, as_json: bool) -> None:
    """Show what is wrong with the store and how to fix it.

    Also shows which store this is and why it was chosen, who owns it, and other stores on this machine.

    With --next-start: what Ollama's server would delete if it started now. Without asking, it deletes blobs that no
    manifest names, and downloads, once they are over an hour old.
    """
    inventory = look(open_store())
    server = None if inventory.store.exported_from else connect(os.environ)  # of this machine, not of the export's
    coming = next_start(inventory, time.time(), is_noprune(os.environ), version_of(server))
    if is_forecast:
        present(as_json, lambda: next_start_document(inventory, coming), lambda: forecast_lines(coming))
        return
    inventory = replace(inventory, problems=(*inventory.problems, *dangers(coming)))
    unfinished = has_unfinished(inventory.store)
    answer = _server(inventory, server, coming.server_version)
    present(
        as_json,
        lambda: {"server": answer, **doctor_document(inventory), "unfinished": unfinished},
        lambda: doctor_lines(inventory, unfinished, answer),
    )


def _server(inventory: Inventory, server: Server | None, version: str | None) -> dict[str, Any]:
    """Return where the server is expected, whether it answers, and what it does with this store."""
    found: dict[str, Any] = {"address": None, "reachable": False, "version": version and clean(version)}
    found |= {"serves_this_store": None, "loaded": []}
    if inventory.store.exported_from is None:
        found["address"] = _address()
    if server:
        found["loaded"] = sorted(map(clean, loaded_here(server, inventory) or ()))
        with suppress(ServerError):  # what listens there is not Ollama
            found["serves_this_store"] = serves(server, inventory)
            found["reachable"] = True
    return found


def _address() -> str:
    try:
        return clean(address(os.environ).url)
    except ValueError:  # not an address
        return clean(os.environ.get("OLLAMA_HOST", ""))


@click.command()
@click.argument("names", metavar="[MODEL|DIGEST]...", nargs=-1, shell_complete=complete_targets)
@click.option("--again", is_flag=True, help="Also read blobs verified by an earlier run.")
@looks
def verify(names: tuple[str, ...], again: bool, as_json: bool) -> int:
    """Check every blob against its hash.

    Checks the blobs of the named models, single blobs, or the whole store; blobs in the trash only by digest. Hard
    links to one file are read once. Files verified before that have not changed (inode, size, mtime) are not read
    again, so an interrupted run resumes where it stopped. ls and doctor show bad blobs from then on. Nothing is ever
    deleted or changed.

    \b
      prunella verify                   everything not verified before
      prunella verify llama3.2 --again  one model, again
      prunella verify sha256:3f1a9c
    """
    inventory = look(open_store())
    blobs = find_whole(inventory, names) if names else whole_blobs(inventory)
    begun = time.monotonic()
    result = _verified(inventory, blobs, again)
    seconds = time.monotonic() - begun
    present(as_json, lambda: verify_document(inventory.store, result), lambda: verify_lines(result, seconds))
    if result.cancelled:
        return INTERRUPTED
    if result.bad:
        return FAILED
    return PARTLY if result.changed else DONE


def _verified(inventory: Inventory, blobs: Iterable[Blob], again: bool) -> VerifyResult:
    meter = Meter()
    begun = time.monotonic()

    def report(progress: VerifyProgress) -> None:
        meter.tell(f"verifying: {progress_text(progress, time.monotonic() - begun)}")

    try:
        with cancelling() as cancelled:
            return verify_blobs(inventory, blobs, again=again, report=report, cancelled=cancelled)
    finally:
        meter.clear()


@click.command()
@click.argument("file", type=click.Path(), default=_TO_STDOUT)
@store_option
def export(file: str) -> None:
    """Export a scan to view on another machine: names, sizes and times, no model data.

    Without FILE it goes to stdout. An existing FILE is never overwritten; one that ends in .gz is compressed.

    \b
      prunella export store.json.gz           there: prunella --import store.json.gz
      ssh server prunella export | prunella --import -
      prunella --import store.json.gz ls      what ls shows there
    """
    if file == _TO_STDOUT and sys.stdout.isatty():
        raise InvalidInput("export does not write to a terminal: name a FILE, or redirect it: prunella export > FILE")
    store = open_store()
    data = dump(look(store), os.uname().nodename)
    if file == _TO_STDOUT:
        print_document(data)
    else:
        _write(file, data, store.root)


def _write(path: str, data: bytes, store_root: str) -> None:
    if path.endswith(".gz"):
        import gzip

        data = gzip.compress(data, compresslevel=6)
    try:
        write_new(path, data, store_root)
    except FileExistsError:
        raise Refused(f"{clean(path)} exists; nothing is overwritten") from None

"""The commands that check and export: doctor, stores, verify, export, metrics."""

import os
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

import click
from msgspec.structs import replace

from prunella_core.advice.ollama import NextStart, dangers, is_noprune, next_start, with_barred
from prunella_core.apply import has_unfinished
from prunella_core.base.errors import InvalidInput, NotFound, PrunellaError, Refused
from prunella_core.base.text import clean
from prunella_core.export import results
from prunella_core.export.portable import dump
from prunella_core.fs.files import write_file
from prunella_core.guard.status import guard_problem
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.log import read_log
from prunella_core.ollama.server import Server, ServerError, address, connect
from prunella_core.operations.repair import plan_repairs, repair
from prunella_core.operations.server import loaded_here, serves, version_of
from prunella_core.scan.system import other_files
from prunella_core.store.locate import FoundStore, service_user
from prunella_core.verify import verify_blobs, whole_blobs
from prunella_tui.cli.options import command, is_set, looks, no_log_option, repairs, retention, store_option
from prunella_tui.cli.output import DONE, FAILED, INTERRUPTED, PARTLY, REFUSED, complain, present, say, write
from prunella_tui.cli.removing import is_agreed, look_for_change, patiently, reading, world_for
from prunella_tui.cli.session import SHOWING, clear_digests, complete, located, look, models, open_store, stores_here
from prunella_tui.cli.targets import find_whole
from prunella_tui.report.format import counted, size
from prunella_tui.report.health import doctor_lines, repair_lines, repaired_lines, verify_lines
from prunella_tui.report.rows import forecast_lines
from prunella_tui.report.stores import stores_lines

_TO_STDOUT = "-"


@command
@click.option("--next-start", "is_forecast", is_flag=True, help="Show what Ollama itself deletes at its next start.")
@click.option("--repair", "is_repair", is_flag=True, help="Let Ollama pull blobs that are missing or damaged.")
@repairs
def doctor(is_forecast: bool, is_repair: bool) -> int:
    """Also shows where the store is, why it was chosen, who owns it, and other stores on this machine.

    --next-start shows what Ollama would delete if its server started now: it does not ask before it deletes downloads
    and blobs that no manifest names, once they are over an hour old.

    --repair moves damaged blobs (a wrong size, or found by prunella verify) to the trash and has the server pull the
    models that need them: only what is missing is downloaded. It asks first.

    \b
      prunella doctor --repair --dry-run
    """
    if is_forecast and is_repair:
        raise click.UsageError("use --next-start or --repair, not both", click.get_current_context())
    if is_repair:
        return _repair()
    if is_set("yes") or is_set("dry_run"):
        raise click.UsageError("--yes and --dry-run need --repair", click.get_current_context())
    inventory = look(open_store())
    server, coming = _coming(inventory)
    if is_forecast:
        present(lambda: results.next_start_document(inventory, coming), lambda: forecast_lines(coming))
        return DONE
    inventory = _with_dangers(inventory, coming)
    unfinished = has_unfinished(inventory.store)
    answer = _server(inventory, server, coming.server_version)
    present(
        lambda: {"server": answer, **results.doctor_document(inventory), "unfinished": unfinished},
        lambda: doctor_lines(inventory, unfinished, answer),
    )
    return DONE


def _repair() -> int:
    inventory = look_for_change()
    server = connect(os.environ)
    plan = plan_repairs(inventory, server, time.time())
    if is_set("dry_run") or not plan.plans:
        present(lambda: results.repair_document(plan), lambda: repair_lines(plan))
        return REFUSED if plan.refused and not plan.plans else DONE
    question = f"Repair {counted(len(plan.plans), 'model')}, pulling {size(plan.size)}? [y/N] "
    if not is_agreed(repair_lines(plan), question):
        say("Nothing was changed.")
        return REFUSED
    with reading() as (report, cancelled):
        world = world_for(server, lambda _step: None, cancelled)
        receipt = patiently(partial(repair, plan, world, report))
    present(lambda: results.repaired_document(receipt), lambda: repaired_lines(receipt))
    if receipt.cancelled:
        return INTERRUPTED
    return DONE if receipt.done else PARTLY


def _coming(inventory: Inventory) -> tuple[Server | None, NextStart]:
    """Return the server, if it answers, and what it does when it starts the next time."""
    server = None if inventory.store.exported_from else connect(os.environ)  # of this machine, not of the export's
    return server, next_start(inventory, time.time(), is_noprune(os.environ), version_of(server))


def _with_dangers(inventory: Inventory, coming: NextStart) -> Inventory:
    """Add the problems that only a closer look finds."""
    inventory = with_barred(inventory, service_user(os.environ, inventory.store.root))
    return replace(inventory, problems=(*inventory.problems, *dangers(coming), *guard_problem(inventory)))


@command
@looks
def stores() -> int:
    """Prunella uses the first of --store, PRUNELLA_STORE, OLLAMA_MODELS, store in config.toml, and the only one found.
    If several are found, it changes nothing until you name one; the application asks.

    It looks where systemd units and desktop apps say, in your home (with sudo, also in that of the calling user), and
    where Arch Linux, NixOS, snap, Flatpak, Docker, Podman and Windows (under WSL) keep stores.
    """
    found = stores_here()
    try:
        chosen = located()
    except NotFound as error:
        complain(str(error))
        chosen = None
    if chosen and not any(store.is_at(chosen.root) for store in found):
        found.insert(0, FoundStore(chosen.root, chosen.why, chosen.owner))
    present(lambda: results.stores_document(found, chosen), lambda: stores_lines(found, chosen))
    return DONE if chosen else FAILED


def _server(inventory: Inventory, server: Server | None, version: str | None) -> dict[str, Any]:
    """Return where the server is expected, whether it answers, and what it does with this store."""
    found: dict[str, Any] = {"address": None, "reachable": False, "version": version and clean(version)}
    found |= {"serves_this_store": None, "loaded": []}
    if inventory.store.exported_from is None:
        try:
            found["address"] = clean(address(os.environ).url)
        except ValueError:  # not an address
            found["address"] = clean(os.environ.get("OLLAMA_HOST", ""))
    if server:
        found["loaded"] = sorted(map(clean, loaded_here(server, inventory) or ()))
        with suppress(ServerError):  # what listens there is not Ollama
            found["serves_this_store"] = serves(server, inventory)
            found["reachable"] = True
    return found


@command
@click.argument("names", metavar="[MODEL|DIGEST]...", nargs=-1, shell_complete=complete(models, clear_digests))
@click.option("--again", is_flag=True, help="Also read blobs verified by an earlier run.")
@looks
def verify(names: tuple[str, ...], again: bool) -> int:
    """Without arguments: the whole store except the trash, whose blobs are checked when named by digest. Hard links to
    one file are read once. Files that an earlier run verified and that have not changed (inode, size, mtime) are not
    read again, so an interrupted run resumes where it stopped. Damaged blobs show up in ls and doctor. Nothing is ever
    deleted or changed.

    \b
      prunella verify                   everything not verified before
      prunella verify llama3.2 --again  one model, again
      prunella verify sha256:3f1a9c
    """
    inventory = look(open_store())
    blobs = find_whole(inventory, names) if names else whole_blobs(inventory)
    begun = time.monotonic()
    with reading() as (report, cancelled):
        result = verify_blobs(inventory, blobs, again=again, report=partial(report, "verifying"), cancelled=cancelled)
    seconds = time.monotonic() - begun
    present(lambda: results.verify_document(inventory.store, result), lambda: verify_lines(result, seconds))
    if result.cancelled:
        return INTERRUPTED
    if result.bad:
        return FAILED
    return PARTLY if result.changed else DONE


@command
@click.argument("file", type=click.Path(), default=_TO_STDOUT)
@store_option
def export(file: str) -> None:
    """The export holds names, sizes and times, but no model data. Without FILE it goes to stdout. An existing FILE is
    never overwritten; one that ends in .gz is compressed.

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
        write(data)
        return
    if file.endswith(".gz"):
        import gzip

        data = gzip.compress(data, compresslevel=6)
    try:
        write_file(file, data, store.root)
    except FileExistsError:
        raise Refused(f"{clean(file)} exists and was not overwritten") from None


@command
@click.option("--textfile", metavar="PATH", type=click.Path(), help="Write to this file, atomically, not to stdout.")
@click.option("--models", "with_models", is_flag=True, help="Add series for each model.")
@store_option
@no_log_option
def metrics(textfile: str | None, with_models: bool) -> None:
    """One scan, in the text format of Prometheus. With --textfile, node_exporter's textfile collector can read it: PATH
    has to end in .prom and be in the collector's folder. docs/fleet.md has alert rules and a dashboard.

    \b
      prunella metrics
      prunella metrics --textfile /var/lib/node_exporter/textfile/prunella.prom
    """
    from prunella_core.export.metrics import Facts, metrics_text

    keeps, begun = retention(), time.monotonic()
    inventory = look(open_store(), log_for=SHOWING if with_models else 0)
    is_here = inventory.store.exported_from is None
    other = other_files(inventory) if is_here else None
    seconds = time.monotonic() - begun if is_here else None
    log = read_log(inventory.store) if is_here else ()
    _server, coming = _coming(inventory)
    facts = Facts(retention=keeps, coming=coming, other=other, log=log, seconds=seconds)
    text = metrics_text(_with_dangers(inventory, coming), facts, with_models=with_models)
    if textfile is None:
        write(text)
        return
    try:
        write_file(textfile, text, inventory.store.root, over=True)
    except OSError as error:
        why = f"{error.strerror}; name a file in an existing folder that you can write to"
        raise PrunellaError(f"cannot write {clean(textfile)}: {why}") from error

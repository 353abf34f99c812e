"""The guard: on, off, status, run, install, uninstall."""

import os
import sys
import time

import click

from prunella_core.apply import World
from prunella_core.base.errors import InvalidInput, Refused
from prunella_core.base.text import clean, parse_age, parse_size
from prunella_core.export.documents.changing import run_document, status_document
from prunella_core.guard.status import Settings, guard_status, read_settings
from prunella_core.guard.sync import GuardRun
from prunella_core.inventory.records import Inventory
from prunella_core.operations.carry_out import guard_off, guard_on, guard_run
from prunella_core.scan.system import capacity_of
from prunella_core.store import Store
from prunella_tui.cli.options import all_of, is_set, looks, setting_option, yes_option
from prunella_tui.cli.output import DONE, REFUSED, present, say
from prunella_tui.cli.removing import ask, patiently
from prunella_tui.cli.session import look, open_store, setting
from prunella_tui.cli.timer import Timer, install, timer_for, uninstall
from prunella_tui.report.trash import run_lines, status_lines

_limits = all_of(
    setting_option("--keep", "AGE", "How long to keep what Ollama deleted.  [PRUNELLA_KEEP; else 7d]"),
    setting_option("--max-size", "SIZE", "How much that may take.  [PRUNELLA_MAX_SIZE; else 100GB]"),
    setting_option("--min-free", "SIZE", "How much of the disk to keep free.  [PRUNELLA_MIN_FREE; else 10%]"),
)


@click.group()
def guard() -> None:
    """Keep what Ollama itself deletes: with ollama rm, when a pull replaces a version, or when its server starts.

    The guard keeps a hard link to every blob, which takes no space, and a copy of every manifest. When Ollama deletes a
    file, the guard moves its link to the trash, from where you can restore it. guard run, and every command that
    changes the store, bring the guard up to date.

    \b
      prunella guard on
      prunella guard install     every 15 minutes
    """


@guard.command()
@_limits
@looks
def on() -> None:
    """Turn the guard on, or change its limits."""
    store = open_store()
    _present(patiently(lambda: guard_on(store, _settings(store), World(now=time.time))))


@guard.command(short_help="Turn the guard off.")
@looks
def off() -> None:
    """Turn the guard off: its links are deleted; files that it rescued stay in the trash until they expire."""
    store = open_store()
    patiently(lambda: guard_off(store, World(now=time.time)))
    _present_status(look(store))


@guard.command()
@looks
def status() -> None:
    """Show whether the guard is on, and what it holds."""
    _present_status(look(open_store()))


@guard.command()
@looks
def run() -> None:
    """Update the guard, and rescue what Ollama has deleted since the last run."""
    store = open_store()
    _present(patiently(lambda: guard_run(store, World(now=time.time))))


@guard.command("install", short_help="Run the guard every 15 minutes.")
@yes_option
@looks
def install_timer() -> int:
    """Run the guard every 15 minutes, with a systemd timer or a launchd agent. Shows first what it writes."""
    store, timer = _timer()
    if read_settings(store) is None:
        raise Refused("the guard is off; turn it on first: prunella guard on")
    if timer.cron:
        say("No systemd or launchd here. Add this line with crontab -e:")
        click.echo(timer.cron)
        return DONE
    for path, text in timer.files.items():
        say(f"{clean(path)}:\n{text}")
    if not _is_agreed("Write this and start it?"):
        say("Nothing was written.")
        return REFUSED
    install(timer.files, timer.start)
    say("The guard runs every 15 minutes now.")
    return DONE


@guard.command("uninstall")
@looks
def uninstall_timer() -> int:
    """Stop the timer and delete its files. The guard itself stays on."""
    _store, timer = _timer()
    was_there = uninstall(list(timer.files), timer.stop)
    say("The timer is gone." if was_there else "There is no timer of this store.")
    return DONE


def _settings(store: Store) -> Settings:
    known = read_settings(store) or Settings(min_free=capacity_of(store.root).total // 10)
    keep, most, free = setting("keep"), setting("max_size"), setting("min_free")
    return Settings(
        keep=parse_age(keep.value) if keep else known.keep,
        max_size=parse_size(most.value) if most else known.max_size,
        min_free=parse_size(free.value, capacity_of(store.root).total) if free else known.min_free,
    )


def _timer() -> tuple[Store, Timer]:
    is_root, home = os.geteuid() == 0, os.path.expanduser("~")
    store = open_store()
    if store.exported_from is not None:
        raise InvalidInput("an export has no guard: it needs the store itself")
    return store, timer_for(store, is_root=is_root, home=home)


def _is_agreed(question: str) -> bool:
    if is_set("yes"):
        return True
    if not sys.stdin.isatty():
        raise Refused("not a terminal: use --yes; nothing was written")
    return ask(f"{question} [y/N] ").lower() in ("y", "yes")


def _present(done: GuardRun) -> None:
    held = guard_status(done.inventory)
    present(lambda: run_document(done, held), lambda: (*run_lines(done), *status_lines(held)))


def _present_status(inventory: Inventory) -> None:
    held = guard_status(inventory)
    present(lambda: status_document(held), lambda: status_lines(held))

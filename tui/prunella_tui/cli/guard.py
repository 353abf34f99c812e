"""The guard: on, off, status, run, and what runs it regularly: a systemd timer, a launchd agent, else cron."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from typing import NamedTuple

import click

from prunella_core.apply import World
from prunella_core.base.errors import InvalidInput, Refused
from prunella_core.base.text import clean, parse_age, parse_size
from prunella_core.export.results import run_document, status_document
from prunella_core.fs.caller import for_caller
from prunella_core.guard.status import Settings, guard_status, read_settings
from prunella_core.guard.sync import GuardRun, turn_off
from prunella_core.inventory.records import Inventory
from prunella_core.operations.carry_out import guard_on, guard_run
from prunella_core.scan.system import capacity_of
from prunella_core.store import Store
from prunella_tui.cli.options import all_of, is_set, looks, setting, setting_option, yes_option
from prunella_tui.cli.output import DONE, REFUSED, present, say
from prunella_tui.cli.removing import ask, patiently
from prunella_tui.cli.session import look, open_store
from prunella_tui.report.trash import run_lines, status_lines

_SERVICE = """\
[Unit]
Description=Prunella's guard for {store}

[Service]
Type=oneshot
{user}ExecStart={command}
"""
_TIMER = """\
[Unit]
Description=Prunella's guard for {store}

[Timer]
OnCalendar=*:0/15
RandomizedDelaySec=60
Persistent=true

[Install]
WantedBy=timers.target
"""


class Timer(NamedTuple):
    """Files to write, and the commands that start and stop what they describe."""

    files: dict[str, str]
    start: list[list[str]]
    stop: list[list[str]]
    cron: str = ""
    """Where there is neither systemd nor launchd: the line to add by hand."""


def timer_for(store: Store, *, is_root: bool, home: str) -> Timer:
    """Return the timer of ``store``: root's runs as the owner of the store, anybody else's as that user."""
    command = [shutil.which("prunella") or os.path.abspath(sys.argv[0]), "--store", store.root, "guard", "run"]
    name = f"prunella-guard-{sha256(os.fsencode(store.root)).hexdigest()[:8]}"
    if sys.platform == "darwin":
        return _launchd(name, command, home)
    if shutil.which("systemctl"):
        return _systemd(store, name, command, is_root=is_root, home=home)
    return Timer({}, [], [], f"*/15 * * * * {shlex.join(command)}")


def _systemd(store: Store, name: str, command: list[str], *, is_root: bool, home: str) -> Timer:
    folder = "/etc/systemd/system" if is_root else os.path.join(home, ".config/systemd/user")
    control = ["systemctl"] if is_root else ["systemctl", "--user"]
    described = {
        "store": _escaped(store.root),
        "command": " ".join(f'"{_escaped(part)}"' for part in command),
        "user": f"User={store.owner}\n" if is_root else "",
    }
    files = {f"{folder}/{name}.service": _SERVICE, f"{folder}/{name}.timer": _TIMER}
    return Timer(
        {path: text.format(**described) for path, text in files.items()},
        [[*control, "daemon-reload"], [*control, "enable", "--now", f"{name}.timer"]],
        [[*control, "disable", "--now", f"{name}.timer"]],
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")


def _launchd(name: str, command: list[str], home: str) -> Timer:
    import plistlib

    label = f"io.prunella.{name}"
    path = os.path.join(home, f"Library/LaunchAgents/{label}.plist")
    agent = plistlib.dumps({"Label": label, "ProgramArguments": command, "StartInterval": 900}, sort_keys=False)
    return Timer({path: agent.decode()}, [["launchctl", "load", "-w", path]], [["launchctl", "unload", "-w", path]])


@for_caller
def install(files: dict[str, str], commands: list[list[str]]) -> None:
    """Write files and run commands, with the rights of who started this. Raises OSError."""
    for path, text in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    _run_all(commands)


@for_caller
def uninstall(paths: list[str], commands: list[list[str]]) -> bool:
    """Stop what runs and delete its files; return whether there was anything. Raises OSError."""
    there = [path for path in paths if os.path.lexists(path)]
    if there:
        _run_all(commands)
    for path in there:
        os.unlink(path)
    return bool(there)


def _run_all(commands: list[list[str]]) -> None:
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)  # noqa: S603
        if done.returncode:
            raise OSError(
                5, (done.stderr or done.stdout).strip() or f"exit code {done.returncode}", shlex.join(command)
            )


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
    patiently(lambda: turn_off(store))
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

"""What runs the guard regularly: a systemd timer, a launchd agent, else a line for cron."""

import os
import shlex
import shutil
import subprocess
import sys
from hashlib import sha256
from typing import NamedTuple

from prunella_core.fs.caller import for_caller
from prunella_core.store import Store

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

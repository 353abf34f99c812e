"""Root on another user's store becomes that user: everything works, and nothing planted there is followed as root.

The program lies below a folder that only root can enter, and the store belongs to a number that is no user's.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import prunella_core
import prunella_tui
from commandline import ENVIRONMENT, Result, Terminal, make_store, program
from prunella_core.sample import StoreBuilder

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="only root can become another user; installed as on Linux"
)

OWNER = 65_534
SECRET = "only for root\n"


class Place:
    """A program of root's, a store of another's, and a file that only root may read."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.private = folder / "private"
        self.private.mkdir(mode=0o700)
        for package in (prunella_core, prunella_tui):
            source = os.path.dirname(package.__file__ or "")
            shutil.copytree(source, self.private / package.__name__, ignore=shutil.ignore_patterns("__pycache__"))
        self.secret = self.private / "secret"
        self.secret.write_text(SECRET)
        self.builder: StoreBuilder = make_store(folder / "store" / "models")
        self.root = self.builder.root
        self.give()
        self.environment = {**ENVIRONMENT, "HOME": str(self.private), "PYTHONPATH": str(self.private)}

    def give(self) -> None:
        """What was built belongs to the owner of the store."""
        subprocess.run(["chown", "-Rh", f"{OWNER}:{OWNER}", os.path.dirname(self.root)], check=True)

    def run(self, *arguments: str) -> Result:
        """Run the program as root, somewhere only root can be."""
        ended = subprocess.run(
            [*program(), "--store", self.root, *arguments],
            env=self.environment,
            cwd=self.private,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Result(ended.returncode, ended.stdout, ended.stderr)

    def foreign(self) -> list[str]:
        """What in the store belongs to others than its owner."""
        found = [
            os.path.join(where, name) for where, folders, files in os.walk(self.root) for name in (*folders, *files)
        ]
        return [path for path in found if os.lstat(path).st_uid != OWNER]


@pytest.fixture
def place() -> Iterator[Place]:
    # not below what pytest makes, which only root may enter
    with tempfile.TemporaryDirectory(prefix="prunella-root-", dir="/tmp") as folder:
        yield Place(Path(folder))


LOOKING = (
    "ls",
    "blobs",
    "df",
    "doctor",
    "show base",
    "trash",
    "log",
    "verify",
    "doctor --next-start",
    "export",
    "metrics",
    "df --since 30d",
)
CHANGING = ("rm -y base", "restore -y base", "pin base", "rm -y --now team/solo:v1", "prune -y --age 0", "empty -y")


def test_every_command_works_and_leaves_only_what_is_the_owners(place: Place) -> None:
    for command in (*LOOKING, *CHANGING, *LOOKING, "free 1KB --dry-run"):
        result = place.run(*command.split())
        assert result.code == 0, (command, result.complaint)
        assert "Traceback" not in result.complaint
    assert (Path(place.root) / ".prunella" / "ledger.sqlite").is_file()
    assert place.foreign() == []


ESCAPE = "\x1b[27u"  # as newer terminals send it: no letter after it makes another key of it
BARE = "Problems[^╯]*Quit"
"""The main screen without a dialog above it. A scan that ends draws what is behind one again as well."""
DIALOGS = (
    ("m", "Look inside"),
    (ESCAPE + "?", "mark or unmark the row"),
    (ESCAPE + "w", "What derived:latest shares"),
    (ESCAPE + "v", "No damage found"),
    (ESCAPE + "P", "is pinned"),
    ("d", "Undo for 7 days"),
    ("t\r", "Nothing freed yet"),
    (ESCAPE, "Undo removal"),
    ("u", "Restored"),
    (ESCAPE + "f", "Free how much space?"),
    ("\x10", "earch for commands"),  # the cursor is on the first letter
)
"""Keys of the application, and what the dialog says that they open."""
TRASH = (*DIALOGS[5:7], (ESCAPE, "Empty"), ("e", "the whole trash"))


@pytest.mark.parametrize("dialogs", [DIALOGS, TRASH])
def test_every_dialog_works(place: Place, dialogs: tuple[tuple[str, str], ...]) -> None:
    """Each imports what it needs only when it opens, from where its owner may not go."""
    terminal = Terminal(store=place.root, size=(120, 36), environment=place.environment)
    terminal.wait_for("derived")
    for keys, text in dialogs:
        terminal.screen = ""
        if keys.startswith(ESCAPE):  # what was open is gone before the next key comes
            terminal.press(ESCAPE)
            terminal.wait_for_match(BARE)
        if key := keys.removeprefix(ESCAPE):
            terminal.screen = ""
            terminal.press(key)
        terminal.wait_for(text)
        assert "Traceback" not in terminal.screen
    terminal.press("\x11")
    assert terminal.end() == 0
    assert place.foreign() == []


def test_the_application_asks_which_store_before_root_becomes_its_owner(place: Place) -> None:
    first = make_store(place.private / ".ollama/models").root
    subprocess.run(["chown", "-R", str(OWNER - 1), first], check=True)  # becoming them is no way back
    systemctl = place.private / "systemctl"
    systemctl.write_text(f"#!/bin/sh\nprintf 'Id=ollama.service\nEnvironment=OLLAMA_MODELS={place.root}\n'\n")
    systemctl.chmod(0o755)
    config = {"XDG_CONFIG_HOME": str(place.private / "config"), "PATH": f"{place.private}:/usr/bin:/bin"}
    terminal = Terminal(size=(120, 36), environment={**place.environment, **config})
    terminal.wait_for("Pick one:")
    terminal.press("\x1b[B")
    terminal.press("r")
    terminal.wait_for("yes")
    terminal.press("\r")
    terminal.wait_for("your choice")
    terminal.wait_for("derived:latest")
    terminal.press("P")
    terminal.wait_for("is pinned")
    terminal.press("q")
    assert terminal.end() == 0
    assert Path(place.root, ".prunella", "pins").stat().st_uid == OWNER
    assert place.foreign() == []
    assert (place.private / "config/prunella/config.toml").read_text() == f'store = "{place.root}"\n'
    assert not (place.private / ".ollama/models/.prunella/pins").exists()


def test_an_export_is_written_as_root_and_never_through_the_store(place: Place) -> None:
    assert place.run("export", "there.json").code == 0
    assert (place.private / "there.json").stat().st_uid == 0
    assert json.loads((place.private / "there.json").read_bytes())
    assert place.run("export", "there.json").code == 3, "it is there already"
    os.symlink(place.private, f"{place.root}/out")
    assert place.run("export", f"{place.root}/blobs/../in.json").code == 0
    assert os.lstat(f"{place.root}/in.json").st_uid == OWNER


def test_metrics_are_written_as_root_where_only_root_may(place: Place) -> None:
    for _again in range(2):
        assert place.run("metrics", "--textfile", "there.prom").code == 0
    assert (place.private / "there.prom").stat().st_uid == 0
    assert (place.private / "there.prom").read_text().startswith("# HELP prunella_build_info ")
    refused = place.run("metrics", "--textfile", "nowhere/there.prom")
    assert (refused.code, refused.complaint.count("\n")) == (1, 1)
    assert place.run("metrics", "--textfile", f"{place.root}/in.prom").code == 0
    assert os.lstat(f"{place.root}/in.prom").st_uid == OWNER


def test_settings_are_read_before(place: Place) -> None:
    folder = place.private / "prunella"
    folder.mkdir()
    (folder / "config.toml").write_text('retention = "1d"\n')
    place.environment["XDG_CONFIG_HOME"] = str(place.private)
    assert place.run("rm", "-y", "base").code == 0
    [entry] = place.run("trash", "--json").document["entries"]
    assert entry["expires_at"].split("T")[0] != entry["removed_at"].split("T")[0]


def test_downloads_that_another_user_holds_open_are_seen(place: Place) -> None:
    partial = next(path for path in Path(place.root, "blobs").iterdir() if path.name.endswith("-partial"))
    with open(partial, "rb"):  # by this process, which is root's
        plan = place.run("prune", "--dry-run", "--age", "0", "--json").document
    assert any("open" in held["reason"] for held in plan["held_back"])


# What may have been planted


def test_a_planted_staging_moves_nothing_where_only_root_may_write(place: Place) -> None:
    staging = Path(place.root, ".prunella", "staging", "20260101T000000-abcdef")
    (staging / "blobs").mkdir(parents=True)
    (staging / "blobs" / "evil").write_text("evil")
    shutil.rmtree(f"{place.root}/blobs")
    os.symlink(place.private, f"{place.root}/blobs")
    place.give()
    result = place.run("rm", "-y", "base")
    assert result.code != 0
    assert "Traceback" not in result.complaint
    assert sorted(os.listdir(place.private)) == ["prunella_core", "prunella_tui", "secret"]
    assert place.secret.read_text() == SECRET


def test_planted_pins_copy_nothing_that_only_root_may_read(place: Place) -> None:
    os.mkdir(f"{place.root}/.prunella")
    os.symlink(place.secret, f"{place.root}/.prunella/pins")
    place.give()
    result = place.run("pin", "base")
    assert SECRET.strip() not in result.text + result.complaint
    assert place.secret.read_text() == SECRET
    for path in Path(place.root, ".prunella").iterdir():
        assert path.is_symlink() or SECRET.encode() not in path.read_bytes()


def test_a_store_out_of_its_owners_reach_is_refused(place: Place) -> None:
    os.chmod(os.path.dirname(place.root), 0o700)
    os.chown(os.path.dirname(place.root), 0, 0)
    result = place.run("ls")
    assert result.code == 3
    assert "may not go" in result.complaint

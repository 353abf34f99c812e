"""What ``export`` writes and ``--import`` takes: the same numbers anywhere, and nothing that could be changed."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import ENVIRONMENT, Terminal, call, control_bytes, digest_of, make_store, program, run
from prunella_core.sample import StoreBuilder
from prunella_tui.cli.help import LINES, READ_ONLY
from stores import tree

NAMED_HERE = {"why", "writable", "address"}
"""What an import says otherwise: it is an export, and the server of this machine has nothing to do with it."""

ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(1, termios.TIOCSCTTY, 0)
os.execvp("sh", ["sh", "-c", sys.argv[1]])
"""


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, with something in its trash, a problem, and a name that is no UTF-8."""
    builder = make_store(tmp_path / "models")
    assert call("rm", "derived", "-y", store=builder.root).code == 0
    Path(os.fsdecode(os.fsencode(builder.root) + b"/blobs/\xff\xfe\x1b[2J")).write_text("x")
    return builder.manifest("broken", "{")


@pytest.fixture
def exported(builder: StoreBuilder, tmp_path: Path) -> str:
    """Its export; the store itself is out of the way, so it cannot be read."""
    path = tmp_path / "elsewhere.json"
    path.write_bytes(call("export", store=builder.root).out)
    return str(path)


def same(document: object) -> object:
    """A document without what an import says otherwise: what is free by now, what is not in an export."""
    if isinstance(document, dict):
        elsewhere = NAMED_HERE | {"disk_free", "identity", "other", "other_entries"}
        return {key: same(value) for key, value in document.items() if key not in elsewhere}
    return [same(row) for row in document] if isinstance(document, list) else document


COMMANDS = [("ls",), ("blobs",), ("show", "base"), ("df",), ("trash",), ("doctor",), ("why", "README.txt")]


def test_a_filter_reckons_ages_from_the_scan(builder: StoreBuilder) -> None:
    path = Path(builder.root).parent / "export.json"
    path.write_bytes(call("export", store=builder.root).out)
    for arguments in (("ls", "--age", "40d"), ("blobs", "--age", "40d")):
        (rows,) = (
            value
            for key, value in call("--import", str(path), *arguments, "--json", now=builder.now + 9e6).document.items()
            if key in ("models", "blobs")
        )
        assert rows == [], "thirty days old when it was scanned"


@pytest.mark.parametrize("arguments", COMMANDS)
def test_it_says_the_same_as_the_store_itself(builder: StoreBuilder, arguments: tuple[str, ...]) -> None:
    now = builder.now + 1_000_000
    data = call("export", store=builder.root, now=now).out
    live = call(*arguments, "--json", store=builder.root, now=now).document
    os.rename(builder.root, f"{builder.root}-gone")
    ended = subprocess.run(
        [*program(), "--import", "-", *arguments, "--json"],
        env=ENVIRONMENT,
        input=data,
        capture_output=True,
        check=True,
    )
    imported = call("--import", str(_written(builder, data)), *arguments, "--json").document
    assert ended.stderr == b""
    assert same(imported) == same(live)
    assert f'"{"store" if arguments[0] != "doctor" else "problems"}"'.encode() in ended.stdout


def _written(builder: StoreBuilder, data: bytes) -> Path:
    path = Path(f"{builder.root}.json.gz")
    path.write_bytes(gzip.compress(data))
    return path


@pytest.mark.parametrize("arguments", [*COMMANDS, ("blobs", "--state", "unreferenced"), ("ls", "--sort", "frees")])
def test_people_read_it_too(builder: StoreBuilder, exported: str, arguments: tuple[str, ...]) -> None:
    result = call("--import", exported, *arguments)
    assert (result.code, result.complaint) == (0, "")
    assert control_bytes(result.out) == set()


def test_ages_are_those_of_the_scan(builder: StoreBuilder, exported: str) -> None:
    digest = digest_of(builder.root, "unreferenced")
    much_later = call("--import", exported, "why", digest, "--json", now=builder.now + 10**9).document
    assert much_later["age_seconds"] < 40 * 86_400


def test_a_damaged_store_elsewhere_is_no_problem_here(exported: str) -> None:
    text = call("--import", exported, "doctor").text
    assert re.search(r"^\S+:/.*/models\n  an export of \S+, scanned \S+Z$", text, re.MULTILINE)
    assert "no server answers" not in text
    assert "a manifest that cannot be read" in text or "truncated" in text


CHANGES = [name for name in LINES if name not in READ_ONLY]


@pytest.mark.parametrize("name", CHANGES)
def test_everything_that_removes_is_refused(builder: StoreBuilder, exported: str, name: str) -> None:
    before = tree(builder.root)
    arguments = {"rm": ("base", "-y"), "restore": ("derived",), "pin": ("base",), "empty": ("-y",), "prune": ("-y",)}
    for more in ((), ("--dry-run",)) if name in ("rm", "prune", "restore", "empty") else ((),):
        result = call("--import", exported, name, *arguments.get(name, ()), *more)
        assert (result.code, result.out) == (3, b"")
        assert result.complaint == f"prunella: an export is read-only: {name} needs the store itself\n"
    assert tree(builder.root) == before


def test_it_goes_through_a_pipe(builder: StoreBuilder) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"{_shell(builder)} export | {_shell()} --import - export | {_shell()} --import - ls"],
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert ended.stderr == ""
    there, live = (re.sub(r"[\d.]+ \wB free", "", text) for text in (ended.stdout, call("ls", store=builder.root).text))
    assert there == live  # but for the bytes that are free by now


def _shell(builder: StoreBuilder | None = None) -> str:
    return " ".join([*program(), *(["--store", builder.root] if builder else [])])


def test_it_is_written_into_a_file_and_over_none(builder: StoreBuilder, tmp_path: Path) -> None:
    path = tmp_path / "store.json.gz"
    assert call("export", str(path), store=builder.root).out == b""
    assert gzip.decompress(path.read_bytes()).startswith(b'{"prunella_export":1')
    again = call("export", str(path), store=builder.root)
    assert (again.code, "not overwritten" in again.complaint) == (3, True)
    nowhere = call("export", str(tmp_path / "nowhere" / "x"), store=builder.root)
    assert (nowhere.code, "nowhere/x" in nowhere.complaint) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--import", "/nowhere/x", "ls"), 1, "/nowhere/x: No such file"),
        (("--import", "/", "ls"), 1, "Is a directory"),
        (("--import", os.devnull, "ls"), 2, "it is empty"),
        (("--import", "-", "ls"), 2, "it is empty"),
        (("--import", "-"), 2, "not a terminal"),
        (("--store", "/tmp", "--import", "-", "ls"), 2, "cannot be combined"),
    ],
)
def test_what_cannot_be_imported_is_one_line(arguments: tuple[str, ...], code: int, said: str) -> None:
    result = run(*arguments, start_new_session=True)
    assert result.code == code
    assert said in result.complaint
    assert result.complaint.count("\n") == 1


def test_nothing_is_waited_for_at_a_keyboard() -> None:
    terminal = Terminal("--import", "-", "ls")
    terminal.wait_for("prunella export | prunella --import -")
    assert terminal.end() == 2


@pytest.mark.parametrize("way", ["stdin", "file"])
def test_the_application_browses_it_and_removes_nothing(builder: StoreBuilder, tmp_path: Path, way: str) -> None:
    before = tree(builder.root)
    path = tmp_path / "store.json"
    path.write_bytes(call("export", store=builder.root).out)
    os.rename(builder.root, f"{builder.root}-gone")
    command = f"cat {path} | {_shell()} --import -" if way == "stdin" else f"{_shell()} --import {path}"
    terminal = Terminal(command, command=[sys.executable, "-c", ON_A_TERMINAL], size=(120, 36))
    terminal.wait_for("read-only, as of")
    terminal.wait_for("team/solo:v1")
    for key in "duP":
        terminal.screen = ""
        terminal.press(key)
        terminal.wait_for("read-only: this is an export of")
        terminal.screen = ""
        terminal.press("q")
        terminal.wait_for("48;5;17mNothing marked")  # in its own colours again: below a dialog it is dimmed
    terminal.press("q")
    assert terminal.end() == 0
    assert tree(f"{builder.root}-gone") == before

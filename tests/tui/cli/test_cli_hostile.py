"""Names and texts from disk that want to be more than text: they are shown, and nothing happens."""

import os
from pathlib import Path

import pytest

from commandline import Terminal, call, control_bytes, make_store, run
from prunella_core.sample import StoreBuilder

LIBRARY = b"manifests/registry.ollama.ai/library"
ESCAPES = "\x1b[31mred\x1b]0;title\x07\x7f\x9b2J\u202e\u2028"
MARKUP = "[red]bold[/red][link=file:///x]"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The small store, and everything hostile that a file name or a manifest can hold."""
    builder = make_store(tmp_path / "models")
    root = os.fsencode(builder.root)
    for name in (b"\x1b[31mred", b"\xff\xfe broken", b"[red]markup[bold]", b"line\nfeed", b"split-copy\x1b[2J\r"):
        Path(os.fsdecode(root + b"/blobs/" + name)).write_text("x")
        folder = Path(os.fsdecode(os.path.join(root, LIBRARY, name)))
        folder.mkdir()
        folder.joinpath(os.fsdecode(name)).write_text("{}")
    os.symlink(b"\x1b[2J\xff", root + b"/blobs/sha256-" + b"e" * 64)
    config = builder.config(model_family=ESCAPES, model_type=MARKUP, file_type="\u202e", remote_host=ESCAPES)
    builder.model("hostile", builder.layer(ESCAPES, "x", name=ESCAPES), builder.layer(MARKUP, "y"), config=config)
    return builder.root


COMMANDS = [
    ("ls",),
    ("ls", "--sort", "frees"),
    ("blobs",),
    ("show", "hostile"),
    ("why", "eeeeee"),
    ("why", "\x1b[31mred"),
    ("why", os.fsdecode(b"blobs/\xff\xfe broken")),
    ("df",),
    ("doctor",),
    ("rm", "hostile", "blobs/[red]markup[bold]", "-n"),
    ("rm", "\x1b[31mred"),
    ("rm", os.fsdecode(LIBRARY) + "/\x1b[31mred/\x1b[31mred", "-n"),
    ("rm", ESCAPES),
    ("show", MARKUP),
    ("prune", "--age", "0", "--all", "-n"),
    ("prune", "--age", ESCAPES),
    ("prune", "--age", "0", "--class", "leftover", "-y"),
    ("prune", "--class", "unreferenced", "-y"),
    (ESCAPES,),
    ("ls", f"--{ESCAPES}"),
]


@pytest.mark.parametrize("flags", [(), ("--json",)])
@pytest.mark.parametrize("arguments", COMMANDS)
def test_nothing_but_text_comes_out(store: str, arguments: tuple[str, ...], flags: tuple[str, ...]) -> None:
    result = call(*arguments, *flags, store=store)
    assert control_bytes(result.out + result.err) == set()
    assert result.out or result.err
    for text in (result.text, result.complaint):  # decodes, so it is valid UTF-8
        assert not any(char in text for char in ESCAPES if not char.isprintable())
        assert text.isascii() or all(char.isprintable() or char == "\n" for char in text)


def test_markup_is_shown_as_it_is(store: str) -> None:
    assert "[red]markup[bold]" in call("blobs", store=store).text
    assert MARKUP in call("show", "hostile", store=store).text


def test_a_process_prints_the_same(store: str) -> None:
    for arguments in (("blobs",), ("doctor",), ("why", os.fsdecode(b"\xff\xfe broken"))):
        result = run(*arguments, store=store)
        assert result.code == 0
        assert control_bytes(result.out + result.err) == set()
    assert rb"\xff\xfe broken" in result.out


def test_a_hostile_store_path(tmp_path: Path) -> None:
    root = make_store(os.fsdecode(os.fsencode(tmp_path) + b"/\x1b[31m\xff")).root
    for command in ("ls", "df", "doctor", "prune"):
        result = call(command, store=root)
        assert control_bytes(result.out + result.err) == set()
    assert rb"\x1b[31m\xff" in call("df", store=root).out
    assert call("ls", store=root + "\x1b").code == 1


def test_on_a_terminal_only_colours_are_sent(store: str) -> None:
    terminal = Terminal("blobs", store=store)
    assert terminal.end() == 0
    assert r"\x1b[31mred" in terminal.screen
    assert "\x1b[31mred" not in terminal.screen
    assert "\x1b[2J" not in terminal.screen
    assert "\x1b]" not in terminal.screen


def test_a_terminal_that_cannot_show_a_sign(store: str) -> None:
    result = run("blobs", store=store, environment={"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"})
    assert (result.code, result.err) == (0, b"")
    assert result.out.isascii()
    result = run("show", "nothing", store=store, environment={"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"})
    assert (result.code, result.err) == (1, b"prunella: no model ?nothing?\n")


def test_a_path_that_fails_is_told_in_clean_text() -> None:
    result = call("demo", "--dir", "/dev/null/\x1b[31m\x07")
    assert result.code == 1
    assert result.err == rb"prunella: /dev/null/\x1b[31m\x07: Not a directory" + b"\n"


def test_removing_what_has_a_hostile_name(store: str) -> None:
    target = os.fsencode(store) + b"/blobs/\xff\xfe broken"
    assert os.path.exists(target)
    builder = StoreBuilder(store, 0)
    for folder in Path(store, os.fsdecode(LIBRARY)).iterdir():
        if not folder.name.isprintable() or "[" in folder.name:
            result = call("rm", "-y", str(folder.relative_to(builder.root) / folder.name), store=store)
            assert result.code in (0, 4)
            assert not folder.exists()
    call("rm", "-y", os.fsdecode(b"blobs/\xff\xfe broken"), "--force", store=store)
    assert not os.path.exists(target)

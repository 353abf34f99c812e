"""A real terminal that goes away, or that errors do not go to: the process ends, and nothing is left behind."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from prunella_core.apply import has_unfinished
from prunella_core.sample import StoreBuilder
from stores import for_good, look, open_store, plan_for, planned, small_store, tree

_DEADLINE_SECONDS = 20


class Terminal:
    """The application in a terminal of its own, below a wrapper that outlives the terminal."""

    def __init__(self, tmp_path: Path, *arguments: str, errors: str | None = None, script: str = "") -> None:
        self.master, slave = pty.openpty()
        program = [sys.executable, *(("-c", script) if script else ("-m", "prunella_tui")), *arguments]
        home = {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PRUNELLA_SETTLE": "0"}
        environ = {**os.environ, **home, "TERM": "xterm-256color"}
        self.wrapper = subprocess.Popen(
            ["/bin/sh", "-c", f'trap "" HUP; "$@" {(errors and f"2>{errors}") or ""}; exit $?', "sh", *program],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
        )
        os.close(slave)

    def wait_for(self, text: bytes) -> None:
        """Read until the application has drawn ``text``."""
        seen = b""
        while text not in seen:
            ready, _, _ = select.select([self.master], [], [], _DEADLINE_SECONDS)
            assert ready, seen[-2_000:]
            seen += os.read(self.master, 65_536)

    def wait_for_end(self) -> int:
        """Read until nothing has the terminal open any more; return the exit code of the wrapper."""
        with contextlib.suppress(OSError):
            while select.select([self.master], [], [], _DEADLINE_SECONDS)[0] and os.read(self.master, 65_536):
                pass
        return self.wrapper.wait(_DEADLINE_SECONDS)

    def hang_up(self) -> None:
        """Close the terminal, as a closed window does."""
        os.close(self.master)
        self.master = -1

    def end(self) -> None:
        """End what is still there."""
        if self.master >= 0:
            os.close(self.master)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.wrapper.pid, signal.SIGKILL)
        self.wrapper.wait()


@contextmanager
def running(tmp_path: Path, *arguments: str, **more: str) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, *arguments, **more)
    try:
        yield terminal
    finally:
        terminal.end()


@pytest.fixture
def store(tmp_path: Path) -> StoreBuilder:
    return small_store(tmp_path / "store")


def test_the_program_ends_when_its_terminal_goes_though_a_wrapper_lives(tmp_path: Path, store: StoreBuilder) -> None:
    with running(tmp_path, "--store", store.root) as terminal:
        terminal.wait_for(b"team/solo")
        terminal.hang_up()
        assert terminal.wrapper.wait(_DEADLINE_SECONDS) != 0


def test_the_demo_leaves_nothing_when_its_terminal_goes(tmp_path: Path) -> None:
    with running(tmp_path, "demo") as terminal:
        terminal.wait_for(b"Demo store")
        assert [name for name in os.listdir(tmp_path) if name.startswith("prunella-demo-")]
        terminal.hang_up()
        terminal.wrapper.wait(_DEADLINE_SECONDS)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("prunella-demo-")]


HELD = """
import os, time
from prunella_core.fs.disk import Disk
from prunella_tui.__main__ import main
from prunella_tui.app import flows

unlink, carry_out = Disk.unlink, flows.carry_out

def hold(plan, world):
    def held(disk, path):
        if {where!r} in path and not world.cancelled():
            os.write(1, b"It is held up.")
            while not world.cancelled():
                time.sleep(0.001)  # lets the application run
        unlink(disk, path)
    Disk.unlink = held
    return carry_out(plan, world)

flows.carry_out = hold
main()
"""
"""The program, with an operation that is held up at its first unlink {where}, until the application wants it to end."""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("where", "is_done"), [("/.prunella/staging/", False), ("/.prunella/removing/", True)])
def test_an_operation_ends_before_the_program(
    tmp_path: Path, store: StoreBuilder, where: str, is_done: bool, number: signal.Signals
) -> None:
    """Before its decision it is undone, after it finished. No signal comes when the terminal goes."""
    errors = tmp_path / "errors"
    before = tree(store.root)
    plans = [plan_for(store.root, for_good(models=(model.name,))) for model in look(store.root).models]
    script = HELD.format(where=where)
    with running(tmp_path, "--store", store.root, script=script, errors=str(errors)) as terminal:
        terminal.wait_for(b"team/solo")
        os.write(terminal.master, b"d")
        terminal.wait_for(b"no undo")
        os.write(terminal.master, b"x\r")
        terminal.wait_for(b"It is held up.")
        if number == signal.SIGHUP:
            terminal.hang_up()
        else:
            os.killpg(terminal.wrapper.pid, number)
            terminal.wait_for_end()
        code = terminal.wrapper.wait(_DEADLINE_SECONDS)
    assert errors.read_bytes() == b""
    assert code in (128 + number, -number)  # the shell dies of what its child has ended in good order for
    after = tree(store.root)
    gone = {path for path, what in before.items() if after.get(path) != what != "/"}
    assert gone in ([set(planned(plan)) for plan in plans] if is_done else [set()])
    assert not has_unfinished(open_store(store.root))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    errors = tmp_path / "errors"
    with running(tmp_path, "demo", errors=str(errors)) as terminal:
        terminal.wait_for(b"Demo store")
        os.killpg(terminal.wrapper.pid, number)
        terminal.wait_for_end()
    assert b"Traceback" not in errors.read_bytes()
    assert not [name for name in os.listdir(tmp_path) if name.startswith("prunella-demo-")]


def test_it_is_drawn_though_errors_go_to_a_file(tmp_path: Path, store: StoreBuilder) -> None:
    errors = tmp_path / "errors"
    with running(tmp_path, "--store", store.root, errors=str(errors)) as terminal:
        terminal.wait_for(b"team/solo")
        os.write(terminal.master, b"q")
        assert terminal.wait_for_end() == 0
    assert errors.read_bytes() == b""

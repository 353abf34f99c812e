"""The question before something goes: it shows the plan, and anything but a clear yes leaves the store as it was."""

import signal

import pytest

from commandline import Terminal, call, heeding_ctrl_c, snapshot_guard
from prunella_core.sample import StoreBuilder

ONE = ")? [y/N] "
ALL = "Type “everything” to delete it: "


def asked(builder: StoreBuilder, *arguments: str, question: str = ONE) -> Terminal:
    """Start a removal and wait for its question."""
    terminal = Terminal(*arguments, store=builder.root)
    terminal.wait_for(question)
    return terminal


def models(builder: StoreBuilder) -> list[str]:
    """The names of the models that are there."""
    return [model["name"] for model in call("ls", "--json", store=builder.root).document["models"]]


def test_yes_removes_what_was_shown(builder: StoreBuilder) -> None:
    terminal = asked(builder, "rm", "derived")
    for shown in (
        "Move to trash: 1 model, 3 files",
        "only used by derived:latest",
        "Keeps 2 blobs",
        "used by base:latest",
        "(3 files, 12.3 kB)? [y/N]",
    ):
        assert shown in terminal.screen
    terminal.type("y")
    assert terminal.end() == 0
    assert "as planned, 3 files\n" in terminal.screen
    assert "Nothing freed yet: prunella empty empties the trash\nUndo: prunella restore" in terminal.screen
    assert models(builder) == ["base:latest", "team/solo:v1"]


@pytest.mark.parametrize("answer", ["", "n", "no", "yess", "everything", "\x04"])
def test_anything_else_removes_nothing(builder: StoreBuilder, answer: str) -> None:
    with snapshot_guard(builder.root):
        terminal = asked(builder, "prune")
        terminal.type(answer)
        assert terminal.end() == 3
    assert "Nothing was deleted." in terminal.screen


def test_ctrl_c_at_the_question(builder: StoreBuilder) -> None:
    with snapshot_guard(builder.root), heeding_ctrl_c():
        terminal = asked(builder, "rm", "base")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.screen


def test_a_yes_is_not_enough_for_everything(builder: StoreBuilder) -> None:
    with snapshot_guard(builder.root):
        terminal = asked(builder, "prune", "--age", "0", "--all", question=ALL)
        terminal.type("yes")
        assert terminal.end() == 3


def test_the_typed_word_removes_everything(builder: StoreBuilder) -> None:
    terminal = asked(builder, "rm", "base", "derived", "team/solo:v1", question=ALL)
    terminal.type("everything")
    assert terminal.end() == 0
    assert models(builder) == []


def test_with_json_the_question_is_on_stderr_too(builder: StoreBuilder) -> None:
    terminal = asked(builder, "rm", "derived", "--json")
    terminal.type("yes")
    assert terminal.end() == 0
    assert '"done": true' in terminal.screen


def test_a_store_that_changed_while_the_question_waited(builder: StoreBuilder) -> None:
    terminal = asked(builder, "rm", "team/solo:v1")
    solo = builder.layer("weights", "solo weights" * 2_000)
    builder.model("new", solo)
    with snapshot_guard(builder.root):
        terminal.type("y")
        assert terminal.end() == 3
    assert "the store changed since this was planned" in terminal.screen
    assert "new:latest" in terminal.screen
    assert "Nothing was changed" in terminal.screen

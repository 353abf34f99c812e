"""The server from the command line: deletion by it, unloading, what is loaded or may be; and expired trash."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from commandline import DAY, Terminal, call, make_store, snapshot_guard
from prunella_core.sample import StoreBuilder
from servers import Stub, ollama_on
from stores import disk_use

SOLO = "team/solo:v1"


def names(builder: StoreBuilder) -> list[str]:
    return [model["name"] for model in call("ls", "--json", store=builder.root).document["models"]]


def asked(stub: Stub, question: str) -> list[str]:
    """The models that the server was asked this about."""
    return [given["model"] for what, given in stub.asked if what == question]


@contextmanager
def not_ours(builder: StoreBuilder) -> Iterator[None]:
    """This user may not write to the store."""
    with patch("prunella_core.store.locate.unwritable", return_value=builder.root):
        yield


# Deletion by the server


def test_the_server_deletes_where_one_may_not_write(builder: StoreBuilder) -> None:
    before = disk_use(builder.root)
    with ollama_on(builder.root) as stub, not_ours(builder):
        assert call("rm", "-y", "base", store=builder.root, environment=stub.environ).code == 3
        result = call("rm", "--by-server", "-y", "--json", SOLO, "base", store=builder.root, environment=stub.environ)
    assert result.code == 0
    assert result.document["mode"] == "delete"
    assert result.document["freed"] == before - disk_use(builder.root) > 0
    assert result.document["done"] is True
    assert asked(stub, "DELETE /api/delete") == ["base:latest", SOLO]
    assert names(builder) == ["derived:latest"]


def test_what_the_server_would_not_delete_is_in_the_receipt(builder: StoreBuilder) -> None:
    with ollama_on(builder.root, keeps=SOLO) as stub:
        arguments = ("rm", "--by-server", "-y", "--json", SOLO, "base")
        result = call(*arguments, store=builder.root, environment=stub.environ)
    assert result.code == 4
    assert [error["message"] for error in result.document["errors"]] == [
        f"the server at http://127.0.0.1:{stub.server_port} says: disk on fire"
    ]
    assert result.document["freed"] > 0
    assert names(builder) == ["derived:latest", SOLO]


def test_a_server_that_deletes_nothing_is_a_failure(builder: StoreBuilder) -> None:
    with ollama_on(builder.root, keeps=SOLO) as stub, snapshot_guard(builder.root):
        result = call("rm", "--by-server", "-y", SOLO, store=builder.root, environment=stub.environ)
    assert (result.code, "disk on fire" in result.complaint) == (1, True)


@pytest.mark.parametrize("flags", [("--dry-run",), ("-y",)])
def test_single_blobs_are_not_for_the_server(builder: StoreBuilder, flags: tuple[str, ...]) -> None:
    with ollama_on(builder.root) as stub, snapshot_guard(builder.root):
        result = call("rm", "--by-server", "blobs/COPY123", *flags, store=builder.root, environment=stub.environ)
    assert (result.code, "only models" in result.complaint) == (3, True)


def test_a_server_of_another_store_is_not_asked(builder: StoreBuilder, tmp_path: Path) -> None:
    copy = make_store(tmp_path / "copy" / "models")
    with ollama_on(copy.root) as stub, snapshot_guard(builder.root), snapshot_guard(copy.root):
        result = call("rm", "--by-server", "-y", "base", store=builder.root, environment=stub.environ)
    assert (result.code, "another store" in result.complaint) == (3, True)
    assert asked(stub, "DELETE /api/delete") == []


def test_no_server_deletes_nothing(builder: StoreBuilder) -> None:
    with snapshot_guard(builder.root):
        result = call("rm", "--by-server", "-y", "base", store=builder.root, environment=nobody())
    assert (result.code, "no server answers" in result.complaint) == (3, True)


def test_all_models_ask_for_the_word(builder: StoreBuilder) -> None:
    with ollama_on(builder.root) as stub:
        everything = ("rm", "--by-server", "base", "derived", SOLO)
        terminal = Terminal(*everything, store=builder.root, environment=stub.environ)
        terminal.wait_for("Type “everything”")
        terminal.type("yes")
        assert terminal.end() == 3
    assert len(names(builder)) == 3


def nobody() -> dict[str, str]:
    """The address of nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return {"OLLAMA_HOST": f"127.0.0.1:{listener.getsockname()[1]}"}


# Unloading


def test_loaded_models_are_unloaded_if_wished(builder: StoreBuilder) -> None:
    with ollama_on(builder.root, SOLO) as stub:
        assert call("rm", "-y", "--unload", SOLO, "base", store=builder.root, environment=stub.environ).code == 0
    assert asked(stub, "POST /api/generate") == [SOLO], "of those that go, what is loaded"


def test_without_the_wish_nothing_is_unloaded(builder: StoreBuilder) -> None:
    with ollama_on(builder.root, SOLO) as stub:
        assert call("rm", "-y", SOLO, store=builder.root, environment=stub.environ).code == 0
    assert asked(stub, "POST /api/generate") == []


def test_no_leaves_a_model_loaded(builder: StoreBuilder) -> None:
    with ollama_on(builder.root, SOLO) as stub:
        terminal = Terminal("rm", "--unload", SOLO, store=builder.root, environment=stub.environ)
        terminal.wait_for("[y/N] ")
        terminal.type("n")
        assert terminal.end() == 3
    assert asked(stub, "POST /api/generate") == []


def test_what_cannot_be_unloaded_is_noted(builder: StoreBuilder) -> None:
    with ollama_on(builder.root, SOLO, keeps=SOLO) as stub:
        result = call("rm", "-y", "--unload", "--json", SOLO, store=builder.root, environment=stub.environ)
    assert result.code == 0
    assert any("could not be unloaded" in note and "busy" in note for note in result.document["notes"])


# What is loaded, or may be


@pytest.fixture
def silent() -> Iterator[dict[str, str]]:
    """The address of something that accepts and never answers."""
    with (
        patch("prunella_core.ollama.server._ANSWER_SECONDS", 0.2),
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        yield {"OLLAMA_HOST": f"127.0.0.1:{listener.getsockname()[1]}"}


def test_a_loaded_model_is_not_pruned(builder: StoreBuilder) -> None:
    with ollama_on(builder.root, SOLO) as stub:
        result = call("prune", "--all", "--age", "0", "-y", "--json", store=builder.root, environment=stub.environ)
    assert result.code == 0
    assert names(builder) == [SOLO]


@pytest.mark.parametrize("command", [("doctor",), ("prune", "--all", "--age", "0", "--dry-run")])
def test_a_model_seen_loaded_was_used_then(builder: StoreBuilder, command: tuple[str, ...]) -> None:
    with ollama_on(builder.root, SOLO) as stub:
        call(*command, store=builder.root, environment=stub.environ)
    rows = call("ls", "--json", store=builder.root).document["models"]
    assert [row["name"] for row in rows if row["age_from"] == "seen-loaded"] == [SOLO]
    due = call("prune", "--all", "--age", "1h", "--dry-run", "--json", store=builder.root).document["models"]
    assert (SOLO in due, len(due)) == (False, 2)


def test_a_server_that_does_not_answer_holds_every_model_back(builder: StoreBuilder, silent: dict[str, str]) -> None:
    result = call("prune", "--all", "--age", "0", "-y", "--json", store=builder.root, environment=silent)
    assert len(names(builder)) == 3
    assert result.document["freed"] > 0, "what no model needs has gone"
    held = [row for row in result.document["held_back"] if row["path"].startswith("manifests/")]
    assert [("may be loaded" in row["reason"]) for row in held] == [True] * 3
    assert result.code == 4


def test_nothing_but_models_that_may_be_loaded_is_refused(builder: StoreBuilder, silent: dict[str, str]) -> None:
    with snapshot_guard(builder.root):
        arguments = ("prune", "--class", "model", "--age", "0", "-y")
        result = call(*arguments, store=builder.root, environment=silent)
    assert (result.code, "may be loaded" in result.complaint) == (3, True)


def test_force_prunes_what_may_be_loaded_and_says_so(builder: StoreBuilder, silent: dict[str, str]) -> None:
    arguments = ("prune", "--all", "--age", "0", "-y", "--force", "--json")
    result = call(*arguments, store=builder.root, environment=silent)
    assert result.code == 0
    assert any("may be loaded" in row["reason"] for row in result.document["overridden"])
    assert names(builder) == []


def test_a_named_model_goes_with_a_warning(builder: StoreBuilder, silent: dict[str, str]) -> None:
    result = call("rm", "-y", SOLO, store=builder.root, environment=silent)
    assert (result.code, "does not answer" in result.complaint) == (0, True)


def test_a_refused_connection_means_that_nothing_is_loaded(builder: StoreBuilder) -> None:
    result = call("prune", "--all", "--age", "0", "-y", store=builder.root, environment=nobody())
    assert result.code == 0
    assert names(builder) == []


# Expired trash


@pytest.fixture
def expired(builder: StoreBuilder) -> StoreBuilder:
    """A model has been in the trash for a month."""
    import time

    assert call("rm", "-y", "base", store=builder.root, now=time.time() - 30 * DAY).code == 0
    return builder


def trash(builder: StoreBuilder) -> list[list[str]]:
    return [entry["models"] for entry in call("trash", "--json", store=builder.root).document["entries"]]


def test_expired_trash_is_emptied_after_a_removal(expired: StoreBuilder) -> None:
    result = call("rm", "-y", "--json", SOLO, store=expired.root)
    assert result.code == 0
    assert result.document["expired"]["freed"] > 0
    assert trash(expired) == [[SOLO]]


def test_expired_trash_that_cannot_be_deleted_is_said_with_what_was_done(
    expired: StoreBuilder, undeletable: None
) -> None:
    result = call("rm", "-y", "--json", SOLO, store=expired.root)
    assert result.code == 4
    assert (result.document["done"], result.document["trashed"] > 0) == (True, True)
    assert any("Read-only file system" in error["message"] for error in result.document["errors"])
    assert names(expired) == ["derived:latest"]


def test_a_plain_receipt_says_so_too(expired: StoreBuilder) -> None:
    assert "Expired trash emptied" in call("rm", "-y", SOLO, store=expired.root).text


@pytest.mark.parametrize("how", ["flag", "variable", "configuration"])
def test_expired_trash_stays_if_wished(expired: StoreBuilder, how: str, tmp_path: Path) -> None:
    settings = {"variable": {"PRUNELLA_NO_GC": "1"}, "configuration": {"XDG_CONFIG_HOME": str(tmp_path)}}
    os.mkdir(tmp_path / "prunella")
    (tmp_path / "prunella" / "config.toml").write_text("gc = false\n")
    flags = ("--no-gc",) if how == "flag" else ()
    assert call("rm", "-y", SOLO, *flags, store=expired.root, environment=settings.get(how)).code == 0
    assert trash(expired) == [["base:latest"], [SOLO]]


def test_a_prune_of_nothing_empties_expired_trash_too(expired: StoreBuilder) -> None:
    result = call("prune", "-y", "--class", "partial", "--age", "60d", store=expired.root)
    assert result.code == 0
    assert trash(expired) == []

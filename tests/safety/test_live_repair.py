"""A real Ollama repairs a model from a registry: only what is damaged is fetched. Needs ``PRUNELLA_OLLAMA``."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from commandline import Result, run
from ollama_rules import digest_of
from safety.real_ollama import BINARY, Serving, serving
from safety.test_live_guard import CONFIG, Live, gguf, offered
from stores import broken_models, look

pytestmark = pytest.mark.skipif(not shutil.which(BINARY or "/"), reason="PRUNELLA_OLLAMA names no binary")

WEIGHTS = gguf("one") + "." * 60_000


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A store with two pulled models, one of them with truncated weights."""
    root, home = tmp_path / "store", tmp_path / "home"
    for folder in (root / "blobs", root / "manifests", home):
        folder.mkdir(parents=True)
    with offered() as models:
        models.put("one", [WEIGHTS, CONFIG])
        yield Live(root, home, models)


def pulled(live: Live, server: Serving) -> str:
    """Pull both, truncate the weights of one, and return its name."""
    live.pull(server, "two")
    live.pull(server, "one")
    os.truncate(live.root / "blobs" / digest_of(WEIGHTS).replace(":", "-"), 30_000)
    live.models.sent.clear()
    return next(name for name in live.listed(server) if "one" in name)


def repair(live: Live, server: Serving) -> Result:
    environment = {"OLLAMA_HOST": server.environ["OLLAMA_HOST"]}
    return run("doctor", "--repair", "--yes", "--json", store=str(live.root), environment=environment)


def test_only_the_damaged_blob_is_fetched(live: Live) -> None:
    with serving(live.root, live.home) as server:
        name = pulled(live, server)
        listed = live.listed(server)
        result = repair(live, server)
        assert (result.code, result.document["done"]) == (0, True), result
        [one] = result.document["repaired"]
        assert (one["name"], one["newer"]) == (name, False)
        assert {key: size for key, size in live.models.sent.items() if key != "latest"} == {
            digest_of(WEIGHTS): len(WEIGHTS)
        }
        assert live.listed(server) == listed
        live.ask(server, "/api/show", model=name)
    assert broken_models(live.root) == {}
    [entry] = look(live.root).trash
    assert entry.id == one["id"]


def test_a_registry_that_is_gone_leaves_the_store_as_it_was(live: Live) -> None:
    with serving(live.root, live.home) as server:
        pulled(live, server)
        live.models.manifests.clear()
        before = look(live.root).blobs
        result = repair(live, server)
    assert result.code == 4
    assert result.document["repaired"][0]["reason"]
    assert [blob.key for blob in look(live.root).blobs] == [blob.key for blob in before]
    assert look(live.root).trash == ()


def test_a_newer_version_comes_and_goes(live: Live) -> None:
    with serving(live.root, live.home) as server:
        name = pulled(live, server)
        old = live.listed(server)[name]
        live.models.put("one", [gguf("newer"), CONFIG])
        one = repair(live, server).document["repaired"][0]
        assert (one["done"], one["newer"]) == (True, True)
        assert run("restore", "--swap", one["id"], store=str(live.root)).code == 0
        assert live.listed(server)[name] == old

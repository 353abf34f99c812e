"""A real Ollama deletes, replaces and drops; the guard brings it all back. Needs ``PRUNELLA_OLLAMA``, a binary."""

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ollama_rules import digest_of
from prunella_core.guard.status import Settings
from prunella_core.guard.sync import Synced, sync, turn_on
from prunella_core.plan.records import Restore
from safety.real_ollama import BINARY, Serving, serving
from safety.registry import Registry, registry
from stores import DAY, broken_models, carry_out, look, of_ollama, open_store, plan_for

pytestmark = pytest.mark.skipif(not shutil.which(BINARY or "/"), reason="PRUNELLA_OLLAMA names no binary")


CONFIG = '{"model_format": "gguf", "model_family": "llama", "model_type": "1B", "file_type": "F16"}'


def gguf(name: str) -> str:
    """The least of a GGUF file: its architecture and its name, no tensors."""
    pairs = {"general.architecture": "llama", "general.name": name}
    texts = "".join(f"{_text(key)}\x08\0\0\0{_text(value)}" for key, value in pairs.items())
    return f"GGUF\x03\0\0\0{_number(0)}{_number(len(pairs))}{texts}"


def _text(text: str) -> str:
    return _number(len(text)) + text


def _number(number: int) -> str:
    return chr(number) + "\0" * 7


class Live:
    """A server on a store of its own, and a registry that it pulls from."""

    def __init__(self, root: Path, home: Path, models: Registry) -> None:
        self.root = root
        self.home = home
        self.models = models

    def ask(self, server: Serving, path: str, method: str = "POST", **body: object) -> dict[str, Any]:
        data = json.dumps(body).encode()
        request = urllib.request.Request(
            f"{server.url}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = answer.read().splitlines() or [b"{}"]
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    def pull(self, server: Serving, name: str) -> None:
        found = self.ask(server, "/api/pull", model=f"{self.models.host}/library/{name}", insecure=True)
        assert found.get("status") == "success", found

    def interrupt_pull(self, server: Serving, name: str) -> int:
        """Pull until half a megabyte has come, and go away; return the bytes that the server says it has."""
        self.models.most = 500_000
        body = json.dumps({"model": f"{self.models.host}/library/{name}", "insecure": True}).encode()
        with urllib.request.urlopen(f"{server.url}/api/pull", body, timeout=60):
            assert self.models.has_stalled.wait(60)
        self.models.most = None
        for _ in range(1_000):
            for part in (self.root / "blobs").glob("*-partial-*"):
                with suppress(ValueError):  # it is being written
                    if done := json.loads(part.read_bytes())["Completed"]:
                        return int(done)
            time.sleep(0.02)
        raise AssertionError("the server does not say how far it came")

    def rm(self, server: Serving, name: str) -> None:
        self.ask(server, "/api/delete", "DELETE", model=name)

    def listed(self, server: Serving) -> dict[str, str]:
        with urllib.request.urlopen(f"{server.url}/api/tags", timeout=10) as answer:
            return {model["name"]: model["digest"] for model in json.load(answer)["models"]}

    def sync(self) -> Synced:
        """A run of the guard a day later: what was just written has settled."""
        found = sync(open_store(self.root), time.time() + DAY)
        assert found
        return found

    def restore(self, under: str | None = None) -> None:
        entry = look(self.root, time.time() + DAY).trash[-1]
        model = entry.models[0].name if under else None
        plan = plan_for(self.root, Restore(entry=entry.id, model=model, under=under), time.time() + DAY)
        assert carry_out(plan).done
        assert self.sync().rescued == ()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    root, home = tmp_path / "store", tmp_path / "home"
    (root / "blobs").mkdir(parents=True)
    (root / "manifests").mkdir()
    home.mkdir()
    with offered() as models:
        turn_on(open_store(root), Settings(), time.time())
        yield Live(root, home, models)


@contextmanager
def offered() -> Iterator[Registry]:
    with registry(0) as models:
        models.put("one", [gguf("one"), CONFIG])
        models.put("two", [gguf("two"), CONFIG])
        yield models


def test_rm_of_a_pulled_model(live: Live) -> None:
    with serving(live.root, live.home) as server:
        live.pull(server, "one")
        live.pull(server, "two")
        assert live.sync().rescued == ()
        before, listed = of_ollama(live.root), live.listed(server)
        name = next(name for name in listed if "one" in name)
        live.rm(server, name)
        assert name not in live.listed(server)
        assert [each.cause for each in live.sync().rescued] == ["deleted"]
        live.restore()
        assert of_ollama(live.root) == before
        assert live.listed(server) == listed
        live.ask(server, "/api/copy", source=name, destination="copied")
        assert live.listed(server)["copied:latest"] == listed[name]
        live.ask(server, "/api/show", model=name)


def test_a_pull_of_a_changed_tag_and_a_create_over_a_name(live: Live) -> None:
    with serving(live.root, live.home) as server:
        live.pull(server, "one")
        live.sync()
        first = live.listed(server)
        live.models.put("one", [gguf("one, but newer"), CONFIG])
        live.pull(server, "one")
        assert [each.cause for each in live.sync().rescued] == ["replaced"]
        live.restore(under="one:before")
        name = next(iter(first))
        assert live.listed(server)["one:before"] == first[name]
        assert live.listed(server)[name] != first[name]

        second = live.listed(server)["one:before"]
        live.ask(server, "/api/create", **{"model": "one:before", "from": "one:before", "system": "You are another."})
        assert live.listed(server)["one:before"] != second
        assert [each.cause for each in live.sync().rescued] == ["replaced"]
        live.restore(under="one:first")
        assert live.listed(server)["one:first"] == second
        assert broken_models(live.root) == {}


def test_a_download_that_a_start_drops(live: Live) -> None:
    with serving(live.root, live.home) as server:
        live.pull(server, "two")
    size = 300_000
    digest = "sha256-" + "ab" * 32
    part = live.root / "blobs" / f"{digest}-partial"
    part.write_bytes(b"\0" * size)
    (live.root / "blobs" / f"{digest}-partial-0").write_text(
        json.dumps({"N": 0, "Offset": 0, "Size": size, "Completed": 200_000})
    )
    aged = time.time() - 2 * 3600
    for path in (live.root / "blobs").glob("*-partial*"):
        os.utime(path, (aged, aged))
    before = of_ollama(live.root)
    live.sync()
    with serving(live.root, live.home):
        pass
    assert not part.exists()
    assert [each.cause for each in live.sync().rescued] == ["dropped"]
    live.restore()
    assert of_ollama(live.root) == before


def test_the_next_pull_resumes_a_restored_download(live: Live) -> None:
    weights = gguf("large") + "w" * 1_000_000
    live.models.put("large", [weights, CONFIG])
    with serving(live.root, live.home) as server:
        live.pull(server, "one")
        has = live.interrupt_pull(server, "large")
    aged = time.time() - 2 * 3600
    for path in (live.root / "blobs").glob("*-partial*"):
        os.utime(path, (aged, aged))
    live.sync()
    with serving(live.root, live.home) as server:
        assert not list((live.root / "blobs").glob("*-partial*"))
        assert [each.cause for each in live.sync().rescued] == ["dropped"]
        live.restore()
        live.models.sent.clear()
        live.pull(server, "large")
    assert live.models.sent[digest_of(weights)] == len(weights) - has < len(weights)
    assert broken_models(live.root) == {}

"""A real Ollama serves a copy as it serves the original. Needs ``PRUNELLA_OLLAMA``, a binary."""

import json
import shutil
from pathlib import Path

import pytest

from commandline import run
from safety.real_ollama import BINARY, Serving, serving
from safety.registry import registry
from safety.test_live_guard import CONFIG, Live, gguf
from stores import broken_models, of_ollama

pytestmark = pytest.mark.skipif(not shutil.which(BINARY or "/"), reason="PRUNELLA_OLLAMA names no binary")

BASES = ("one", "two", "three")
SYSTEMS = ("You are short.", "You are kind.", "You are both.")


def pull_and_create(live: Live, server: Serving) -> None:
    """Twelve models: three that are pulled, and three made from each, which share its weights and their systems."""
    for name in BASES:
        live.models.put(name, [gguf(name), CONFIG])
        live.pull(server, name)
        for number, system in enumerate(SYSTEMS):
            base = f"{live.models.host}/library/{name}"
            live.ask(server, "/api/create", **{"model": f"{name}:{number}", "from": base, "system": system})


def shown(live: Live, server: Serving, root: Path) -> dict[str, tuple[str, str]]:
    """Under each name that is listed its digest, and all that is shown of it but where the store is."""
    answers = {name: json.dumps(live.ask(server, "/api/show", model=name)) for name in live.listed(server)}
    return {name: (digest, answers[name].replace(str(root), "")) for name, digest in live.listed(server).items()}


def test_twelve_models_are_the_same_for_a_server_there(tmp_path: Path) -> None:
    root, target, home = tmp_path / "store", tmp_path / "usb" / "models", tmp_path / "home"
    for folder in (root, home):
        folder.mkdir()
    with registry(0) as models:
        live = Live(root, home, models)
        with serving(root, home) as server:
            pull_and_create(live, server)
            before = shown(live, server, root)
    assert len(before) == 12
    result = run("copy", "--all", str(target), "--json", store=str(root))
    assert (result.code, result.document["done"]) == (0, True), result
    assert result.document["shared"] > 0
    assert of_ollama(target) == of_ollama(root)
    with serving(target, home) as server:
        assert shown(live, server, target) == before
    assert of_ollama(target) == of_ollama(root), "its start deletes nothing"
    assert broken_models(target) == {}

"""A few rounds of the race; ``make race`` runs hundreds."""

import os
from pathlib import Path

from safety.race import Server, bring_back, build, losses_in, run
from stores import broken_models, needs_of


def test_a_few_rounds_lose_nothing() -> None:
    losses, counts = run(40, seed=7)
    assert losses == []
    assert counts["prune done"] > 20
    assert counts["prune locked"] + counts["rm locked"] + counts["restore locked"] > 0, "two at once met each other"
    assert counts["rm done"] > 0
    assert counts["restore done"] > 0


def test_the_server_does_what_it_is_there_for(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    build(root)
    server = Server(root, 3)
    for _ in range(60):
        server.step()
    assert broken_models(root) == {}
    names = {path.parent.name for path in Path(root, "manifests/registry.ollama.ai/library").glob("*/latest")}
    assert {"kept", "own"} < names
    assert {name.rstrip("012") for name in names} == {"kept", "own", "pulled", "copy", "created"}


def test_a_loss_is_found(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    build(root)
    assert losses_in(root) == []
    needed = needs_of(f"{root}/manifests/registry.ollama.ai/library/kept/latest")
    os.unlink(f"{root}/blobs/{needed[0].replace(':', '-')}")
    assert bring_back(root) == 0
    assert len(losses_in(root)) == 1

"""A few rounds of the race; ``make race`` runs a thousand."""

import os
from pathlib import Path

from ollama_rules import Ollama
from safety.other_side import OWN, PULLED, UNUSED, build, play, script
from safety.race import Terms, bring_back, losses_in, run
from stores import broken_models, needs_of, remove

KEPT = "manifests/registry.ollama.ai/library/kept/latest"


def test_a_few_rounds_lose_nothing() -> None:
    losses, counts = run(40, seed=7, terms=Terms(settle=0.3, latency=0.03), lanes=2)
    assert losses == []
    assert counts["prune done"] + counts["prune partly"] + counts["prune refused"] > 5
    assert {"rm done", "rm --now done", "restore done", "empty done"} <= counts.keys()


def test_the_server_does_what_it_is_there_for(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    build(root)
    scripts = [script(seed, span=0) for seed in range(40)]
    assert {deed.what for deeds in scripts for deed in deeds} == {"pull", "rm", "cp", "create", "start"}
    assert any(set(deed.contents) & set(UNUSED) for deeds in scripts for deed in deeds)
    for deeds in scripts:
        assert play(Ollama(root), [deed._replace(after=0) for deed in deeds]) == []
    assert broken_models(root) == {}
    names = {path.parent.name for path in Path(root, "manifests/registry.ollama.ai/library").glob("*/latest")}
    assert (
        {"kept", "own"}
        < names
        <= {"kept", "own", *PULLED, *(f"{how}-of-{n}" for how in ("copy", "made") for n in PULLED)}
    )


def test_a_loss_is_found(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    build(root)
    assert losses_in(root) == []
    needed = needs_of(f"{root}/{KEPT}")
    os.unlink(f"{root}/blobs/{needed[0].replace(':', '-')}")
    assert bring_back(root) == []
    assert losses_in(root, needed) == ["registry.ollama.ai/library/kept/latest misses 1 blobs"]


def test_what_was_moved_to_the_trash_by_name_comes_back_from_it(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    build(root)
    manifest = Path(root, KEPT.replace("kept", "own"))
    data = manifest.read_bytes()
    remove(root, OWN)
    Ollama(root).cp("kept", "pulled2")
    Path(root, KEPT.replace("kept", "pulled2")).write_bytes(data)
    assert losses_in(root)
    assert bring_back(root) == ["models whose blobs came back from the trash"]
    assert losses_in(root) == []

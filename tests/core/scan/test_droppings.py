"""Files of operating systems below ``manifests/``: they block nothing, but only where they cannot be a model."""

import pytest

from prunella_core.sample import StoreBuilder
from stores import look, plan_for, planned, prune

LIBRARY = "manifests/registry.ollama.ai/library"


@pytest.mark.parametrize("tag", ["desktop.ini", "Thumbs.db", "thumbs.db"])
def test_a_tag_may_be_called_like_a_dropping(builder: StoreBuilder, tag: str) -> None:
    weights = builder.layer("weights", "of a model with an odd tag", age=90_000)
    builder.model(f"odd:{tag}", weights, age=90_000)
    inventory = look(builder.root)
    assert inventory.model_by_name[f"odd:{tag}"].needs[1] == weights.digest
    assert inventory.problems == ()
    assert f"blobs/{weights.digest.replace(':', '-')}" not in planned(plan_for(builder.root, prune(force=True)))


@pytest.mark.parametrize("tag", ["desktop.ini", "Thumbs.db"])
@pytest.mark.parametrize("content", ["", "{", '{"schemaVersion": 2', "\0\0\0\0", " \n"])
def test_what_may_be_a_damaged_model_blocks(builder: StoreBuilder, tag: str, content: str) -> None:
    builder.manifest(f"odd:{tag}", content)
    assert [problem.path for problem in look(builder.root).blocking] == [f"{LIBRARY}/odd/{tag}"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (f"{LIBRARY}/base/desktop.ini", b"[.ShellClassInfo]\r\n"),
        (f"{LIBRARY}/base/desktop.ini", "\ufeff[.ShellClassInfo]".encode("utf-16-le")),
        (f"{LIBRARY}/base/Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        (f"{LIBRARY}/base/.DS_Store", b"{}"),
        (f"{LIBRARY}/base/._latest", b""),
        (f"{LIBRARY}/Thumbs.db", b"{}"),
        (f"{LIBRARY}/no model/desktop.ini", b"{}"),
    ],
)
def test_what_cannot_be_a_model_blocks_nothing(builder: StoreBuilder, path: str, content: bytes) -> None:
    builder.file(path, content)
    inventory = look(builder.root)
    assert [(problem.kind, problem.path, problem.blocks_prune) for problem in inventory.problems] == [
        ("dropping", path, False)
    ]

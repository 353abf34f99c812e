"""Files that the user whom Ollama runs as cannot use: after a ``sudo cp``, or a restore by root."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from prunella_core.advice.ollama import with_barred
from prunella_core.inventory.problems import advice
from prunella_core.sample import StoreBuilder
from prunella_core.store.locate import service_user
from stores import bring_back, look, remove, small_store

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SERVICE, STRANGER = 61_234, 61_235
BASE = "manifests/registry.ollama.ai/library/base"


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, all of it the service's."""
    builder = small_store(tmp_path / "models")
    give(builder.root, "", SERVICE)
    return builder


def give(root: str, path: str, uid: int, mode: int | None = None) -> None:
    """Give a file or a whole folder to a user."""
    top = os.path.join(root, path)
    below = [os.path.join(where, name) for where, folders, files in os.walk(top) for name in (*folders, *files)]
    for each in (top, *below):
        os.chown(each, uid, uid, follow_symlinks=False)
        if mode is not None:
            os.chmod(each, mode)


def said(root: str, service: str | None = None) -> dict[str, str]:
    inventory = look(root)
    found = [each for each in with_barred(inventory, service).problems if each.kind == "foreign-files"]
    assert not any(problem.blocks_prune for problem in found)
    return {problem.path: f"{problem.message}; {advice(problem, root).fix}" for problem in found}


@as_root
def test_what_all_is_the_services_is_no_problem(builder: StoreBuilder) -> None:
    assert said(builder.root) == {}
    inventory = look(builder.root)
    assert with_barred(inventory, None) is inventory


@as_root
def test_a_copied_model_can_neither_be_replaced_nor_deleted(builder: StoreBuilder) -> None:
    give(builder.root, BASE, STRANGER)
    [(path, text)] = said(builder.root).items()
    assert path == "manifests"
    assert f"Ollama runs as {SERVICE}, who may not read or change {BASE}/, {BASE}/latest; " in text
    assert text.endswith(f"sudo chown -R {SERVICE} {builder.root}/manifests")


@as_root
def test_a_blob_that_only_root_may_read(builder: StoreBuilder) -> None:
    blob = next(path for path in sorted(os.listdir(f"{builder.root}/blobs")) if path.startswith("sha256-"))
    give(builder.root, f"blobs/{blob}", 0)
    assert said(builder.root) == {}, "anyone may read it, and the folder is the service's"
    os.chmod(f"{builder.root}/blobs/{blob}", 0o600)
    assert f"may not read or change blobs/{blob}; " in said(builder.root)["blobs"]


@as_root
def test_what_its_group_may_is_enough(builder: StoreBuilder) -> None:
    give(builder.root, "", pwd.getpwnam("nobody").pw_gid, 0o770)
    subprocess.run(["chown", "-R", str(STRANGER), builder.root], check=True)
    assert said(builder.root, "nobody") == {}
    assert set(said(builder.root, "daemon")) == {"blobs", "manifests"}
    assert said(builder.root, "root") == {}, "root may do everything"


@as_root
def test_many_files_are_one_problem(builder: StoreBuilder) -> None:
    give(builder.root, "blobs", STRANGER, 0o700)
    assert " and " in said(builder.root)["blobs"]
    assert said(builder.root)["blobs"].count("sha256-") <= 3


def test_the_unit_says_as_whom_it_runs(tmp_path: Path) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        f"#!/bin/sh\necho Id=ollama.service\necho User=ann\necho Environment=OLLAMA_MODELS={tmp_path}\n"
    )
    systemctl.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert service_user(environ, str(tmp_path)) == "ann"
    assert service_user(environ, "/elsewhere") is None
    assert service_user({"PATH": "/nowhere"}, str(tmp_path)) is None


@as_root
def test_what_root_restores_belongs_to_the_owner_of_the_store(builder: StoreBuilder) -> None:
    os.chown(builder.root, 0, 0)  # so root stays root; what is in it is the service's
    entry = remove(builder.root, "base:latest", "team/solo:v1")
    assert not os.path.exists(f"{builder.root}/{BASE}")
    bring_back(builder.root, entry)
    assert os.path.exists(f"{builder.root}/{BASE}/latest")
    for tree in ("blobs", "manifests"):
        for where, folders, files in os.walk(f"{builder.root}/{tree}"):
            assert {os.lstat(os.path.join(where, name)).st_uid for name in (".", *folders, *files)} == {SERVICE}
    assert said(builder.root, None) == {}

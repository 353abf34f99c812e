"""Becoming the owner of a store: who does, in which order, and what keeps working. See also test_cli_root."""

import os
import pwd
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType

import pytest

from prunella_core.base.errors import Refused
from prunella_core.sample import StoreBuilder
from prunella_core.store import access
from prunella_core.store.access import as_owner_of, keep_importable
from stores import open_store


class Steps(list[str]):
    """What would have been done to this process."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    done = Steps()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(access, "_owner_of", lambda _folder: (61_234, 61_235))
    monkeypatch.setattr(access, "leave_helper", lambda: done.append("helper"))
    monkeypatch.setattr(access, "keep_importable", lambda *_: done.append("imports"))
    for call in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(f"os.{call}", lambda *given, call=call: done.append(f"{call} {given}"))
    return done


def test_a_user_stays_who_they_are(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(builder.root)
    assert as_owner_of(store) is store, "root on a store of root's, or a user"
    monkeypatch.setattr("os.geteuid", lambda: 1_000)
    assert as_owner_of(store) is store


@pytest.mark.skipif(sys.platform != "linux", reason="these calls are Linux's")
def test_root_becomes_the_owner_with_groups_first(builder: StoreBuilder, steps: Steps) -> None:
    assert as_owner_of(open_store(builder.root)).writable
    assert steps == [
        "helper",
        "imports",
        "setgroups ([],)",
        f"setresgid {(61_235,) * 3}",
        f"setresuid {(61_234,) * 3}",
    ]


def test_the_group_is_the_users_own_and_never_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    status = os.stat_result([0o40755, 1, 1, 1, 61_234, 0, 0, 0, 0, 0])
    entry = pwd.struct_passwd(("x", "x", 61_234, 77, "", "/", "/bin/sh"))
    with monkeypatch.context() as patched:
        patched.setattr("os.stat", lambda _path: status)
        assert access._owner_of("/store") == (61_234, 61_234)
        patched.setattr("pwd.getpwuid", lambda _uid: entry)
        assert access._owner_of("/store") == (61_234, 77)


@pytest.mark.usefixtures("steps")
def test_what_cannot_be_is_refused(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_given: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.setgroups", deny)
    with pytest.raises(Refused, match=r"cannot work on .* as 61234, who owns it: Operation not permitted"):
        as_owner_of(open_store(builder.root))


@pytest.mark.usefixtures("steps")
def test_a_store_out_of_reach_is_refused(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(builder.root)
    monkeypatch.setattr("os.access", lambda path, _mode, **_more: path != store.root)
    with pytest.raises(Refused, match="may not go"):
        as_owner_of(store)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux has such paths")
def test_imports_pass_no_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "kept_importable"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "late.py").write_text("VALUE = 7\n")
    path = [str(tmp_path / "site"), str(tmp_path / "nowhere")]
    monkeypatch.setattr(sys, "path", [*sys.path, *path])
    module = import_module("kept_importable")
    before = set(os.listdir("/proc/self/fd"))
    keep_importable(path, [module, ModuleType("without_a_file")])
    assert path[0].startswith("/proc/self/fd/")
    assert path[1] == str(tmp_path / "nowhere")
    assert module.__file__ == f"{module.__path__[0]}/__init__.py"
    os.rename(tmp_path / "site", tmp_path / "elsewhere")  # the way from above does not matter any more
    invalidate_caches()
    assert import_module("kept_importable.late").VALUE == 7
    for descriptor in set(os.listdir("/proc/self/fd")) - before:
        try:
            os.close(int(descriptor))
        except OSError:  # the one that listed them
            continue

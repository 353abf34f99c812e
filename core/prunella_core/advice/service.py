"""What the user that Ollama runs as may do in the store: less than before, after a ``sudo cp`` or a restore by root."""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from prunella_core.inventory.records import Inventory, Problem
from prunella_core.store.locate import owner_name

_MANIFESTS = ("manifests", "manifests-v2")
_TREES = ("blobs", "metadata", *_MANIFESTS)
_READ, _WRITE, _ENTER = 4, 2, 1
_MOST_NAMED = 3


class _User(NamedTuple):
    name: str
    uid: int
    groups: frozenset[int]

    def lacks(self, status: os.stat_result, wanted: int) -> bool:
        """Whether the modes of another user's file or folder refuse what is wanted; access lists are not looked at."""
        if status.st_uid == self.uid:
            return False
        granted = status.st_mode >> 3 if status.st_gid in self.groups else status.st_mode
        return granted & wanted != wanted


def with_barred(inventory: Inventory, service: str | None) -> Inventory:
    """Return ``inventory`` with a problem for each folder that has files which the user ``service`` cannot use.

    By default that is the owner of the store.
    """
    found: list[Problem] = []
    if inventory.store.exported_from is None and (user := _user(inventory.store.root, service)).uid:
        for tree in _TREES:
            if barred := list(_barred(user, os.path.join(inventory.store.root, tree), tree)):
                found.append(_problem(tree, user.name, barred))
    return replace(inventory, problems=(*inventory.problems, *found)) if found else inventory


def _user(root: str, service: str | None) -> _User:
    uid = os.stat(root).st_uid
    with suppress(KeyError):
        entry = pwd.getpwnam(service) if service else pwd.getpwuid(uid)
        return _User(entry.pw_name, entry.pw_uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)))
    return _User(owner_name(uid), uid, frozenset())


def _barred(user: _User, folder: str, path: str) -> Iterator[str]:
    """What Ollama cannot read, nor rewrite if it is a manifest, and folders in which it cannot delete or add files."""
    with suppress(OSError):  # gone, or closed to us as well, which is a problem already
        if user.lacks(os.stat(folder), _READ | _WRITE | _ENTER):
            yield f"{path}/"
        with os.scandir(folder) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
        wanted = _READ | _WRITE if path.split("/")[0] in _MANIFESTS else _READ
        for entry in listing:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    yield from _barred(user, entry.path, f"{path}/{entry.name}")
                elif stat.S_ISREG(status.st_mode) and user.lacks(status, wanted):
                    yield f"{path}/{entry.name}"


def _problem(tree: str, user: str, barred: list[str]) -> Problem:
    more = f" and {len(barred) - _MOST_NAMED} more" if len(barred) > _MOST_NAMED else ""
    message = f"Ollama runs as {user}, who may not read or change {', '.join(barred[:_MOST_NAMED])}{more}"
    return Problem(path=tree, kind="foreign-files", message=message, blocks_prune=False, user=user)

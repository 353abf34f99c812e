"""Stores for tests, and ways to look at a folder that share no code with the program."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prunella_core.apply import apply
from prunella_core.inventory import Inventory
from prunella_core.plan import Plan, PruneClass, PrunePolicy, Receipt, Request
from prunella_core.planning import make_plan
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.store import Store, locate

NOW = 1_790_000_000.0
"""The time in every built store, in seconds since the epoch."""

HOUR = 3_600
DAY = 24 * HOUR

RUBBISH = frozenset({PruneClass.UNREFERENCED, PruneClass.PARTIAL, PruneClass.LEFTOVER})
"""What a plain prune takes."""


def prune(age: int = 0, *classes: PruneClass, force: bool = False) -> PrunePolicy:
    """A prune of ``classes``, or of all rubbish."""
    return PrunePolicy(age=age, classes=frozenset(classes) or RUBBISH, force=force)


def open_store(root: str | Path) -> Store:
    """The store at ``root``, as somebody names it."""
    return locate(explicit=str(root), environ={}, home="/nowhere", service_stores=())


def look(root: str | Path, now: float = NOW) -> Inventory:
    """Scan the store at ``root``."""
    return scan(open_store(root), now)


def plan_for(root: str | Path, request: Request, now: float = NOW) -> Plan:
    """Scan the store at ``root`` and plan ``request``."""
    return make_plan(look(root, now), request, now)


def carry_out(plan: Plan, **options: Any) -> Receipt:
    """Apply ``plan`` at the time at which it was made."""
    return apply(plan, lambda: plan.made_at, **options)


def planned(plan: Plan) -> set[str]:
    """The paths that a plan removes."""
    return {item.file.path for item in plan.files}


def small_store(root: str | Path) -> StoreBuilder:
    """Two models that share weights and template, one alone, and some of everything that gathers beside them.

    ``base`` and ``derived`` share; ``team/solo:v1`` has its blobs for itself. Everything is a day old.
    """
    builder = StoreBuilder(str(root), NOW)
    weights = builder.layer("weights", "shared weights" * 3_000, age=DAY)
    template = builder.layer("template", "{{ .Prompt }}", age=DAY)
    builder.model("base", weights, template, config=builder.config(model_type="1B", age=DAY), age=DAY)
    system = builder.layer("system", "You are derived.", age=DAY)
    builder.model("derived", weights, template, system, config=builder.config(model_type="2B", age=DAY), age=DAY)
    solo = builder.layer("weights", "solo weights" * 2_000, age=DAY)
    builder.model("team/solo:v1", solo, config=builder.config(model_type="3B", age=DAY), age=DAY)
    builder.layer("weights", "nobody needs these" * 1_000, age=DAY)
    builder.partial("a pull", size=100_000, done=9_000, parts=2, age=DAY)
    builder.file("blobs/COPY123", "half a create", age=DAY)
    builder.file("blobs/README.txt", "mine", age=DAY)
    return builder


def entries(root: str | Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file, link and folder below ``root`` by its relative path, with its lstat; nothing is followed."""
    top = str(root)
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            yield os.path.relpath(path, top), os.lstat(path)


def tree(root: str | Path) -> dict[str, str]:
    """Everything below ``root``: files by the hash of their bytes, links by their target, folders as ``/``."""
    found = {}
    for relative, status in entries(root):
        path = os.path.join(root, relative)
        if stat.S_ISLNK(status.st_mode):
            found[relative] = f"-> {os.readlink(path)}"
        elif stat.S_ISDIR(status.st_mode):
            found[relative] = "/"
        else:
            with open(path, "rb") as file:
                found[relative] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def disk_use(*roots: str | Path) -> int:
    """Bytes that all distinct files and links below ``roots`` take on the disk; folders are not counted."""
    files = (status for root in roots for _path, status in entries(root) if not stat.S_ISDIR(status.st_mode))
    return sum({(status.st_dev, status.st_ino): status.st_blocks * 512 for status in files}.values())

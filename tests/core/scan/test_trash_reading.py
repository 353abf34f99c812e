"""Reading the trash takes twice the work for twice the entries: counted in calls, so no clock matters."""

import json
import os
from pathlib import Path

import pytest

from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, PruneClass, Request, Restore
from prunella_core.sample import StoreBuilder
from prunella_core.scan.own import RECORD, new_id
from stores import DAY, NOW, calls_in, look, open_store, prune


def with_trash(root: Path, entries: int) -> Path:
    """A store with one model, and in its trash as many that share its template and have a list of manifests each."""
    live = StoreBuilder(str(root), NOW)
    live.model("live", live.layer("template", "{{ .Prompt }}", age=DAY), age=DAY)
    store = open_store(str(root))
    for number in range(entries):
        builder = StoreBuilder(f"{store.trash}/{new_id(store, NOW - number, [str(number)])}", NOW)
        weights = builder.layer("weights", f"weights {number}", age=DAY)
        template = builder.layer("template", "{{ .Prompt }}", age=DAY)
        builder.model(f"m{number}", weights, template, age=DAY)
        child = builder.layer("manifest", Path(builder.root, builder.manifest_path(f"m{number}")).read_bytes(), age=DAY)
        listed = {"schemaVersion": 2, "manifests": [{"digest": child.digest, "size": child.size}]}
        builder.manifest(f"list{number}", json.dumps(listed), age=DAY)
        builder.file(RECORD, "{}")
    return root


def calls(root: Path, request: Request) -> int:
    """How many functions are called to read the store and plan ``request``."""

    def work() -> None:
        assert make_plan(look(root), request, NOW + 30 * DAY).files

    work()  # what is done once a process is not counted
    return calls_in(work)


@pytest.mark.parametrize("what", ["empty", "restore", "prune"])
def test_twice_the_entries_take_twice_the_calls(tmp_path: Path, what: str) -> None:
    found = []
    for entries in (10, 20, 40):
        root = with_trash(tmp_path / str(entries), entries)
        newest = max(os.listdir(root / ".prunella/trash"))
        requests: dict[str, Request] = {
            "empty": Empty(),
            "restore": Restore(entry=newest),
            "prune": prune(0, PruneClass.TRASH),
        }
        found.append(calls(root, requests[what]))
    few, more, many = found
    assert many - more < 2.1 * (more - few)

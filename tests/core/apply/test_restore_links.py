"""Nothing is put back through a link: it could lead out of the store."""

import os
from pathlib import Path

import pytest

from prunella_core.base.errors import Refused
from prunella_core.plan.records import Removal, Restore
from prunella_core.sample import StoreBuilder
from stores import carry_out, plan_for, tree


def test_restore_refuses_a_linked_folder_and_changes_nothing(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), 1_795_000_000.0)
    builder.model("gone", builder.layer("weights", "w", age=86_400), age=86_400)
    entry = carry_out(plan_for(builder.root, Removal(models=("gone:latest",), to_trash=True))).id
    outside = tmp_path / "outside"
    outside.mkdir()
    builder.link("manifests/registry.ollama.ai/evil", str(outside))
    before = tree(builder.root)
    plan = plan_for(builder.root, Restore(entry=entry, model="gone:latest", under="evil/gone"))
    with pytest.raises(Refused, match="is a link"):
        carry_out(plan)
    assert tree(builder.root) == before
    assert os.listdir(outside) == []

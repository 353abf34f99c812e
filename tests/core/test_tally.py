"""The live figures of marks, beside what the property test compares with the plan."""

import os
from pathlib import Path

from prunella_core.sample import StoreBuilder
from prunella_core.space.tally import Tally
from stores import DAY, NOW, look

NONE: frozenset[str] = frozenset()


def test_nothing_stays_for_others_where_nothing_is(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    weights = builder.layer("weights", "gone", age=DAY)
    for name in ("a", "b"):
        builder.model(name, weights, config=builder.config(model_type=name, age=DAY), age=DAY)
    os.unlink(builder.blob_path(weights.digest))
    tally = Tally(look(builder.root), NOW)
    tally.mark(frozenset({"a:latest"}), NONE, NONE)
    assert (tally.kept, tally.users_of_kept()) == (0, [])
    assert not tally.goes(weights.digest)

"""Where a store's bytes are, and what files of several names give back."""

import os

import msgspec

from prunella_core.fs.files import allocated, reclaimed, reclaimed_each
from prunella_core.inventory.records import Inventory, State
from prunella_core.sample import StoreBuilder
from prunella_core.space import Sharing, space_of
from prunella_core.space.totals import totals
from stores import DAY, disk_use, look


def in_state(inventory: Inventory, *states: State) -> int:
    return sum(blob.allocated for blob in inventory.blobs if blob.state in states)


def test_every_byte_is_in_one_share(builder: StoreBuilder) -> None:
    builder.manifest("half", "{", age=DAY)
    inventory = look(builder.root)
    sums = totals(inventory)
    assert sums.allocated == disk_use(builder.root)
    assert sums.models == 3
    assert sums.shared == sum(blob.allocated for blob in inventory.blobs if len(blob.models) == 2) > 40_000
    manifests = disk_use(f"{builder.root}/manifests")
    assert sums.exclusive == manifests + in_state(inventory, State.REFERENCED) - sums.shared
    assert sums.unreferenced == in_state(inventory, State.UNREFERENCED) > 0
    assert sums.partial == in_state(inventory, State.PARTIAL) > 0
    assert sums.leftover == in_state(inventory, State.LEFTOVER) > 0
    assert sums.stray == in_state(inventory, State.STRAY) > 0


def test_the_list_counts_what_is_shared_once_for_every_model(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    sums = totals(inventory)
    assert sums.listed == sum(model.size for model in inventory.models)
    assert sums.counted_twice == sums.listed - sums.referenced


def test_a_file_of_two_names_counts_once_and_for_the_more_useful(builder: StoreBuilder) -> None:
    before = look(builder.root)
    for state, name in ((State.REFERENCED, "COPY7"), (State.UNREFERENCED, "mine")):
        path = next(blob.files[0].path for blob in look(builder.root).blobs if blob.state is state)
        os.link(f"{builder.root}/{path}", f"{builder.root}/blobs/{name}")
    after = msgspec.structs.replace(look(builder.root), disk_free=before.disk_free)
    assert totals(after) == totals(before)


def test_usage_says_what_is_shared_and_with_whom(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    derived, solo = space_of(inventory).models["derived:latest"], space_of(inventory).models["team/solo:v1"]
    assert space_of(inventory).shared_with("derived:latest") == Sharing(("base:latest",), 1)
    assert derived.shared == totals(inventory).shared
    assert derived.allocated == derived.shared + derived.frees
    assert (solo.shared, solo.frees) == (0, solo.allocated)
    assert space_of(inventory).shared_with("team/solo:v1") == Sharing((), 0)


def test_two_names_of_one_digest_and_one_file_take_its_bytes_once(builder: StoreBuilder) -> None:
    builder.file(f"blobs/sha256:{'a' * 64}", "x" * 5_000)
    os.link(f"{builder.root}/blobs/sha256:{'a' * 64}", f"{builder.root}/blobs/sha256-{'a' * 64}")
    blob = look(builder.root).blob_by_key[f"sha256:{'a' * 64}"]
    assert allocated(blob.files) == blob.allocated == 8_192
    assert reclaimed(blob.files[:1]) == 0
    assert sorted(reclaimed_each(blob.files)) == [0, 8_192]


def test_a_hole_takes_nothing(builder: StoreBuilder) -> None:
    layer = builder.layer("weights", "sparse", size=5_000_000_000, written=100)
    blob = look(builder.root).blob_by_key[layer.digest]
    assert (blob.size, blob.allocated) == (5_000_000_000, 4_096)

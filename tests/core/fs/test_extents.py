"""Reflinks: extents that another file has too stay on the disk. On real file systems, where a test may mount one."""

import os
import subprocess
from pathlib import Path

from prunella_core.fs.mounts import UNKNOWN, mount_of
from prunella_core.sample import StoreBuilder
from stores import NOW, carry_out, for_good, look, plan_for


def test_shared_extents_do_not_count(reflinking: Path) -> None:
    builder = StoreBuilder(str(reflinking / "store"), NOW)
    layers = {name: builder.layer("weights", os.urandom(2_000_000), age=86_400) for name in ("cloned", "own")}
    clone = ["cp", "--reflink=always", builder.blob_path(layers["cloned"].digest), str(reflinking / "copy")]
    subprocess.run(clone, check=True)
    os.sync()
    rows = {name: look(builder.root).blob_by_key[layer.digest] for name, layer in layers.items()}
    assert rows["cloned"].files[0].shared == rows["cloned"].allocated > 0
    assert rows["own"].files[0].shared == 0
    plan = plan_for(builder.root, for_good(blobs=tuple(layer.digest for layer in layers.values())))
    assert plan.reclaims == rows["own"].allocated
    assert carry_out(plan).freed == plan.reclaims
    assert (reflinking / "copy").stat().st_blocks * 512 == rows["cloned"].allocated


def test_the_mount_with_the_longest_point_holds_a_path(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "2 1 8:2 / /data rw,noatime - xfs /dev/sdb1 rw\n"
        "3 2 8:3 / /data/my\\040models rw - btrfs /dev/sdc1 rw\n"
    )
    assert mount_of("/home/me", str(table)).kind == "ext4"
    assert mount_of("/data/store", str(table)).kind == "xfs"
    assert "noatime" in mount_of("/data/store", str(table)).options
    assert mount_of("/data/my models/blobs", str(table)).kind == "btrfs"
    assert mount_of("/database", str(table)).kind == "ext4"
    assert mount_of("/", str(tmp_path / "nowhere")) == UNKNOWN

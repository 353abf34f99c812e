"""A clock that was years behind while something was moved to the trash does not make it expire once it is right."""

from pathlib import Path

from prunella_core.ledger.memory import last_run, scan_store
from stores import DAY, NOW, look, open_store, remove, small_store

YEARS = 5 * 365 * DAY


def test_what_is_moved_to_the_trash_is_no_older_than_the_last_run(tmp_path: Path) -> None:
    root = small_store(tmp_path / "store").root
    scan_store(open_store(root), NOW)
    scan_store(open_store(root), NOW - YEARS)
    assert remove(root, "team/solo:v1", now=NOW - YEARS).removed_at == NOW
    scan_store(open_store(root), NOW - YEARS + DAY)
    assert last_run(open_store(root)) == NOW


def test_ages_are_counted_from_the_clock_all_the_same(tmp_path: Path) -> None:
    """One that was ahead once makes nothing younger afterwards, and nothing due."""
    root = small_store(tmp_path / "store").root
    scan_store(open_store(root), NOW + YEARS)
    inventory = scan_store(open_store(root), NOW)
    assert inventory.scanned_at == NOW
    assert {blob.idle_since for blob in inventory.blobs} == {blob.idle_since for blob in look(root).blobs}

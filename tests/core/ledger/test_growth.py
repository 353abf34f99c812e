"""Growth: the first run of a day notes the totals, and ledgers of the release before take them in."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.ledger.file import NAME, consult
from prunella_core.ledger.log import read_log
from prunella_core.ledger.memory import MOST_DAYS, read_totals, rescan, scan_store
from prunella_core.sample import StoreBuilder
from prunella_core.space.totals import growth, totals
from prunella_core.store import Store
from stores import DAY, HOUR, NOW, open_store

MIDNIGHT = NOW // DAY * DAY
LATER = 9_000 * DAY


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    builder.model("m", builder.layer("weights", "x" * 50_000))
    return builder


@pytest.fixture
def store(builder: StoreBuilder) -> Store:
    return open_store(builder.root)


def noted(store: Store, since: float = 0, until: float = NOW + LATER) -> list[float]:
    return [each.at for each in read_totals(store, since, until)]


def change(store: Store, sql: str, *values: object) -> None:
    with sqlite3.connect(f"{store.own}/{NAME}") as ledger:
        ledger.execute(sql, values)
    ledger.close()


def test_the_first_run_of_a_day_notes(store: Store) -> None:
    for at in (MIDNIGHT, MIDNIGHT + HOUR, MIDNIGHT + DAY - 1, MIDNIGHT + DAY, MIDNIGHT + 5 * DAY):
        scan_store(store, at)
    assert noted(store) == [MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 5 * DAY]


def test_what_is_noted_is_what_df_says(builder: StoreBuilder, store: Store) -> None:
    before = totals(scan_store(store, NOW))
    builder.partial("a pull", size=90_000, done=40_000)
    builder.model("n", builder.layer("weights", "x" * 50_000))
    after = totals(scan_store(store, NOW + DAY))
    assert [each.totals for each in read_totals(store, 0, NOW + LATER)] == [before, after]
    grown = growth(before, after)
    assert (grown["models"], grown["partial"] >= 40_000, grown["shared"] >= 50_000) == (1, True, True)
    assert grown["allocated"] == sum(grown[share] for share in ("exclusive", "shared", "partial"))


def test_it_begins_with_the_last_note_before(store: Store) -> None:
    days = [MIDNIGHT + day * DAY for day in range(5)]
    for at in days:
        scan_store(store, at)
    assert noted(store, since=days[2]) == days[2:]
    assert noted(store, since=days[2] + HOUR) == days[2:]
    assert noted(store, since=days[0] - 1) == days, "it begins later than asked for"
    assert noted(store, since=days[0], until=days[2]) == days[:2], "what this very run notes is nothing from before"
    assert noted(store, since=days[4], until=days[0]) == []


def test_who_may_not_write_notes_nothing(store: Store) -> None:
    rescan(store, NOW)
    scan_store(replace(store, writable=False), NOW)
    assert noted(store) == []


def test_three_years_are_kept(store: Store) -> None:
    scan_store(store, NOW)
    scan_store(store, NOW + MOST_DAYS * DAY - DAY)
    assert len(noted(store)) == 2
    scan_store(store, NOW + MOST_DAYS * DAY)
    assert len(noted(store)) == 2


@pytest.mark.parametrize(
    "sums", [b"{}", b"\xff", b"[" * 9_000, b'{"models":-1,"listed":0,"disk_total":0,"disk_free":0}']
)
def test_a_note_that_is_not_ours_is_left_out(store: Store, sums: bytes) -> None:
    scan_store(store, NOW)
    change(store, "INSERT INTO total VALUES (1, 86400.0, ?)", sums)
    assert noted(store) == [NOW]


def test_a_ledger_of_the_release_before_goes_on(store: Store) -> None:
    inventory = scan_store(store, NOW)
    change(store, "DROP TABLE total")
    before = Path(store.own, NAME).read_bytes()
    assert noted(replace(store, writable=False)) == []
    assert rescan(store, NOW + DAY).problems == inventory.problems == ()
    assert read_log(store) == ()
    assert consult(store, lambda ledger: ledger.execute("SELECT count(*) FROM blob").fetchone()) == (2,)
    assert Path(store.own, NAME).read_bytes() == before
    assert scan_store(store, NOW + DAY).problems == ()
    assert noted(store) == [NOW + DAY]

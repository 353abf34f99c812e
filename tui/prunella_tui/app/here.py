"""Where a flow begins; and the flows that delete nothing: verify, repair, sharing, the map."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from textual.app import App
from textual.visual import Visual

from prunella_core.apply import World
from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, Problem
from prunella_core.ollama.names import place_of
from prunella_core.ollama.server import is_quiet
from prunella_core.operations.repair import plan_repairs
from prunella_core.verify import VerifyProgress, VerifyResult, verify_blobs
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.working import Cancelled, Outcome, Report, Verified, Working
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.tables import Tables
from prunella_tui.report import format as show
from prunella_tui.report.health import progress_text, repaired_lines, repaired_title
from prunella_tui.report.rows import sharing_lines
from prunella_tui.report.textual import Drawing


class Here(NamedTuple):
    """Where a flow begins, with what is known then."""

    app: App[int]
    session: Session
    inventory: Inventory
    tables: Tables
    rescan: Callable[[], object]

    def world(self, **more: Any) -> World:
        """What an operation needs to know of this run, and ``more``: how to report, and whether it is cancelled."""
        setup = self.session.setup
        return World(
            now=setup.now,
            server=self.session.server,
            retention=setup.retention if setup.collects else None,
            settle=setup.settle,
            is_quiet=partial(is_quiet, setup.environ),
            **more,
        )

    async def say(self, title: str, text: Visual | str) -> None:
        """Say something that is longer than a line, and wait until it is read."""
        await self.app.push_screen_wait(Reading(title, text))

    async def work(self, working: Working[Outcome], failed: str = "Nothing was changed") -> Outcome | None:
        """Have work done and the store read again; say why where it ``failed``."""
        outcome = await self.app.push_screen_wait(working)
        self.rescan()
        if isinstance(outcome, OSError):
            await self.say("Failed", show.failure(outcome))
        elif isinstance(outcome, Exception):
            await self.say(failed, str(outcome))
        else:
            return outcome
        return None


async def verify(here: Here) -> None:
    """Check what is marked, else the row under the cursor, against its hash."""
    if refusal := here.session.store.read_only:
        await here.say("Nothing can be verified here", refusal)
    elif blobs := _chosen(here.session, here.inventory, here.tables.table.row):
        again = False
        while await _verify(here, blobs, again):
            again = True
    else:
        here.app.notify("Nothing to verify here: v checks models and blobs (tabs 1 and 2)")


async def _verify(here: Here, blobs: list[Blob], again: bool) -> bool:
    """Return whether what an earlier run found sound is to be read once more."""

    def job(report: Report, cancelled: Cancelled) -> VerifyResult:
        began = time.monotonic()

        def advance(progress: VerifyProgress) -> None:
            report(progress.share, progress_text(progress, time.monotonic() - began))

        return verify_blobs(here.inventory, blobs, again=again, report=advance, cancelled=cancelled)

    title, stop = f"Verifying {show.counted(len(blobs), 'blob')}", "Stop, and keep what was verified"
    result = await here.work(Working(title, job, stop=stop, stopping="Stopping …"))
    return result is not None and await here.app.push_screen_wait(Verified(result)) == "again"


def _chosen(session: Session, inventory: Inventory, row: object) -> list[Blob]:
    marks = session.marks
    found = [inventory.blob_by_key[key] for key in marks.blobs]
    found += [blob for name in marks.models for blob in inventory.blobs_of(inventory.model_by_name[name])]
    blobs = found or _blobs_of(inventory, row)
    return list({blob.key: blob for blob in blobs if blob.has_hash}.values())


def _blobs_of(inventory: Inventory, row: object) -> list[Blob]:
    if isinstance(row, Problem):
        key = place_of(row.path).whole or ""
        row = inventory.blob_by_key.get(key) or inventory.model_by_name.get(row.model or "")
    if isinstance(row, Model):
        return inventory.blobs_of(row)
    return [row] if isinstance(row, Blob) else []


async def repair(here: Here) -> None:
    """Review which models the server can pull again, and have it pull what is missing or damaged."""
    from prunella_tui.app.screens.review import RepairReview, repairing

    session = here.session
    if refusal := session.refusal():
        await here.say("Nothing can be repaired here", refusal)
        return
    plan = await asyncio.to_thread(plan_repairs, here.inventory, session.server, session.setup.now())
    confirmed = await here.app.push_screen_wait(RepairReview(plan))
    if confirmed and (receipt := await here.work(repairing(confirmed, here.world()))):
        await here.say(repaired_title(receipt), Drawing(repaired_lines(receipt)))


async def sharing(here: Here) -> None:
    """Show which models share data with the one under the cursor, or with the first that needs the blob."""
    row = here.tables.table.row
    name = row.name if isinstance(row, Model) else next(iter(row.models), None) if isinstance(row, Blob) else None
    if name in here.inventory.model_by_name:
        await here.say(f"What {clean(name)} shares", Drawing(sharing_lines(here.inventory, name)))
    else:
        here.app.notify("Put the cursor on a model, or on a blob that models use", severity="warning")


async def show_map(here: Here) -> None:
    """Open the map; it ends with a row to go to, or without."""
    from prunella_tui.app.screens.map import MapScreen

    if place := await here.app.push_screen_wait(MapScreen(here.session, here.inventory)):
        here.tables.action_show_tab(place.tab)
        here.tables.table.go_to(place.key)

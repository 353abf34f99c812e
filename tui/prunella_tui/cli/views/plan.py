"""A plan in words: everything that goes, everything that stays, and why."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding

from prunella_core.inventory.records import Problem
from prunella_core.plan.records import HeldBack, Plan, PlannedFile
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.words import BAD, GOOD, QUIET, STRONG, WARNING, line
from prunella_tui.origin_words import lost_by_title, lost_for_good
from prunella_tui.presentation import counted, names, short_digest, size

_FEW = 20
"""Rows that are worth a line each; where there are more, one line sums up all that have the same reason."""


class Row(NamedTuple):
    """A line of the plan: bytes, what it is about, and why."""

    bytes: int
    what: str
    why: str


def plan_view(plan: Plan) -> RenderableType:
    """Return the whole plan as a person should see it before agreeing to it."""
    held = [Row(row.allocated, _file_name(row.path), row.reason) for row in plan.held_back]
    forced = [Row(row.allocated, _file_name(row.path), row.reason) for row in plan.overridden]
    parts: list[RenderableType] = [
        *lost_view(plan),
        line((_headline(plan), STRONG)),
        *_models(plan),
        *_rows(_going(plan)),
        *_notes(plan),
        *_section("Stays", GOOD, _staying(plan)),
        *_section("Held back for now (--force takes it)", WARNING, held),
        *_section("Taken because of --force, although", WARNING, forced),
        *_blocked(plan.blocked),
        *_younger(plan.younger),
    ]
    return Group(*parts)


def lost_view(plan: Plan) -> Iterator[RenderableType]:
    """What cannot come back, first and apart: whole models, then those that lose a part."""
    for title, rows in lost_by_title(plan):
        yield line((f"{title}: {counted(len(rows), 'model')}", BAD))
        for lost in rows:
            yield line(("! ", BAD), (lost.model, STRONG), (f"  {lost_for_good(lost)}", QUIET), indent=2)
        yield line()


def _headline(plan: Plan) -> str:
    if plan.mode == "restore":
        what = counted(len(plan.models), "model") if plan.models else "no model"
        return f"Comes back: {what}, {counted(len(plan.files), 'file')}; {size(plan.reclaims)}"
    if not plan.files:
        return "Nothing to remove."
    models = f"{counted(len(plan.models), 'model')}, " if plan.models else ""
    goal = "to the trash: " if plan.mode == "trash" else ""
    return f"Goes {goal}{models}{counted(len(plan.files), 'file')}; frees {size(plan.reclaims)}{_when(plan)}"


def _when(plan: Plan) -> str:
    return " when the trash lets go of it, or at once with --now" if plan.mode == "trash" else ""


def _notes(plan: Plan) -> Iterator[RenderableType]:
    if plan.loaded:
        which = names(plan.loaded)
        yield line((f"Loaded in the server: {which}; the space returns when it is unloaded (--unload)", WARNING))
    if plan.missing:
        yield line((f"{counted(len(plan.missing), 'blob')} of it are nowhere any more: pull the model again", BAD))


def _models(plan: Plan) -> Iterator[RenderableType]:
    if plan.models:
        yield Padding(line((names(plan.models, len(plan.models)), STRONG)), (0, 0, 0, 2), expand=False)


def _section(title: str, style: str, rows: Iterable[Row]) -> Iterator[RenderableType]:
    if listed := list(_rows(rows)):
        yield line((title, style))
        yield from listed


def _rows(rows: Iterable[Row]) -> Iterator[RenderableType]:
    grid = Grid(
        Column("", right=True),
        Column("", least=12, folds=True),
        Column("", least=20, folds=True),
        indent=2,
        has_head=False,
    )
    for row in _summed(list(rows)):
        grid.add(size(row.bytes), row.what, (row.why, QUIET))
    if grid.rows:
        yield grid


def _summed(rows: list[Row]) -> list[Row]:
    """Merge what has the same reason where there are too many rows to read; the largest come first."""
    if len(rows) > _FEW:
        by_reason: dict[str, list[Row]] = {}
        for row in rows:
            by_reason.setdefault(row.why, []).append(row)
        rows = [_sum(alike) if len(alike) > 1 else alike[0] for alike in by_reason.values()]
    return sorted(rows, key=lambda row: -row.bytes)


def _sum(alike: list[Row]) -> Row:
    return Row(sum(row.bytes for row in alike), counted(len(alike), "blob"), alike[0].why)


def _going(plan: Plan) -> Iterator[Row]:
    own = [item for item in plan.manifests if item.models and item.models[0] in plan.models]
    if own:
        yield Row(sum(item.reclaims for item in own), counted(len(own), "manifest"), "of these models")
    for item in plan.manifests:
        if item not in own:
            yield Row(item.reclaims, item.file.path, item.reason)
    for (_digest, why), files in groupby(plan.blobs, key=lambda item: (item.digest or item.file.path, item.reason)):
        yield _going_blob(list(files), why)
    kinds = groupby(plan.trashed, key=lambda item: item.reason)
    for why, files in kinds:
        group = list(files)
        blobs = [item for item in group if item.digest]
        what = short_digest(blobs[0].digest) if len(blobs) == 1 else counted(len(group), "file")
        yield Row(sum(item.reclaims for item in group), what, "from the trash" if plan.mode == "restore" else why)


def _going_blob(files: list[PlannedFile], why: str) -> Row:
    why = f"only used by {names(files[0].models)}" if files[0].models else why
    what = short_digest(files[0].digest) or _file_name(files[0].file.path)
    many = f" ({counted(len(files), 'file')})" if len(files) > 1 else ""
    reclaims = sum(item.reclaims for item in files)
    linked = reclaims < sum(item.file.allocated for item in files)
    return Row(reclaims, what + many, f"{why}; other links keep its bytes" if linked else why)


def _staying(plan: Plan) -> Iterator[Row]:
    for kept in plan.kept:
        why = f"used by {names(kept.used_by)}" if kept.used_by else kept.reason
        yield Row(kept.allocated, short_digest(kept.digest), why)


def _blocked(problems: Iterable[Problem]) -> Iterator[RenderableType]:
    rows = [line((f"✗ {problem.path}: {problem.message}", BAD), indent=2) for problem in problems]
    if rows:
        yield line(("Blobs stay that these could need (prunella doctor says how to mend it)", BAD))
        yield from rows


def _younger(rows: tuple[HeldBack, ...]) -> Iterator[RenderableType]:
    if rows:
        taken = size(sum(row.allocated for row in rows))
        yield line((f"Too young to go: {counted(len(rows), 'blob')}, {taken} (prunella prune --age)", QUIET))


def _file_name(path: str) -> str:
    return path.removeprefix("blobs/")

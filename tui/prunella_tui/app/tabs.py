"""The four tabs: what each shows, how its rows are known, and what the side says of one."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from textual.content import Content

from prunella_core.advice.forecast import NextStart, next_start
from prunella_core.inventory.records import Blob, Inventory, Problem, State
from prunella_core.space.totals import Totals, totals
from prunella_tui.app.columns import (
    blob_columns,
    model_columns,
    problem_columns,
    trash_columns,
    words_of_blob,
    words_of_model,
    words_of_problem,
    words_of_trash,
)
from prunella_tui.app.detail import blob_detail, model_detail, problem_detail, trash_detail
from prunella_tui.app.nextstart import next_start_detail, next_start_title
from prunella_tui.app.table import Column

NEXT_START = "next-start"
"""The kind of a row in Problems that is none of the store's: what Ollama itself is about to do."""


class View(Struct, frozen=True):
    """What is looked at: the store at one moment, and what is known beside it. ``retention`` is in seconds.

    Everything that takes time to calculate for a large store is in it, so that the screen only draws.
    """

    inventory: Inventory
    retention: int
    loaded: frozenset[str]
    totals: Totals
    coming: NextStart | None
    """What Ollama's own next start does to the store."""
    texts: dict[str, list[str]]
    """What the filter looks at in each row, under the name of the tab."""
    made: dict[str, Sequence[Any]]
    """The rows of those tabs that somebody asked for."""

    @property
    def now(self) -> float:
        """The moment of the scan: ages on the screen do not move under the cursor."""
        return self.inventory.scanned_at

    def rows(self, tab: str) -> Sequence[Any]:
        """The rows of a tab; to make those of a large store takes a while."""
        if tab not in self.made:
            self.made[tab] = TAB_BY_ID[tab].rows(self)
        return self.made[tab]

    def count(self, tab: str) -> int:
        """How many rows a tab has."""
        return len(self.rows(tab))


class Tab(NamedTuple):
    """One tab, and everything that differs from the others."""

    id: str
    title: str
    empty: str
    columns: Callable[[View], list[Column[Any]]]
    rows: Callable[[View], Sequence[Any]]
    key: Callable[[Any], str]
    words: Callable[[Any], str]
    detail: Callable[[View, Any], Content]
    fields: Literal["models", "blobs"] | None = None
    """Whose fields the terms of its filter ask for; ``None`` where only words count."""


def problem_key(problem: Problem) -> str:
    """A problem is known by its file and what is wrong there."""
    return f"{problem.path} {problem.message}"


def _blobs(view: View) -> list[Blob]:
    """What lies in ``blobs/``, or should; the trash has a tab of its own."""
    return [blob for blob in view.inventory.blobs if blob.state is not State.TRASHED]


def _problems(view: View) -> Sequence[Problem]:
    """What stands in the way; and a row for what Ollama itself is about to do, if that is anything."""
    coming = view.coming
    if coming and (coming.files or coming.why or coming.would_break):
        return (*view.inventory.problems, _coming_row(coming))
    return view.inventory.problems


def _coming_row(coming: NextStart) -> Problem:
    return Problem(path="Ollama's next start", kind=NEXT_START, message=next_start_title(coming), blocks_prune=False)


def _problem_detail(view: View, problem: Problem) -> Content:
    if problem.kind == NEXT_START and view.coming:
        return next_start_detail(view.coming)
    return problem_detail(view.inventory, problem)


TABS = (
    Tab(
        "models",
        "Models",
        "No models in this store yet. Here would be each, with what it takes and frees.",
        lambda view: model_columns(view.inventory, view.now, view.loaded),
        lambda view: view.inventory.models,
        lambda model: model.name,
        words_of_model,
        lambda view, model: model_detail(view.inventory, model, view.now),
        "models",
    ),
    Tab(
        "blobs",
        "Blobs",
        "No blobs in this store yet. Here would be each file, what it is, and which models use it.",
        lambda view: blob_columns(view.now),
        _blobs,
        lambda blob: blob.key,
        words_of_blob,
        lambda view, blob: blob_detail(view.inventory, blob, view.now),
        "blobs",
    ),
    Tab(
        "trash",
        "Trash",
        "The trash is empty. What you remove waits here and can come back.",
        lambda view: trash_columns(view.inventory, view.now, view.retention),
        lambda view: [entry for entry in view.inventory.trash if not entry.is_spent],
        lambda entry: entry.id,
        words_of_trash,
        lambda view, entry: trash_detail(view.inventory, entry, view.now, view.retention),
    ),
    Tab(
        "problems",
        "Problems",
        "No problems: every manifest can be read, every blob is there.",
        lambda _view: problem_columns(),
        _problems,
        problem_key,
        words_of_problem,
        _problem_detail,
    ),
)


TAB_BY_ID = {tab.id: tab for tab in TABS}


def view_of(
    inventory: Inventory, retention: int, loaded: frozenset[str] = frozenset(), *, noprune: bool = False
) -> View:
    """Reckon all that the screen may need of ``inventory``. For a large store this is work for a thread of its own.

    ``noprune`` says whether Ollama's server is told not to remove anything when it starts.
    """
    inventory.usage  # noqa: B018 -- reckoned here rather than by the first row that is drawn
    inventory.blob_by_key, inventory.groups  # noqa: B018 -- nor by the first mark
    coming = next_start(inventory, inventory.scanned_at, noprune)
    texts: dict[str, list[str]] = {}
    view = View(inventory, retention, loaded, totals(inventory), coming=coming, texts=texts, made={})
    for tab in TABS:
        texts[tab.id] = [tab.words(row).casefold() for row in view.rows(tab.id)]
    return view

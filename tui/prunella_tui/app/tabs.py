"""The four tabs: what each shows, how its rows are known, and what the side says of one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from textual.content import Content

from prunella_core.inventory import Blob, Inventory, Problem, State
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
from prunella_tui.app.table import Column


class View(Struct, frozen=True):
    """What is looked at: the store at one moment, and what is known beside it. ``retention`` is in seconds."""

    inventory: Inventory
    retention: int
    loaded: frozenset[str] = frozenset()

    @property
    def now(self) -> float:
        """The moment of the scan: ages on the screen do not move under the cursor."""
        return self.inventory.scanned_at


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


def problem_key(problem: Problem) -> str:
    """A problem is known by its file and what is wrong there."""
    return f"{problem.path} {problem.message}"


def _blobs(view: View) -> list[Blob]:
    """What lies in ``blobs/``, or should; the trash has a tab of its own."""
    return [blob for blob in view.inventory.blobs if blob.state is not State.TRASHED]


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
    ),
    Tab(
        "blobs",
        "Blobs",
        "No blobs in this store yet.",
        lambda view: blob_columns(view.now),
        _blobs,
        lambda blob: blob.key,
        words_of_blob,
        lambda view, blob: blob_detail(view.inventory, blob, view.now),
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
        lambda view: view.inventory.problems,
        problem_key,
        words_of_problem,
        lambda view, problem: problem_detail(view.inventory, problem),
    ),
)
TAB_BY_ID = {tab.id: tab for tab in TABS}

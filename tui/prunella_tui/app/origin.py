"""Whether a model comes back, for the detail side."""

from collections.abc import Iterator

from textual.content import Content

from prunella_core.inventory import Inventory, Model
from prunella_core.origin import origin_of
from prunella_core.text import clean
from prunella_tui.origin_words import comes_back

_MUTED = "$text-muted"
_LOST = "$text-warning"


def origin_lines(inventory: Inventory, model: Model) -> Iterator[Content]:
    """What would bring a model back, and what that is read from."""
    origin = origin_of(inventory, model)
    is_lost = origin.kind == "created" or bool(origin.only_here)
    yield Content.styled("Comes back?", "bold")
    yield Content.styled(comes_back(model, origin), _LOST if is_lost else "")
    for sentence in origin.evidence:
        yield Content.styled(f"· {clean(sentence)}", _MUTED)

"""Whether a model comes back, for the detail side."""

from collections.abc import Iterator

from textual.content import Content

from prunella_core.base.text import clean
from prunella_core.inventory.origin import origin_of
from prunella_core.inventory.records import Inventory, Model
from prunella_tui.origin_words import comes_back

_MUTED = "$foreground 60%"
_LOST = "bold $text-warning"


def origin_answer(inventory: Inventory, model: Model) -> Content:
    """What would bring a model back, in a line; marked where something of it is lost."""
    origin = origin_of(inventory, model)
    is_lost = origin.kind == "created" or bool(origin.only_here)
    return Content.styled(comes_back(model, origin), _LOST if is_lost else "")


def origin_lines(inventory: Inventory, model: Model) -> Iterator[Content]:
    """What the answer is read from."""
    yield Content.styled("Whether it returns is read from this", "bold")
    for sentence in origin_of(inventory, model).evidence:
        yield Content.styled(f"· {clean(sentence)}", _MUTED)

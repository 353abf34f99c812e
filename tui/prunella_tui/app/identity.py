"""What the detail side says of a blob that no model needs: what it is, and whose it likely was."""

from collections.abc import Iterator

from textual.content import Content

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory
from prunella_core.ledger.ages import likely_model
from prunella_tui.presentation import whose

_LABEL = f"{'Content':<9}"


def identity_lines(inventory: Inventory, blob: Blob, identity: str | None) -> Iterator[Content]:
    """Yield up to two lines for ``blob``; ``identity`` is what ``prunella_core.advice.identify.described`` read of it.

    Reading opens the file, so it is done for the row that is looked at, and not for an imported inventory.
    """
    model = likely_model(inventory, blob)
    told = [clean(identity)] if identity else []
    told += [whose(blob, model)] if model else []
    for number, text in enumerate(told):
        yield Content.assemble((" " * len(_LABEL) if number else _LABEL, "$foreground 60%"), text)

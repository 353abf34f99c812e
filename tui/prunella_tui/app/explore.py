"""Ways to see more of a store: the map, who shares with whom, and whether its bytes are sound."""

from typing import TYPE_CHECKING

from textual import on

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Model
from prunella_tui.app.look import Look
from prunella_tui.app.messages import MarkedOnMap

if TYPE_CHECKING:
    from prunella_tui.app.map import Place


class Explore(Look):
    """Looks at a store from more than one side."""

    def action_map(self) -> None:
        """Open the map; it ends with the row that somebody wants to go to."""
        if self.inventory is None:
            return
        from prunella_tui.app.map import MapScreen

        marked = {"models": self.marks.models, "blobs": self.marks.blobs, "trash": self.marks.trash}
        self.app.push_screen(MapScreen(self.inventory, marked, self.post_message), self._go_to_place)

    def _go_to_place(self, place: "Place | None") -> None:
        if place:
            self.action_show_tab(place.tab)
            self.table.go_to(place.key)

    @on(MarkedOnMap)
    def _mark_from_map(self, message: MarkedOnMap) -> None:
        marks = self.marks
        for key in message.keys:
            if self.inventory and (key in getattr(marks, message.tab)) != message.is_marked:
                marks = marks.toggle(message.tab, key, self.inventory)
        self._take_marks(marks)

    def action_sharing(self) -> None:
        """Tell with whom the model under the cursor shares, or the models of the blob."""
        row = self.table.row
        name = row.name if isinstance(row, Model) else next(iter(row.models), None) if isinstance(row, Blob) else None
        if self.inventory and name in self.inventory.model_by_name:
            from prunella_tui.app.sharing import sharing_text

            self.tell(f"Who shares with {clean(name)}", sharing_text(self.inventory, name))
        else:
            self.notify("Put the cursor on a model, or on a blob that models use.", severity="warning")

    def action_verify(self) -> None:
        from prunella_tui.app.verify import verify_selection

        verify_selection(self)

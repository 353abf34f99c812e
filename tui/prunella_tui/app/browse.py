"""The one screen: what takes the disk, what would come back, and the ways to remove and to restore it."""

from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual import on
from textual.binding import Binding, BindingType

from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, Plan, Restore
from prunella_tui.app.explore import Explore
from prunella_tui.app.hints import Hint
from prunella_tui.app.marks import Marks
from prunella_tui.app.messages import Done, Refusal, Stepped
from prunella_tui.app.table import RowTable

if TYPE_CHECKING:
    from prunella_core.advice.free import Proposal
    from prunella_tui.app.dialogs import Answer, Working


class Browse(Explore):
    """Looks at a store, and acts on it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", tooltip="mark or unmark the row", id="mark"),
        Binding("d", "remove", "Remove", tooltip="review and remove what is marked, or the row", id="remove"),
        Binding("u", "undo", "Undo", tooltip="bring back the last removal; in the trash, the row", id="undo"),
        Binding("p", "mark_prunable", "Prunable", tooltip="mark all that no model needs", id="prunable"),
        Binding("v", "verify", "Verify", show=False, tooltip="hash what is marked, or the row", id="verify"),
        Binding("slash", "filter", "Filter", tooltip="show only rows with these words", id="filter"),
        Binding("s", "sort", "Sort", show=False, tooltip="sort by the next column", id="sort"),
        Binding("S", "reverse", "Turn order", show=False, tooltip="turn the order around", id="reverse"),
        Binding("a", "mark_shown", "Mark all", show=False, tooltip="mark all rows that are shown", id="mark_all"),
        Binding("escape", "clear", "Clear", show=False, tooltip="clear the filter, then the marks", id="clear"),
        Binding("f", "free", "Free", tooltip="propose what to let go for so much space", id="free"),
        Binding("m", "map", "Map", show=False, tooltip="the store as a map", id="map"),
        Binding("w", "sharing", "Who shares", show=False, tooltip="with whom the model shares", id="sharing"),
        Binding("P", "pin", "Pin", show=False, tooltip="pin the model: prune --all never takes it", id="pin"),
        Binding("1", "show_tab('models')", "Models", show=False, tooltip="models", id="tab.models"),
        Binding("2", "show_tab('blobs')", "Blobs", show=False, tooltip="blobs", id="tab.blobs"),
        Binding("3", "show_tab('trash')", "Trash", show=False, tooltip="trash", id="tab.trash"),
        Binding("4", "show_tab('problems')", "Problems", show=False, tooltip="problems", id="tab.problems"),
        Binding("left,h", "next_tab(-1)", "Tab before", show=False, tooltip="the tab before", id="tab.before"),
        Binding("right,l", "next_tab(1)", "Next tab", show=False, tooltip="the next tab", id="tab.next"),
        Binding("enter", "open", "Detail", show=False, tooltip="the row in full", id="open"),
        Binding("i", "toggle_detail", "Detail side", show=False, tooltip="show or hide the side", id="side"),
        Binding("r", "rescan", "Rescan", show=False, tooltip="read the store again", id="rescan"),
        Binding("question_mark", "help", "Help", tooltip="this help", id="help"),
        Binding("q", "app.quit", "Quit", tooltip="leave; marks are forgotten, nothing is removed", id="quit"),
    ]
    working: "Working | None" = None

    def action_help(self) -> None:
        from prunella_tui.app.dialogs import help_text

        bindings = [binding for binding in (*self.BINDINGS, *RowTable.BINDINGS) if isinstance(binding, Binding)]
        self.setup.hints.learn(Hint.HELP)
        self.tell("Help", help_text(bindings))

    # Removing

    def action_remove(self) -> None:
        if self.inventory is None:
            return
        if refusal := self._refusal(by_server=self.tab.id != "trash"):
            self.tell("Nothing can be removed here", refusal)
        elif self.tab.id == "trash":
            self._review_emptying(self.inventory)
        else:
            before = self.marks
            if not self.marks.count and self.table.key:
                self._toggle(self.tab.id, self.table.key)  # with nothing marked, d means the row under the cursor
            if self.marks.count:
                self._review(self.inventory, before)

    def _refusal(self, *, by_server: bool = False) -> str | None:
        """Why nothing can be changed here; with ``by_server`` a server that answers can do it instead."""
        return self.store.refusal(by_server=by_server and self.server is not None)

    def _plan(self, inventory: Inventory, to_trash: bool, force: bool) -> Plan:
        loaded = self.view.loaded if self.view else frozenset()
        request = self.marks.request(inventory, to_trash=to_trash, force=force, loaded=loaded)
        if not self.store.writable:
            request = replace(request, by_server=True)
        return make_plan(inventory, request, self.setup.now())

    def _review(self, inventory: Inventory, before: Marks, force: bool = False) -> None:
        from prunella_tui.app.dialogs import Review, ServerReview

        with_trash = bool(self.marks.trash)  # then there is one way only: all of it, for good
        plan = self._whole_plan(inventory, force=force) if with_trash else self._plan(inventory, True, force)
        for_good = plan if with_trash else self._plan(inventory, False, force)
        wipes = bool(inventory.models) and len(plan.models) == len(inventory.models)

        def decide(answer: "Answer | None") -> None:
            if answer == "force":
                self._review(inventory, before, force=True)
            elif answer in ("trash", "server"):
                self._execute(plan, unload=True)
            elif answer == "now":
                self._execute(for_good, unload=True)
            else:
                self._set_marks(before.surviving(inventory, self.inventory or inventory))

        if self.store.writable:
            self.app.push_screen(Review(plan, wipes, self.setup.retention), decide)
        else:
            self.app.push_screen(ServerReview(plan, self.store.as_owner), decide)

    def _review_emptying(self, inventory: Inventory) -> None:
        from prunella_tui.app.dialogs import Review

        entries = tuple(self.marks.trash) or ((self.table.key,) if self.table.key else ())
        plan = make_plan(inventory, Empty(entries=entries), self.setup.now())
        if plan.files:
            self.app.push_screen(
                Review(plan, False, self.setup.retention),
                lambda answer: self._execute(plan) if answer == "now" else None,
            )

    # A proposal to free space

    def action_free(self) -> None:
        if refusal := self._refusal(by_server=True):
            self.tell("Nothing can be freed here", refusal)
        elif self.inventory and self.view:
            from prunella_tui.app.free import FreeDialog

            self.setup.hints.learn(Hint.FREE)
            self.app.push_screen(FreeDialog(self.inventory, self.setup.now, self.view.loaded), self._take_proposal)

    def _take_proposal(self, proposal: "Proposal | None") -> None:
        """Mark what was proposed: it can be changed like any marks before it is reviewed."""
        if proposal:
            removal = proposal.removal
            self._take_marks(
                Marks(*map(frozenset, (removal.models, removal.blobs, removal.manifests, removal.entries)))
            )
            self.notify("The proposal is marked. Change it as you like; d reviews it.")

    # Restoring

    def action_undo(self) -> None:
        if self.inventory is None:
            return
        entries = [entry for entry in self.inventory.trash if not entry.is_spent]
        chosen = self.table.row if self.tab.id == "trash" else (entries[-1] if entries else None)
        refusal = self._refusal()
        if refusal and (chosen or self.store.read_only):
            self.tell("Nothing can be restored here", refusal)
        elif not isinstance(chosen, TrashEntry):
            self.notify("The trash is empty: there is nothing to bring back.")
        else:
            self._restore(make_plan(self.inventory, Restore(entry=chosen.id), self.setup.now()))

    def _restore(self, plan: Plan) -> None:
        if plan.blocked:
            taken = "\n".join(clean(problem.message) for problem in plan.blocked)
            hint = f"prunella restore {plan.models[0]} --as NEWNAME" if plan.models else ""
            self.tell("It cannot come back under this name", f"{taken}\n\n{clean(hint)}")
        else:
            self._execute(plan)

    # The work, and what came of it

    def _execute(self, plan: Plan, unload: bool = False) -> None:
        from prunella_tui.app.work import run

        working = self._show_work("Restoring" if plan.mode == "restore" else "Removing")
        run(self, plan, working, self.server if unload else None)

    def _show_work(self, title: str) -> "Working":
        from prunella_tui.app.dialogs import Working

        self.working = working = Working(title)
        self.app.push_screen(working)
        return working

    @on(Stepped)
    def _advance(self, message: Stepped) -> None:
        if self.working and self.working.is_mounted:
            self.working.advance(message.step)

    def _close_working(self) -> None:
        if self.working:
            self.working.dismiss("cancel")
            self.working = None

    @on(Done)
    def _tell_result(self, message: Done) -> None:
        from prunella_tui.app.dialogs import Result

        self._close_working()
        if not message.receipt.cancelled:
            self.setup.hints.learn(Hint.UNDO if message.receipt.plan.mode == "restore" else Hint.REMOVE)
            self.marks = Marks()
        self.app.push_screen(Result(message.receipt, message.collected, message.notes))
        self.action_rescan()

    @on(Refusal)
    def _tell_refusal(self, message: Refusal) -> None:
        self._close_working()
        self.tell("Nothing was changed", message.reason)
        self.action_rescan()

    # Pins

    def action_pin(self) -> None:
        if self.inventory is None or self.tab.id != "models" or not self.table.key:
            return
        from prunella_core.operations.pins import toggle_pin

        try:
            self.notify(toggle_pin(self.store, self.inventory.model_by_name[self.table.key]))
        except PrunellaError as error:
            self.tell("Nothing was pinned", str(error))
            return
        self.action_rescan()

"""What is done beside the screen. The threads only post messages; none is exclusive, so that what began also ends."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from prunella_core.apply import Step, apply, write_pins
from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.inventory.records import Model
from prunella_core.ollama.client import Server
from prunella_core.operations.expire import collect_expired
from prunella_core.plan.records import Plan, Receipt
from prunella_core.store.locate import Store
from prunella_core.store.pins import read_pins
from prunella_tui.app.dialogs import Working
from prunella_tui.app.messages import Done, Refusal, Stepped

if TYPE_CHECKING:
    from prunella_tui.app.browse import Browse


def run(screen: "Browse", plan: Plan, dialog: Working, server: Server | None) -> None:
    """Execute ``plan`` in a thread, unload its models from ``server`` first, and empty what has expired after it."""

    def work() -> None:
        notes = [f"{name} could not be unloaded: {error}" for name, error in _unload(server, plan.loaded)]
        receipt = apply(plan, screen.setup.now, report=report, cancelled=lambda: dialog.is_cancelled)
        setup = screen.setup
        due = setup.collects and not receipt.cancelled
        collected = collect_expired(plan.store, setup.retention, setup.now) if due else None
        screen.post_message(Done(receipt, collected, (*notes, *receipt.notes)))

    def report(step: Step) -> None:
        screen.post_message(Stepped(step))

    _in_a_thread(screen, plan.store, work)


def _unload(server: Server | None, names: tuple[str, ...]) -> list[tuple[str, str]]:
    failed = []
    for name in names if server else ():
        try:
            if server:
                server.unload(name)
        except PrunellaError as error:
            failed.append((name, str(error)))
    return failed


def delete_by_server(screen: "Browse", plan: Plan, server: Server) -> None:
    """Let the server remove the models of ``plan``, where this user may not write. It has no trash."""

    def work() -> None:
        for name in plan.models:
            server.delete(name)
        notes = ("The server removed them; it measures nothing, so this is what was predicted.",)
        removed = tuple(item.file.path for item in plan.files)
        receipt = Receipt(plan=plan, id="", done=True, freed=plan.reclaims, removed=removed)
        screen.post_message(Done(receipt, None, notes))

    _in_a_thread(screen, plan.store, work)


def _in_a_thread(screen: "Browse", store: Store, work: Callable[[], None]) -> None:
    def guarded() -> None:
        try:
            work()
        except PrunellaError as error:
            screen.post_message(Refusal(str(error)))
        except OSError as error:
            screen.post_message(Refusal(f"{clean(str(error.filename or store.root))}: {error.strerror}"))

    screen.run_worker(guarded, thread=True)


def pin(store: Store, model: Model) -> str:
    """Pin a model, or unpin it where it is pinned by name, and say what was done."""
    pins = read_pins(store)
    bare = model.name.removesuffix(":latest")
    by_name = [pattern for pattern in pins if pattern.casefold() in (model.name.casefold(), bare.casefold())]
    if by_name:
        write_pins(store, (pattern for pattern in pins if pattern not in by_name))
        return f"{clean(model.name)} is not pinned any more"
    if model.is_pinned:
        return f"{clean(model.name)} is pinned by a pattern; prunella pin lists them"
    write_pins(store, (*pins, model.name))
    return f"{clean(model.name)} is pinned: prune --all never takes it"

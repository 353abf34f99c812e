"""What the command line does, for programs: scan a store, plan, carry the plan out. Import it from ``prunella_core``.

Sizes are bytes on the disk, times are seconds (UTC). Everything that is returned is frozen.
"""

import os
import time
from collections.abc import Callable, Collection
from functools import partial

from msgspec.structs import replace

from prunella_core.apply import Step, World
from prunella_core.base.errors import InvalidInput, NotFound, PrunellaError, Refused
from prunella_core.base.text import DEFAULT_RETENTION, clean, parse_age
from prunella_core.inventory.records import Blob, Inventory, Model, State, TrashEntry
from prunella_core.ledger import memory
from prunella_core.ledger.uses import Follower, with_uses
from prunella_core.ollama.names import match_name, parse_name
from prunella_core.ollama.server import connect, is_quiet
from prunella_core.operations import carry_out as operations
from prunella_core.operations.server import loaded_here
from prunella_core.plan import build
from prunella_core.plan.records import Empty, Plan, PruneClass, PrunePolicy, Receipt, Removal, Request, Restore
from prunella_core.scan.system import never
from prunella_core.space import space_of
from prunella_core.store import Store
from prunella_core.store.access import as_owner_of
from prunella_core.store.locate import locate

__all__ = [
    "Blob",
    "Empty",
    "InvalidInput",
    "Inventory",
    "Model",
    "NotFound",
    "Plan",
    "PruneClass",
    "PrunePolicy",
    "PrunellaError",
    "Receipt",
    "Refused",
    "Removal",
    "Request",
    "Restore",
    "State",
    "Step",
    "Store",
    "TrashEntry",
    "carry_out",
    "frees",
    "make_plan",
    "open_store",
    "scan_store",
]


def open_store(path: str | os.PathLike[str] | None = None) -> Store:
    """Return the store at ``path``, else the one of ``PRUNELLA_STORE``, ``OLLAMA_MODELS``, or that is found here.

    Root becomes the owner of the store, for good. Raises NotFound, and Refused where root cannot become the owner.
    """
    named = os.environ.get("PRUNELLA_STORE") if path is None else os.fspath(path)
    store = locate(named, os.environ, os.path.expanduser("~"))
    return as_owner_of(replace(store, why="named by the program") if path is not None else store)


def scan_store(store: Store, *, log_seconds: float = 2.0) -> Inventory:
    """Read ``store``, with the ages and uses that earlier runs and Ollama's log know of.

    The log is read for at most about ``log_seconds``, from where the last run stopped; 0: not at all. What cannot be
    read is among the ``problems`` of the Inventory. Raises OSError when the store vanishes.
    """
    inventory = memory.scan_store(store, time.time())
    if not log_seconds:
        return inventory
    until = time.monotonic() + log_seconds
    log = Follower(store, os.path.expanduser("~"), lambda: time.monotonic() >= until)
    log.read_journal()
    log.read_files()
    log.save()
    return with_uses(inventory, log.uses)


def frees(inventory: Inventory, *models: str) -> int:
    """Return the bytes that leave the disk when exactly these models are deleted. Raises NotFound or InvalidInput."""
    return space_of(inventory).frees_models([_known(name, inventory.model_by_name) for name in models])


def make_plan(inventory: Inventory, request: Request) -> Plan:
    """Return what ``request`` would do now, file by file: what is deleted, what is kept, held back or blocked, and why.

    Where models may be deleted, the server is asked which it has loaded: a prune takes none of those. Raises NotFound
    for a model, blob or trash entry that is not there, and InvalidInput for a name that Ollama would not take either.
    """
    if isinstance(request, Restore):
        request = _restorable(request, inventory)
    elif isinstance(request, Removal | PrunePolicy) and not request.loaded:
        takes_models = request.models if isinstance(request, Removal) else PruneClass.MODEL in request.classes
        if takes_models:
            request = replace(request, loaded=loaded_here(connect(os.environ), inventory))
    return build.make_plan(inventory, request, time.time())


def carry_out(
    plan: Plan,
    *,
    retention: int | None = parse_age(DEFAULT_RETENTION),
    settle: float = 10.0,
    unload: bool = False,
    report: Callable[[Step], None] = lambda _step: None,
    cancelled: Callable[[], bool] = never,
) -> Receipt:
    """Do exactly what ``plan`` says, then delete what was in the trash for ``retention`` seconds (``None``: nothing).

    What is deleted for good is watched for a pull for ``settle`` seconds first, unless no Ollama can be running.
    ``unload`` lets the server unload the models that the plan deletes. ``report`` is called with each step;
    ``cancelled`` is asked until the files are beyond recall, and undoes everything when it is true.

    Raises Refused and other PrunellaErrors only while nothing has changed: a store that changed since the plan was
    made, another Prunella at work. What fails later is among the ``errors`` of the Receipt.
    """
    world = World(
        server=connect(os.environ) if unload or plan.mode == "server" else None,
        retention=retention,
        settle=settle,
        is_quiet=partial(is_quiet, os.environ),
        report=report,
        cancelled=cancelled,
    )
    return operations.carry_out(plan, world)


def _restorable(request: Restore, inventory: Inventory) -> Restore:
    entry = next((each for each in inventory.trash if each.id == request.entry), None)
    if entry is None:
        raise NotFound(f"no entry “{clean(request.entry)}” in the trash of {clean(inventory.store.root)}")
    names = [model.name for model in entry.models]
    return replace(request, model=_known(request.model, names)) if request.model else request


def _known(text: str, names: Collection[str]) -> str:
    """The name among ``names`` that ``text`` means, with or without its tag."""
    name = text if text in names else match_name(parse_name(text), names)
    if name is None:
        raise NotFound(f"no model “{clean(text)}”")
    return name

"""What the server has of this store, and lets it delete models where this user may not: at once, without a trash."""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress

from prunella_core.apply import Step, World
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.files import reclaimed
from prunella_core.inventory.origin import origins
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.log import note
from prunella_core.ledger.memory import note_loaded, rescan
from prunella_core.ollama.server import Server, ServerError
from prunella_core.plan.build import refuse_if_stale
from prunella_core.plan.records import FileError, Plan, Receipt, Removal, Request
from prunella_core.scan.own import new_id


def serves(server: Server, inventory: Inventory) -> bool:
    """Whether the server has the same models, with the same digests, as this store."""
    return server.models() == {model.name: model.digest for model in inventory.models}


def version_of(server: Server | None) -> str | None:
    """The server's version; ``None`` where none answers."""
    with suppress(ServerError):
        return server.version() if server else None
    return None


def loaded_here(server: Server | None, inventory: Inventory) -> frozenset[str] | None:
    """The models of this store that the server has in memory; ``None`` when it listens but does not answer.

    Later runs know from the ledger that they were in use.
    """
    if server is None:
        return frozenset()
    try:
        loaded = server.loaded()
    except ServerError:
        return None
    known = {model.name: model.digest for model in inventory.models}
    here = frozenset(model.name for model in loaded if known.get(model.name) == model.digest)
    note_loaded(inventory, here)
    return here


def delete_by_server(plan: Plan, world: World) -> Receipt:
    """Let the server delete the models of ``plan`` one by one; return what has left the disk.

    Raises Refused without a server of this store or when the store has changed; ServerError when nothing is deleted.
    """
    refuse_single_files(plan.request)
    inventory = rescan(plan.store, world.now())
    server = serving(world.server, inventory)
    refuse_if_stale(plan, inventory)
    at = world.now()
    errors, is_cancelled = _delete(plan, server, world)
    gone = [item for item in plan.files if not os.path.lexists(plan.store.path(item.file.path))]
    receipt = Receipt(
        plan=plan,
        id=new_id(plan.store, at, plan.models),
        done=not (errors or is_cancelled),
        freed=reclaimed(item.file for item in gone),
        removed=tuple(item.file.path for item in gone),
        errors=tuple(errors),
        cancelled=is_cancelled,
    )
    return note(receipt, at, origins(inventory))


def refuse_single_files(request: Request) -> None:
    """Raise Refused when ``request`` names anything but models: the server deletes nothing else."""
    if isinstance(request, Removal) and (request.blobs or request.manifests or request.entries):
        raise Refused("the server deletes only models, not single blobs; nothing was deleted")


def serving(
    server: Server | None, inventory: Inventory, *, damaged: Collection[str] = (), rest: str = "nothing was deleted"
) -> Server:
    """Return ``server`` if it serves this very store. Raises Refused, or ServerError when it does not answer.

    It may not list models that are ``damaged``. ``rest`` ends the sentence.
    """
    if server is None:
        raise Refused(f"no server answers where OLLAMA_HOST says; {rest}")
    listed, ours = server.models(), {model.name: model.digest for model in inventory.models}
    is_same = listed.items() <= ours.items() and ours.keys() - listed.keys() <= set(damaged) and (listed or not ours)
    if not is_same or _reads_elsewhere(server, inventory, listed.keys() - set(damaged)):
        root = clean(inventory.store.root)
        raise Refused(f"the server at {server.address} works on another store than {root}; {rest}")
    return server


def _reads_elsewhere(server: Server, inventory: Inventory, names: Iterable[str]) -> bool:
    """Whether the server reads weights from another file here: a copy of a store lists the same models.

    A path that does not exist here says nothing: the server may run in a container.
    """
    for name in names:
        if path := server.weights(name):
            ours = inventory.store.path(f"blobs/{os.path.basename(path)}")
            return os.path.isfile(path) and not (os.path.isfile(ours) and os.path.samefile(path, ours))
    return False


def _delete(plan: Plan, server: Server, world: World) -> tuple[list[FileError], bool]:
    """Delete model by model up to the first that stays; return what failed, and whether it was cancelled."""
    for done, manifest in enumerate(plan.manifests):
        path = manifest.file.path
        if world.cancelled():
            return [], True
        world.report(Step(done, len(plan.manifests)))
        try:
            server.delete(manifest.models[0])
        except ServerError as error:
            if not done:
                raise
            return [FileError(path=path, message=str(error))], False
        if os.path.lexists(plan.store.path(path)):
            return [FileError(path=path, message=f"the server at {server.address} left it")], False
    return [], False

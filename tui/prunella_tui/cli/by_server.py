"""Removal by the Ollama server itself, where this user may not write to the store: at once, and without a trash."""

import os
import time

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.export.documents.changing import receipt_document
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.client import Server, connect, serves
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, Receipt
from prunella_tui.cli.codes import DONE, REFUSED
from prunella_tui.cli.options import Wishes
from prunella_tui.cli.output import print_json, tell
from prunella_tui.cli.removing import is_agreed, show_plan
from prunella_tui.cli.session import look, open_store
from prunella_tui.cli.targets import find_removal
from prunella_tui.presentation import size


def remove_by_server(names: tuple[str, ...], wishes: Wishes) -> int:
    """Preview what the server's delete would free, ask, and let it remove the models. Raises Refused."""
    inventory = look(open_store())
    request = find_removal(inventory, names, force=False, to_trash=False)
    if request.blobs or request.manifests:
        raise Refused("the server removes models only, no single blobs; nothing was removed")
    plan = make_plan(inventory, request, time.time())
    if wishes.dry_run:
        show_plan(plan, wishes.as_json)
        return DONE
    server = _server(inventory)
    if not is_agreed(inventory, plan, wishes):
        tell("Nothing was removed.")
        return REFUSED
    _delete(plan, server, wishes)
    return DONE


def _server(inventory: Inventory) -> Server:
    server = connect(os.environ)
    if server is None:
        raise Refused("no server answers where OLLAMA_HOST says; nothing was removed")
    if not serves(server, inventory):
        root = clean(inventory.store.root)
        raise Refused(f"the server at {server.address} works on another store than {root}; nothing was removed")
    return server


def _delete(plan: Plan, server: Server, wishes: Wishes) -> None:
    before = os.statvfs(plan.store.root)
    for name in plan.models:
        server.delete(name)
    after = os.statvfs(plan.store.root)
    freed = max((after.f_bfree - before.f_bfree) * after.f_frsize, 0)
    if wishes.as_json:
        gone = tuple(item.file.path for item in plan.files if not os.path.lexists(plan.store.path(item.file.path)))
        print_json(receipt_document(Receipt(plan=plan, id="", done=True, freed=freed, removed=gone)))
    else:
        tell(f"The server removed them. Planned: {size(plan.reclaims)}; free space grew by {size(freed)}.")

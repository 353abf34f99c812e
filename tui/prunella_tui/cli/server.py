"""What is known of the server, for ``doctor``."""

import os
from typing import Any

from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.client import ServerError, address, connect, loaded_here, serves


def _address() -> str:
    try:
        return clean(address(os.environ).url)
    except ValueError:  # no address at all
        return clean(os.environ.get("OLLAMA_HOST", ""))


def server_document(inventory: Inventory) -> dict[str, Any]:
    """Return where the server is looked for, whether one answers, and what it does with this store."""
    if inventory.store.exported_from is not None:  # the server of this machine has nothing to do with it
        return {"address": None, "reachable": False, "serves_this_store": None, "loaded": []}
    document: dict[str, Any] = {
        "address": _address(),
        "reachable": False,
        "serves_this_store": None,
        "loaded": [],
    }
    if server := connect(os.environ):
        document["loaded"] = sorted(map(clean, loaded_here(server, inventory) or ()))
        try:
            document["serves_this_store"] = serves(server, inventory)
            document["reachable"] = True
        except ServerError:  # something listens there that is no Ollama
            document["reachable"] = False
    return document

"""What the server says of itself and of this store."""

from contextlib import suppress

from prunella_core.inventory.records import Inventory
from prunella_core.ollama.client import Server, ServerError


def serves(server: Server, inventory: Inventory) -> bool:
    """Whether the server has the same models, with the same digests, as this store."""
    return server.models() == {model.name: model.digest for model in inventory.models}


def version_of(server: Server | None) -> str | None:
    """The server's version; ``None`` where none answers."""
    with suppress(ServerError):
        return server.version() if server else None
    return None


def loaded_here(server: Server | None, inventory: Inventory) -> frozenset[str] | None:
    """The models of this store that the server has in memory; ``None`` when it listens but does not answer."""
    if server is None:
        return frozenset()
    try:
        loaded = server.loaded()
    except ServerError:
        return None
    known = {model.name: model.digest for model in inventory.models}
    return frozenset(model.name for model in loaded if known.get(model.name) == model.digest)

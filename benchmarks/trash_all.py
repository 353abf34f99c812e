"""Moves every unreferenced blob of a store to the trash, as the application does: ``python trash_all.py STORE``."""

import os
import sys
import time

from prunella_core.apply import World, apply
from prunella_core.inventory.records import State
from prunella_core.ledger.memory import scan_store
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Removal
from prunella_core.store.locate import locate


def main(root: str) -> None:
    """Read, plan, and remove. The names need not be looked up: they are those of the reading."""
    inventory = scan_store(locate(root, os.environ, "/nowhere"), time.time())
    unneeded = tuple(blob.key for blob in inventory.blobs if blob.state is State.UNREFERENCED)
    receipt = apply(make_plan(inventory, Removal(blobs=unneeded, to_trash=True), time.time()), World())
    if not receipt.done:
        sys.exit("not all blobs went")


if __name__ == "__main__":
    main(sys.argv[1])

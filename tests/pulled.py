"""A store of pulled models whose blobs get damaged, and what their registry offers."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ollama_rules import Ollama, digest_of
from prunella_core.ledger.memory import scan_store
from prunella_core.verify import verify_blobs, whole_blobs
from stores import DAY, entries, open_store

ONE = ["weights of one" * 1_000, "template", '{"model_format":"gguf"}']
TWO = ["weights of two" * 1_000, "template", '{"model_format":"gguf","model_type":"2B"}']
NEWER = ["newer weights of one" * 1_000, "template", '{"model_format":"gguf","model_type":"9B"}']
OFFERS = {"one:latest": ONE, "two:latest": TWO}


def store_at(root: Path) -> str:
    """Two models, as pulled some days ago."""
    (root / "blobs").mkdir(parents=True)
    for name, contents in OFFERS.items():
        Ollama(root).pull(name, contents)
    for path, _status in entries(root):
        os.utime(root / path, (time.time() - 9 * DAY,) * 2)
    return str(root)


def blob(root: str, content: str) -> Path:
    return Path(Ollama(root).blob(digest_of(content)))


def truncate(root: str, content: str = ONE[0]) -> bytes:
    """Cut a blob off; return what is left."""
    os.truncate(blob(root, content), 700)
    return blob(root, content).read_bytes()


def flip(root: str, content: str = ONE[0]) -> bytes:
    """Flip a bit in a blob, and let verify find it; return what it is then."""
    data = bytearray(blob(root, content).read_bytes())
    data[10] ^= 1
    blob(root, content).write_bytes(data)
    inventory = scan_store(open_store(root), time.time())
    assert verify_blobs(inventory, whole_blobs(inventory)).bad
    return bytes(data)


def newer_in(root: str) -> Callable[[Any], tuple[int, bytes]]:
    """Pulls a newer version."""

    def pull(given: Any) -> tuple[int, bytes]:
        Ollama(root).pull(given["model"], NEWER)
        return success()

    return pull


def success() -> tuple[int, bytes]:
    return 200, b'{"status":"success"}'

"""Lists a large ``blobs/`` and writes what ``lstat`` says of the blobs to its output: a process beside the scan.

A script of its own, started by its path: it knows nothing of the project and imports next to nothing, since every
import is waited for. It may end at any time; whatever it does not tell, the scan looks at by itself. That are at least
the names that are longer or shorter than a whole blob's: there are few, and they want a closer look.

Each piece is its length in bytes and the number of its entries (8 bytes each), the names with a ``/`` after each, and
``WIDTH`` numbers of 8 bytes for each name.
"""

import os
import sys
from array import array
from itertools import chain
from operator import attrgetter

FIELDS = attrgetter("st_size", "st_blocks", "st_mtime_ns", "st_mode", "st_dev", "st_ino", "st_nlink")
"""What is told of an entry, in this order."""
WIDTH = 7
LENGTH = len("sha256-") + 64
"""Of the names that are told."""
_AT_ONCE = 4096


def main(folder: bytes, output: int) -> None:
    """Write all pieces. As long as there is something to look at, nobody is waited for who reads slowly."""
    os.chdir(folder)  # short paths are found quicker
    names = [name for name in os.listdir(b".") if len(name) == LENGTH]
    pending = bytearray()
    os.set_blocking(output, False)
    for start in range(0, len(names), _AT_ONCE):
        pending += _piece(names[start : start + _AT_ONCE])
        _write_some(output, pending)
    os.set_blocking(output, True)
    while pending:
        _write_some(output, pending)


def _piece(names: list[bytes]) -> bytes:
    told, looks = [], []
    for name in names:
        try:
            looks.append(os.lstat(name))
        except OSError:  # gone, or not for us to see: the scan says what that means
            continue
        told.append(name + b"/")
    numbers = array("q", chain.from_iterable(map(FIELDS, looks))).tobytes()
    text = b"".join(told)
    return array("q", [len(text), len(told)]).tobytes() + text + numbers


def _write_some(output: int, pending: bytearray) -> None:
    try:
        del pending[: os.write(output, pending)]
    except BlockingIOError:
        return


if __name__ == "__main__":
    try:
        main(os.fsencode(sys.argv[1]), 1)
    except BrokenPipeError:  # the scan has ended before
        os._exit(1)

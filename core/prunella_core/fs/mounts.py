"""The file system that a path is on, from ``/proc/self/mountinfo``."""

import os
from typing import NamedTuple

_TABLE = "/proc/self/mountinfo"


class Mount(NamedTuple):
    """A mounted file system: where, of what kind (``ext4``), with which options. Empty where unknown."""

    point: str
    kind: str
    options: frozenset[str]


UNKNOWN = Mount("", "", frozenset())


def mount_of(path: str, table: str = _TABLE) -> Mount:
    """Return the mount that holds ``path``: the one with the longest point, and of those the last."""
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as lines:
            mounts = [_parse(line) for line in lines]
    except OSError:  # no such table: another system than Linux
        return UNKNOWN
    real = os.path.realpath(path) + "/"
    holding = [mount for mount in mounts if real.startswith(mount.point.rstrip("/") + "/")]
    return max(enumerate(holding), key=lambda found: (len(found[1].point), found[0]), default=(0, UNKNOWN))[1]


def _parse(line: str) -> Mount:
    fields = line.split()
    kind = fields[fields.index("-") + 1]
    return Mount(_unescape(fields[4]), kind, frozenset(fields[5].split(",")))


def _unescape(text: str) -> str:
    """Undo the octal escapes for blanks and backslashes."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text

"""How much it would be regretted that something is gone: bytes that would have to be downloaded again, weighted.

    model              100 MB for the bother, and what has to be downloaded again x recency
    unreferenced       2 millionths of its bytes x recency
    removal (trash)    3 millionths of its bytes x recency
    partial            1 millionth of the bytes it holds x recency
    leftover           nothing

Recency is 30 / (30 + days idle): half after a month, a thirteenth after a year. A blob that several models share is
downloaded once, so it counts once, with the most recent of them, and only when all of them go. What had to be asked
for goes last, whatever its size: 1 TB for a model that is derived here, 1 PB for one that was created here, is pinned
or is loaded.

Regret is a whole number of millionths of a byte, so that sums are exact.
"""

from prunella_core.advice.free.candidates import Candidate, ItemKind

MILLION = 1_000_000
_DAY = 86_400
_HALVES_AFTER = 30 * _DAY
_WEIGHTS = {"leftover": 0, "partial": 1, "unreferenced": 2, "trash": 3, "model": MILLION}
"""Millionths of a byte of regret for a byte. Rubbish up to 30 TB is regretted less than the smallest model."""

_BOTHER = 100 * MILLION
_MADE_AGAIN = 10**12
_NEVER_AGAIN = 10**15


def recency(idle: float) -> int:
    """Return how likely something is wanted that nobody needed for ``idle`` seconds, in millionths."""
    return int(MILLION * _HALVES_AFTER / (_HALVES_AFTER + max(idle, 0.0)))


def of_blobs(kind: ItemKind, count: int, recent: int) -> int:
    """Return the regret for ``count`` bytes that go with an item of ``kind``, in millionths of a byte."""
    return _WEIGHTS[kind] * count * recent // MILLION


def of_item(item: Candidate) -> int:
    """Return the regret for the item itself, whatever its bytes, in millionths of a byte."""
    if item.kind != "model" or item.origin is None:
        return 0
    lost = {"derived": _MADE_AGAIN, "cloud": _MADE_AGAIN}.get(item.origin.kind, _NEVER_AGAIN)
    asked = (lost if guard == "local" else _NEVER_AGAIN for guard in item.guards)
    return MILLION * (_BOTHER + sum(asked))

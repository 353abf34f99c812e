"""How much it would be missed that something is gone: bytes that would have to be downloaded again, weighted.

    model              100 MB for the bother, and what has to be downloaded again x recency
    unreferenced       2 millionths of its bytes x recency
    entry of the trash 3 millionths of its bytes x recency
    partial            1 millionth of the bytes it holds x recency
    leftover           nothing

Recency is 30 / (30 + days idle): half after a month, a thirteenth after a year. What models share is freed, and missed,
with the last of them, with the recency of the one that was used last. What had to be asked for goes last, whatever its
size: 1 TB more for a model that is derived here, 1 PB for one that was created here, is pinned or is loaded.
"""

from collections.abc import Iterable

from prunella_core.advice.free.candidates import Candidate

_DAY = 86_400
_HALVES_AFTER = 30 * _DAY
_WEIGHTS = {"leftover": 0.0, "partial": 1e-6, "unreferenced": 2e-6, "trash": 3e-6, "model": 1.0}
"""Regret for a byte. Rubbish up to 30 TB is missed less than the smallest model."""

_BOTHER = 10**8
_MADE_AGAIN = 10**12
_NEVER_AGAIN = 10**15


def regret(items: Iterable[Candidate], frees: int, now: float) -> int:
    """Return the regret, in bytes, for ``items`` that together free ``frees`` bytes at ``now`` (seconds, UTC)."""
    chosen = list(items)
    weight = max((_WEIGHTS[item.kind] * _recency(now - item.idle_since) for item in chosen), default=0.0)
    return int(frees * weight) + sum(map(_of_item, chosen))


def _recency(idle: float) -> float:
    """How likely something is wanted again that was idle for so many seconds."""
    return _HALVES_AFTER / (_HALVES_AFTER + max(idle, 0.0))


def _of_item(item: Candidate) -> int:
    if item.kind != "model" or item.origin is None:
        return 0
    lost = {"derived": _MADE_AGAIN, "cloud": _MADE_AGAIN}.get(item.origin.kind, _NEVER_AGAIN)
    return _BOTHER + sum(lost if guard == "local" else _NEVER_AGAIN for guard in item.guards)

"""Digests that differ in a digit or two: names that a failing disk or memory has changed."""

from collections.abc import Collection, Iterator

MOST = 2
"""Hex digits in which two digests may differ and still be taken for one."""

_PIECES = ((7, 29), (29, 50), (50, 71))
"""Where to cut ``sha256:<hex>``: of more pieces than there are changed digits, one is as it was."""


def flipped(missing: Collection[str], unneeded: Collection[str]) -> dict[str, str]:
    """Under each digest of ``unneeded`` the one of ``missing`` that it may be."""
    by_piece: dict[tuple[int, str], list[str]] = {}
    for digest in missing:
        for piece in _pieces(digest):
            by_piece.setdefault(piece, []).append(digest)
    found = {}
    for digest in unneeded if missing else ():
        for other in (other for piece in _pieces(digest) for other in by_piece.get(piece, ())):
            if distance(digest, other) <= MOST:
                found[digest] = other
                break
    return found


def distance(one: str, other: str) -> int:
    """In how many digits two digests differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


def _pieces(digest: str) -> Iterator[tuple[int, str]]:
    for start, end in _PIECES:
        yield start, digest[start:end]

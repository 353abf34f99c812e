"""Every kind of problem: whether it could hide a reference, what it means, and how to fix it."""

from collections.abc import Collection
from typing import NamedTuple

from prunella_core.base.text import for_a_shell
from prunella_core.fs.files import File
from prunella_core.inventory.records import Inventory, Problem, State


class Advice(NamedTuple):
    """What a problem means for the user, and the way to fix it."""

    meaning: str
    fix: str


_UNREADABLE_TO_OLLAMA = "Ollama cannot read it either: its own start-up prune is skipped while it is there."
_OLLAMA_DELETES = "Ollama reads it as a model without layers: its next start deletes what only this model needs."
_IGNORED_BY_OLLAMA = "Ollama overlooks it and, at its next start, deletes what only this file names."
_RE_PULL = "Pull the model again (ollama pull {name}), or remove the broken name (prunella rm {name})."
_FETCH = "Move it away, then pull the models that need it (a pull reuses a blob without checking it): mv {path} /tmp/"
_MOVE = "Unless you need it there, move it away: mv {path} /tmp/"
_AS_OWNER = "Run Prunella as the owner of the store, or fix the permissions: ls -l {path}"

ADVICE = {
    "empty-manifest": Advice("A pull or create may be writing it right now. " + _UNREADABLE_TO_OLLAMA, _RE_PULL),
    "bad-manifest": Advice(_UNREADABLE_TO_OLLAMA, _RE_PULL),
    "large-manifest": Advice("It is too large for a manifest and was not read.", _MOVE),
    "no-layers": Advice(_OLLAMA_DELETES, _RE_PULL),
    "bad-digest": Advice(_OLLAMA_DELETES, _RE_PULL),
    "unknown-schema": Advice(
        "It may name blobs in a way that this version does not understand.", "Look for a newer version of Prunella."
    ),
    "missing-child": Advice("No model can run under this name.", "Pull the model again (ollama pull {name})."),
    "bad-child": Advice(
        "It may need blobs that are unknown here.", "Pull the model again (ollama pull {name}), or remove it."
    ),
    "same-name": Advice(
        "A newer Ollama reads the other one, an older Ollama this one, so its blobs are kept.",
        "Remove the one that you do not need: rm {path}",
    ),
    "bad-name": Advice("No model can have this name. " + _UNREADABLE_TO_OLLAMA, _MOVE),
    "too-shallow": Advice(_IGNORED_BY_OLLAMA, _MOVE),
    "too-deep": Advice(_IGNORED_BY_OLLAMA, _MOVE),
    "dangling-link": Advice(
        "It points to nothing. Ollama can neither list nor remove any model while it is there.",
        "Remove the link: rm {path}",
    ),
    "outside-link": Advice(
        "It points out of the store, and nothing is followed there.", "Put a copy of the manifest in its place."
    ),
    "not-a-file": Advice("Only folders and ordinary files belong below manifests/.", _MOVE),
    "unreadable": Advice(
        "It may name blobs that models need.",
        "Run Prunella as a user who can read it, or fix its permissions: ls -l {path}",
    ),
    "unreadable-folder": Advice(
        "It is not Ollama's and is left alone; only its size is unknown.", "Nothing to do. To look at it: ls -l {path}"
    ),
    "no-manifests": Advice(
        "Without it every blob looks unreferenced, and Ollama's next start deletes them all.",
        "If the folder was moved, bring it back before Ollama starts again.",
    ),
    "no-blobs": Advice("No model has its data.", "If the folder was moved, bring it back."),
    "dropping": Advice(
        "An operating system left it. It blocks nothing here, but makes Ollama skip its own start-up prune.",
        "Remove it: rm {path}",
    ),
    "missing-blob": Advice("The model cannot run.", "Pull the model again (ollama pull {name}), or remove it."),
    "wrong-size": Advice("The model may not run.", "Delete the model and pull it again (ollama pull {name})."),
    "wrong-hash": Advice("Its bytes do not match its name: models that use it may fail or give wrong answers.", _FETCH),
    "unreadable-blob": Advice("It could not be read; the disk may be failing: check your backups.", _FETCH),
    "ledger": Advice(
        "It holds the ages of unreferenced blobs, the log, and what verify found.",
        "Check who owns it and whether its disk is full: ls -l {path}",
    ),
    "flipped-digit": Advice(
        "One of the two names is likely damaged. The blob is kept; prunella verify says whether its name is right.",
        "Pull the model again: ollama pull {name}",
    ),
    "older-server": Advice(
        "A newer Ollama wrote these models; an older one does not read manifests-v2/ and deletes what only that names.",
        "Do not start an older Ollama on this store; where you must, set OLLAMA_NOPRUNE=1 for its server.",
    ),
    "foreign-files": Advice(
        "They belong to another user, so Ollama may fail to load, pull or delete models.",
        "Give them to the user that Ollama runs as: sudo chown -R {user} {path}",
    ),
    "guard-limit": Advice(
        "The guard keeps what Ollama deleted, and that takes more than it may, or the disk is nearly full.",
        "Let it delete the oldest of that for good: prunella guard run",
    ),
    "pins-unreadable": Advice("Every model counts as pinned until they can be read.", _AS_OWNER),
    "trash-unreadable": Advice("Nothing in the trash is deleted until all of it can be read.", _AS_OWNER),
    "staging-unreadable": Advice("An interrupted operation may be waiting there to be undone.", _AS_OWNER),
    "exists": Advice(
        "Prunella never overwrites anything.", "Restore under another name, or delete what is there first."
    ),
}
DAMAGE = {"wrong-hash", "wrong-size", "unreadable-blob"}
"""The kinds of problem of a blob that is there and damaged."""
_HARMLESS = {
    "dropping",
    "missing-child",
    "unreadable-folder",
    "missing-blob",
    "wrong-size",
    "wrong-hash",
    "unreadable-blob",
    "no-blobs",
    "ledger",
    "flipped-digit",
    "pins-unreadable",
    "trash-unreadable",
    "staging-unreadable",
}


def problem(path: str, kind: str, message: str, model: str | None = None, file: File | None = None) -> Problem:
    """Make a Problem; its kind decides whether it blocks. ``path`` is relative to the store."""
    return Problem(path=path, kind=kind, message=message, blocks_prune=kind not in _HARMLESS, model=model, file=file)


def advice(found: Problem, root: str) -> Advice:
    """Return what ``found`` means and how to fix it, with the paths below ``root`` filled in."""
    known = ADVICE[found.kind]
    name, path = found.model or "NAME", for_a_shell(f"{root}/{found.path}")
    return Advice(known.meaning, known.fix.format(name=name, path=path, user=for_a_shell(found.user or "")))


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


def flipped_in(inventory: Inventory) -> dict[str, str]:
    """Under each unreferenced digest the missing one that it may be, where they differ in a digit or two."""

    def keys(state: State) -> list[str]:
        return [blob.key for blob in inventory.others if blob.state is state]

    return inventory.kept("flipped", lambda: flipped(keys(State.MISSING), keys(State.UNREFERENCED)))


def distance(one: str, other: str) -> int:
    """In how many digits two digests differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


def _pieces(digest: str) -> list[tuple[int, str]]:
    return [(start, digest[start:end]) for start, end in _PIECES]

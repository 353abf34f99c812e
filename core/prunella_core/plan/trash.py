"""What goes when entries of the trash are emptied: nothing that another entry, or the store itself, still needs."""

from prunella_core.fs.sizes import File
from prunella_core.inventory.records import State, digest_of_file
from prunella_core.plan.draft import Draft

_FOR_GOOD = "in the trash: it cannot be restored afterwards"
_MISSED = "a model in the store misses it: restore it first"


def draft_empty(draft: Draft, going: set[str]) -> None:
    """Take the entries ``going`` out of the trash, spent ones that nothing needs, and what the store has again."""
    draft.spare_what_the_trash_needs(going)
    draft.emptied = going | {entry.id for entry in draft.inventory.trash if entry.is_spent}
    missed = {blob.digest for blob in draft.inventory.others if blob.state is State.MISSING}
    keepers = _keepers(draft)
    for entry in draft.inventory.trash:
        for file in entry.files:
            digest = digest_of_file(file.path) or ""
            elsewhere = _elsewhere(draft, file, digest, keepers)
            if entry.id in draft.emptied:
                reason = draft.restorable.get(digest) or (_MISSED if digest in missed else None)
                if reason and not elsewhere:
                    draft.keep_in_trash(digest, file, reason)
                else:
                    draft.remove_from_trash(file, elsewhere if elsewhere and reason else _FOR_GOOD, entry.removed_at)
            elif elsewhere and digest in entry.needs:
                draft.remove_from_trash(file, elsewhere, entry.removed_at)


def _keepers(draft: Draft) -> dict[str, File]:
    """Of each digest the copy in the trash that stays if one has to: the newest, of an entry that stays if one has."""
    found: dict[str, File] = {}
    for stays in (False, True):
        for entry in draft.inventory.trash:
            if (entry.id not in draft.emptied) is stays:
                found.update((digest, file) for file in entry.files if (digest := digest_of_file(file.path)))
    return found


def _elsewhere(draft: Draft, file: File, digest: str, keepers: dict[str, File]) -> str | None:
    """Where else the same blob stays: then one of the two is enough."""
    if not digest:
        return None
    blob = draft.inventory.blob_by_key.get(digest)
    if blob and any(_is_like(other, file) for other in blob.files):
        return "the store has it again"
    keeper = keepers[digest]
    return "another removal has it too" if keeper.path != file.path and _is_like(keeper, file) else None


def _is_like(other: File, file: File) -> bool:
    return other.is_regular and other.size == file.size

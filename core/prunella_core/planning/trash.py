"""What goes when entries of the trash are emptied: nothing that another entry, or the store itself, still needs."""

from prunella_core.inventory import State, TrashEntry, digest_of_file
from prunella_core.planning.draft import Draft
from prunella_core.sizes import File

_MISSED = "a model in the store misses it: restore it first"


def draft_empty(draft: Draft, going: set[str]) -> None:
    """Take the entries ``going`` out of the trash, spent ones that nothing needs, and what the store has again."""
    draft.spare_what_the_trash_needs(going)
    draft.emptied = going | {entry.id for entry in draft.inventory.trash if entry.is_spent}
    missed = {blob.digest for blob in draft.inventory.blobs if blob.state is State.MISSING}
    for entry in draft.inventory.trash:
        for file in entry.files:
            if entry.is_spent or entry.id in going:
                _empty_file(draft, entry, file, missed)
            elif _is_in_store_again(draft, entry, file):
                draft.remove_from_trash(file, "the store has it again", entry.removed_at)
            elif _lies_in_newer_entry(draft, entry, file, going):
                draft.remove_from_trash(file, "a later removal has it too", entry.removed_at)


def _empty_file(draft: Draft, entry: TrashEntry, file: File, missed: set[str | None]) -> None:
    digest = digest_of_file(file.path)
    if digest and digest in draft.restorable and _another_stays(draft, file, digest):
        draft.remove_from_trash(file, "another removal has it too", entry.removed_at)
        return
    reason = draft.restorable.get(digest or "") or (_MISSED if digest and digest in missed else None)
    if digest and reason:
        draft.keep_in_trash(digest, file, reason)
    else:
        draft.remove_from_trash(file, "in the trash: it cannot be restored afterwards", entry.removed_at)


def _another_stays(draft: Draft, file: File, digest: str) -> bool:
    """Whether an entry that stays holds the same blob."""
    paths = (other for entry in draft.inventory.trash if entry.id not in draft.emptied for other in entry.files)
    same = (other for other in paths if other.path != file.path and digest_of_file(other.path) == digest)
    return any(other.is_regular and other.size == file.size for other in same)


def _lies_in_newer_entry(draft: Draft, entry: TrashEntry, file: File, going: set[str]) -> bool:
    """Whether a model's blob was pulled and removed again: then one of the two is enough."""
    digest = digest_of_file(file.path)
    newest = draft.inventory.trashed_blobs.get(digest or "")
    if newest is None or newest.path == file.path or digest not in entry.needs:
        return False
    is_going = newest.path.split("/")[2] in going
    return not is_going and newest.is_regular and newest.size == file.size


def _is_in_store_again(draft: Draft, entry: TrashEntry, trashed: File) -> bool:
    """Whether a model's blob was pulled again: then the model can be restored without the trashed one."""
    digest = digest_of_file(trashed.path)
    blob = draft.inventory.blob_by_key.get(digest or "")
    if digest not in entry.needs or blob is None:
        return False
    return any(file.is_regular and file.size == trashed.size for file in blob.files)

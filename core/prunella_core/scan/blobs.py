"""Reads the folder ``blobs/``: one row a digest, and one for every file whose name holds none."""

import os

from msgspec import Struct

from prunella_core.digests import FileKind, read_blob_name
from prunella_core.extents import shared_bytes
from prunella_core.files import file_from, files_below, has_reflinks
from prunella_core.inventory import Problem
from prunella_core.problems import problem
from prunella_core.scan.progress import REPORT_EVERY, Progress, Report
from prunella_core.sizes import File
from prunella_core.store import Store


class BlobReading(Struct, frozen=True):
    """The files of ``blobs/``: whole ones and partials by digest, the others by path."""

    whole: dict[str, tuple[File, ...]]
    partial: dict[str, tuple[File, ...]]
    leftover: dict[str, tuple[File, ...]]
    stray: dict[str, tuple[File, ...]]
    problems: tuple[Problem, ...]


def read_blobs(store: Store, manifests: int, report: Report) -> BlobReading:
    """List ``blobs/`` without opening anything in it; ``manifests`` is what the progress has counted so far."""
    rows: dict[FileKind, dict[str, tuple[File, ...]]] = {kind: {} for kind in FileKind}
    problems: list[Problem] = []
    try:
        with os.scandir(store.blobs) as entries:
            extents = has_reflinks(store.blobs)
            in_order = sorted(entries, key=lambda entry: entry.name)  # the same store always reads the same
            for count, entry in enumerate(in_order, 1):
                _place(entry, store, rows, problems, extents)
                if count % REPORT_EVERY == 0:
                    report(Progress(manifests, count))
    except FileNotFoundError:
        problems.append(problem("blobs", "no-blobs", "there is no blobs/ folder"))
    except OSError as error:
        problems.append(problem("blobs", "unreadable", f"cannot list this folder: {error.strerror}"))
    return BlobReading(
        rows[FileKind.WHOLE],
        rows[FileKind.PARTIAL],
        rows[FileKind.LEFTOVER],
        rows[FileKind.STRAY],
        tuple(problems),
    )


def _place(
    entry: os.DirEntry[str],
    store: Store,
    rows: dict[FileKind, dict[str, tuple[File, ...]]],
    problems: list[Problem],
    extents: bool,
) -> None:
    path = f"blobs/{entry.name}"
    try:
        if entry.is_dir(follow_symlinks=False):
            rows[FileKind.STRAY][path] = _in_folder(store, path, problems)
            return
        target = os.readlink(entry.path) if entry.is_symlink() else None
        shared = shared_bytes(entry.path) if extents and entry.is_file(follow_symlinks=False) else 0
        file = file_from(path, entry.stat(follow_symlinks=False), target, shared)
    except FileNotFoundError:  # gone between listing and looking: as if the scan had come later
        return
    except OSError as error:
        problems.append(problem(path, "unreadable", f"cannot look at this file: {error.strerror}"))
        return
    name = read_blob_name(entry.name)
    kind = name.kind if target is not None or file.is_regular else FileKind.STRAY
    key = name.digest if name.digest and kind is not FileKind.STRAY else path
    rows[kind][key] = (*rows[kind].get(key, ()), file)


def _in_folder(store: Store, path: str, problems: list[Problem]) -> tuple[File, ...]:
    """What somebody's own folder holds, for its size: Ollama never looks into it, and nothing of it is removed."""
    try:
        return tuple(files_below(store.root, path))
    except OSError as error:
        problems.append(problem(path, "unreadable-folder", f"cannot look into this folder: {error.strerror}"))
        return ()

"""Compares what was freed with what the file system has free now, and says what likely keeps the rest."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress

from msgspec.structs import replace

from prunella_core.apply import Step, World
from prunella_core.base.text import clean
from prunella_core.fs.caller import for_caller
from prunella_core.fs.mounts import mount_of
from prunella_core.ledger.log import add_note
from prunella_core.plan.records import Plan, Receipt

_LEAST = 100_000_000
_SHARE = 0.05
"""Less than these bytes, or this share of what was freed, is what others wrote meanwhile."""
_SLICES, _SLICE = 20, 0.25
"""For 5 seconds: some file systems free later."""
_WINDOWS = "/mnt/c"
_PROCESSES = "/proc"
_DELETED = " (deleted)"
_SNAPSHOTS = {
    "btrfs": "a snapshot on btrfs keeps it: sudo btrfs subvolume list -s {point}",
    "zfs": "a snapshot on ZFS keeps it: zfs list -t snapshot",
    "apfs": "a snapshot on APFS keeps it: sudo tmutil thinlocalsnapshots / 1000000000000 4",
}
_WSL = "the virtual disk of WSL keeps it; in PowerShell: wsl --shutdown; Optimize-VHD -Path …\\ext4.vhdx -Mode Full"
_DOCKER = "Docker Desktop's VM keeps it: docker run --privileged --pid=host docker/desktop-reclaim-space"
_UNKNOWN = "another program writes to this disk, or a process of another user has it open: sudo lsof +L1"


def free_space(plan: Plan, world: World) -> dict[str, int]:
    """Return the free bytes where ``plan`` frees space; under WSL also of the drive with its virtual disk."""
    path = plan.store.blobs if plan.blobs else plan.store.root
    is_virtual = "microsoft" in os.uname().release.lower() and not path.startswith("/mnt/")
    return {each: world.free(each) for each in ((path, _WINDOWS) if is_virtual else (path,)) if os.path.isdir(each)}


def compared(receipt: Receipt, before: Mapping[str, int], world: World) -> Receipt:
    """Return ``receipt``, with a note where less came back since ``before`` than was freed; the log gets it too."""
    done = [each for each in (receipt, receipt.expired) if each and each.freed]
    freed = sum(each.freed for each in done)
    try:
        if freed < _LEAST or not (missing := _missing(freed, before, world)):
            return receipt
        path = max(missing, key=lambda each: missing[each])
        note = (
            f"{missing[path] / freed:.0%} of the freed space is not available yet, likely because {_holder(done, path)}"
        )
        add_note(receipt.plan.store, done[0].id, note)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (what is done ends with its receipt)
        note = f"The free space could not be compared: {clean(str(error)) or type(error).__name__}"
    return replace(receipt, notes=(*receipt.notes, note))


def _missing(freed: int, before: Mapping[str, int], world: World) -> dict[str, int]:
    """The bytes that did not come back, under each path; waits as long as there are too many."""
    for number in range(_SLICES + 1):
        late = {path: freed - (world.free(path) - was) for path, was in before.items()}
        late = {path: bytes_ for path, bytes_ in late.items() if bytes_ >= max(_LEAST, freed * _SHARE)}
        if not late or world.cancelled():
            return {}
        if number < _SLICES:
            world.report(Step(number, _SLICES, "waiting for the space to come back"))
            world.wait(_SLICE)
    return late


def _holder(done: list[Receipt], path: str) -> str:
    """What likely keeps the space, and the one command that helps."""
    deleted = [os.path.basename(item.file.path) for receipt in done for item in receipt.plan.files]
    if found := holding(deleted):
        pid, name = found[0]
        models = done[0].plan.models
        names = " and ".join(f"{clean(name)} (pid {pid})" for pid, name in found)
        helps = f"ollama stop {models[0]}" if models and "ollama" in name else f"kill {pid}"
        verbs = ("has", "it closes") if len(found) == 1 else ("have", "they close")
        return f"{names} still {verbs[0]} a deleted file open; the space returns when {verbs[1]} the file: {helps}"
    if path == _WINDOWS:
        return _WSL
    mount = mount_of(path)
    kind = "apfs" if sys.platform == "darwin" else mount.kind
    if kind in _SNAPSHOTS:
        return _SNAPSHOTS[kind].format(point=clean(mount.point))
    return _DOCKER if "linuxkit" in os.uname().release else _UNKNOWN


@for_caller
def holding(names: list[str]) -> list[tuple[int, str]]:
    """Return PID and name of every process that has a deleted file of one of ``names`` open, or mapped.

    A process in a container has other paths, but the same names. Those of other users are often hidden.
    """
    found = []
    for pid in filter(str.isdigit, os.listdir(_PROCESSES) if os.path.isdir(_PROCESSES) else ()):
        process = f"{_PROCESSES}/{pid}"
        with suppress(OSError):  # not ours to look at, or just ended
            if not set(names).isdisjoint(_deleted_in(process)):
                with open(f"{process}/comm", encoding="utf-8", errors="replace") as name:
                    found.append((int(pid), name.read().strip()))
    return found


def _deleted_in(process: str) -> Iterator[str]:
    paths = []
    for number in os.listdir(f"{process}/fd"):
        with suppress(OSError):  # closed meanwhile
            paths.append(os.readlink(f"{process}/fd/{number}"))
    with open(f"{process}/maps", encoding="utf-8", errors="replace") as maps:
        paths += map(str.rstrip, maps)
    yield from (os.path.basename(path[: -len(_DELETED)]) for path in paths if path.endswith(_DELETED))

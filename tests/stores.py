"""Stores for tests, ways to look at a folder that share no code with the program, and disks that fail."""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from prunella_core.apply import Disk, World, apply
from prunella_core.base.errors import Refused
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.operations import carry_out as operations
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, PruneClass, PrunePolicy, Receipt, Removal, Request, Restore
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.scan.system import never
from prunella_core.store import Store
from prunella_core.store.locate import locate

NOW = 1_790_000_000.0
"""The time in every built store, in seconds since the epoch."""

LATER_ENOUGH = 2_000_000_000.0
"""A time at which whatever a test writes now has long settled."""

HOUR = 3_600
DAY = 24 * HOUR

RUBBISH = frozenset({PruneClass.UNREFERENCED, PruneClass.PARTIAL, PruneClass.LEFTOVER})
"""What a plain prune takes."""


def prune(age: int = 0, *classes: PruneClass, force: bool = False) -> PrunePolicy:
    """A prune of ``classes``, or of all rubbish."""
    return PrunePolicy(age=age, classes=frozenset(classes) or RUBBISH, force=force)


def to_trash(*models: str, **more: Any) -> Removal:
    """A removal that can be taken back."""
    return Removal(models=models, **more)


def for_good(**chosen: Any) -> Removal:
    """A removal that frees its space at once."""
    return Removal(to_trash=False, **chosen)


def open_store(root: str | Path) -> Store:
    """The store at ``root``, as a user names it."""
    return locate(explicit=str(root), environ={}, home="/nowhere", machine="/nowhere")


def look(root: str | Path, now: float = NOW) -> Inventory:
    """Scan the store at ``root``."""
    return scan(open_store(root), now)


def plan_for(root: str | Path, request: Request, now: float = NOW) -> Plan:
    """Scan the store at ``root`` and plan ``request``."""
    return make_plan(look(root, now), request, now)


def carry_out(plan: Plan, **options: Any) -> Receipt:
    """Apply ``plan`` at the time at which it was made, without watching for a pull unless asked to."""
    given = {"settle": 0.0, "is_quiet": never, **options}
    return apply(plan, World(now=lambda: plan.made_at, **given))


def expire(root: str | Path, retention: int, now: float) -> Receipt | None:
    """What goes because its time in the trash is over, after an operation that has nothing of its own to do."""
    nothing = plan_for(root, Removal(), now)
    return operations.carry_out(nothing, World(now=lambda: now, retention=retention)).expired


def refusal(plan: Plan) -> str | None:
    """Apply ``plan``; the sentence with which it is refused, or nothing when all of it is done."""
    try:
        assert carry_out(plan).done
    except Refused as refused:
        return str(refused)
    return None


def planned(plan: Plan) -> set[str]:
    """The paths that a plan removes."""
    return {item.file.path for item in plan.files}


def recover(root: str | Path) -> Receipt:
    """What the next run does first; it has nothing of its own to do."""
    return carry_out(plan_for(root, for_good()))


def remove(root: str | Path, *models: str, now: float = NOW, **more: Any) -> TrashEntry:
    """Put ``models`` (``blobs``, ``manifests``) into the trash and return the entry that they are now."""
    receipt = carry_out(plan_for(root, to_trash(*models, **more), now))
    assert receipt.done
    return next(entry for entry in look(root, now).trash if entry.id == receipt.id)


def bring_back(
    root: str | Path, entry: TrashEntry, model: str | None = None, *, under: str | None = None, now: float = NOW
) -> Receipt:
    """Restore an entry of the trash, or one ``model`` of it, if wished ``under`` another name."""
    plan = plan_for(root, Restore(entry=entry.id, model=model, under=under), now)
    assert not plan.blocked
    assert not plan.missing
    return carry_out(plan)


def outcome(root: str | Path, request: Request, scratch: Path) -> dict[str, str]:
    """The tree that ``request`` leaves, tried on a copy of the store at ``root``."""
    shutil.copytree(root, scratch, symlinks=True)
    carry_out(plan_for(scratch, request))
    result = tree(scratch)
    shutil.rmtree(scratch)
    return result


_CONFIGS = tuple({"model_type": parameters} for parameters in ("1B", "2B", "3B"))


def small_store(
    root: str | Path, now: float = NOW, age: float = DAY, configs: Sequence[Mapping[str, str]] = _CONFIGS
) -> StoreBuilder:
    """Two models that share weights and template, one alone, and one of everything else that a store collects.

    ``base`` and ``derived`` share; ``team/solo:v1`` has its blobs for itself. Everything is ``age`` seconds old.
    """
    builder = StoreBuilder(str(root), now)
    weights = builder.layer("weights", "shared weights" * 3_000, age=age)
    template = builder.layer("template", "{{ .Prompt }}", age=age)
    system = builder.layer("system", "You are derived.", age=age)
    solo = builder.layer("weights", "solo weights" * 2_000, age=age)
    models = {"base": (weights, template), "derived": (weights, template, system), "team/solo:v1": (solo,)}
    for (name, layers), says in zip(models.items(), configs, strict=True):
        builder.model(name, *layers, config=builder.config(age=age, **says), age=age)
    builder.layer("weights", "nobody needs these" * 1_000, age=age)
    builder.partial("a pull", size=100_000, done=9_000, parts=2, age=age)
    builder.file("blobs/COPY123", "half a create", age=age)
    builder.file("blobs/README.txt", "mine", age=age)
    return builder


BOTH = for_good(models=("base:latest", "derived:latest"))
SOLO = for_good(models=("team/solo:v1",))
REQUESTS = [
    BOTH,
    prune(),
    for_good(models=(*BOTH.models, *SOLO.models), blobs=("blobs/README.txt",)),
]
"""What can be asked of the small store: what two models share, all rubbish, everything that has a name."""


def exit_code_of(code: str, *arguments: str) -> int:
    """The exit code of Python code in a process of its own, which may not hang."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=False, timeout=20).returncode


def calls_in(work: Callable[[], object]) -> int:
    """How many functions ``work`` calls: what it costs, whatever else the machine does."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def entries(root: str | Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file, link and folder below ``root`` by its relative path, with its lstat; nothing is followed."""
    top = str(root)
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            yield os.path.relpath(path, top), os.lstat(path)


def tree(root: str | Path) -> dict[str, str]:
    """Everything below ``root``: files by the hash of their bytes, links by their target, folders as ``/``."""
    found = {}
    for relative, status in entries(root):
        path = os.path.join(root, relative)
        if stat.S_ISLNK(status.st_mode):
            found[relative] = f"-> {os.readlink(path)}"
        elif stat.S_ISDIR(status.st_mode):
            found[relative] = "/"
        else:
            with open(path, "rb") as file:
                found[relative] = hashlib.file_digest(file, "sha256").hexdigest()
    return _without_ledger(found)


def _without_ledger(found: dict[str, str]) -> dict[str, str]:
    """Leave out what every look at a store may write: its ledger, and the folder when nothing else is in it."""
    rest = {path: what for path, what in found.items() if not is_of_ledger(path)}
    own = [path for path in rest if path.startswith(".prunella")]
    return {path: what for path, what in rest.items() if own != [".prunella"] or path != ".prunella"}


def is_of_ledger(path: str) -> bool:
    """Whether a file is the ledger, or belongs to it while it is being written."""
    return os.path.basename(path).split("-")[0] == "ledger.sqlite"


def facts(root: str | Path) -> dict[str, tuple[str, int, int]]:
    """``tree`` with the mode of everything, and the time of what is no folder and no record."""
    found = {}
    for path, what in tree(root).items():
        status = os.lstat(os.path.join(root, path))
        has_time = what != "/" and os.path.basename(path) != "record.json"
        found[path] = (what, stat.S_IMODE(status.st_mode), status.st_mtime_ns if has_time else 0)
    return found


def of_ollama(root: str | Path) -> dict[str, tuple[str, int, int]]:
    """The ``facts`` of what Ollama sees of a store."""
    return {path: fact for path, fact in facts(root).items() if path.split("/")[0] != ".prunella"}


def in_trash(root: str | Path) -> set[str]:
    """The digests whose blobs lie in the trash, found by their names."""
    names = (path.split("/") for path in tree(root) if path.startswith(".prunella/trash/"))
    return {parts[-1].replace("-", ":") for parts in names if parts[-2] == "blobs"}


def set_aside(root: str | Path) -> set[str]:
    """What lies in our own folder other than the trash and the ledger: nothing, when nothing is going on."""
    own = os.path.join(root, ".prunella")
    left = set(os.listdir(own)) - {"trash"} if os.path.isdir(own) else set()
    return {name for name in left if not is_of_ledger(name)}


def needs_of(manifest: str | Path) -> list[str]:
    """The digests that a sound manifest needs."""
    document = json.loads(Path(manifest).read_bytes())
    return [layer["digest"] for layer in (document["config"], *document["layers"])]


def broken_models(root: str | Path) -> dict[str, list[str]]:
    """Manifests of the store, and of their blobs those that are not there or have other bytes than their name says.

    What an empty manifest needs is unknown.
    """
    found = {}
    for path, _status in entries(os.path.join(root, "manifests")):
        manifest = Path(root, "manifests", path)
        if manifest.is_file() and manifest.stat().st_size:
            bad = [digest for digest in needs_of(manifest) if not has_bytes(root, digest)]
            found.update({path: bad} if bad else {})
    return found


def has_bytes(root: str | Path, digest: str) -> bool:
    """Whether a blob is in the store, with the bytes that its name stands for."""
    try:
        data = Path(root, "blobs", digest.replace(":", "-")).read_bytes()
    except FileNotFoundError:
        return False
    return f"sha256:{hashlib.sha256(data).hexdigest()}" == digest


def disk_use(*roots: str | Path) -> int:
    """Bytes that all distinct files and links below ``roots`` take on the disk, without folders and the ledger."""
    found = (entry for root in roots for entry in entries(root) if not is_of_ledger(entry[0]))
    files = (status for _path, status in found if not stat.S_ISDIR(status.st_mode))
    return sum({(status.st_dev, status.st_ino): status.st_blocks * 512 for status in files}.values())


class Killed(BaseException):
    """The process is gone: from here on nothing of it changes the disk any more."""


class WatchedDisk(Disk):
    """The real disk; before every change ``watch`` is called with its name and path."""

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        """Do ``change``, or something else."""
        change()

    def make_folder(self, path: str) -> None:
        self.watch("make_folder", path, lambda: Disk.make_folder(self, path))

    def move(self, source: str, target: str) -> None:
        self.watch("move", source, lambda: Disk.move(self, source, target))

    def link(self, source: str, target: str) -> None:
        self.watch("link", source, lambda: Disk.link(self, source, target))

    def unlink(self, path: str) -> None:
        self.watch("unlink", path, lambda: Disk.unlink(self, path))

    def remove_folder(self, path: str) -> None:
        self.watch("remove_folder", path, lambda: Disk.remove_folder(self, path))

    def write(self, path: str, data: bytes, mtime_ns: int | None = None, mode: int = 0o644) -> None:
        self.watch("write", path, lambda: Disk.write(self, path, data, mtime_ns, mode))

    def open_part(self, path: str) -> int:
        part: list[int] = []
        self.watch("open_part", path, lambda: part.append(Disk.open_part(self, path)))
        return part[0]

    def append(self, part: int, data: memoryview) -> None:
        self.watch("append", "", lambda: Disk.append(self, part, data))

    def flush(self, part: int, mode: int) -> None:
        self.watch("flush", "", lambda: Disk.flush(self, part, mode))

    def replace(self, source: str, target: str) -> None:
        self.watch("replace", source, lambda: Disk.replace(self, source, target))

    def touch(self, path: str, times: tuple[int, int]) -> None:
        self.watch("touch", path, lambda: Disk.touch(self, path, times))

    def settle(self, folder: str) -> None:
        self.watch("settle", folder, lambda: Disk.settle(self, folder))


class KilledDisk(WatchedDisk):
    """Is killed at its change number ``at``: before it, or right ``after`` it. A file being written is half there."""

    def __init__(self, at: int, after: bool) -> None:
        self.at = at
        self.after = after
        self.changes = 0

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        self.changes += 1
        if self.changes < self.at:
            change()
            return
        if self.changes == self.at:
            if self.after:
                change()
            elif name == "write":
                with open(f"{path}.new", "wb") as file:
                    file.write(b'{"half')
        raise Killed


def kill(plan: Plan, at: int, after: bool) -> bool:
    """Carry out ``plan`` and be killed at its change number ``at``; say whether it came to that."""
    try:
        carry_out(plan, disk=KilledDisk(at, after))
    except Killed:
        return True
    return False


class FailingDisk(WatchedDisk):
    """Fails with ``code`` at every change called ``name`` whose path ends with ``ending``, from the ``start``-th on."""

    def __init__(self, name: str, ending: str = "", code: int = errno.EACCES, start: int = 1) -> None:
        self.name = name
        self.ending = ending
        self.code = code
        self.start = start
        self.met = 0

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        if name == self.name and path.endswith(self.ending):
            self.met += 1
            if self.met >= self.start:
                raise OSError(self.code, os.strerror(self.code), path)
        change()


class MeanwhileDisk(WatchedDisk):
    """Another program does ``event`` once, after (or ``before``) the first change called ``name`` at a ``part``."""

    def __init__(self, part: str, event: Callable[[], object], name: str = "move", *, before: bool = False) -> None:
        self.part = part
        self.event: Callable[[], object] | None = event
        self.name = name
        self.before = before

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        is_it = name == self.name and self.part in path
        if not self.before:
            change()
        if is_it and self.event:
            event, self.event = self.event, None
            event()
        if self.before:
            change()

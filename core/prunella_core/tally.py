"""What a set of marks would free, kept up to date mark by mark: the figures of the plan, without making it.

To plan a hundred thousand files takes longer than a key press may. These are the sums, and tests hold them to it.
"""

import os
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from prunella_core.digests import read_blob_name
from prunella_core.inventory import Blob, Inventory, Model, State
from prunella_core.planning.draft import Draft
from prunella_core.sizes import File

_Fate = Literal["goes", "kept", "held back"]
_NEEDED = {State.REFERENCED, State.MISSING, State.UNREAD}


class Tally:
    """The figures of moving what is marked into the trash, at ``now`` (seconds, UTC). Sizes are bytes."""

    def __init__(self, inventory: Inventory, now: float) -> None:
        self.inventory = inventory
        self.reclaims = 0
        """What leaves the disk with the marked, once the trash lets go of it."""
        self.kept = 0
        """What the marked have that stays."""
        self.held_back = 0
        """How many of the marked rows stay for now."""
        self.implied: Counter[str] = Counter()
        """The models that marked blobs take along, and how many blobs do so."""
        self._draft = Draft(inventory, now, force=False, mode="trash")
        self._models: frozenset[str] = frozenset()
        self._blobs: frozenset[str] = frozenset()
        self._manifests: frozenset[str] = frozenset()
        self._staying: dict[str, int] = {}
        """Of each blob that a going model needs, how many models stay that need it too."""
        self._fates: dict[str, _Fate] = {}
        self._gone_links: Counter[tuple[int, int]] = Counter()
        self._is_blocked = bool(inventory.blocking)
        self._through_links = _through_links(inventory)

    def goes(self, key: str) -> bool:
        """Whether the row under ``key`` goes, marked or with its models."""
        return self._fates.get(key) == "goes"

    def users_of_kept(self) -> list[str]:
        """The models for which something of the marked stays, those first that need the largest."""
        blobs = self.inventory.blob_by_key
        kept = (blobs[key] for key, staying in self._staying.items() if staying and self._fates.get(key) == "kept")
        together: dict[int, Blob] = {}
        for blob in kept:
            other = together.setdefault(id(blob.models), blob)
            if blob.allocated > other.allocated:
                together[id(blob.models)] = blob
        largest_first = sorted(together.values(), key=lambda blob: -blob.allocated)
        names = dict.fromkeys(name for blob in largest_first for name in blob.models)
        return [name for name in names if name not in self._models]

    def mark(self, models: frozenset[str], blobs: frozenset[str], manifests: frozenset[str]) -> None:
        """Reckon with exactly these: models by name, rows by key, damaged manifests by path.

        Only what is new, or not marked any more, is looked at.
        """
        known = self.inventory.blob_by_key
        for key in blobs - self._blobs:
            self.implied.update(known[key].models)
        for key in self._blobs - blobs:
            self.implied.subtract(known[key].models)
        self.implied = +self.implied if self._blobs - blobs else self.implied
        touched = {*(blobs ^ self._blobs), *self._mark_models(models | self.implied.keys())}
        self._mark_manifests(manifests)
        self._blobs = blobs
        self._decide(touched if self._same_blockers() else {*self._fates, *touched})

    def _mark_models(self, going: frozenset[str]) -> list[str]:
        touched: list[str] = []
        for name in going - self._models:
            model = self.inventory.model_by_name[name]
            self._count(model, -1)
            self._take(model.manifest)
            touched += model.needs
        for name in self._models - going:
            model = self.inventory.model_by_name[name]
            self._count(model, 1)
            self._give_back(model.manifest)
            touched += model.needs
        self._models = going
        return touched

    def _count(self, model: Model, by: int) -> None:
        """One model less stays, or one more."""
        known, staying = self.inventory.blob_by_key, self._staying
        for digest in (*model.needs, *self._through_links.get(model.name, ())):
            users = len(known[digest].models)
            left = staying.get(digest, users) + by
            if left < users:
                staying[digest] = left
            else:
                del staying[digest]

    def _mark_manifests(self, manifests: frozenset[str]) -> None:
        broken = self.inventory.broken_by_path
        for path in manifests - self._manifests:
            if file := broken[path].file:
                self._take(file)
        for path in self._manifests - manifests:
            if file := broken[path].file:
                self._give_back(file)
        self._manifests = manifests

    def _same_blockers(self) -> bool:
        """Whether a problem still stays that could hide a model that needs what nothing else does, or still none."""
        before = self._is_blocked
        going = {self.inventory.model_by_name[name].manifest.path for name in self._models} | self._manifests
        self._is_blocked = any(problem.path not in going for problem in self.inventory.blocking)
        return self._is_blocked == before

    def _decide(self, keys: Iterable[str]) -> None:
        known, fates = self.inventory.blob_by_key, self._fates
        for key in keys:
            blob = known[key]
            before, after = fates.get(key), self._fate_of(blob)
            if before == after:
                continue
            if before:
                self._account(blob, before, -1)
            if after:
                fates[key] = after
                self._account(blob, after, 1)
            else:
                del fates[key]

    def _fate_of(self, blob: Blob) -> _Fate | None:
        is_marked = blob.key in self._blobs
        if blob.state in _NEEDED:
            staying = self._staying.get(blob.key, len(blob.models) if is_marked else None)
            if staying is None or not blob.files or not (is_marked or self._is_asked_for(blob)):
                return None
            return "kept" if staying or self._is_blocked else "goes"
        if not is_marked:
            return None
        if blob.state is State.UNREFERENCED and self._is_blocked:
            return "kept"
        return "held back" if self._draft.why_not(blob) else "goes"

    def _is_asked_for(self, blob: Blob) -> bool:
        """Whether a going model needs it itself; one that needs a link to it leaves it alone."""
        if not self._through_links:
            return True
        going = (self.inventory.model_by_name[name] for name in blob.models if name in self._models)
        return any(blob.key in model.needs for model in going)

    def _account(self, blob: Blob, fate: _Fate, sign: int) -> None:
        if fate == "kept":
            self.kept += sign * blob.allocated
        elif fate == "held back":
            self.held_back += sign
        else:
            for file in blob.files:
                self._take(file) if sign > 0 else self._give_back(file)

    def _take(self, file: File) -> None:
        """A file goes; its bytes go with the last of its links."""
        if file.links > 1:
            identity = file.device, file.inode
            self._gone_links[identity] += 1
            self.reclaims += file.own if self._gone_links[identity] == file.links else 0
        else:
            self.reclaims += file.own

    def _give_back(self, file: File) -> None:
        if file.links > 1:
            identity = file.device, file.inode
            self.reclaims -= file.own if self._gone_links[identity] == file.links else 0
            self._gone_links[identity] -= 1
        else:
            self.reclaims -= file.own


def _through_links(inventory: Inventory) -> dict[str, list[str]]:
    """Under each model the blobs that it needs only because one of its blobs is a link to them."""
    links = (file.target for blob in inventory.blobs for file in blob.files if file.target)
    found: dict[str, list[str]] = {}
    for digest in {read_blob_name(os.path.basename(target)).digest or "" for target in links}:
        blob = inventory.blob_by_key.get(digest)
        for name in blob.models if blob else ():
            if digest not in inventory.model_by_name[name].needs:
                found.setdefault(name, []).append(digest)
    return found

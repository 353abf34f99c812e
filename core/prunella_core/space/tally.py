"""What a set of marks would free, kept up to date mark by mark: the figures of the plan, without making it.

To plan a hundred thousand files takes longer than a key press may. These are the sums, and tests hold them to it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from prunella_core.fs.sizes import File
from prunella_core.inventory.groups import Group
from prunella_core.inventory.records import Inventory, State
from prunella_core.plan.draft import Draft

_Fate = Literal["goes", "kept", "held back"]


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
        """The models that marked blobs take along, and how many groups of blobs do so."""
        self._draft = Draft(inventory, now, force=False, mode="trash")
        self._models: frozenset[str] = frozenset()
        self._blobs: frozenset[str] = frozenset()
        self._manifests: frozenset[str] = frozenset()
        self._going: Counter[Group] = Counter()
        """Of each group that a going model needs, how many of its models go."""
        self._marked: Counter[Group] = Counter()
        """How many blobs of each group are marked themselves."""
        self._fates: dict[Group | str, _Fate] = {}
        """What happens to groups, and to rows that no model needs, under their key."""
        self._gone_links: Counter[tuple[int, int]] = Counter()
        self._is_blocked = bool(inventory.blocking)

    def goes(self, key: str) -> bool:
        """Whether the row under ``key`` goes, marked or with its models."""
        if not self._fates:
            return False
        blob = self.inventory.blob_by_key[key]
        return bool(blob.files) and self._fates.get(self.inventory.groups.holder(blob)) == "goes"

    def users_of_kept(self) -> list[str]:
        """The models for which something of the marked stays, those first that need the largest."""
        kept = [group for group, going in self._going.items() if self._is_kept_for_others(group, going)]
        largest_first = sorted(kept, key=lambda group: -group.largest)
        names = dict.fromkeys(name for group in largest_first for name in group.users)
        return [name for name in names if name not in self._models]

    def _is_kept_for_others(self, group: Group, going: int) -> bool:
        return going < len(group.users) and self._fates.get(group) == "kept"

    def mark(self, models: frozenset[str], blobs: frozenset[str], manifests: frozenset[str]) -> None:
        """Reckon with exactly these: models by name, rows by key, damaged manifests by path.

        Only what is new, or not marked any more, is looked at.
        """
        if (models, blobs, manifests) == (self._models, self._blobs, self._manifests):
            return
        touched = self._mark_blobs(blobs)
        touched |= self._mark_models(models | self.implied.keys())
        self._mark_manifests(manifests)
        if self._same_blockers():
            self._decide(touched)
        else:
            self._decide({*self._fates, *touched})

    def _mark_blobs(self, blobs: frozenset[str]) -> set[Group | str]:
        find, holders = self.inventory.blob_by_key.__getitem__, self.inventory.groups.holders
        new = Counter(holders(map(find, blobs - self._blobs)))
        old = Counter(holders(map(find, self._blobs - blobs)))
        self._blobs = blobs
        touched = {*new, *old}
        for holder in touched:
            if isinstance(holder, Group):
                self._mark_group(holder, new[holder] - old[holder])
        return touched

    def _mark_group(self, group: Group, by: int) -> None:
        """Some blobs of a group are marked, or not any more: as long as one is, its models go along."""
        before, after = self._marked[group], self._marked[group] + by
        self._marked[group] = after
        if after and not before:
            self.implied.update(group.users)
        elif before and not after:
            for name in group.users:
                self.implied[name] -= 1
                if not self.implied[name]:
                    del self.implied[name]

    def _mark_models(self, going: frozenset[str]) -> set[Group | str]:
        by_model = self.inventory.groups.by_model
        touched: list[Group] = []
        for name in going - self._models:
            self._take(self.inventory.model_by_name[name].manifest)
            self._going.update(by_model[name])
            touched += by_model[name]
        for name in self._models - going:
            self._give_back(self.inventory.model_by_name[name].manifest)
            self._going.subtract(by_model[name])
            touched += by_model[name]
        self._models = going
        return set(touched)

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
        if self.inventory.blocking:
            going = {self.inventory.model_by_name[name].manifest.path for name in self._models} | self._manifests
            self._is_blocked = any(problem.path not in going for problem in self.inventory.blocking)
        return self._is_blocked == before

    def _decide(self, holders: Iterable[Group | str]) -> None:
        fates = self._fates
        for holder in holders:
            before, after = fates.get(holder), self._fate_of(holder)
            if before == after:
                continue
            if before:
                self._account(holder, before, -1)
            if after:
                fates[holder] = after
                self._account(holder, after, 1)
            else:
                del fates[holder]

    def _fate_of(self, holder: Group | str) -> _Fate | None:
        if isinstance(holder, Group):
            return self._fate_of_group(holder)
        if holder not in self._blobs:
            return None
        blob = self.inventory.blob_by_key[holder]
        if blob.state is State.UNREFERENCED and self._is_blocked:
            return "kept"
        return "held back" if self._draft.why_not(blob) else "goes"

    def _fate_of_group(self, group: Group) -> _Fate | None:
        going = self._going[group]
        if not going or not group.has_files or not (self._marked[group] or self._is_asked_for(group)):
            return None
        return "kept" if going < len(group.users) or self._is_blocked else "goes"

    def _is_asked_for(self, group: Group) -> bool:
        """Whether a going model needs it itself; one that needs a link to it leaves it alone."""
        return group.asked_by is group.users or not self._models.isdisjoint(group.asked_by)

    def _account(self, holder: Group | str, fate: _Fate, sign: int) -> None:
        if isinstance(holder, Group):
            allocated, own, linked = holder.allocated, holder.own, holder.linked
        else:
            blob = self.inventory.blob_by_key[holder]
            allocated, own, linked = blob.allocated, 0, list(blob.files)
        if fate == "kept":
            self.kept += sign * allocated
        elif fate == "held back":
            self.held_back += sign
        else:
            self.reclaims += sign * own
            for file in linked:
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

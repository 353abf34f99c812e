"""What a path in a store is, by its name alone."""

import re
from enum import StrEnum
from typing import NamedTuple

from prunella_core.ollama.digests import FileKind, parse_digest, read_blob_name


class Area(StrEnum):
    """The part of a store that a path lies in."""

    BLOBS = "blobs"
    MANIFESTS = "manifests"
    MANIFESTS_V2 = "manifests-v2"
    METADATA = "metadata"
    TRASH = "trash"
    STAGING = "staging"
    REMOVING = "removing"
    GUARD = "guard"
    OWN = "own"
    """Anything else below ``.prunella/``."""
    OTHER = "other"


class Place(NamedTuple):
    """What a path relative to the store is."""

    area: Area
    digest: str | None
    """The digest that its name holds, in ``blobs/`` or ``metadata/``, wherever that folder is mirrored."""
    kind: FileKind | None
    """What it is by its name in ``blobs/``; leftovers also lie elsewhere."""
    entry: str
    """The ID of the removal that it belongs to."""
    inner: str
    """The path that it has or had in the live store; empty for files of our own."""

    @property
    def whole(self) -> str | None:
        """The digest of a whole blob, live or set aside; ``None`` for everything else."""
        return self.digest if self.kind is FileKind.WHOLE else None

    @property
    def is_manifest(self) -> bool:
        """Whether it is, or was, a file among the manifests, and no temporary one."""
        return self.inner.startswith(("manifests/", "manifests-v2/")) and self.kind is None


_LIVE = {area.value: area for area in (Area.BLOBS, Area.MANIFESTS, Area.MANIFESTS_V2, Area.METADATA)}
_WITH_ENTRIES = {area.value: area for area in (Area.TRASH, Area.STAGING, Area.REMOVING)}
_SIDECAR = re.compile(r"sha256-[0-9a-fA-F]{64}\.json\Z").match
_TEMPORARY = re.compile(r"\.gguf-metadata-.*\.tmp\Z", re.DOTALL).match
_CONVERSION = re.compile(r"ollama-safetensors[0-9]+\Z").match


def place_of(path: str) -> Place:
    """Say what ``path`` (relative to the store, with ``/``) is."""
    first, _, rest = path.partition("/")
    if first == ".prunella":
        return _own(rest)
    area = _LIVE.get(first, Area.OTHER) if rest else Area.OTHER
    digest, kind = _named(area, first, rest)
    return Place(area, digest, kind, "", path)


def _own(rest: str) -> Place:
    folder, _, below = rest.partition("/")
    if folder == Area.GUARD:
        return _mirrored(Area.GUARD, "", below)
    if folder in _WITH_ENTRIES:
        entry, _, inner = below.partition("/")
        return _mirrored(_WITH_ENTRIES[folder], entry, inner)
    return Place(Area.OWN, None, None, "", "")


def _mirrored(area: Area, entry: str, inner: str) -> Place:
    mirrored = place_of(inner)
    is_own = mirrored.area is Area.OTHER and mirrored.kind is None
    return Place(area, mirrored.digest, mirrored.kind, entry, "" if is_own else inner)


def _named(area: Area, first: str, rest: str) -> tuple[str | None, FileKind | None]:
    """The digest and kind that a name holds; what lies in a folder in ``blobs/`` is of the kind of that folder."""
    if area is Area.BLOBS:
        folder, is_deeper, _ = rest.partition("/")
        name = read_blob_name(folder)
        if not is_deeper:
            return name.digest, name.kind
        return None, FileKind.LEFTOVER if name.kind is FileKind.LEFTOVER else FileKind.STRAY
    if area is Area.METADATA:
        if _SIDECAR(rest):
            return parse_digest(rest.removesuffix(".json")), None
        return None, FileKind.LEFTOVER if _TEMPORARY(rest) else None
    if area is Area.MANIFESTS_V2:
        return None, FileKind.LEFTOVER if rest.rpartition("/")[2].startswith(".manifest-") else None
    return None, FileKind.LEFTOVER if area is Area.OTHER and _CONVERSION(first) else None

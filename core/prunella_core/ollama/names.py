"""Names: of models, as Ollama takes and shows them; of blobs; and what a path in a store is by its name alone."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"

_MODEL = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_VALID = re.compile(
    rf"[A-Za-z0-9_][A-Za-z0-9_.:-]{{0,349}}/[A-Za-z0-9_][A-Za-z0-9_-]{{0,79}}/{_MODEL}/{_MODEL}\Z"
).match


class ModelName(Struct, frozen=True):
    """Where a model's manifest lies: ``manifests/<host>/<namespace>/<model>/<tag>``."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def of_path(cls, path: str) -> "ModelName":
        """Return the name of the manifest at ``path``, relative to the store; it is only valid at the depth of a tag.

        Below ``manifests-v2/`` the default host has another name, and a colon is written ``%3A``.
        """
        tree, *parts = path.split("/")
        if len(parts) != len(cls.__struct_fields__):
            return cls("", "", "", "")
        host, *rest = parts
        if tree == "manifests-v2":
            host = DEFAULT_HOST if host == "ollama.com" else host.replace("%3A", ":")
        return cls(host, *rest)

    @property
    def path(self) -> str:
        """Where its manifest is written, relative to the store."""
        return f"manifests/{self.host}/{self.namespace}/{self.model}/{self.tag}"

    @property
    def short(self) -> str:
        """The name as ``ollama list`` prints it; unique within a store."""
        shown = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{shown}"
        return shown if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{shown}"

    @property
    def is_valid(self) -> bool:
        """Whether Ollama accepts every part; a valid name is safe to use as a path."""
        return _VALID(f"{self.host}/{self.namespace}/{self.model}/{self.tag}") is not None


def parse_name(text: str) -> ModelName:
    """Read a name that a person typed: no tag means ``latest``, no host Ollama's own registry.

    Raises InvalidInput when Ollama would not take it either.
    """
    rest = text.strip()
    tag = "latest"
    if rest.rfind(":") > rest.rfind("/"):  # a colon before the last slash belongs to a host's port
        rest, _, tag = rest.rpartition(":")
    rest, _, model = rest.rpartition("/")
    host, _, namespace = rest.rpartition("/")
    host = host.rpartition("://")[2]
    name = ModelName(host or DEFAULT_HOST, namespace or DEFAULT_NAMESPACE, model, tag)
    if not name.is_valid or "" in text.strip().rpartition("://")[2].split("/"):
        raise InvalidInput(f"invalid model name “{clean(text)}”: use [[host/]namespace/]model[:tag]")
    return name


def is_short_name(text: str) -> bool:
    """Whether it is a name exactly as ``ollama list`` prints it, which may be handed to a shell."""
    try:
        return parse_name(text).short == text
    except InvalidInput:
        return False


def match_name(wanted: ModelName, known: Iterable[str]) -> str | None:
    """Return the short name among ``known`` that ``wanted`` means, exact case first, then any case, as Ollama does."""
    names = list(known)
    if wanted.short in names:
        return wanted.short
    folded = wanted.short.casefold()
    return next((name for name in names if name.casefold() == folded), None)


def nearest_names(text: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that someone who typed ``text`` may have meant, the likeliest first."""
    import difflib

    by_folded = {name.casefold().removesuffix(":latest"): name for name in known}
    close = difflib.get_close_matches(text.casefold().removesuffix(":latest"), by_folded, n=3, cutoff=0.5)
    return [by_folded[name] for name in close]


_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})\Z")
_PREFIX = re.compile(r"(?:sha256[:-])?([0-9a-fA-F]{1,64})\Z")
_MENTION = re.compile(rb"sha256[:-]([0-9a-fA-F]{64})(?![0-9a-fA-F])")
is_digest = re.compile(r"sha256:[0-9a-f]{64}\Z").match
"""Matches a digest in the form that Ollama writes, and that all are kept in here."""

is_whole_name = re.compile(r"sha256-[0-9a-f]{64}\Z").match
"""Matches the name of a whole blob as today's server writes it; ``read_blob_name`` knows all forms, and is slower."""

_BLOB = re.compile(r"sha256[:-]([0-9a-fA-F]{64})(-partial(?:-[0-9]+)?|\.tmp)?\Z")
_LEFTOVER = re.compile(
    r"(?:(?:sha256-|COPY|split-gguf-)[0-9]+|(?:split-copy|projector-metadata|compat-tensors).*)\Z", re.S
)
"""Temporary files of a create or upload: Go appends digits to a name."""

_QUANTIZED = re.compile(r"(?:BF16|F16|F32|MXFP[48]|NVFP4|FP8|INT[48]|[IT]?Q[0-9](?:_[0-9A-Z]+)+)[0-9]+\Z")
"""Such as, in any case, that of the quantization asked for."""


class FileKind(StrEnum):
    """What a file in ``blobs/`` is by its name."""

    WHOLE = "whole"
    PARTIAL = "partial"
    LEFTOVER = "leftover"
    STRAY = "stray"


def parse_digest(text: str) -> str | None:
    """Return ``sha256:<64 lower-case hex>`` or ``None``. ``sha256-…`` and upper case are the same digest.

    Only what passes here may become a path, so ``sha256:../../x`` cannot.
    """
    if is_digest(text):
        return text
    match = _DIGEST.match(text)
    return f"sha256:{match[1].lower()}" if match else None


def digests_mentioned(data: bytes) -> frozenset[str]:
    """Return every digest that stands anywhere in ``data``, whatever the document around it means."""
    return frozenset(f"sha256:{match.decode().lower()}" for match in _MENTION.findall(data))


def parse_digest_prefix(text: str) -> str:
    """Return ``sha256:<hex prefix>`` for what a person typed, with or without ``sha256:``.

    Raises InvalidInput when it is no hexadecimal prefix.
    """
    match = _PREFIX.match(text)
    if not match:
        raise InvalidInput(f"invalid digest “{clean(text)}”: use sha256: and up to 64 hexadecimal digits")
    return f"sha256:{match[1].lower()}"


def read_blob_name(name: str) -> tuple[FileKind, str | None]:
    """Say what a file in ``blobs/`` is, by the forms of name that the server writes, and which digest it holds."""
    if match := _BLOB.match(name):
        return FileKind.PARTIAL if match[2] else FileKind.WHOLE, f"sha256:{match[1].lower()}"
    is_leftover = _LEFTOVER.match(name) or (name.isascii() and _QUANTIZED.match(name.upper()))
    return FileKind.LEFTOVER if is_leftover else FileKind.STRAY, None


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
    def is_of_blob(self) -> bool:
        """Whether it is a whole blob or a sidecar of one, live or set aside."""
        return self.whole is not None or bool(self.digest and self.inner.startswith("metadata/"))

    @property
    def is_manifest(self) -> bool:
        """Whether it is, or was, a file among the manifests, and no temporary one."""
        return self.inner.startswith(("manifests/", "manifests-v2/")) and self.kind is None


_LIVE = {area.value: area for area in (Area.BLOBS, Area.MANIFESTS, Area.MANIFESTS_V2, Area.METADATA)}
_OURS = {area.value: area for area in (Area.GUARD, Area.TRASH, Area.STAGING, Area.REMOVING)}
_SIDECAR = re.compile(r"sha256-[0-9a-fA-F]{64}\.json\Z").match
_TEMPORARY = re.compile(r"\.gguf-metadata-.*\.tmp\Z", re.DOTALL).match
_CONVERSION = re.compile(r"ollama-safetensors[0-9]+\Z").match


def place_of(path: str) -> Place:
    """Say what ``path`` (relative to the store, with ``/``) is."""
    first, _, rest = path.partition("/")
    if first != ".prunella":
        area = _LIVE.get(first, Area.OTHER) if rest else Area.OTHER
        digest, kind = _named(area, first, rest)
        return Place(area, digest, kind, "", path)
    folder, _, inner = rest.partition("/")
    if folder not in _OURS:
        return Place(Area.OWN, None, None, "", "")
    entry, _, inner = ("", "", inner) if folder == Area.GUARD else inner.partition("/")
    mirrored = place_of(inner)
    is_own = mirrored.area is Area.OTHER and mirrored.kind is None
    return Place(_OURS[folder], mirrored.digest, mirrored.kind, entry, "" if is_own else inner)


def _named(area: Area, first: str, rest: str) -> tuple[str | None, FileKind | None]:
    """The digest and kind that a name holds; what lies in a folder in ``blobs/`` is of the kind of that folder."""
    if area is Area.BLOBS:
        folder, is_deeper, _ = rest.partition("/")
        kind, digest = read_blob_name(folder)
        if not is_deeper:
            return digest, kind
        return None, FileKind.LEFTOVER if kind is FileKind.LEFTOVER else FileKind.STRAY
    if area is Area.METADATA and _SIDECAR(rest):
        return parse_digest(rest.removesuffix(".json")), None
    is_leftover = (
        (area is Area.METADATA and _TEMPORARY(rest))
        or (area is Area.MANIFESTS_V2 and rest.rpartition("/")[2].startswith(".manifest-"))
        or (area is Area.OTHER and _CONVERSION(first))
    )
    return None, FileKind.LEFTOVER if is_leftover else None

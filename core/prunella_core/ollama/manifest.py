"""A manifest's bytes: read strictly enough that nothing it needs is overlooked, and as Ollama's server reads them.

The forms are those of Ollama's ``manifest`` package and of the OCI image specification.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from prunella_core.ollama.names import digests_mentioned, is_digest, parse_digest

LARGEST_MANIFEST = 32 * 1024 * 1024
"""Bytes; a manifest of a thousand layers has about 0.3 MB, so a larger file is not one."""

_LISTS = {
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.ollama.manifest.list.v2+json",
}
_IMAGES = {
    "",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
}
_CONFIG = "application/vnd.docker.container.image.v1+json"

_BAD_DIGEST = ("bad-digest", "the manifest names a layer by something that is no digest")
_NESTED = ("bad-child", "the list names another list")

_INT64 = range(-(2**63), 2**63)
_Int64 = Annotated[int, Meta(ge=_INT64.start, le=_INT64.stop - 1)]


class Layer(Struct, frozen=True, gc=False):
    """One thing a manifest needs: ``size`` is what the manifest declares, in bytes."""

    digest: str = ""
    size: _Int64 = 0
    media_type: str = msgspec.field(default="", name="mediaType")
    name: str = ""
    made_from: str | None = msgspec.field(default=None, name="from")
    """The model that ``ollama create`` took it from."""

    @property
    def kind(self) -> str:
        return layer_kind(self.media_type)


class Child(Struct, frozen=True, gc=False):
    """A manifest in a list: the digest of its blob, or all of it, where it stands in the list itself."""

    digest: str
    inline: "Manifest | None" = None


class Manifest(Struct, frozen=True, gc=False):
    """What a manifest needs: its config and layers, the child manifests it names, and any digest it merely mentions."""

    layers: tuple[Layer, ...]
    children: tuple[Child, ...]
    mentioned: frozenset[str]
    flaw: tuple[str, str] | None = None
    """Kind and sentence of what makes it unsafe to trust that these are all the references there are."""
    is_canonical: bool = True
    """Whether the server reads the same: every digest is written as its file is named, and no child is named."""

    @property
    def size(self) -> int:
        """The declared sum of config and layers in bytes: SIZE in ``ollama list``."""
        return sum(layer.size for layer in self.layers)


class ManifestError(ValueError):
    """These bytes are no manifest: ``kind`` names the damage."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Entry(Struct, gc=False):
    """A manifest in a list, by its digest or whole."""

    digest: str = ""
    config: Layer | None = None
    layers: tuple[Layer, ...] | None = None
    manifests: list[msgspec.Raw] | None = None


class _Document(Struct, gc=False):
    schemaVersion: _Int64 = 0  # noqa: N815 -- these are the document's names
    mediaType: str = ""  # noqa: N815
    config: Layer | None = None
    layers: tuple[Layer, ...] | None = None
    manifests: list[_Entry] | None = None


_DECODER = msgspec.json.Decoder(_Document)


def decode(data: bytes) -> Manifest:
    """Read a manifest. Raises ManifestError when Ollama could not list it either.

    A document that Ollama lists but that may hide references comes back with a ``flaw``.
    """
    content = data.strip()
    if not content:
        raise ManifestError("empty-manifest", "the manifest is empty")
    try:
        document = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        if content == b"null":  # the server takes it for an empty document, lists it and deletes its layers
            return Manifest((), (), frozenset(), ("no-layers", "the manifest says null and names no layers"), False)
        raise ManifestError("bad-manifest", f"the manifest has an unexpected form ({error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError("bad-manifest", f"the manifest is truncated or no JSON ({error})") from error
    layers, as_written = _layers(document)
    children = tuple(map(_child, document.manifests)) if document.manifests else ()
    # A digest in a field that is not known here is a reference all the same.
    is_all_read = data.count(b"sha256") <= len(layers)
    mentioned = frozenset[str]() if is_all_read else digests_mentioned(data) - _named(layers, children)
    flaw = _flaw(document, layers, as_written, children)
    return Manifest(layers, children, mentioned, flaw, as_written and not (flaw or children or mentioned))


def could_be_manifest(data: bytes) -> bool:
    """Whether bytes that are no manifest may be a damaged one: they begin like one, or there are none to read yet."""
    return data.strip(b"\0 \t\r\n")[:1] in (b"", b"{")


@lru_cache(maxsize=64)  # a store of a hundred thousand layers has a dozen kinds
def layer_kind(media_type: str) -> str:
    """Return the plain word for a layer's media type: ``application/vnd.ollama.image.model`` is ``weights``."""
    if media_type == _CONFIG:
        return "config"
    last = media_type.split(";")[0].rpartition(".")[2]
    return "weights" if last == "model" else last or "unknown"


def _layers(document: _Document | _Entry) -> tuple[tuple[Layer, ...], bool]:
    """Config and layers, and whether their digests are as the server writes them.

    Those that are not get their one form, or none; and a negative size, which nothing can be added to, becomes 0.
    """
    layers = document.layers or ()
    if document.config and document.config.digest:
        config = document.config
        layers = (config if config.media_type == _CONFIG else replace(config, media_type=_CONFIG), *layers)
    as_written = all(map(is_digest, [layer.digest for layer in layers]))
    if not as_written or min([layer.size for layer in layers], default=0) < 0:
        sound = (replace(each, digest=parse_digest(each.digest) or "", size=max(each.size, 0)) for each in layers)
        layers = tuple(sound)
    return layers, as_written


def _child(entry: _Entry) -> Child:
    digest = parse_digest(entry.digest) or ""
    if entry.config is None and entry.layers is None and entry.manifests is None:
        return Child(digest)
    layers = _layers(entry)[0]
    flaw = _NESTED if entry.manifests is not None else None if all(layer.digest for layer in layers) else _BAD_DIGEST
    return Child(digest, Manifest(layers, (), frozenset(), flaw, False))


def _named(layers: tuple[Layer, ...], children: tuple[Child, ...]) -> set[str]:
    inline = (layer for child in children if child.inline for layer in child.inline.layers)
    return {*(layer.digest for layer in (*layers, *inline)), *(child.digest for child in children)}


def _flaw(
    document: _Document, layers: tuple[Layer, ...], as_written: bool, children: tuple[Child, ...]
) -> tuple[str, str] | None:
    is_named = (as_written or all(layer.digest for layer in layers)) and all(
        each.digest or each.inline for each in children
    )
    if not is_named:
        return _BAD_DIGEST
    if flaw := next((child.inline.flaw for child in children if child.inline and child.inline.flaw), None):
        return flaw
    if document.layers is None and document.manifests is None:
        return "no-layers", "the manifest has no list of layers"
    if document.schemaVersion != 2:
        return "unknown-schema", f"the manifest has schema version {document.schemaVersion}; only 2 is known"
    if document.mediaType not in (_LISTS if document.manifests is not None else _IMAGES):
        return "unknown-schema", "the manifest is of a media type that is not known"
    return None


# As the server reads it, which is not as strict as it should be. Its start-up prune keeps what it reads here, no more.
# Go's ``encoding/json`` takes the first value and ignores the rest, takes keys in any case and ``null`` for everything,
# and replaces broken UTF-8; a value of another type is an error. Digests are compared as they are written (Ollama's
# ``manifest.Manifests`` and ``deleteUnusedLayers``).

_DOCUMENT_TYPES = {"schemaversion": int, "mediatype": str, "layers": list}
_LAYER_TYPES = {"size": int, "mediatype": str, "digest": str, "from": str, "name": str}


class ServerReading(Struct, frozen=True):
    """How the server reads one manifest, where it differs from how we read it."""

    path: str
    digests: tuple[str, ...] | None
    """The digests, as written; ``None`` when the server cannot read the manifest."""


def digests_for_server(data: bytes) -> tuple[str, ...] | None:
    """Return the digests as the server reads them; ``None`` when it cannot read the manifest."""
    import json  # late: most stores are read without it

    decoder = json.JSONDecoder(
        object_pairs_hook=lambda pairs: {key.casefold(): value for key, value in pairs},
        parse_constant=int,  # which refuses NaN and Infinity
    )
    try:
        document = _checked(decoder.raw_decode(data.decode("utf-8", "replace").lstrip(" \t\r\n"))[0], _DOCUMENT_TYPES)
        layers = (document.get("config"), *(document.get("layers") or ()))
        digests = [_checked(layer, _LAYER_TYPES).get("digest") for layer in layers]
    except (ValueError, RecursionError):
        return None
    return tuple(filter(None, digests))


def _checked(value: object, types: Mapping[str, type]) -> dict[str, Any]:
    """The fields of an object, none for ``null``. Raises ValueError for what Go cannot decode."""
    if not isinstance(value, dict | None):
        raise ValueError("no object")  # noqa: TRY004 -- one kind of error for all that Go cannot decode
    fields = value or {}
    for name, kind in types.items():
        held = fields.get(name)
        is_right = held is None or (isinstance(held, kind) and not isinstance(held, bool))
        if not is_right or (isinstance(held, int) and held not in _INT64):
            raise ValueError("a value of another type")
    return fields

"""A manifest's bytes, read strictly enough that nothing it needs is overlooked.

The forms are those of Ollama's ``manifest`` package and of the OCI image specification.
"""

import msgspec
from msgspec import Struct, field

from prunella_core.digests import digests_mentioned, parse_digest

LARGEST_MANIFEST = 32 * 1024 * 1024
"""Bytes; a manifest of a thousand layers has about 0.3 MB, so a larger file is not one."""

_LISTS = {
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
}
_IMAGES = {
    "",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
}
_KIND_OF_CONFIG = "config"
_WEIGHTS = {"model": "weights"}


class Layer(Struct, frozen=True, gc=False):
    """One thing a manifest needs: ``size`` is what the manifest declares, in bytes."""

    digest: str
    size: int
    kind: str
    name: str = ""
    made_from: str = ""
    """The model that ``ollama create`` took it from (``from`` in the manifest)."""


class Manifest(Struct, frozen=True):
    """What a manifest needs: its config and layers, the child manifests it names, and any digest it merely mentions."""

    layers: tuple[Layer, ...]
    children: tuple[str, ...]
    mentioned: frozenset[str]
    flaw: tuple[str, str] | None = None
    """Kind and sentence of what makes it unsafe to trust that these are all the references there are."""

    @property
    def size(self) -> int:
        """The declared sum of config and layers in bytes: SIZE in ``ollama list``."""
        return sum(layer.size for layer in self.layers)


class _Entry(Struct):
    mediaType: str = ""  # noqa: N815 -- these are the document's names
    digest: str = ""
    size: int = 0
    name: str = ""
    made_from: str | None = field(name="from", default=None)


class _Document(Struct):
    schemaVersion: int = 0  # noqa: N815
    mediaType: str = ""  # noqa: N815
    config: _Entry | None = None
    layers: list[_Entry] | None = None
    manifests: list[_Entry] | None = None


_DECODER = msgspec.json.Decoder(_Document)


class ManifestError(ValueError):
    """These bytes are no manifest: ``kind`` names the damage."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def decode(data: bytes) -> Manifest:
    """Read a manifest. Raises ManifestError when Ollama could not list it either.

    A document that Ollama lists but that may hide references comes back with a ``flaw``.
    """
    if not data.strip():
        raise ManifestError("empty-manifest", "the manifest is empty")
    try:
        document = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        if data.strip() == b"null":  # the server takes it for an empty document, lists it and deletes its layers
            return Manifest((), (), frozenset(), ("no-layers", "the manifest says null and names no layers"))
        raise ManifestError("bad-manifest", f"the manifest has an unexpected form ({error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError("bad-manifest", f"the manifest is truncated or no JSON ({error})") from error
    return _understand(document, data)


def _understand(document: _Document, data: bytes) -> Manifest:
    layers = [_layer(entry) for entry in document.layers or ()]
    if document.config and document.config.digest:
        layers.insert(0, _layer(document.config, _KIND_OF_CONFIG))
    children = tuple(parse_digest(entry.digest) or "" for entry in document.manifests or ())
    named = {layer.digest for layer in layers} | set(children)
    # A digest in a field that is not known here is a reference all the same.
    unread = data.count(b"sha256") > len(layers) + len(children)
    mentioned = digests_mentioned(data) - named if unread else frozenset()
    return Manifest(tuple(layers), children, mentioned, _flaw(document, layers, children))


def _layer(entry: _Entry, kind: str | None = None) -> Layer:
    return Layer(
        digest=parse_digest(entry.digest) or "",
        size=max(entry.size, 0),
        kind=kind or layer_kind(entry.mediaType),
        name=entry.name,
        made_from=entry.made_from or "",
    )


def layer_kind(media_type: str) -> str:
    """Return the plain word for a layer's media type: ``application/vnd.ollama.image.model`` is ``weights``."""
    last = media_type.split(";")[0].rpartition(".")[2]
    return _WEIGHTS.get(last, last or "unknown")


def _flaw(document: _Document, layers: list[Layer], children: tuple[str, ...]) -> tuple[str, str] | None:
    if any(not digest for digest in (*(layer.digest for layer in layers), *children)):
        return "bad-digest", "the manifest names a layer by something that is no digest"
    if document.layers is None and document.manifests is None:
        return "no-layers", "the manifest has no list of layers"
    if document.schemaVersion != 2:
        return "unknown-schema", f"the manifest has schema version {document.schemaVersion}; only 2 is known"
    if document.mediaType not in (_LISTS if document.manifests is not None else _IMAGES):
        return "unknown-schema", "the manifest is of a media type that is not known"
    return None

"""Writes model stores as Ollama does: models from layers, and everything else that real stores contain.

Large layers can be sparse files: they have the size of real weights and take as much of the disk as a test wants.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from prunella_core.ollama.names import parse_name

_MEDIA = {"weights": "model"}
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_SEPARATORS = (",", ":")


class Layer(NamedTuple):
    """A blob that the builder wrote. ``size`` is in bytes."""

    kind: str
    digest: str
    size: int
    name: str = ""
    made_from: str = ""


class StoreBuilder:
    """Builds a store at ``root``; ages count back from ``now`` (seconds, UTC)."""

    def __init__(self, root: str, now: float) -> None:
        self.root = root
        self.now = now
        for folder in ("blobs", "manifests"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)

    def layer(
        self,
        kind: str,
        content: str | bytes,
        *,
        size: int | None = None,
        written: int = 0,
        age: float = 0,
        used: float | None = None,
        name: str = "",
    ) -> Layer:
        """Write a blob, ``age`` seconds ago and read ``used`` seconds ago.

        With ``size`` it is a sparse file of that many bytes, of which ``written`` are on the disk; its digest is that
        of its content and size, not of the zeros that follow.
        """
        data = content.encode() if isinstance(content, str) else content
        mark = data if size is None else data + f"/{size}".encode()
        digest = f"sha256:{hashlib.sha256(mark).hexdigest()}"
        path = self.blob_path(digest)
        if not os.path.exists(path):
            data = data.ljust(written, b"\xa5")
            self.file(path, data, size=max(size or 0, len(data)), age=age, used=used)
        return Layer(kind, digest, os.stat(path).st_size, name)

    def config(self, *, age: float = 0, **fields: Any) -> Layer:
        """Write a config blob with ``model_family``, ``model_type``, ``file_type`` and the like."""
        document = {"model_format": "gguf", **fields, "architecture": "amd64", "os": "linux"}
        return self.layer("config", json.dumps(document, separators=_SEPARATORS), age=age)

    def model(
        self,
        name: str,
        *layers: Layer,
        config: Layer | None = None,
        age: float = 0,
        created: bool = False,
        **extra: Any,
    ) -> Self:
        """Write the manifest of ``name`` as a pull does, or as a create; ``extra`` fields go into it as they are."""
        own = config or self.config(model_family="llama", model_type="8B", file_type="Q4_K_M", age=age)
        document = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": self._entry(own),
            "layers": [self._entry(layer) for layer in layers],
            **extra,
        }
        return self.manifest(name, json.dumps(document, separators=_SEPARATORS) + "\n" * created, age=age)

    def derive(
        self, name: str, base: str, taken: Iterable[Layer], *own: Layer, config: Layer | None = None, age: float = 0
    ) -> Self:
        """Write the manifest of a create that takes layers from ``base`` and adds its own."""
        layers = [layer._replace(made_from=base) for layer in taken]
        return self.model(name, *layers, *own, config=config, age=age, created=True)

    @staticmethod
    def _entry(layer: Layer) -> dict[str, Any]:
        is_config = layer.kind == "config"
        media = _CONFIG_TYPE if is_config else f"application/vnd.ollama.image.{_MEDIA.get(layer.kind, layer.kind)}"
        entry = {"mediaType": media, "digest": layer.digest, "size": layer.size}
        named = {"from": layer.made_from, "name": layer.name}
        return {**entry, **{key: value for key, value in named.items() if value}}

    def manifest(self, name: str, content: str | bytes, *, age: float = 0) -> Self:
        """Write a manifest file with any content, damaged ones too."""
        return self.file(self.manifest_path(name), content, age=age)

    @staticmethod
    def manifest_path(name: str) -> str:
        """The path of a model's manifest, relative to the store."""
        return parse_name(name).path

    def blob_path(self, digest: str) -> str:
        """The absolute path of a blob."""
        return os.path.join(self.root, "blobs", digest.replace(":", "-"))

    def partial(
        self, seed: str, *, size: int, done: int = 0, content: bytes | None = None, parts: int = 1, age: float = 0
    ) -> str:
        """Write an interrupted download of ``size`` bytes, with ``content`` or ``done`` bytes, and its part files."""
        digest = hashlib.sha256(seed.encode()).hexdigest()
        name = f"blobs/sha256-{digest}-partial"
        data = b"\xa5" * done if content is None else content
        self.file(name, data, size=size, age=age)
        for number in range(parts):
            start, end = size * number // parts, size * (number + 1) // parts
            completed = min(max(len(data) - start, 0), end - start)
            part = {"N": number, "Offset": start, "Size": end - start, "Completed": completed}
            self.file(f"{name}-{number}", json.dumps(part), age=age)
        return f"sha256:{digest}"

    def file(
        self,
        relative: str,
        content: str | bytes = "x",
        *,
        size: int | None = None,
        age: float = 0,
        used: float | None = None,
    ) -> Self:
        """Write any file, by its path relative to the store."""
        path = os.path.join(self.root, relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if size is not None:
                file.truncate(size)
        os.utime(path, (self.now - (age if used is None else used), self.now - age))
        return self

    def link(self, relative: str, target: str) -> Self:
        """Put a symbolic link into the store."""
        path = os.path.join(self.root, relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
        return self

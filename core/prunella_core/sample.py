"""Sample stores: a builder that writes the forms Ollama writes, and the store of ``prunella demo``.

Large layers can be sparse files: they have the size of real weights and take as much of the disk as a test wants. In
the demo every size is divided, in the manifests too, and every byte is written: what is listed, on disk and freed
agrees.
"""

import hashlib
import json
import os
import random
import struct
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


_DAY = 86_400
_STRING, _UINT32 = 8, 4
_FILE_TYPES = {"F16": 1, "Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15, "MXFP4": 38}
_NOISE_BYTES = 128 * 1024
_TENSORS = [f"blocks.{number}.weight" for number in range(292)]
_APACHE = "Apache License 2.0"
_MIT = "MIT License"


class _Known(NamedTuple):
    name: str
    megabytes: int
    family: str
    parameters: str
    quantization: str
    pulled: int
    used: int
    licence: str
    """``pulled`` and ``used`` are days ago; no two were used at once, which would look like a backup reading them."""


_MODELS = (
    _Known("llama3.1:8b", 4_921, "llama", "8.0B", "Q4_K_M", 212, 1, "Llama 3.1 Community License"),
    _Known("llama3.2:latest", 2_019, "llama", "3.2B", "Q4_K_M", 41, 9, "Llama 3.2 Community License"),
    _Known("llama3.3:70b", 42_520, "llama", "70.6B", "Q4_K_M", 188, 143, "Llama 3.3 Community License"),
    _Known("qwen2.5-coder:32b", 19_851, "qwen2", "32.8B", "Q4_K_M", 97, 2, _APACHE),
    _Known("qwen3:8b", 5_225, "qwen3", "8.2B", "Q4_K_M", 33, 4, _APACHE),
    _Known("qwen3:30b-a3b", 18_556, "qwen3moe", "30.5B", "Q4_K_M", 12, 3, _APACHE),
    _Known("gemma3:4b", 3_338, "gemma3", "4.3B", "Q4_K_M", 60, 17, "Gemma Terms of Use"),
    _Known("gemma3:27b", 17_396, "gemma3", "27.4B", "Q4_K_M", 60, 58, "Gemma Terms of Use"),
    _Known("mistral:7b", 4_113, "llama", "7.2B", "Q4_0", 390, 301, _APACHE),
    _Known("mistral-small:24b", 14_333, "llama", "23.6B", "Q4_K_M", 150, 88, _APACHE),
    _Known("mixtral:8x7b", 26_442, "llama", "46.7B", "Q4_0", 402, 377, _APACHE),
    _Known("phi4:14b", 9_053, "phi3", "14.7B", "Q4_K_M", 75, 31, _MIT),
    _Known("deepseek-r1:14b", 8_988, "qwen2", "14.8B", "Q4_K_M", 130, 66, _MIT),
    _Known("gpt-oss:20b", 13_780, "gptoss", "20.9B", "MXFP4", 21, 6, _APACHE),
    _Known("codellama:7b", 3_825, "llama", "7B", "Q4_0", 511, 468, "Llama 2 Community License"),
    _Known("nomic-embed-text:latest", 274, "nomic-bert", "137M", "F16", 240, 5, _APACHE),
    _Known("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", 808, "llama", "1.24B", "Q4_K_M", 19, 19, ""),
)


def build_demo_store(root: str, now: float, divisor: int = 1_000) -> None:
    """Write the sample store into ``root``: real sizes over ``divisor``, ages before ``now`` (seconds, UTC)."""
    demo = _Demo(root, now)
    demo.bytes_in_mb = 1_000_000 // divisor
    layers = {known.name: demo.pulled(known) for known in _MODELS}
    demo.relatives(layers)
    demo.special_models()
    demo.damaged()
    demo.unreferenced()


class _Demo(StoreBuilder):
    bytes_in_mb = 1_000

    def weights(self, name: str, megabytes: int, pulled: float, used: float | None = None, **says: str) -> Layer:
        data = _gguf(megabytes * self.bytes_in_mb, name, **{"architecture": "llama", **says})
        kind = {"adapter": "adapter", "mmproj": "projector"}.get(says.get("kind", ""), "weights")
        return self.layer(kind, data, age=pulled * _DAY, used=(pulled if used is None else used) * _DAY)

    def facts(self, family: str, parameters: str, quantization: str, pulled: int) -> Layer:
        says = {"model_family": family, "model_type": parameters, "file_type": quantization}
        return self.config(age=pulled * _DAY, **says)

    def pulled(self, known: _Known) -> tuple[Layer, ...]:
        age = known.pulled * _DAY
        says = {"architecture": known.family, "parameters": known.parameters, "quantization": known.quantization}
        texts = {
            "template": f"{{{{ .System }}}}\n{{{{ .Prompt }}}} for {known.family}\n",
            "license": f"{known.licence}\n\nCopyright of {known.licence}.\n" * 40 if known.licence else "",
            "params": f'{{"stop":["<|end of {known.family}|>"]}}',
        }
        small = (self.layer(kind, text, age=age) for kind, text in texts.items() if text)
        layers = (self.weights(known.name, known.megabytes, known.pulled, known.used, **says), *small)
        config = self.facts(known.family, known.parameters, known.quantization, known.pulled)
        self.model(known.name, *layers, config=config, age=age)
        return layers

    def relatives(self, layers: dict[str, tuple[Layer, ...]]) -> None:
        llama, qwen = self.facts("llama", "8.0B", "Q4_K_M", 212), self.facts("qwen2", "32.8B", "Q4_K_M", 97)
        base, coder = layers["llama3.1:8b"], layers["qwen2.5-coder:32b"]
        self.model("llama3.1:latest", *base, config=llama, age=212 * _DAY)
        assistant = self.layer("system", "You are a patient assistant who answers in one paragraph.\n", age=5 * _DAY)
        self.derive("my-assistant:latest", "llama3.1:8b", base, assistant, config=llama, age=5 * _DAY)
        adapter = self.weights("support-adapter", 168, 8, kind="adapter")
        self.derive("team/support-bot:v2", "llama3.1:8b", base, adapter, config=llama, age=8 * _DAY)
        reviewer = self.layer("system", "Review this change. Be kind and precise.\n", age=3 * _DAY)
        self.derive("code-reviewer:latest", "qwen2.5-coder:32b", coder, reviewer, config=qwen, age=3 * _DAY)

    def special_models(self) -> None:
        vision = self.facts("llama", "13B", "Q4_0", 266)
        weights = self.weights("llava", 7_366, 266, 204, parameters="13B", quantization="Q4_0")
        projector = self.weights("llava projector", 645, 266, 204, architecture="clip", kind="mmproj")
        self.model("llava:13b", weights, projector, config=vision, age=266 * _DAY)
        content = {name: _tensor(27 * self.bytes_in_mb, name) for name in _TENSORS}
        age, used = 26 * _DAY, 24 * _DAY
        tensors = [self.layer("tensor", data, age=age, used=used, name=name) for name, data in content.items()]
        image = self.config(model_family="flux", model_type="4B", file_type="FP8", model_format="safetensors")
        self.model("x/flux2-klein:4b", *tensors, config=image, age=age)
        cloud = self.config(
            model_family="gptoss", model_type="117B", remote_host="https://ollama.com:443", remote_model="gpt-oss:120b"
        )
        self.model("gpt-oss:120b-cloud", config=cloud, age=2 * _DAY)

    def damaged(self) -> None:
        says = {"architecture": "starcoder2", "parameters": "3B", "quantization": "Q4_0"}
        weights = self.weights("starcoder2:3b", 1_710, 333, 290, **says)
        cut_off = _gguf(1_150 * self.bytes_in_mb, "starcoder2:3b", **says)
        self.file(self.blob_path(weights.digest), cut_off, age=333 * _DAY, used=290 * _DAY)
        self.model("starcoder2:3b", weights, config=self.facts("starcoder2", "3B", "Q4_0", 333), age=333 * _DAY)

    def unreferenced(self) -> None:
        self.weights("llama 3.2 of last spring", 2_019, 95, parameters="3.2B", quantization="Q4_K_M")
        self.weights("an upload that create rewrote", 16_068, 64, parameters="8.0B", quantization="F16")
        self.weights("mistral of last year", 4_108, 390, parameters="7.2B", quantization="Q4_0")
        self.layer("system", "A system prompt that no model uses any more.\n", age=64 * _DAY)
        for seed, family, parameters, megabytes, done, parts, age in (
            ("deepseek-r1:70b", "llama", "70.6B", 42_520, 6_300, 16, 16),
            ("command-r:35b", "command-r", "32.3B", 18_700, 1_900, 0, 120),
        ):
            says = {"architecture": family, "parameters": parameters, "quantization": "Q4_K_M"}
            content = _gguf(done * self.bytes_in_mb, seed, **says)
            self.partial(seed, content=content, size=megabytes * self.bytes_in_mb, parts=parts, age=age * _DAY)
        self.file("blobs/sha256-1694215783", _fill(b"GGUF", 1_200 * self.bytes_in_mb, "a create"), age=64 * _DAY)
        self.file("blobs/README.txt", "Backups of this folder are on the NAS.\n", age=500 * _DAY)


# Contents that look like a model's


def _gguf(
    size: int, name: str, *, architecture: str, parameters: str = "", quantization: str = "", kind: str = "model"
) -> bytes:
    pairs: dict[str, str | int] = {
        "general.architecture": architecture,
        "general.type": kind,
        "general.name": name,
        "general.size_label": parameters,
    }
    if quantization in _FILE_TYPES:
        pairs["general.file_type"] = _FILE_TYPES[quantization]
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
    return _fill(header + b"".join(_pair(key, value) for key, value in pairs.items()), size, name)


def _pair(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return _text(key) + struct.pack("<II", _UINT32, value)
    return _text(key) + struct.pack("<I", _STRING) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _tensor(size: int, name: str) -> bytes:
    header = json.dumps({name: {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return _fill(len(header).to_bytes(8, "little") + header, size, name)


def _fill(header: bytes, size: int, seed: str) -> bytes:
    """``header``, then noise that no file system compresses; ``size`` bytes in all, the same for the same ``seed``."""
    noise = random.Random(hashlib.sha256(seed.encode()).digest()).randbytes(min(size, _NOISE_BYTES))  # noqa: S311 -- sample data
    repeated = noise * (size // max(len(noise), 1) + 1)
    return (header + repeated)[: max(size, len(header))]

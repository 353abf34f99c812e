"""The store of ``prunella demo``: well-known models at one thousandth of their size, and typical leftovers.

Every size is divided, in the manifests too, and every byte is written: what is listed, on disk and freed agrees.
"""

from typing import NamedTuple

from prunella_core.sample.builder import Layer, StoreBuilder
from prunella_core.sample.content import fill, gguf, tensor

_DAY = 86_400
_TENSORS = 292
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
    """``pulled`` and ``used`` are days ago."""


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
    _Known("nomic-embed-text:latest", 274, "nomic-bert", "137M", "F16", 240, 2, _APACHE),
    _Known("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", 808, "llama", "1.24B", "Q4_K_M", 19, 19, ""),
)


def build_demo_store(root: str, now: float, divisor: int = 1_000) -> None:
    """Write the sample store into ``root``: real sizes over ``divisor``, ages before ``now`` (seconds, UTC)."""
    _Demo(StoreBuilder(root, now), divisor).build()


class _Demo:
    def __init__(self, builder: StoreBuilder, divisor: int) -> None:
        self.builder = builder
        self.divisor = divisor

    def build(self) -> None:
        layers = {known.name: self._pulled(known) for known in _MODELS}
        self._relatives(layers)
        self._special_models()
        self._damaged()
        self._unreferenced()

    def _weights(self, name: str, megabytes: int, pulled: float, used: float | None = None, **says: str) -> Layer:
        data = gguf(self._bytes(megabytes), name, **{"architecture": "llama", **says})
        kind = {"adapter": "adapter", "mmproj": "projector"}.get(says.get("kind", ""), "weights")
        return self.builder.layer(kind, data, age=pulled * _DAY, used=(pulled if used is None else used) * _DAY)

    def _config(self, family: str, parameters: str, quantization: str, pulled: int) -> Layer:
        says = {"model_family": family, "model_type": parameters, "file_type": quantization}
        return self.builder.config(age=pulled * _DAY, **says)

    def _bytes(self, megabytes: int) -> int:
        return megabytes * 1_000_000 // self.divisor

    def _pulled(self, known: _Known) -> tuple[Layer, ...]:
        age = known.pulled * _DAY
        says = {"architecture": known.family, "parameters": known.parameters, "quantization": known.quantization}
        texts = {
            "template": f"{{{{ .System }}}}\n{{{{ .Prompt }}}} for {known.family}\n",
            "license": f"{known.licence}\n\nCopyright of {known.licence}.\n" * 40 if known.licence else "",
            "params": f'{{"stop":["<|end of {known.family}|>"]}}',
        }
        small = (self.builder.layer(kind, text, age=age) for kind, text in texts.items() if text)
        layers = (self._weights(known.name, known.megabytes, known.pulled, known.used, **says), *small)
        config = self._config(known.family, known.parameters, known.quantization, known.pulled)
        self.builder.model(known.name, *layers, config=config, age=age)
        return layers

    def _relatives(self, layers: dict[str, tuple[Layer, ...]]) -> None:
        builder = self.builder
        llama = self._config("llama", "8.0B", "Q4_K_M", 212)
        base = layers["llama3.1:8b"]
        builder.model("llama3.1:latest", *base, config=llama, age=212 * _DAY)
        assistant = builder.layer("system", "You are a patient assistant who answers in one paragraph.\n", age=5 * _DAY)
        builder.derive("my-assistant:latest", "llama3.1:8b", base, assistant, config=llama, age=5 * _DAY)
        adapter = self._weights("support-adapter", 168, 8, kind="adapter")
        builder.derive("team/support-bot:v2", "llama3.1:8b", base, adapter, config=llama, age=8 * _DAY)
        reviewer = builder.layer("system", "Review this change. Be kind and precise.\n", age=3 * _DAY)
        qwen = self._config("qwen2", "32.8B", "Q4_K_M", 97)
        coder = layers["qwen2.5-coder:32b"]
        builder.derive("code-reviewer:latest", "qwen2.5-coder:32b", coder, reviewer, config=qwen, age=3 * _DAY)

    def _special_models(self) -> None:
        builder = self.builder
        vision = self._config("llama", "13B", "Q4_0", 266)
        weights = self._weights("llava", 7_366, 266, 204, parameters="13B", quantization="Q4_0")
        projector = self._weights("llava projector", 645, 266, 204, architecture="clip", kind="mmproj")
        builder.model("llava:13b", weights, projector, config=vision, age=266 * _DAY)
        names = [f"blocks.{number}.weight" for number in range(_TENSORS)]
        content = {name: tensor(self._bytes(27), name) for name in names}
        age, used = 26 * _DAY, 24 * _DAY
        tensors = [builder.layer("tensor", data, age=age, used=used, name=name) for name, data in content.items()]
        image = builder.config(model_family="flux", model_type="4B", file_type="FP8", model_format="safetensors")
        builder.model("x/flux2-klein:4b", *tensors, config=image, age=26 * _DAY)
        cloud = builder.config(
            model_family="gptoss", model_type="117B", remote_host="https://ollama.com:443", remote_model="gpt-oss:120b"
        )
        builder.model("gpt-oss:120b-cloud", config=cloud, age=2 * _DAY)

    def _damaged(self) -> None:
        builder = self.builder
        says = {"architecture": "starcoder2", "parameters": "3B", "quantization": "Q4_0"}
        weights = self._weights("starcoder2:3b", 1_710, 333, 290, **says)
        cut_off = gguf(self._bytes(1_150), "starcoder2:3b", **says)
        builder.file(builder.blob_path(weights.digest), cut_off, age=333 * _DAY, used=290 * _DAY)
        builder.model("starcoder2:3b", weights, config=self._config("starcoder2", "3B", "Q4_0", 333), age=333 * _DAY)

    def _unreferenced(self) -> None:
        builder = self.builder
        self._weights("llama 3.2 of last spring", 2_019, 95, parameters="3.2B", quantization="Q4_K_M")
        self._weights("an upload that create rewrote", 16_068, 64, parameters="8.0B", quantization="F16")
        self._weights("mistral of last year", 4_108, 390, parameters="7.2B", quantization="Q4_0")
        builder.layer("system", "A system prompt that no model uses any more.\n", age=64 * _DAY)
        done = fill(b"GGUF", self._bytes(6_300), "deepseek-r1:70b")
        builder.partial("deepseek-r1:70b", content=done, size=self._bytes(42_520), parts=16, age=16 * _DAY)
        stopped = fill(b"GGUF", self._bytes(1_900), "command-r:35b")
        builder.partial("command-r:35b", content=stopped, size=self._bytes(18_700), parts=0, age=120 * _DAY)
        builder.file("blobs/sha256-1694215783", fill(b"GGUF", self._bytes(1_200), "a create"), age=64 * _DAY)
        builder.file("blobs/README.txt", "Backups of this folder are on the NAS.\n", age=500 * _DAY)

"""The store of ``prunella demo``: well-known models in their real sizes, and everything that gathers beside them.

The files are sparse. Of each, one thousandth is really on the disk, so that 4.9 GB of weights take 4.9 MB: what is
measured there is true, and the whole sample fits into a temporary folder.
"""

from typing import NamedTuple

from prunella_core.sample.builder import Layer, StoreBuilder

_DAY = 86_400
_MB = 1_000_000
_TENSORS = 292


class _Known(NamedTuple):
    name: str
    megabytes: int
    family: str
    parameters: str
    quantization: str
    days: int


_MODELS = (
    _Known("llama3.1:8b", 4_921, "llama", "8.0B", "Q4_K_M", 212),
    _Known("llama3.2:latest", 2_019, "llama", "3.2B", "Q4_K_M", 41),
    _Known("llama3.3:70b", 42_520, "llama", "70.6B", "Q4_K_M", 188),
    _Known("qwen2.5-coder:32b", 19_851, "qwen2", "32.8B", "Q4_K_M", 97),
    _Known("qwen3:8b", 5_225, "qwen3", "8.2B", "Q4_K_M", 33),
    _Known("qwen3:30b-a3b", 18_556, "qwen3moe", "30.5B", "Q4_K_M", 12),
    _Known("gemma3:4b", 3_338, "gemma3", "4.3B", "Q4_K_M", 60),
    _Known("gemma3:27b", 17_396, "gemma3", "27.4B", "Q4_K_M", 60),
    _Known("mistral:7b", 4_113, "llama", "7.2B", "Q4_0", 390),
    _Known("mistral-small:24b", 14_333, "llama", "23.6B", "Q4_K_M", 150),
    _Known("mixtral:8x7b", 26_442, "llama", "46.7B", "Q4_0", 402),
    _Known("phi4:14b", 9_053, "phi3", "14.7B", "Q4_K_M", 75),
    _Known("deepseek-r1:14b", 8_988, "qwen2", "14.8B", "Q4_K_M", 130),
    _Known("gpt-oss:20b", 13_780, "gptoss", "20.9B", "MXFP4", 21),
    _Known("codellama:7b", 3_825, "llama", "7B", "Q4_0", 511),
    _Known("starcoder2:3b", 1_710, "starcoder2", "3B", "Q4_0", 333),
    _Known("nomic-embed-text:latest", 274, "nomic-bert", "137M", "F16", 240),
    _Known("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", 808, "llama", "1.24B", "Q4_K_M", 19),
)


def build_demo_store(root: str, now: float) -> None:
    """Write the sample store into ``root``, with ages counted back from ``now`` (seconds, UTC)."""
    builder = StoreBuilder(root, now)
    layers = {known.name: _add(builder, known) for known in _MODELS}
    _add_relatives(builder, layers)
    _add_special_models(builder)
    _add_what_gathers(builder)


def _weights(builder: StoreBuilder, name: str, megabytes: int, days: float, kind: str = "weights") -> Layer:
    return builder.layer(
        kind, b"GGUF" + name.encode(), size=megabytes * _MB, written=megabytes * 1_000, age=days * _DAY
    )


def _add(builder: StoreBuilder, known: _Known) -> tuple[Layer, ...]:
    age = known.days * _DAY
    layers = (
        _weights(builder, known.name, known.megabytes, known.days),
        builder.layer("template", f"{{{{ .System }}}}\n{{{{ .Prompt }}}} for {known.family}\n", age=age),
        builder.layer("license", f"The licence of {known.name.partition(chr(58))[0]}.\n" * 40, age=age),
        builder.layer("params", f'{{"stop":["<|end of {known.family}|>"]}}', age=age),
    )
    config = builder.config(
        model_family=known.family, model_type=known.parameters, file_type=known.quantization, age=age
    )
    builder.model(known.name, *layers, config=config, age=age)
    return layers


def _add_relatives(builder: StoreBuilder, layers: dict[str, tuple[Layer, ...]]) -> None:
    """Aliases, and models made from others: they share the weights."""
    llama = builder.config(model_family="llama", model_type="8.0B", file_type="Q4_K_M")
    base = layers["llama3.1:8b"]
    builder.model("llama3.1:latest", *base, config=llama, age=212 * _DAY)
    assistant = builder.layer("system", "You are a patient assistant who answers in one paragraph.\n")
    builder.derive("my-assistant:latest", "llama3.1:8b", base, assistant, config=llama, age=5 * _DAY)
    adapter = _weights(builder, "support adapter", 168, 8, kind="adapter")
    builder.derive("team/support-bot:v2", "llama3.1:8b", base, adapter, config=llama, age=8 * _DAY)
    coder = layers["qwen2.5-coder:32b"]
    reviewer = builder.layer("system", "Review this change. Be kind and precise.\n")
    qwen = builder.config(model_family="qwen2", model_type="32.8B", file_type="Q4_K_M")
    builder.derive("code-reviewer:latest", "qwen2.5-coder:32b", coder, reviewer, config=qwen, age=3 * _DAY)


def _add_special_models(builder: StoreBuilder) -> None:
    """A model with a projector, one of tensors, one in the cloud, one whose weights are gone."""
    vision = builder.config(model_family="llama", model_type="13B", file_type="Q4_0", age=266 * _DAY)
    parts = (_weights(builder, "llava", 7_366, 266), _weights(builder, "llava eyes", 645, 266, kind="projector"))
    builder.model("llava:13b", *parts, config=vision, age=266 * _DAY)
    tensors = [
        builder.layer(
            "tensor", f"tensor {number}", size=27 * _MB, written=27_000, age=26 * _DAY, name=f"blocks.{number}.weight"
        )
        for number in range(_TENSORS)
    ]
    image = builder.config(model_family="flux", model_type="4B", file_type="FP8", model_format="safetensors")
    builder.model("x/flux2-klein:4b", *tensors, config=image, age=26 * _DAY)
    cloud = builder.config(
        model_family="gptoss", model_type="117B", remote_host="https://ollama.com:443", remote_model="gpt-oss:120b"
    )
    builder.model("gpt-oss:120b-cloud", config=cloud, age=2 * _DAY)
    lost = Layer("weights", f"sha256:{'5bad' * 16}", 637_699_456)
    builder.model("tinyllama:latest", lost, config=builder.config(model_family="llama"), age=300 * _DAY)


def _add_what_gathers(builder: StoreBuilder) -> None:
    """What no list of models shows: blobs of tags that moved on, downloads that never ended, somebody's own files."""
    _weights(builder, "llama3.2 as it was in spring", 2_019, 95)
    _weights(builder, "an uploaded GGUF, rewritten by create", 16_068, 64)
    _weights(builder, "mistral as it was last year", 4_108, 390)
    builder.layer("system", "A system prompt that no model has any more.\n", age=64 * _DAY)
    builder.partial("deepseek-r1:70b", size=42_520 * _MB, done=6_300_000, parts=16, age=16 * _DAY)
    builder.partial("command-r:35b", size=18_700 * _MB, done=1_900_000, parts=4, age=120 * _DAY)
    builder.file("blobs/sha256-1694215783", b"\0" * 1_200_000, size=1_200 * _MB, age=64 * _DAY)
    builder.file("blobs/README.txt", "Backups of this folder are on the NAS.\n", age=500 * _DAY)
    builder.file("manifests/registry.ollama.ai/library/qwen3/._8b", b"\0\5\26\7\0\2\0\0Mac OS X", age=33 * _DAY)

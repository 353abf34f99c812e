"""What a nameless blob is, by its first bytes: real forms are recognised, hostile ones are harmless."""

import itertools
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from prunella_core.advice.identify import HEAD, THOROUGH, described, identify
from prunella_core.inventory.records import Blob, State
from prunella_core.sample import StoreBuilder
from stores import DAY, NOW, calls_in, look, open_store, remove

_U32, _U64, _STRING, _ARRAY = 4, 10, 8, 9
_APACHE = "\n                                 Apache License\n                           Version 2.0\n" + "x y " * 90


def text(value: str) -> bytes:
    data = value.encode(errors="surrogateescape")
    return struct.pack("<Q", len(data)) + data


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def gguf(*pairs: bytes, version: int = 3, count: int | None = None, tensors: int = 291) -> bytes:
    """The head of a GGUF file with these pairs."""
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, len(pairs) if count is None else count)
    return head + b"".join(pairs)


def strings(count: int, each: str = "token") -> bytes:
    return struct.pack("<IQ", _STRING, count) + text(each) * count


LLAMA = (
    pair("general.architecture", _STRING, text("llama")),
    pair("general.name", _STRING, text("Llama 3.2 3B Instruct")),
    pair("general.parameter_count", _U64, struct.pack("<Q", 3_212_749_888)),
    pair("general.file_type", _U32, struct.pack("<I", 15)),
)
WORDS = pair("tokenizer.ggml.tokens", _ARRAY, strings(20_000))


def identified(data: bytes, limit: int = HEAD) -> str | None:
    return identify(data[:limit], len(data))


def test_weights_tell_architecture_size_quantization_and_name() -> None:
    assert identified(gguf(*LLAMA, WORDS) + bytes(99)) == "GGUF weights, llama 3.2B Q4_K_M, “Llama 3.2 3B Instruct”"


def test_a_size_label_stands_in_for_a_count() -> None:
    label = pair("general.size_label", _STRING, text("8x7B"))
    assert identified(gguf(LLAMA[0], label)) == "GGUF weights, llama 8x7B"


def test_what_stands_behind_the_vocabulary_is_found_by_a_thorough_look() -> None:
    data = gguf(LLAMA[0], WORDS, LLAMA[3])
    assert identified(data) == "GGUF weights, llama"
    assert identified(data, THOROUGH) == "GGUF weights, llama Q4_K_M"


def test_other_versions_and_the_other_byte_order_are_read() -> None:
    def turned(value: str) -> bytes:
        return struct.pack(">Q", len(value)) + value.encode()

    big = b"GGUF" + struct.pack(">IQQ", 3, 0, 1) + turned("general.architecture") + struct.pack(">I", 8)
    assert identified(big + turned("llama")) == "GGUF weights, llama"
    first = b"GGUF" + struct.pack("<IIII", 1, 0, 1, 20) + b"general.architecture" + struct.pack("<II", 8, 3) + b"mpt"
    assert identified(first) == "GGUF weights, mpt"
    assert identified(b"GGUFllama3.1:8b") == "GGUF, of an unknown version"


@pytest.mark.parametrize(
    ("pairs", "begins"),
    [
        ([pair("general.architecture", _STRING, text("clip"))], "GGUF projector, clip"),
        ([LLAMA[0], pair("general.type", _STRING, text("adapter"))], "GGUF adapter, llama"),
        ([pair("general.file_type", _U32, struct.pack("<I", 4_000_000_000))], "GGUF weights"),
        ([], "GGUF weights"),
    ],
)
def test_kinds_of_gguf(pairs: list[bytes], begins: str) -> None:
    assert identified(gguf(*pairs)) == begins


@pytest.mark.parametrize(
    "bad",
    [
        pair("x", 77, b""),
        pair("x", _ARRAY, struct.pack("<IQ", _U64, 2**63)),
        pair("x", _ARRAY, struct.pack("<IQ", _STRING, 2**63)),
        pair("x", _ARRAY, struct.pack("<IQ", _ARRAY, 1)) * 2_000,
        pair("x", _STRING, struct.pack("<Q", 2**64 - 1)),
        pair("general.name", _STRING, struct.pack("<Q", 2**40) + b"a name that goes on beyond the head"),
        struct.pack("<Q", 2**62),
        b"\xff" * 40,
    ],
)
def test_what_cannot_be_read_ends_the_reading(bad: bytes) -> None:
    assert identified(gguf(LLAMA[0], bad, LLAMA[3], count=2**62)) == "GGUF weights, llama"


def test_strings_that_no_head_holds_are_not_counted_one_by_one() -> None:
    head = gguf(LLAMA[0], pair("tokens", _ARRAY, strings(128_256)))[:HEAD]
    assert identify(head, 10**9) == "GGUF weights, llama"
    assert calls_in(lambda: identify(head, 10**9)) < 500


def test_what_it_says_is_clean_and_short() -> None:
    name = pair("general.name", _STRING, text("\x1b[2J\u202e\udcff[b]" + "n" * 9_000))
    line = identified(gguf(LLAMA[0], name))
    assert line is not None
    assert line.startswith("GGUF weights, llama, “\\x1b[2J\\u202e\\xff[b]nnn")
    assert len(line) < 200
    assert line.isprintable()


def safetensors(header: dict[str, Any], length: int | None = None) -> bytes:
    data = json.dumps(header).encode()
    return struct.pack("<Q", len(data) if length is None else length) + data + bytes(64)


def tensor(dtype: str = "BF16", *shape: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [0, 1]}


def test_safetensors_tell_their_tensors() -> None:
    meta = {"__metadata__": {"format": "pt"}}
    assert identified(safetensors({**meta, "a.weight": tensor("F8_E4M3", 4096, 14336)})) == (
        "safetensors, tensor F8_E4M3 4096×14336 “a.weight”"
    )
    many = {**meta, **{str(number): tensor() for number in range(30)}, "norm": tensor("F32")}
    assert identified(safetensors(many)) == "safetensors, 31 tensors, BF16 F32"
    more = {str(number): tensor() for number in range(5_000)}
    assert identified(safetensors(more)) == "safetensors, BF16"


def test_what_only_looks_like_safetensors_is_none() -> None:
    assert identified(safetensors({"a": tensor()}, length=2**60)) is None
    assert identified(safetensors({"a": 1})) is None


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            '{"model_format":"gguf","model_family":"llama","model_type":"8B","file_type":"Q4_0"}',
            "model config llama 8B",
        ),
        ('{"stop":["<|end|>"],"temperature":0.7}', "parameters stop temperature"),
        ('[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]', "2 chat messages"),
        ('[{"role":"user","content":"hi"}]', "1 chat message"),
        ('{"schemaVersion":2,"layers":[]}', "a manifest"),
        ('{"architectures":["LlamaForCausalLM"],"model_type":"llama"}', "config of LlamaForCausalLM"),
        ('{"version":"1.0","added_tokens":[]}', "JSON of a tokenizer"),
        ('{"metadata":{},"weight_map":{}}', "JSON index of safetensors"),
        ('{"a":1,"b":2,"c":3,"d":4,"e":5}', "JSON with a, b, c, d, …"),
        ("[1, 2]", "a JSON list"),
        ("{{ if .System }}{{ .System }}{{ end }}", "template “{{ if .System }}"),
        ("{%- for message in messages %}", "template “{%- for"),
        (_APACHE, "licence “Apache License”"),
        ("Copyright (c) Microsoft Corporation.\n\nMIT License\n\n" + "word " * 40, "licence “MIT License”"),
        ("You are a patient assistant.\nAlways.", "text “You are a patient assistant. Always.”"),
        ("{ not JSON", "text “{ not JSON”"),
        ("grün\n" * 20_000, "text “grün grün"),
    ],
)
def test_text_tells_what_it_is(data: str, line: str) -> None:
    found = identified(data.encode())
    assert found is not None
    assert found.startswith(line)


def test_json_that_goes_on_is_known_by_its_keys() -> None:
    assert identified(b'{"version":"1.0","added_tokens":[' + b'{"id":1},' * 20_000) == "JSON of a tokenizer"
    assert identified(b'{"one":' + b"[" * 90_000) == "JSON with one"


@pytest.mark.parametrize("data", [b"", b"\0" * 70_000, b" \n", b"\x89PNG\r\n", b"ab\0cd", b"\xff\xfe", b"\x1b[2J"])
def test_other_bytes_tell_nothing(data: bytes) -> None:
    assert identified(data) is None


def _heads() -> st.SearchStrategy[bytes]:
    beginnings = st.sampled_from(
        [b"", gguf(*LLAMA), gguf(count=9), safetensors({"a": tensor()}), b'{"a":', b"[{", b"{{"]
    )
    return st.builds(
        lambda begin, rest, cut: (begin + rest)[: cut or None], beginnings, st.binary(), st.integers(0, 90)
    )


@given(_heads(), st.integers(0, 2**63))
def test_no_bytes_are_too_odd(head: bytes, size: int) -> None:
    line = identify(head, size)
    assert line is None or (line.isprintable() and 0 < len(line) < 400)


@given(st.data())
def test_a_flipped_head_is_read_to_its_end_at_most(data: st.DataObject) -> None:
    head = bytearray(gguf(*LLAMA, pair("tokens", _ARRAY, strings(20))))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(head) - 1), st.integers(0, 255)), max_size=9)):
        head[at] = byte
    line = identify(bytes(head), 10**9)
    assert line is None or line.isprintable()


# Of a store


def rows(builder: StoreBuilder) -> Iterator[tuple[Blob, str | None]]:
    store = open_store(builder.root)
    return ((blob, described(store, blob)) for blob in look(builder.root).blobs)


def test_only_what_no_model_needs_is_opened(builder: StoreBuilder) -> None:
    builder.file("blobs/sha256-1694215783", gguf(*LLAMA), age=DAY)
    builder.file(f"blobs/sha256-{'a' * 64}-partial", gguf(LLAMA[0]), size=10**9, age=DAY)
    builder.file(f"blobs/sha256-{'a' * 64}-partial-0", '{"N":0}', age=DAY)
    found = {blob.key: line for blob, line in rows(builder) if line}
    assert found.pop("blobs/sha256-1694215783") == "GGUF weights, llama 3.2B Q4_K_M, “Llama 3.2 3B Instruct”"
    assert found.pop(f"sha256:{'a' * 64}-partial") == "GGUF weights, llama"
    assert sorted(line[:24] for line in found.values()) == ["text “half a create”", "text “nobody needs these"]


def test_what_is_in_the_trash_by_itself_is_told_too(builder: StoreBuilder) -> None:
    (loose,) = (blob for blob in look(builder.root).blobs if blob.state is State.UNREFERENCED)
    remove(builder.root, "team/solo:v1", blobs=(loose.key,))
    trashed = {blob.digest: line for blob, line in rows(builder) if blob.state is State.TRASHED and not blob.models}
    assert list(trashed) == [loose.digest]
    assert str(trashed[loose.digest]).startswith("text “nobody needs these")


@pytest.mark.parametrize("kind", ["link", "pipe", "gone", "folder"])
def test_what_is_no_file_any_more_is_not_waited_for(builder: StoreBuilder, tmp_path: Path, kind: str) -> None:
    (loose,) = (blob for blob in look(builder.root).blobs if blob.state is State.UNREFERENCED)
    path = Path(builder.root, loose.files[0].path)
    (tmp_path / "outside").write_text("a secret")
    path.unlink()
    if kind == "link":
        path.symlink_to(tmp_path / "outside")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    assert described(open_store(builder.root), loose) is None


def test_nothing_is_read_here_for_a_store_elsewhere(builder: StoreBuilder) -> None:
    elsewhere = replace(open_store(builder.root), exported_from="gpu-box")
    assert {described(elsewhere, blob) for blob in look(builder.root).blobs} == {None}


def test_reading_leaves_no_trace(builder: StoreBuilder) -> None:
    (loose,) = (blob for blob in look(builder.root).blobs if blob.state is State.UNREFERENCED)
    path = Path(builder.root, loose.files[0].path)
    os.utime(path, (NOW - DAY, NOW))
    list(itertools.islice(rows(builder), 99))
    assert path.stat().st_atime == NOW - DAY


def sidecar_of(builder: StoreBuilder, data: str) -> Blob:
    """A nameless blob whose own bytes say nothing, with this sidecar."""
    digest = builder.layer("weights", "\0" * 5_000, age=DAY).digest
    builder.file(f"metadata/{digest.replace(':', '-')}.json", data, age=DAY)
    return look(builder.root).blob_by_key[digest]


def test_a_sidecar_says_at_once_what_its_blob_is(builder: StoreBuilder) -> None:
    keys = {"general.architecture": "llama", "general.file_type": 15, "general.name": "tiny", "tokens": ["a", [1]]}
    blob = sidecar_of(builder, json.dumps({"ollama_version": "0.40.0", "kv": keys}))
    assert described(open_store(builder.root), blob) == "GGUF weights, llama Q4_K_M, “tiny”"


@pytest.mark.parametrize(
    "data", ["", "{", "[]", '{"kv": 1}', '{"kv": {}}', '{"kv": {"general.name": ' + "[" * 5_000, "[" * 100_000]
)
def test_a_sidecar_that_says_nothing_is_passed_over(builder: StoreBuilder, data: str) -> None:
    assert described(open_store(builder.root), sidecar_of(builder, data)) is None


def test_what_a_sidecar_says_is_clean(builder: StoreBuilder) -> None:
    blob = sidecar_of(builder, json.dumps({"kv": {"general.name": "a\x1b[31m", "general.file_type": [1]}}))
    assert (described(open_store(builder.root), blob) or "").isprintable()

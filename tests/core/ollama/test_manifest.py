"""Manifests: nothing that one needs is overlooked, and what cannot be trusted says so."""

import json
from typing import Any

import pytest

from prunella_core.ollama.manifest import Child, ManifestError, decode, layer_kind

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
LIST = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.docker.distribution.manifest.v2+json"


def entry(digest: str, size: int = 10, kind: str = "model", **extra: Any) -> dict[str, Any]:
    return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": size, **extra}


def document(*layers: dict[str, Any], **extra: Any) -> bytes:
    """A sound manifest with config C, or what ``extra`` makes of it."""
    fields = {"schemaVersion": 2, "mediaType": IMAGE, "config": entry(C, 5, "config"), "layers": layers, **extra}
    return json.dumps({key: value for key, value in fields.items() if value is not ...}).encode()


def test_reads_a_sound_manifest() -> None:
    manifest = decode(document(entry(A, 100), entry(B, 20, "template")))
    assert [(layer.digest, layer.size, layer.kind) for layer in manifest.layers] == [
        (C, 5, "config"),
        (A, 100, "weights"),
        (B, 20, "template"),
    ]
    assert manifest.size == 125
    assert manifest.flaw is None
    assert (manifest.children, manifest.mentioned) == ((), frozenset())


def test_a_digest_named_twice_counts_twice_as_the_server_counts() -> None:
    manifest = decode(document(entry(A, 100), entry(A, 100), config=entry(A, 100)))
    assert manifest.size == 300
    assert {layer.digest for layer in manifest.layers} == {A}
    assert manifest.flaw is None


def test_other_spellings_of_a_digest_are_the_same_digest() -> None:
    manifest = decode(document(entry(A.replace(":", "-")), entry(B.upper().replace("SHA", "sha"))))
    assert [layer.digest for layer in manifest.layers] == [C, A, B]
    assert manifest.flaw is None
    assert manifest.mentioned == frozenset()


def test_tensors_keep_their_names() -> None:
    manifest = decode(document(entry(A, kind="tensor", name="blk.0.weight")))
    assert (manifest.layers[1].kind, manifest.layers[1].name) == ("tensor", "blk.0.weight")


@pytest.mark.parametrize("extra", [{"mediaType": ...}, {"mediaType": "application/vnd.oci.image.manifest.v1+json"}])
def test_forms_that_ollama_writes_are_sound(extra: dict[str, Any]) -> None:
    assert decode(document(entry(A), **extra)).flaw is None


def test_no_layers_at_all_are_sound_when_the_list_says_so() -> None:
    assert decode(document()).flaw is None
    assert decode(document(config=None)).layers == ()


@pytest.mark.parametrize(
    "data",
    [
        document(entry(A), **{"new-field": {"deep": [{"ref": B}]}}),
        document(entry(A), subject=entry(B)),
        document({**entry(A), "from": B}),
        document(entry(A), annotations={f"needs {B.replace(':', '-').upper().replace('SHA', 'sha')}": ""}),
        document(entry(A)).replace(b'"layers"', b'"layers": [{"digest": "%s"}], "layers"' % B.encode()),
    ],
    ids=["unknown field", "subject", "from", "in a key", "doubled key"],
)
def test_a_digest_in_a_field_that_is_not_known_is_needed_too(data: bytes) -> None:
    assert B in decode(data).mentioned


def test_a_list_names_its_children() -> None:
    manifest = decode(document(mediaType=LIST, layers=..., config=..., manifests=[entry(A), entry(B)]))
    assert manifest.children == (Child(A), Child(B))
    assert (manifest.layers, manifest.flaw) == ((), None)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"null", "no-layers"),
        (b" null\n", "no-layers"),
        (b"{}", "no-layers"),
        (document(layers=...), "no-layers"),
        (document(layers=None), "no-layers"),
        (document(Layers=[entry(A)], layers=...), "no-layers"),
        (document(entry("")), "bad-digest"),
        (document(entry("sha256:../../x")), "bad-digest"),
        (document(entry(A[:-1])), "bad-digest"),
        (document({"size": 5}), "bad-digest"),
        (document(config=entry("nonsense")), "bad-digest"),
        (document(mediaType=LIST, layers=..., manifests=[entry("nonsense")]), "bad-digest"),
        (document(entry(A), schemaVersion=3), "unknown-schema"),
        (document(entry(A), schemaVersion=...), "unknown-schema"),
        (document(entry(A), mediaType="application/vnd.ollama.manifest.v9+json"), "unknown-schema"),
        (document(entry(A), mediaType=LIST), "unknown-schema"),
        (document(layers=..., manifests=[entry(A)]), "unknown-schema"),
    ],
)
def test_a_manifest_that_may_hide_references_has_a_flaw(data: bytes, kind: str) -> None:
    flaw = decode(data).flaw
    assert flaw is not None
    assert flaw[0] == kind


def test_a_flawed_manifest_still_names_what_can_be_read() -> None:
    manifest = decode(document(entry(A), entry("nonsense")))
    assert {layer.digest for layer in manifest.layers} == {A, C, ""}
    assert decode(document(Layers=[entry(A)], layers=...)).mentioned == {A}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty-manifest"),
        (b" \n\t", "empty-manifest"),
        (document(entry(A))[:-7], "bad-manifest"),
        (b"[]", "bad-manifest"),
        (b'"sha256"', "bad-manifest"),
        (b"7", "bad-manifest"),
        (b"nulla", "bad-manifest"),
        (b"\x0cnull", "bad-manifest"),
        (b"\xff\xfe{}", "bad-manifest"),
        (b'{"layers": [{"digest": "\xff"}]}', "bad-manifest"),
        (b'{"layers": {}}', "bad-manifest"),
        (b'{"layers": [null]}', "bad-manifest"),
        (b'{"layers": [{"size": "big"}]}', "bad-manifest"),
        (b'{"layers": [{"size": 1e400}]}', "bad-manifest"),
        (b"[" * 100_000, "bad-manifest"),
        (b'{"x": ' * 100_000, "bad-manifest"),
        (b"\0" * 500, "bad-manifest"),
    ],
)
def test_what_is_no_manifest_is_told(data: bytes, kind: str) -> None:
    with pytest.raises(ManifestError) as failure:
        decode(data)
    assert failure.value.kind == kind


def test_a_negative_size_adds_nothing() -> None:
    assert decode(document(entry(A, -1_000))).size == 5


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("application/vnd.ollama.image.model", "weights"),
        ("application/vnd.ollama.image.projector", "projector"),
        ("application/vnd.ollama.image.model; foo=bar", "weights"),
        ("something", "something"),
        ("", "unknown"),
    ],
)
def test_layers_have_plain_kinds(media_type: str, kind: str) -> None:
    assert layer_kind(media_type) == kind

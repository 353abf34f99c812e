"""Digests, and the names of files in blobs/."""

import pytest

from prunella_core.base.errors import InvalidInput
from prunella_core.ollama.names import (
    FileKind,
    digests_mentioned,
    parse_digest,
    parse_digest_prefix,
    read_blob_name,
)

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize("text", [DIGEST, f"sha256-{HEX}", f"sha256:{HEX.upper()}"])
def test_every_spelling_is_one_digest(text: str) -> None:
    assert parse_digest(text) == DIGEST


@pytest.mark.parametrize(
    "text",
    [
        *["", "sha256:", f"sha256:{HEX}0", f"sha256:{HEX[:-1]}", HEX, f"sha512:{HEX}", "sha256:../../x"],
        *[f"{DIGEST}\n", f" {DIGEST}", f"sha256:{HEX[:-1]}g", f"sha256:../{HEX[3:]}", f"SHA256:{HEX}"],
    ],
)
def test_nothing_else_is_a_digest(text: str) -> None:
    assert parse_digest(text) is None


def test_finds_digests_wherever_they_stand() -> None:
    other = "f" * 64
    text = f'{{"x": "see sha256-{HEX.upper()}", "sha256:{other}": 1}} sha256:{"a" * 63} sha256:{"b" * 65}'
    assert digests_mentioned(text.encode()) == {DIGEST, f"sha256:{other}"}
    assert digests_mentioned(b"\xff\x00sha256") == frozenset()


@pytest.mark.parametrize(
    ("typed", "prefix"),
    [("0aB", "sha256:0ab"), ("sha256:0a", "sha256:0a"), ("sha256-0a", "sha256:0a"), (HEX, DIGEST), (DIGEST, DIGEST)],
)
def test_reads_the_beginning_of_a_digest(typed: str, prefix: str) -> None:
    assert parse_digest_prefix(typed) == prefix


@pytest.mark.parametrize("typed", ["", "sha256:", "xyz", "../..", f"{HEX}0", "0a\n", "\x1b[2J"])
def test_refuses_what_cannot_begin_a_digest(typed: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_digest_prefix(typed)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("name", "kind", "digest"),
    [
        (f"sha256-{HEX}", FileKind.WHOLE, DIGEST),
        (f"sha256:{HEX}", FileKind.WHOLE, DIGEST),
        (f"sha256-{HEX.upper()}", FileKind.WHOLE, DIGEST),
        (f"sha256-{'1' * 64}", FileKind.WHOLE, f"sha256:{'1' * 64}"),
        (f"sha256-{HEX}-partial", FileKind.PARTIAL, DIGEST),
        (f"sha256-{HEX}-partial-0", FileKind.PARTIAL, DIGEST),
        (f"sha256-{HEX}-partial-117", FileKind.PARTIAL, DIGEST),
        (f"sha256-{HEX}.tmp", FileKind.PARTIAL, DIGEST),
        ("sha256-1694215783", FileKind.LEFTOVER, None),
        ("COPY123", FileKind.LEFTOVER, None),
        ("split-copy-7", FileKind.LEFTOVER, None),
        ("projector-metadata\udcff", FileKind.LEFTOVER, None),
        ("Q4_K_M123", FileKind.LEFTOVER, None),
        ("q4_K_M123", FileKind.LEFTOVER, None),
        ("Q8_0123456", FileKind.LEFTOVER, None),
        ("IQ3_XXS9", FileKind.LEFTOVER, None),
        ("F16123", FileKind.LEFTOVER, None),
        ("BF161", FileKind.LEFTOVER, None),
        ("MXFP4123", FileKind.LEFTOVER, None),
        ("compat-tensors123", FileKind.LEFTOVER, None),
        ("Q4_K_M", FileKind.STRAY, None),
        ("Q8_0", FileKind.STRAY, None),
        ("F16", FileKind.STRAY, None),
        ("F16-notes", FileKind.STRAY, None),
        ("BACKUP2024", FileKind.STRAY, None),
        (f"sha256-{HEX}-partial-", FileKind.STRAY, None),
        (f"sha256-{HEX}-partial-x", FileKind.STRAY, None),
        (f"sha256-{HEX}.bak", FileKind.STRAY, None),
        (f"sha256-{HEX}\n", FileKind.STRAY, None),
        (f"sha256-{HEX[:-1]}g", FileKind.STRAY, None),
        ("sha256-12ab", FileKind.STRAY, None),
        ("sha256-", FileKind.STRAY, None),
        ("COPY", FileKind.STRAY, None),
        ("COPYRIGHT", FileKind.STRAY, None),
        ("README.txt", FileKind.STRAY, None),
        (".DS_Store", FileKind.STRAY, None),
    ],
)
def test_reads_the_names_that_lie_in_blobs(name: str, kind: FileKind, digest: str | None) -> None:
    assert read_blob_name(name) == (kind, digest)

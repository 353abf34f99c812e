"""A manifest as Ollama's server reads it: each case was tried with a server (v0.33)."""

import pytest

from prunella_core.ollama.manifest import ManifestError, decode, digests_for_server

A, B = (f"sha256:{digit * 64}" for digit in "ab")
HEAD = '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
SOUND = f'{HEAD}"config":{{"digest":"{A}","size":1}},"layers":[{{"digest":"{B}","size":2}}]}}'
LAYERS = f'"layers":[{{"digest":"{B}","size":2}}]'


@pytest.mark.parametrize(
    ("data", "digests"),
    [
        (SOUND, (A, B)),
        ("\n  " + SOUND, (A, B)),
        (SOUND + " and more", (A, B)),
        (SOUND.replace('"layers"', '"LAYERS"').replace('"digest"', '"Digest"'), (A, B)),
        (SOUND.replace('"layers"', '"layer\u017f"'), (A, B)),
        (SOUND.replace('"size":2', '"size":null'), (A, B)),
        (SOUND.replace('"size":2', '"from":null,"size":2'), (A, B)),
        (SOUND.replace("sha256:b", "sha256-b"), (A, "sha256-" + "b" * 64)),
        (SOUND.replace(B, B.upper()), (A, B.upper())),
        (SOUND.replace(B, "../../etc"), (A, "../../etc")),
        (SOUND[:-1] + ',"layers":[]}', (A,)),
        (SOUND[:-1] + ',"manifests":"x"}', (A, B)),
        ("{" + LAYERS + ',"config":null}', (B,)),
        ('{"layers":null}', ()),
        ('{"layers":[null]}', ()),
        ("{}", ()),
        ("null", ()),
        ("nullx", ()),
        (f'{{"manifests":[{{"digest":"{A}"}}]}}', ()),
    ],
)
def test_the_server_keeps_what_it_reads(data: str, digests: tuple[str, ...]) -> None:
    assert digests_for_server(data.encode()) == digests


@pytest.mark.parametrize(
    "data",
    [
        "",
        " \n\t",
        SOUND[:-9],
        "\ufeff" + SOUND,
        "[]",
        "7",
        '"x"',
        SOUND.replace('"schemaVersion":2', '"schemaVersion":"2"'),
        SOUND.replace('"size":2', '"size":"2"'),
        SOUND.replace('"size":2', '"size":2e0'),
        SOUND.replace('"size":2', '"size":true'),
        SOUND.replace('"size":2', '"size":9223372036854775808'),
        SOUND.replace('"size":2', '"from":5'),
        SOUND.replace('"size":2', '"name":[]'),
        SOUND.replace('"size":2', '"x":NaN'),
        SOUND.replace('"size":2', '"x":"\x01"'),
        '{"layers":{}}',
        '{"layers":[[]]}',
        '{"config":[]}',
        '{"config":""}',
        '{"config":false}',
    ],
)
def test_the_server_cannot_read_it(data: str) -> None:
    assert digests_for_server(data.encode()) is None


def test_broken_text_is_no_error_for_the_server() -> None:
    data = SOUND.encode().replace(b'"size":2', b'"name":"\xff"')
    assert digests_for_server(data) == (A, B)


def test_a_plain_manifest_is_read_as_the_server_reads_it() -> None:
    assert decode(SOUND.encode()).is_canonical
    for other in (SOUND.replace("sha256:b", "sha256-b"), SOUND.replace(B, B.upper()), "{}", "null"):
        assert not decode(other.encode()).is_canonical


def test_a_size_that_is_none_is_as_unreadable_here() -> None:
    with pytest.raises(ManifestError):
        decode(SOUND.replace('"size":2', '"size":9223372036854775808').encode())

"""``prunella verify``: exit codes, the document, what people read, and Ctrl-C."""

import errno
import os
import signal
from unittest.mock import patch

from commandline import DAY, Result, Terminal, call, digest_of, heeding_ctrl_c, run, snapshot_guard
from prunella_core.sample import StoreBuilder
from prunella_core.verify import Reader
from prunella_tui.report.format import rate, rest

TERABYTE = 1_000_000_000_000


def damage(builder: StoreBuilder, content: str) -> str:
    """Change one byte of the blob that has this content, and return its digest."""
    digest = builder.layer("weights", content).digest
    with open(builder.blob_path(digest), "r+b") as file:
        file.write(b"X")
    return digest


def verified(builder: StoreBuilder, *arguments: str) -> Result:
    return call("verify", *arguments, store=builder.root)


def test_a_sound_store(builder: StoreBuilder) -> None:
    with snapshot_guard(builder.root):
        result = verified(builder)
    assert (result.code, result.err) == (0, b"")
    assert result.text == "8 blobs verified, 84.3 kB: no damage found\n"
    result = verified(builder)
    assert result.code == 0
    assert result.text == "8 blobs verified by an earlier run and unchanged: no damage (--again reads all)\n"
    assert verified(builder, "--again").text.startswith("8 blobs verified")


def test_a_bad_blob_is_named_with_what_it_breaks(builder: StoreBuilder) -> None:
    digest = damage(builder, "shared weights" * 3_000)
    for again in ((), ("--again",), ()):
        result = verified(builder, *again)
        assert (result.code, result.err) == (1, b"")
        assert f"✗ blobs/{digest.replace(':', '-')}\n  hash is sha256:" in result.text
        assert "  breaks base:latest, derived:latest\n" in result.text
        assert "prunella doctor" in result.text
    assert call("doctor", store=builder.root).text.count("the weights blob of") == 2
    assert "! 2 problems" in call("ls", store=builder.root).text
    models = call("ls", "--json", store=builder.root).document["models"]
    assert [model["problems"] for model in models] == [["wrong-hash"], ["wrong-hash"], []]


def test_the_document(builder: StoreBuilder) -> None:
    document = verified(builder, "--json").document
    assert document == {
        "store": builder.root,
        "checked": 8,
        "bytes": sum(row["size"] for row in _whole(builder)),
        "remembered": 0,
        "bad": [],
        "changed": [],
        "cancelled": False,
    }
    digest = damage(builder, "solo weights" * 2_000)
    result = verified(builder, "--json")
    assert result.code == 1
    (bad,) = result.document["bad"]
    assert bad == {
        "digest": digest,
        "path": f"blobs/{digest.replace(':', '-')}",
        "kind": "wrong-hash",
        "problem": bad["problem"],
        "models": ["team/solo:v1"],
    }
    assert (result.document["checked"], result.document["remembered"]) == (1, 7)


def _whole(builder: StoreBuilder) -> list[dict[str, int]]:
    rows = call("blobs", "--json", store=builder.root).document["blobs"]
    return [row for row in rows if row["state"] in ("referenced", "unreferenced")]


def test_models_and_digests_can_be_named(builder: StoreBuilder) -> None:
    assert verified(builder, "BASE", "derived", "--json").document["checked"] == 5
    unreferenced = digest_of(builder.root, "unreferenced")
    assert verified(builder, unreferenced[:8], f"sha256:{unreferenced[:9]}", "--json").document["checked"] == 1
    assert verified(builder, f"blobs/sha256-{unreferenced}", "--json").document["remembered"] == 1
    damage(builder, "solo weights" * 2_000)
    assert verified(builder, "base").code == 0, "of others nothing is asked"


def test_the_trash_only_by_digest(builder: StoreBuilder) -> None:
    layers = call("show", "team/solo:v1", "--json", store=builder.root).document["layers"]
    digest = next(layer["digest"] for layer in layers if layer["kind"] == "weights")
    assert call("rm", "team/solo:v1", "-y", store=builder.root).code == 0
    assert verified(builder, "--json").document["checked"] == 6
    assert verified(builder, digest, "--json").document["checked"] == 1


def test_what_cannot_be_named(builder: StoreBuilder) -> None:
    for arguments, code, word in (
        (("bse",), 1, "base:latest"),
        (("ffffff",), 1, "sha256:ffffff"),
        (("a b",), 2, "invalid model name"),
        (("blobs/README.txt",), 2, "blobs/README.txt cannot be verified"),
        ((digest_of(builder.root, "partial"),), 2, "cannot be verified"),
    ):
        result = verified(builder, *arguments)
        assert (result.code, result.out) == (code, b"")
        assert word in result.complaint
        assert result.complaint.count("\n") == 1


def test_a_missing_blob(builder: StoreBuilder) -> None:
    os.unlink(builder.blob_path(builder.layer("weights", "solo weights" * 2_000).digest))
    result = verified(builder, "team/solo:v1")
    assert result.code == 1
    assert "  not there\n  breaks team/solo:v1\n" in result.text


class _Touching(Reader):
    """Another program writes every file while it is read."""

    def read(self, descriptor: int, buffer: memoryview) -> int:
        os.utime(descriptor, ns=(0, os.fstat(descriptor).st_mtime_ns + 1))
        return super().read(descriptor, buffer)


class _Failing(Reader):
    """A disk that gives nothing."""

    def read(self, descriptor: int, buffer: memoryview) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_changed_meanwhile_is_told_and_the_run_is_not_whole(builder: StoreBuilder) -> None:
    with patch("prunella_core.verify.Reader", _Touching):
        result = verified(builder, "team/solo:v1")
        document = verified(builder, "team/solo:v1", "--json").document
    assert result.code == 4
    assert result.text.count("changed while it was read") == 2
    assert "0 blobs verified, 0 B: 2 changed meanwhile" in result.text
    assert (document["checked"], document["bad"], len(document["changed"])) == (0, [], 2)


def test_a_disk_that_fails(builder: StoreBuilder) -> None:
    with patch("prunella_core.verify.Reader", _Failing):
        result = verified(builder, "team/solo:v1")
    assert result.code == 1
    assert result.text.count("cannot be read: Input/output error") == 2
    assert "unreadable-blob" in call("ls", "--json", store=builder.root).out.decode()


def test_ctrl_c_keeps_what_was_verified(builder: StoreBuilder) -> None:
    builder.file(f"blobs/sha256-{'a' * 64}", b"endless", size=TERABYTE, age=DAY)
    with heeding_ctrl_c():
        terminal = Terminal("verify", store=builder.root, size=(120, 24))
        terminal.wait_for("verifying: 8 of 9 files")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    for shown in (
        " of 1.0 TB · ",
        "/s · ",
        " left",
        "Cancelled",
        ": 8 blobs verified, ",
        "The next run resumes here",
    ):
        assert shown in terminal.screen
    assert "Traceback" not in terminal.screen
    rest_of_it = verified(builder, "base", "derived", "team/solo:v1", "--json").document
    assert (rest_of_it["checked"], rest_of_it["remembered"]) == (0, 7)


def test_as_a_process_it_prints_one_document_and_nothing_else(builder: StoreBuilder) -> None:
    result = run("verify", "--json", store=builder.root)
    assert (result.code, result.err) == (0, b"")
    assert result.document["checked"] == 8


def test_rates_and_rest_times() -> None:
    assert rate(3_000_000_000, 2.0) == "1.5 GB/s"
    assert rate(5, 0) == ""
    assert rest(0.25, 60) == "3 minutes left"
    assert rest(0, 60) == rest(1, 60) == rest(0.5, 0) == ""

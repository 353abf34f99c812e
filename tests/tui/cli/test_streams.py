"""Closed or full streams, readers that have gone: never a traceback; what was done is said, or exits 4."""

import subprocess

import pytest

from commandline import ENVIRONMENT, Result, call, program
from prunella_core.sample import StoreBuilder


def shell(builder: StoreBuilder, line: str) -> Result:
    """Run ``prunella`` with what ``line`` adds, as a shell does."""
    command = f'{program()[0]} -m prunella_tui --store "$STORE" {line}'
    ended = subprocess.run(
        ["sh", "-c", command], env={**ENVIRONMENT, "STORE": builder.root}, capture_output=True, timeout=60, check=False
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def models(builder: StoreBuilder) -> list[str]:
    return sorted(model["name"] for model in call("ls", "--json", store=builder.root).document["models"])


@pytest.mark.parametrize("command", ["ls", "ls --json", "blobs", "df", "doctor", "verify", "trash", "log", "export"])
@pytest.mark.parametrize(
    ("stream", "reason"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_what_cannot_be_printed_is_a_line(builder: StoreBuilder, command: str, stream: str, reason: str) -> None:
    result = shell(builder, f"{command} {stream}")
    assert (result.code, result.complaint) == (1, f"prunella: cannot write the output: {reason}\n")


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_a_closed_or_full_stderr_disturbs_nothing(builder: StoreBuilder, streams: str) -> None:
    assert shell(builder, f"ls -q {streams}").text.splitlines() == ["derived:latest", "base:latest", "team/solo:v1"]
    result = shell(builder, f"rm derived -y --json {streams}")
    assert (result.code, result.document["done"]) == (0, True)
    assert shell(builder, f"show nothing {streams}").code == 1


@pytest.mark.parametrize("stream", [">&-", ">/dev/full"])
def test_a_removal_whose_receipt_cannot_be_printed_is_said_on_stderr(builder: StoreBuilder, stream: str) -> None:
    result = shell(builder, f"rm --now derived -y --json {stream}")
    assert result.code == 4
    assert "prunella: done, 12.3 kB freed, but cannot write the output" in result.complaint
    assert models(builder) == ["base:latest", "team/solo:v1"]


def test_a_removal_that_nothing_can_say_exits_with_four(builder: StoreBuilder) -> None:
    assert shell(builder, "rm --now derived -y --json >&- 2>&-") == (4, b"", b"")
    assert models(builder) == ["base:latest", "team/solo:v1"]


def test_a_plan_that_cannot_be_shown_is_not_carried_out(builder: StoreBuilder) -> None:
    assert shell(builder, "rm --now derived -y >/dev/full").code == 1
    assert len(models(builder)) == 3


def test_no_file_gets_the_number_of_a_closed_stream(builder: StoreBuilder) -> None:
    """Else the ledger would be opened as stdout, and the table written into it."""
    assert shell(builder, "ls -q >&- 2>&- <&-").code == 1
    assert shell(builder, "rm --now derived -y --json >&- 2>&-").code == 4
    assert shell(builder, "log --json").document["entries"][0]["models"][0]["name"] == "derived:latest"


def test_a_reader_that_has_gone_is_no_complaint(builder: StoreBuilder) -> None:
    line = f'{{ {program()[0]} -m prunella_tui --store "$STORE" rm --now derived -y --json; echo $? >&2; }} | :'
    ended = subprocess.run(
        ["sh", "-c", line], env={**ENVIRONMENT, "STORE": builder.root}, capture_output=True, timeout=60, check=False
    )
    assert ended.stderr == b"4\n"
    assert models(builder) == ["base:latest", "team/solo:v1"]

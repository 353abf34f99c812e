"""Completion: what a shell is offered, and that Bash understands it although names hold colons."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import ENVIRONMENT, call, digest_of, make_store

BASH = shutil.which("bash")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The small store."""
    return make_store(tmp_path / "models").root


def completed(line: str, store: str, shell: str = "zsh") -> list[str]:
    """What is offered for the last word of a line (the lines of zsh are type, value and help)."""
    asked = {
        "_PRUNELLA_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "PRUNELLA_STORE": store,
    }
    result = call(environment=asked)
    assert (result.code, result.err) == (0, b"")
    return result.text.splitlines()[1::3]


def test_commands_and_options(store: str) -> None:
    assert completed("prunella d", store) == ["df", "doctor", "diff", "demo"]
    assert "--dry-run" in completed("prunella rm --d", store)


def test_models_in_any_case(store: str) -> None:
    assert completed("prunella show ", store) == ["base:latest", "derived:latest", "team/solo:v1"]
    assert completed("prunella rm BA", store) == ["base:latest"]
    assert completed("prunella rm base:latest te", store) == ["team/solo:v1"]


def test_digests_as_they_were_begun(store: str) -> None:
    digest = digest_of(store, "unreferenced")
    assert completed(f"prunella why {digest[:8]}", store) == [digest]
    assert completed(f"prunella rm sha256:{digest[:8]}", store) == [f"sha256:{digest}"]


def test_the_store_of_the_line_counts(store: str, tmp_path: Path) -> None:
    assert completed(f"prunella --store {store} show b", str(tmp_path)) == ["base:latest"]
    assert completed(f"prunella show --store {store} b", str(tmp_path)) == ["base:latest"]


def test_without_a_store_nothing_is_offered_and_nothing_said(tmp_path: Path) -> None:
    assert completed("prunella show ", str(tmp_path / "none")) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts(shell: str) -> None:
    result = call("completion", shell)
    assert result.code == 0
    assert f"_PRUNELLA_COMPLETE={shell}_complete" in result.text
    assert call("completion", environment={"SHELL": f"/usr/bin/{shell}"}).text == result.text


def test_a_shell_that_is_not_known() -> None:
    result = call("completion", environment={"SHELL": "/bin/tcsh"})
    assert result.code == 2
    assert "bash, zsh, fish" in result.complaint


@pytest.mark.skipif(BASH is None, reason="there is no Bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["show", "team/so"], ["team/solo:v1"]),
        (["show", "base", ":", "la"], ["latest"]),
        (["show", "base", ":"], ["latest"]),
        (["rm", "base", ":", "latest", "der"], ["derived:latest"]),
        (["show", "base:la"], ["base:latest"]),  # where the user has taken the colon out of COMP_WORDBREAKS
    ],
)
def test_bash_completes_names_with_colons(store: str, tmp_path: Path, words: list[str], offered: list[str]) -> None:
    starter = tmp_path / "bin/prunella"
    starter.parent.mkdir()
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m prunella_tui "$@"\n')
    starter.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in ["prunella", *words])
    script = (
        'eval "$(prunella completion bash)"\n'
        f"COMP_WORDS=({quoted}) COMP_CWORD={len(words)}\n"
        '_prunella_completion prunella\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    environment = {**ENVIRONMENT, "PATH": f"{starter.parent}:{os.environ['PATH']}", "PRUNELLA_STORE": store}
    ended = subprocess.run([str(BASH), "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert (ended.stdout.split(), ended.stderr) == (offered, "")

"""What a command does not need it does not import, and the help is right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import ENVIRONMENT, call, make_store
from prunella_tui.cli.help import LINES
from prunella_tui.cli.root import root


def imported(*arguments: str) -> set[str]:
    """Run the command line, and return the modules that it imported."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "prunella_tui", *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
        text=True,
    )
    return set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.MULTILINE))


def packages(modules: set[str]) -> set[str]:
    """The top-level names of modules."""
    return {module.partition(".")[0] for module in modules}


def test_ls_loads_neither_textual_nor_the_client_of_ollama(tmp_path: Path) -> None:
    store = make_store(tmp_path / "models").root
    modules = packages(imported("--store", store, "ls"))
    assert {"rich", "click"} <= modules
    assert not {"textual", "ollama", "httpx", "prometheus_client"} & modules


def test_metrics_alone_load_the_client_of_prometheus(tmp_path: Path) -> None:
    store = make_store(tmp_path / "models").root
    assert "prometheus_client" not in packages(imported("--store", store, "doctor"))
    modules = packages(imported("--store", store, "metrics"))
    assert "prometheus_client" in modules
    assert not {"rich", "textual", "humanize"} & modules


def test_json_does_without_rich(tmp_path: Path) -> None:
    store = make_store(tmp_path / "models").root
    assert not {"rich", "textual", "humanize"} & packages(imported("--store", store, "ls", "--json"))


def test_help_needs_nothing_but_its_text() -> None:
    modules = imported("--help")
    assert not {"click", "rich", "textual", "msgspec", "humanize", "platformdirs"} & packages(modules)
    assert {name for name in modules if name.startswith("prunella_core.")} <= {
        "prunella_core.base",
        "prunella_core.base.errors",
        "prunella_core.base.text",
    }
    assert not any(name in modules for name in ("prunella_tui.cli.root", "prunella_tui.cli.see"))


@pytest.mark.parametrize("name", LINES)
def test_every_command_has_help_that_begins_like_its_line_in_the_table(name: str) -> None:
    result = call(name, "--help")
    assert result.code == 0
    assert f"Usage: prunella {name}" in result.text
    assert LINES[name].rstrip(".").split(":")[0] in " ".join(result.text.split())


def test_the_help_names_every_command_and_every_option() -> None:
    text = call("--help").text
    assert text == call("--store", "x", "-h").text
    for name in LINES:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
    for option in root.params:
        assert re.search(rf"^  {'|'.join(option.opts)}\b", text, re.MULTILINE), option.opts
    assert max(map(len, text.splitlines())) < 80


def test_every_example_in_the_help_is_a_command_line_that_parses() -> None:
    texts = [call("--help").text, *(call(name, "--help").text for name in LINES)]
    examples = [line for text in texts for line in re.findall(r"^ {4}prunella ([\w-].*)$", text, re.MULTILINE)]
    assert len(examples) > 12
    for example in examples:
        if "$(" in example:
            continue
        words = re.split(r"  +|[|>$\"]", example)[0].split()
        context = root.make_context("prunella", words)
        name, command, rest = root.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        command.make_context(name, rest, parent=context)

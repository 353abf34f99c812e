"""Settings: a flag comes before a variable, and a variable before the configuration file."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from commandline import call, make_store
from prunella_core.apply.work import World
from prunella_tui.cli.options import Config, config_path, read_config, remember


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a configuration folder."""
    (tmp_path / "config/prunella").mkdir(parents=True)
    return tmp_path


def write(home: Path, text: str | bytes) -> str:
    """Write the configuration, and return its path."""
    path = home / "config/prunella/config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def at(home: Path, **more: str) -> dict[str, str]:
    """The environment of a user whose home is ``home``."""
    return {"XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home), **more}


def chosen(home: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """The store that a run chooses, and why."""
    result = call(*arguments, "doctor", "--json", environment=at(home, **environment))
    assert result.code == 0, result
    store = result.document["store"]
    return Path(store["path"]).name, store["why"]


def test_the_order_of_what_names_the_store(home: Path) -> None:
    paths = {name: make_store(home / name).root for name in ("flag", "late", "variable", "ollama", "configured")}
    path = write(home, f'store = "{paths["configured"]}"\n')
    assert chosen(home) == ("configured", path)
    assert chosen(home, OLLAMA_MODELS=paths["ollama"]) == ("ollama", "OLLAMA_MODELS")
    variables = {"OLLAMA_MODELS": paths["ollama"], "PRUNELLA_STORE": paths["variable"]}
    assert chosen(home, **variables) == ("variable", "PRUNELLA_STORE")
    assert chosen(home, "--store", paths["flag"], **variables) == ("flag", "--store")
    late = call("doctor", "--json", "--store", paths["late"], store=paths["flag"])
    assert late.document["store"]["path"] == paths["late"]


def test_empty_variables_say_nothing(home: Path) -> None:
    path = write(home, f'store = "{make_store(home / "configured").root}"\n')
    assert chosen(home, OLLAMA_MODELS="", PRUNELLA_STORE="") == ("configured", path)


def test_the_default_store_of_the_home(home: Path) -> None:
    make_store(home / ".ollama/models")
    assert chosen(home)[0] == "models"


def test_the_retention_is_the_age_of_a_prune(home: Path) -> None:
    store = make_store(home / "models").root  # everything in it is 30 days old

    def count(*arguments: str, **environment: str) -> int:
        run = call(*arguments, "--json", "-n", store=store, environment=at(home, **environment))
        return len(run.document["files"])

    assert count("prune") == 5
    write(home, 'retention = "60d"\n')
    assert count("prune") == 0
    assert count("prune", PRUNELLA_RETENTION="20d") == 5
    assert count("--retention", "50d", "prune", PRUNELLA_RETENTION="20d") == 0
    assert count("--retention", "50d", "prune", "--age", "1h") == 5


def test_how_long_a_deletion_is_watched(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []

    def watching(*, settle: float = 0, **more: Any) -> World:
        found.append(settle)
        return World(settle=0, **more)

    def settle(*flags: str, **environment: str) -> float:
        environment = at(home, **{"PRUNELLA_SETTLE": "", **environment})
        assert call("prune", "-y", *flags, store=store, environment=environment).code == 0
        return found.pop()

    monkeypatch.setattr("prunella_tui.cli.removing.World", watching)
    store = make_store(home / "models").root
    assert settle() == 10
    write(home, 'settle = "1m"\n')
    assert settle() == 60
    assert settle(PRUNELLA_SETTLE="5s") == 5
    assert settle("--settle", "0", PRUNELLA_SETTLE="5s") == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("store = ", "is not valid TOML"),
        (b"\xff\xfe", "is not valid TOML"),
        ('"\x1b[31m" = 1', "is not valid TOML"),
        ('colour = "red"', "unknown key “colour”: use store, theme, retention"),
        ('"\\u001b[31m" = "red"', "unknown key"),
        ("theme = 3", "theme must be text in quotes"),
        ('store = ""', "store must be text in quotes"),
        ("[store]", "store must be text in quotes"),
    ],
)
def test_a_broken_file_is_told_in_one_line(home: Path, text: str | bytes, words: str) -> None:
    path = write(home, text)
    result = call("ls", store=str(home), environment=at(home))
    assert (result.code, result.out) == (2, b"")
    assert result.complaint.count("\n") == 1
    assert path in result.complaint
    assert words in result.complaint
    assert "\x1b" not in result.complaint


def test_a_retention_that_is_no_age(home: Path) -> None:
    write(home, 'retention = "a while"\n')
    result = call("prune", store=make_store(home / "models").root, environment=at(home))
    assert result.code == 2
    assert "invalid age “a while”" in result.complaint


def test_a_file_that_cannot_be_read(home: Path) -> None:
    os.mkdir(home / "config/prunella/config.toml")
    result = call("ls", store=str(home), environment=at(home))
    assert result.code == 2
    assert "cannot read the configuration" in result.complaint


def test_help_and_demo_do_without_it(home: Path) -> None:
    write(home, "broken")
    assert call("--help", environment=at(home)).code == 0
    assert call("prune", "--help", environment=at(home)).code == 0
    assert call("demo", "--dir", str(home / "sample"), environment=at(home)).code == 0


def test_all_keys(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('store = "/a"\ntheme = "nord"\nretention = "2w"\n')
    assert read_config(str(file)) == Config("/a", "nord", "2w")
    assert read_config(str(tmp_path / "none.toml")) == Config()


@pytest.mark.parametrize("value", ['/a "b" \\ c', "/ünï\u200b/\x7f\n", "/plain"])
def test_what_is_remembered_is_read_again(tmp_path: Path, value: str) -> None:
    file = tmp_path / "new folder/config.toml"
    remember(str(file), "theme", "nord")
    remember(str(file), "store", "/before")
    remember(str(file), "store", value)
    assert read_config(str(file)) == Config(store=value, theme="nord")
    with pytest.raises(UnicodeError):
        remember(str(file), "store", "/\udcff")
    assert read_config(str(file)).store == value
    assert os.listdir(file.parent) == ["config.toml"]


@pytest.mark.parametrize("environment", [{}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "/somewhere"}])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs is asked")
def test_the_configuration_lies_where_platformdirs_has_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from platformdirs import user_config_dir

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert config_path() == os.path.join(user_config_dir("prunella", appauthor=False), "config.toml")

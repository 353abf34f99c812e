"""The configuration file. Flags and ``PRUNELLA_*`` variables come first."""

import os
from contextlib import closing
from typing import NamedTuple

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean


class Config(NamedTuple):
    """The keys of ``config.toml``; ``None`` where it has none."""

    store: str | None = None
    theme: str | None = None
    retention: str | None = None
    settle: str | None = None
    keep: str | None = None
    max_size: str | None = None
    min_free: str | None = None
    gc: bool | None = None
    log: bool | None = None


def config_path() -> str:
    """Return where this platform keeps the file: ``~/.config/prunella/config.toml`` on Linux."""
    return os.path.join(_config_folder(), "config.toml")


def _config_folder() -> str:
    if os.uname().sysname == "Linux":  # as platformdirs has it, which takes longer to import than a small store to read
        base = os.environ.get("XDG_CONFIG_HOME", "").strip() or os.path.expanduser("~/.config")
        return os.path.join(base, "prunella")
    from platformdirs import user_config_dir

    return user_config_dir("prunella", appauthor=False)


def read_config(path: str) -> Config:
    """Return the configuration at ``path``, empty without a file. Raises InvalidInput, naming the file."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except OSError as error:
        raise InvalidInput(f"cannot read the configuration {clean(path)}: {error.strerror}") from error
    return _understand(data, path)


def remember(path: str, key: str, value: str) -> None:
    """Write a setting into the configuration at ``path``, owned as its folder, and leave the rest as it is.

    Raises OSError, and UnicodeError for text that no TOML can hold.
    """
    import json

    from prunella_core.fs.disk import Disk

    path = os.path.realpath(path)
    lines = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file.read().splitlines() if line.partition("=")[0].strip() != key]
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    with closing(Disk()) as disk:
        disk.make_folder(os.path.dirname(path))
        disk.write(path, "\n".join([*lines, f"{key} = {text}", ""]).encode())


def _understand(data: bytes, path: str) -> Config:
    import tomllib

    try:
        document = tomllib.loads(data.decode())
    except ValueError as error:  # bytes that are not UTF-8, or text that is not TOML
        raise InvalidInput(f"the configuration {clean(path)} is not valid TOML: {clean(str(error))}") from error
    for key, value in document.items():
        if key not in Config._fields:
            known = ", ".join(Config._fields)
            raise InvalidInput(f"the configuration {clean(path)}: unknown key “{clean(key)}”: use {known}")
        is_switch = key in ("gc", "log")
        if is_switch and not isinstance(value, bool):
            raise InvalidInput(f"the configuration {clean(path)}: {key} must be true or false")
        if not is_switch and not (isinstance(value, str) and value):
            raise InvalidInput(f"the configuration {clean(path)}: {key} must be text in quotes")
    return Config(**document)

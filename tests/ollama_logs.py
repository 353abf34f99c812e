"""Ollama's log as its versions write it: in files, and in the journal through a stand-in for ``journalctl``."""

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from prunella_core.sample import StoreBuilder
from stores import NOW, look


def stamp(at: float) -> str:
    """A time as Ollama's log has it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}.125Z"


def said(at: float, text: str, source: str = "server.go:400") -> str:
    """A line of the server itself."""
    return f"time={stamp(at)} level=INFO source={source} {text}\n"


def by_llama_server(at: float, path: str) -> str:
    """A load in 0.30 and later."""
    return said(at, f'msg="loading model via llama-server" model={path}', "llama_server.go:120")


def by_runner(at: float, path: str) -> str:
    """A load in 0.12 to 0.2x: the vocabulary is loaded first, then the runner loads all."""
    command = f"/usr/local/bin/ollama runner --ollama-engine --model {path} --port 39115"
    return by_library(at - 1, path) + said(at, f'msg="starting runner" cmd="{command}"') + _loaded(path)


def by_old_runner(at: float, path: str) -> str:
    """A load in 0.3 to 0.11."""
    command = f"/usr/lib/ollama/runners/cuda_v12/ollama_llama_server --model {path} --ctx-size 8192 --port 4567"
    return said(at, f'msg="starting llama server" cmd="{command}"') + _loaded(path)


def by_library(at: float, path: str) -> str:
    """A load as llama.cpp says it; its lines have no time, but those before them do."""
    return said(at, 'msg="offload to cuda"') + _loaded(path)


def _loaded(path: str) -> str:
    pairs = "llama_model_loader: loaded meta data with 29 key-value pairs and 291 tensors"
    return f"{pairs} from {path} (version GGUF V3 (latest))\n"


GENERATIONS: list[Callable[[float, str], str]] = [by_llama_server, by_runner, by_old_runner, by_library]


def start(at: float, root: str, version: str = "0.30.1") -> str:
    """What a server says first; its settings come before the address."""
    settings = (
        f"map[CUDA_VISIBLE_DEVICES: OLLAMA_HOST:http://127.0.0.1:11434 OLLAMA_MODELS:{root} OLLAMA_NOPRUNE:false]"
    )
    lines = said(at, f'msg="server config" env="{settings}"', "routes.go:1158")
    return lines + said(at + 0.1, f'msg="Listening on 127.0.0.1:11434 (version {version})"', "routes.go:1211")


def weights_of(builder: StoreBuilder, model: str) -> str:
    """The path of a model's weights."""
    layers = look(builder.root).model_by_name[model].layers
    return builder.blob_path(next(layer.digest for layer in layers if layer.kind == "weights"))


def log_file(builder: StoreBuilder, text: str, name: str = "server.log", at: float = NOW) -> Path:
    """Append to a log where the apps have theirs, written ``at`` (seconds, UTC)."""
    path = Path(builder.root).parent / "logs" / name
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(text)
    os.utime(path, (at, at))
    return path


_JOURNALCTL = """#!/bin/sh
printf '%s\\n' "$*" >> "$0.asked"
cursor=
for word; do case "$word" in --cursor=*) cursor="${word#--cursor=}";; esac; done
if [ -z "$cursor" ]; then cat "$0.entries"
elif [ "$cursor" = invalid ]; then exit 1
else sed -n "/\\"__CURSOR\\":\\"$cursor\\"/,\\$p" "$0.entries"; fi
"""


class Journal:
    """A folder for PATH with a ``journalctl`` that knows ``entries``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.program = folder / "journalctl"
        self.program.write_text(_JOURNALCTL)
        self.program.chmod(0o755)
        self.write([])

    @property
    def path(self) -> str:
        """What PATH is with it; the shell finds its tools."""
        return f"{self.folder}:/usr/bin:/bin"

    @property
    def asked(self) -> list[str]:
        """The arguments of each call."""
        return Path(f"{self.program}.asked").read_text().splitlines()

    def write(self, entries: Sequence[tuple[float, str]], first: int = 0) -> None:
        """Let it have ``entries``: time and text; their cursors count from ``first``."""
        lines = []
        for number, (at, text) in enumerate(entries, first):
            for part, line in enumerate(text.splitlines()):
                entry = {
                    "__CURSOR": f"s=1;i={number}.{part}",
                    "__REALTIME_TIMESTAMP": str(int(at * 1e6)),
                    "_BOOT_ID": "1",
                    "MESSAGE": list(line.encode()) if part % 2 else line,
                }
                lines.append(json.dumps(entry, separators=(",", ":")) + "\n")
        Path(f"{self.program}.entries").write_text("".join(lines))

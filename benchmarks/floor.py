"""The least that plain Python needs for ``ls --json`` or ``blobs --json``: ``python floor.py ls|blobs STORE``.

A yardstick, not a second implementation: a healthy store, no links, trash, ledger or server. It prints the same rows.
"""

import hashlib
import os
import sys
import time
from collections import defaultdict
from itertools import islice
from typing import Any

import msgspec


class _Layer(msgspec.Struct):
    digest: str
    size: int = 0
    mediaType: str = ""  # noqa: N815 -- the manifest's own name


class _Manifest(msgspec.Struct):
    config: _Layer
    layers: list[_Layer] = []


class _Config(msgspec.Struct):
    model_family: str | None = None
    model_type: str | None = None
    file_type: str | None = None


class _Model(msgspec.Struct):
    name: str
    written: float
    allocated: int
    digest: str
    layers: list[_Layer]
    needs: list[str]


_MANIFEST = msgspec.json.Decoder(_Manifest).decode
_CONFIG = msgspec.json.Decoder(_Config).decode
_ENCODER = msgspec.json.Encoder()
_KINDS = {"model": "weights", "v1+json": "config"}
_SHOWN = 20
_AT_ONCE = 64


def _read(path: str) -> tuple[os.stat_result, bytes]:
    with open(path, "rb", buffering=0) as file:
        return os.fstat(file.fileno()), file.read()


def _models() -> list[_Model]:
    found = []
    for host in os.listdir("manifests"):
        for namespace in os.listdir(f"manifests/{host}"):
            for name in os.listdir(f"manifests/{host}/{namespace}"):
                for tag in os.listdir(f"manifests/{host}/{namespace}/{name}"):
                    status, data = _read(f"manifests/{host}/{namespace}/{name}/{tag}")
                    manifest = _MANIFEST(data)
                    layers = [manifest.config, *manifest.layers]
                    short = f"{name}:{tag}" if namespace == "library" else f"{namespace}/{name}:{tag}"
                    needs = list(dict.fromkeys([layer.digest for layer in layers]))
                    digest = hashlib.sha256(data).hexdigest()
                    found.append(_Model(short, status.st_mtime, status.st_blocks * 512, digest, layers, needs))
    return sorted(found, key=lambda model: model.name)


def _users(models: list[_Model]) -> dict[str, tuple[str, ...]]:
    names = defaultdict(list)
    for model in models:
        for digest in model.needs:
            names[digest].append(model.name)
    same: dict[tuple[str, ...], tuple[str, ...]] = {}
    return {digest: same.setdefault(users := tuple(each), users) for digest, each in names.items()}


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _kind(layer: _Layer) -> str:
    kind = layer.mediaType.rpartition(".")[2]
    return _KINDS.get(kind, kind)


def _ls(models: list[_Model], stats: dict[str, os.stat_result], now: float) -> Any:
    users = _users(models)
    sizes = {f"sha256:{name[7:]}": status.st_blocks * 512 for name, status in stats.items() if len(name) == 71}
    configs: dict[str, _Config] = {}
    together: dict[frozenset[int], list[str]] = {}
    for model in models:
        first = model.needs[0]
        if first not in configs:
            configs[first] = _CONFIG(_read("blobs/" + first.replace(":", "-"))[1])
        config = configs[first]
        everything = sum([sizes[digest] for digest in model.needs])
        alone = sum([sizes[digest] for digest in model.needs if len(users[digest]) == 1])
        groups = {id(users[digest]): users[digest] for digest in model.needs if len(users[digest]) > 1}
        key = frozenset(groups)
        if key not in together:
            together[key] = sorted(set().union(*groups.values()))
        weights = next((layer.digest for layer in model.layers if _kind(layer) in ("weights", "tensor")), first)
        used = stats[weights.replace(":", "-")].st_atime
        yield {
            "name": model.name,
            "id": model.digest[:12],
            "digest": model.digest,
            "size": sum([layer.size for layer in model.layers]),
            "allocated": model.allocated + everything,
            "reclaims": model.allocated + alone,
            "shared": everything - alone,
            "shared_with": [name for name in islice(together[key], _SHOWN + 1) if name != model.name][:_SHOWN],
            "shared_with_count": max(len(together[key]) - 1, 0),
            "modified_at": _stamp(model.written),
            "last_used": _stamp(used),
            "age_seconds": int(now - max(used, model.written)),
            "age_from": "weights-read" if used > model.written else "manifest-written",
            "pinned": False,
            "family": config.model_family,
            "parameters": config.model_type,
            "quantization": config.file_type,
            "location": "local",
            "comes_back": None,
            "problems": [],
            "blobs": model.needs,
        }


def _blobs(models: list[_Model], stats: dict[str, os.stat_result], now: float) -> Any:
    users = _users(models)
    kinds = {layer.digest: _kind(layer) for model in models for layer in model.layers}
    for name, status in stats.items():
        digest = f"sha256:{name[7:71]}"
        needed = users.get(digest, ())
        yield {
            "digest": digest,
            "state": "referenced" if needed else "partial" if len(name) > 71 else "unreferenced",
            "kind": kinds[digest] if needed else None,
            "size": status.st_size,
            "allocated": status.st_blocks * 512,
            "files": [f"blobs/{name}"],
            "models": needed,
            "age_seconds": int(now - status.st_mtime),
            "age_from": "written",
            "links": status.st_nlink,
            "target": None,
            "identity": None,
            "likely": None,
        }


def main(what: str, root: str) -> None:
    """Print the document."""
    os.chdir(root)
    names = os.listdir("blobs")
    models = _models()
    stats = {name: os.lstat(f"blobs/{name}") for name in names}
    rows = (_ls if what == "ls" else _blobs)(models, stats, time.time())
    out = sys.stdout.buffer
    out.write(b'{"store": ' + _ENCODER.encode(root) + b', "rows": [')
    lead = b"\n"
    while some := list(islice(rows, _AT_ONCE)):
        out.write(lead + _ENCODER.encode_lines(some).rstrip().replace(b"\n", b",\n"))
        lead = b",\n"
    out.write(b"]}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

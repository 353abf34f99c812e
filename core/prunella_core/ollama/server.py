"""Talks to the Ollama server, which is never required: bounded in time, whatever it sends."""

import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.ollama.exchange import Address, Request, coming, within
from prunella_core.ollama.names import parse_name

_PORTS = {"": 11_434, "http": 80, "https": 443}
_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- what a server listens on is not where it is reached
_PROBE_SECONDS = 0.5
_ANSWER_SECONDS = 5.0
_WORK_SECONDS = 60.0
"""For deletions of large files and the like."""
_PS_SECONDS = 2.0
_HASHED_A_SECOND = 20_000_000
"""Bytes that even a slow disk reads: while the server checks what it has pulled, it says nothing."""
_LARGEST_ANSWER = 64 * 1024 * 1024

_Answer = TypeVar("_Answer")

Pulling = Callable[[str, int, int], object]
"""How far a pull is: the digest of a blob, its bytes that are here, and all of its bytes."""


class ServerError(PrunellaError):
    """The server failed or refused."""


class Loaded(NamedTuple):
    """A model in the server's memory; its space on the disk returns only when it is unloaded."""

    name: str
    digest: str


def address(environ: Mapping[str, str]) -> Address:
    """Read ``OLLAMA_HOST`` as Ollama does (its ``envconfig``): each part is optional, a bad port is the default.

    Raises ValueError for what is not an address at all.
    """
    text = environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    has_scheme = "://" in text
    if text.count(":") > 1 and not has_scheme and "[" not in text:
        text = f"[{text}]"  # an IPv6 address by itself
    parts = urlsplit(text if has_scheme else f"http://{text}")
    default = _PORTS.get(parts.scheme if has_scheme else "", _PORTS[""])
    try:
        port = default if parts.port is None else parts.port
    except ValueError:
        port = default
    host = parts.hostname or "127.0.0.1"
    return Address(parts.scheme or "http", _UNSPECIFIED.get(host, host), port, parts.path.rstrip("/"))


def connect(environ: Mapping[str, str]) -> "Server | None":
    """Return the server, or ``None`` where nothing listens, within half a second; a slow server counts as one."""
    try:
        where = address(environ)
        if _refuses(where):
            return None
    except TimeoutError:
        pass
    except (OSError, ValueError):
        return None
    return Server(where)


def is_quiet(environ: Mapping[str, str]) -> bool:
    """Whether this machine's address refuses the connection and no process is named ollama; in doubt ``False``.

    Asked before anything is deleted for good.
    """
    import subprocess  # late: most runs delete nothing

    with suppress(OSError, ValueError, subprocess.SubprocessError):
        if all(_refuses(address(where)) for where in (environ, {})):
            return not any("ollama" in name.casefold() for name in _processes())
    return False


def _refuses(where: Address) -> bool:
    """Whether nothing listens there. Raises OSError when that cannot be known, and ValueError for a strange name."""

    def knock() -> None:
        socket.create_connection((where.host, where.port), timeout=_PROBE_SECONDS).close()

    try:
        within(_PROBE_SECONDS, knock)
    except ConnectionRefusedError:
        return True
    return False


def _processes(folder: str = "/proc") -> Collection[str]:
    """The names of all processes. Raises OSError where those of other users are hidden."""
    if not os.path.isdir(folder):  # macOS
        import subprocess

        return subprocess.check_output(["/bin/ps", "-axco", "comm="], text=True, timeout=_PS_SECONDS).split("\n")
    names = [_name_of(f"{folder}/1")]
    for process in filter(str.isdigit, os.listdir(folder)):
        with suppress(OSError):  # it has just ended
            names.append(_name_of(f"{folder}/{process}"))
    return names


def _name_of(process: str) -> str:
    with open(f"{process}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()


class _Listed(Struct):
    model: str = ""
    name: str = ""
    digest: str = ""


class _Models(Struct):
    models: list[_Listed]


class _Shown(Struct):
    modelfile: str = ""


class _Version(Struct):
    version: str


class _Error(Struct):
    error: str


class _Pulled(Struct):
    status: str = ""
    digest: str = ""
    completed: int = 0
    total: int = 0
    error: str = ""


class Server:
    """The server at ``where``, over HTTP and never through a proxy: its store is on this machine.

    Every method raises ServerError.
    """

    def __init__(self, where: Address) -> None:
        self._where = where
        self.address = where.url

    def version(self) -> str:
        """Its version, such as 0.33.0."""
        return self._read(self._ask("GET", "/api/version"), _Version).version

    def loaded(self) -> list[Loaded]:
        """The models in memory."""
        answer = self._read(self._ask("GET", "/api/ps"), _Models)
        return [Loaded(model.model or model.name, model.digest) for model in answer.models]

    def models(self) -> dict[str, str]:
        """The digest of every model in its list, by name."""
        answer = self._read(self._ask("GET", "/api/tags"), _Models)
        return {model.model or model.name: model.digest for model in answer.models}

    def weights(self, name: str) -> str:
        """The path of a model's weights, as the server sees it; empty where there are none."""
        lines = self._read(self._ask("POST", "/api/show", {"model": name}), _Shown).modelfile.splitlines()
        return next((line.removeprefix("FROM ").strip() for line in lines if line.startswith("FROM /")), "")

    def unload(self, name: str) -> None:
        """Unload a model, as ``ollama stop`` does."""
        self._ask("POST", "/api/generate", {"model": name, "keep_alive": 0, "stream": False}, _WORK_SECONDS)

    def delete(self, name: str) -> None:
        """Delete a model at once; the server has no trash."""
        self._ask("DELETE", "/api/delete", {"model": name}, _WORK_SECONDS)

    def pull(self, name: str, report: Pulling, cancelled: Callable[[], bool]) -> None:
        """Pull what is missing of a model. Raises Cancelled too."""
        host = parse_name(name).host
        is_here = host.startswith("127.") or host.partition(":")[0] == "localhost"
        body = {"model": name, "insecure": is_here, "stream": True}  # a registry on this machine may have no HTTPS
        totals: dict[str, int] = {}
        latest = _Pulled()

        def patience() -> float:
            checking = latest.status.startswith("verifying")
            return _WORK_SECONDS + (sum(totals.values()) / _HASHED_A_SECOND if checking else 0)

        with self._request("POST", "/api/pull", body, _ANSWER_SECONDS) as request:
            for line in coming(request.lines, patience, cancelled):
                latest = self._read(line, _Pulled)
                if latest.error:
                    raise self._said(latest.error)
                if latest.digest:
                    totals[latest.digest] = latest.total
                    report(latest.digest, latest.completed, latest.total)
        if latest.status != "success":
            raise self._strange("the pull ended before it was done")

    def _ask(self, method: str, path: str, body: object = None, seconds: float | None = None) -> bytes:
        seconds = seconds or _ANSWER_SECONDS
        with self._request(method, path, body, seconds) as request:
            status, answer = within(seconds, lambda: request.answer(_LARGEST_ANSWER))
        if status >= 400:
            raise self._said(self._read(answer, _Error).error)
        return answer

    def _read(self, answer: bytes, kind: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._strange(error) from error

    @contextmanager
    def _request(self, method: str, path: str, body: object, seconds: float) -> Iterator[Request]:
        """One request, hung up at the end. Raises ServerError for whatever goes wrong on the way."""
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError

        try:
            with closing(Request(self._where, method, path, body, seconds)) as request:
                yield request
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise self._strange(error) from error

    def _said(self, error: str) -> ServerError:
        return ServerError(f"the server at {self.address} says: {clean(error)}")

    def _strange(self, why: object) -> ServerError:
        reason = clean(str(why).partition("\n")[0])
        return ServerError(f"the server at {self.address} does not answer as Ollama does ({reason})")

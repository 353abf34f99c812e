"""Talks to the Ollama server, which is never required: loaded models, and deletion without the right to write."""

import socket
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from threading import Thread
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean

_PORTS = {"": 11_434, "http": 80, "https": 443}
_PROBE_SECONDS = 0.5
_ANSWER_SECONDS = 5.0
_WORK_SECONDS = 60.0
"""For deletions of large files and the like."""
_LARGEST_ANSWER = 64 * 1024 * 1024
_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- what a server listens on is not where it is reached

_Result = TypeVar("_Result")


class ServerError(PrunellaError):
    """The server failed or refused."""


class Loaded(NamedTuple):
    """A model in the server's memory; its space on the disk returns only when it is unloaded."""

    name: str
    digest: str


class Address(NamedTuple):
    """Where a server is reached."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


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


def refuses(where: Address) -> bool:
    """Whether nothing listens there. Raises OSError when that cannot be known, and ValueError for a strange name."""

    def knock() -> None:
        socket.create_connection((where.host, where.port), timeout=_PROBE_SECONDS).close()

    try:
        _within(_PROBE_SECONDS, knock)
    except ConnectionRefusedError:
        return True
    return False


def _within(seconds: float, work: Callable[[], _Result], give_up: Callable[[], None] = lambda: None) -> _Result:
    """Return the result of ``work`` in a thread. Raises what it raises, and TimeoutError after ``seconds``.

    A name lookup has no timeout, and one from byte to byte never comes where bytes trickle in.
    """
    results: list[_Result] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 -- raised below, in the thread that waits
            errors.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        give_up()
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    return results[0]


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


_Reply = TypeVar("_Reply", _Models, _Shown, _Version, _Error)


class Server:
    """The server at ``where``, over HTTP and never through a proxy: its store is on this machine.

    Every method raises ServerError.
    """

    def __init__(self, where: Address) -> None:
        self.where = where
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

    def _ask(self, method: str, path: str, body: object = None, seconds: float | None = None) -> bytes:
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError

        try:
            status, answer = _exchange(self.where, method, path, body, seconds or _ANSWER_SECONDS)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise self._strange(error) from error
        if status >= 400:
            raise ServerError(f"the server at {self.address} says: {clean(self._read(answer, _Error).error)}")
        if len(answer) > _LARGEST_ANSWER:
            raise self._strange("too long an answer")
        return answer

    def _read(self, answer: bytes, kind: type[_Reply]) -> _Reply:
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._strange(error) from error

    def _strange(self, why: object) -> ServerError:
        reason = clean(str(why).partition("\n")[0])
        return ServerError(f"the server at {self.address} does not answer as Ollama does ({reason})")


def _exchange(where: Address, method: str, path: str, body: object, seconds: float) -> tuple[int, bytes]:
    """Send one request; return the status and the body, cut off where it is too long.

    Raises HTTPError, HTTPException, OSError and ValueError. The library is imported only where a server listens.
    """
    from urllib3.connection import HTTPConnection, HTTPSConnection

    connection = (HTTPSConnection if where.scheme == "https" else HTTPConnection)(
        where.host, where.port, timeout=seconds
    )
    opened: list[socket.socket] = []

    def talk() -> tuple[int, bytes]:
        with closing(connection):
            connection.connect()
            opened.append(connection.sock)
            data = None if body is None else msgspec.json.encode(body)
            headers = {"Content-Type": "application/json"}
            connection.request(method, where.path + path, data, headers, preload_content=False, decode_content=False)
            with closing(connection.getresponse()) as response:
                return response.status, response.read(_LARGEST_ANSWER + 1)

    def hang_up() -> None:
        for each in opened:
            with suppress(OSError):  # it has ended by itself just now
                each.shutdown(socket.SHUT_RDWR)

    return _within(seconds, talk, hang_up)


def connect(environ: Mapping[str, str]) -> Server | None:
    """Return the server, or ``None`` where nothing listens, within half a second; a slow server counts as one."""
    try:
        where = address(environ)
        if refuses(where):
            return None
    except TimeoutError:
        pass
    except (OSError, ValueError):
        return None
    return Server(where)

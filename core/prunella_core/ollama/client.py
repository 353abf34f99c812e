"""The Ollama server, asked and never needed: what it has loaded, and removals where this user may not write.

Addresses are read as Ollama reads ``OLLAMA_HOST`` (its ``envconfig`` package).
"""

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory

if TYPE_CHECKING:
    from ollama import Client

_DEFAULT_PORT = 11_434
_PORTS = {"http": 80, "https": 443}
_PROBE_SECONDS = 0.5
_ANSWER_SECONDS = 5.0
_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- what a server listens on is not where it is reached

_Answer = TypeVar("_Answer")


class ServerError(PrunellaError):
    """The server did not do what it was asked."""


class Loaded(NamedTuple):
    """A model that the server holds in memory; its space on the disk returns only when it lets go."""

    name: str
    digest: str


class Server(Protocol):
    """What Prunella asks of a server. Every method raises ServerError."""

    address: str

    def loaded(self) -> list[Loaded]:
        """The models in memory."""

    def models(self) -> dict[str, str]:
        """The digest of every model it lists, by name."""

    def unload(self, name: str) -> None:
        """Let go of a model."""

    def delete(self, name: str) -> None:
        """Remove a model at once; the server has no trash."""


class Address(NamedTuple):
    """Where a server is reached."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The address as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def address(environ: Mapping[str, str]) -> Address:
    """Read ``OLLAMA_HOST``: host, port, scheme and path may each be left out; a port that is none is the default.

    Raises ValueError for what is no address at all.
    """
    text = environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    has_scheme = "://" in text
    if text.count(":") > 1 and not has_scheme and "[" not in text:
        text = f"[{text}]"  # an IPv6 address by itself
    parts = urlsplit(text if has_scheme else f"http://{text}")
    default = _PORTS.get(parts.scheme, _DEFAULT_PORT) if has_scheme else _DEFAULT_PORT
    try:
        port = default if parts.port is None else parts.port
    except ValueError:
        port = default
    host = parts.hostname or "127.0.0.1"
    return Address(parts.scheme or "http", _UNSPECIFIED.get(host, host), port, parts.path.rstrip("/"))


def connect(environ: Mapping[str, str]) -> "Server | None":
    """Return the server when something listens at its address, else ``None``, within half a second.

    The client library is imported only when something listens: it takes longer to import than most commands to run.
    """
    try:
        where = address(environ)
        socket.create_connection((where.host, where.port), timeout=_PROBE_SECONDS).close()
    except (OSError, ValueError):  # nobody there, or no address at all: Prunella works without
        return None
    return OllamaServer(where.url)


class OllamaServer:
    """A server, asked through Ollama's own client."""

    def __init__(self, url: str) -> None:
        self.address = url

    def loaded(self) -> list[Loaded]:
        """The models in memory."""
        answer = self._ask(lambda client: client.ps())
        return [Loaded(model.model or model.name or "", model.digest or "") for model in answer.models]

    def models(self) -> dict[str, str]:
        """The digest of every model it lists, by name."""
        answer = self._ask(lambda client: client.list())
        return {model.model or "": model.digest or "" for model in answer.models}

    def unload(self, name: str) -> None:
        """Let go of a model, as ``ollama stop`` does: a generation without a prompt that is kept for no time."""
        self._ask(lambda client: client.generate(model=name, keep_alive=0))

    def delete(self, name: str) -> None:
        """Remove a model at once; the server has no trash."""
        self._ask(lambda client: client.delete(name))

    def _ask(self, question: "Callable[[Client], _Answer]") -> _Answer:
        import httpx
        import ollama

        try:
            with ollama.Client(host=self.address, timeout=_ANSWER_SECONDS, trust_env=not self._is_here()) as client:
                return question(client)
        except ollama.ResponseError as error:
            raise ServerError(f"the server at {self.address} says: {clean(error.error)}") from error
        except (httpx.HTTPError, ConnectionError, TypeError, ValueError) as error:
            reason = clean(str(error).partition("\n")[0])
            raise ServerError(f"the server at {self.address} does not answer as Ollama does ({reason})") from error

    def _is_here(self) -> bool:
        """Whether it runs on this machine: then no proxy is asked, as Ollama's own client does."""
        host = urlsplit(self.address).hostname or ""
        return host == "localhost" or host.startswith("127.") or host == "::1"


def serves(server: Server, inventory: Inventory) -> bool:
    """Whether the server works on this very store: it lists the same models with the same digests."""
    return server.models() == {model.name: model.digest for model in inventory.models}


def loaded_here(server: Server | None, inventory: Inventory) -> tuple[str, ...]:
    """The models of this store that the server has in memory; none when it does not answer."""
    if server is None:
        return ()
    try:
        known = {model.name: model.digest for model in inventory.models}
        return tuple(model.name for model in server.loaded() if known.get(model.name) == model.digest)
    except ServerError:  # a server that is not Ollama's has nothing of this store loaded
        return ()

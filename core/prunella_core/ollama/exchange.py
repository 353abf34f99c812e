"""One request to a server: bounded in time, whatever it sends; the library is imported only where one listens."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from prunella_core.base.errors import Cancelled

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

_ASK_EVERY = 0.1
"""Seconds between two looks whether who waits still wants to."""
_LARGEST_LINE = 1024 * 1024

_Result = TypeVar("_Result")


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


class Request:
    """One request; connecting may take ``seconds``. It can be hung up from another thread, whatever it waits for."""

    def __init__(self, where: Address, method: str, path: str, body: object, seconds: float) -> None:
        from urllib3.connection import HTTPConnection, HTTPSConnection

        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        self._http = kind(where.host, where.port, timeout=seconds)
        self._what = method, where.path + path, None if body is None else msgspec.json.encode(body)
        self._socket: socket.socket | None = None
        self._is_over = False

    @contextmanager
    def sent(self) -> Iterator["BaseHTTPResponse"]:
        """Send it and give the answer, unread. Raises HTTPError, HTTPException, OSError and ValueError."""
        with closing(self._http):
            self._http.connect()
            self._socket = self._http.sock
            if self._is_over:
                raise ConnectionAbortedError("hung up")
            self._socket.settimeout(None)  # who waits for the answer knows how long
            self._http.timeout = None
            headers = {"Content-Type": "application/json"}
            self._http.request(*self._what, headers, preload_content=False, decode_content=False)
            with closing(self._http.getresponse()) as response:
                yield response

    def hang_up(self) -> None:
        """End what another thread waits for."""
        self._is_over = True
        if self._socket:
            with suppress(OSError):  # it has ended by itself just now
                self._socket.shutdown(socket.SHUT_RDWR)


def within(seconds: float, work: Callable[[], _Result], give_up: Callable[[], None] = lambda: None) -> _Result:
    """Return the result of ``work`` in a thread. Raises what it raises, and TimeoutError after ``seconds``.

    A name lookup has no timeout, and one from byte to byte never comes where bytes trickle in.
    """
    come = SimpleQueue[_Result | Exception]()

    def run() -> None:
        try:
            come.put(work())
        except Exception as error:  # noqa: BLE001 -- raised below, in the thread that waits
            come.put(error)

    Thread(target=run, daemon=True).start()
    try:
        result = come.get(timeout=seconds)
    except Empty:
        give_up()
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None
    if isinstance(result, Exception):
        raise result
    return result


def lines_of(request: Request, patience: Callable[[], float], cancelled: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the lines of the answer as they come, and hang up when no more are wanted.

    Raises TimeoutError after ``patience`` seconds without a line, Cancelled, and as ``Request.sent``.
    """
    come = SimpleQueue[bytes | Exception | None]()

    def talk() -> None:
        try:
            with request.sent() as response:
                for line in _split(response.stream(65_536)):
                    come.put(line)
            come.put(None)
        except Exception as error:  # noqa: BLE001 -- raised in the thread that waits
            come.put(error)

    Thread(target=talk, daemon=True).start()
    try:
        while (line := _next(come, patience, cancelled)) is not None:
            yield line
    finally:
        request.hang_up()


def _next(
    come: "SimpleQueue[bytes | Exception | None]", patience: Callable[[], float], cancelled: Callable[[], bool]
) -> bytes | None:
    """Wait for what comes next; ``None`` is the end."""
    until = time.monotonic() + patience()
    while time.monotonic() < until:
        if cancelled():
            raise Cancelled("cancelled")
        with suppress(Empty):
            line = come.get(timeout=_ASK_EVERY)
            if isinstance(line, Exception):
                raise line
            return line
    raise TimeoutError(f"nothing for {patience():.0f} seconds")


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines in ``pieces``. Raises ValueError for one that does not end."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LARGEST_LINE:
            raise ValueError("too long a line")
        yield from filter(None, lines)
    if rest:
        yield rest

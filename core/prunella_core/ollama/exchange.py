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
    """One request; connecting may take ``seconds``."""

    def __init__(self, where: Address, method: str, path: str, body: object, seconds: float) -> None:
        from urllib3.connection import HTTPConnection, HTTPSConnection

        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        self._http = kind(where.host, where.port, timeout=seconds)
        self._what = method, where.path + path, None if body is None else msgspec.json.encode(body)
        self._socket: socket.socket | None = None
        self._is_over = False

    def answer(self, largest: int) -> tuple[int, bytes]:
        """Send it; return the status and the body. Raises HTTPError, HTTPException, OSError and ValueError."""
        with self._sent() as response:
            answer = response.read(largest + 1)
            if len(answer) > largest:
                raise ValueError("too long an answer")
            return response.status, answer

    def lines(self) -> Iterator[bytes]:
        """Send it; yield the lines of the answer. Raises as ``answer``."""
        rest = b""
        with self._sent() as response:
            for piece in response.stream(65_536):
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _LARGEST_LINE:
                    raise ValueError("too long a line")
                yield from filter(None, lines)
            if rest:
                yield rest

    @contextmanager
    def _sent(self) -> Iterator["BaseHTTPResponse"]:
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

    def close(self) -> None:
        """Hang up, whatever another thread waits for."""
        self._is_over = True
        if self._socket:
            with suppress(OSError):  # it has ended by itself just now
                self._socket.shutdown(socket.SHUT_RDWR)


class _NothingCame(TimeoutError):
    """Who waits has waited long enough."""


def within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """Return the result of ``work`` in a thread. Raises what it raises, and TimeoutError after ``seconds``."""
    try:
        return next(coming(lambda: iter((work(),)), lambda: seconds))
    except _NothingCame:  # another TimeoutError is what the work itself raises
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None


def coming(
    work: Callable[[], Iterator[_Result]], patience: Callable[[], float], cancelled: Callable[[], bool] = lambda: False
) -> Iterator[_Result]:
    """Yield what ``work`` yields in a thread, as it comes.

    Raises what it raises, Cancelled, and TimeoutError after ``patience`` seconds without anything: a name lookup has no
    timeout, and one from byte to byte never comes where bytes trickle in.
    """
    come = SimpleQueue[tuple[_Result] | Exception | None]()

    def run() -> None:
        try:
            for result in work():
                come.put((result,))
            come.put(None)
        except Exception as error:  # noqa: BLE001 -- raised in the thread that waits
            come.put(error)

    Thread(target=run, daemon=True).start()
    until = time.monotonic() + patience()
    while not cancelled():
        with suppress(Empty):
            found = come.get(timeout=max(min(until - time.monotonic(), _ASK_EVERY), 0))
            if found is None:
                return
            if isinstance(found, Exception):
                raise found
            yield found[0]
            until = time.monotonic() + patience()
        if time.monotonic() >= until:
            raise _NothingCame(f"nothing for {patience():.0f} seconds")
    raise Cancelled("cancelled")

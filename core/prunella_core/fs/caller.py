"""A helper process that keeps the caller's rights after this one has become the owner of a store.

Root on the store of another user becomes that user for good, so that nothing planted there is followed with root's
rights. Few things still need them: to see which files other users hold open, and to write outside the store.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import socket  # late: only root on a store of another user needs it

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_TASKS: dict[str, Callable[..., Any]] = {}
_helper: "list[socket.socket]" = []
"""The connection to the helper, once there is one."""

_one_at_a_time = Lock()


def for_caller(task: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Let ``task`` run with the caller's rights: on JSON values, raising only OSError, opening no path in the store."""
    name = f"{task.__module__}.{task.__qualname__}"
    _TASKS[name] = task

    @wraps(task)
    def run(*given: _Given.args, **named: _Given.kwargs) -> _Result:
        return _ask(name, given) if _helper else task(*given, **named)

    return run


def _ask(name: str, given: tuple[Any, ...]) -> Any:
    import json

    channel = _helper[0]
    answer = b""
    with _one_at_a_time, suppress(OSError):  # it has ended
        channel.sendall(json.dumps([name, given]).encode() + b"\n")
        with channel.makefile("rb") as file:
            answer = file.readline()
    result, error = json.loads(answer or b'[null, [5, "the helper has ended", null]]')
    if error:
        raise OSError(*error)
    return result


def leave_helper() -> None:
    """Fork a process that keeps the rights of this one and ends with it. Raises OSError."""
    import socket

    ours, theirs = socket.socketpair()
    if os.fork() == 0:  # pragma: no cover: the helper begins here
        ours.close()
        _serve(theirs)
    theirs.close()
    _helper.append(ours)


def _serve(channel: "socket.socket") -> None:  # pragma: no cover: in the helper, which is not measured
    """Run tasks until the other side is gone; never return."""
    import json
    import signal

    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # a pipe that a reader waits on must not stay open
            os.dup2(nowhere, stream)
        with channel.makefile("rwb") as file:
            for line in file:
                name, given = json.loads(line)
                try:
                    answer: tuple[Any, Any] = _TASKS[name](*given), None
                except OSError as error:
                    answer = None, (error.errno, error.strerror, error.filename)
                file.write(json.dumps(answer).encode() + b"\n")
                file.flush()
    finally:
        os._exit(0)

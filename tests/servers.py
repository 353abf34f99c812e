"""Servers for tests: one with fixed answers, and one that works on a store as Ollama does."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from ollama_rules import Ollama, digest_of
from stores import look

Answer = tuple[int, bytes]


class Stub(ThreadingHTTPServer):
    """A server on a free port of this machine. ``answers`` is what it says, by method and path."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers: dict[str, Answer | Callable[[Any], Answer]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []
        self.delay = 0.0

    @property
    def environ(self) -> dict[str, str]:
        return {"OLLAMA_HOST": f"127.0.0.1:{self.server_port}"}


class _Handler(BaseHTTPRequestHandler):
    """Gives the stub's answers."""

    def answer(self) -> None:
        stub = cast(Stub, self.server)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        question = f"{self.command} {self.path}"
        given = json.loads(body) if body else None
        stub.asked.append((question, given))
        time.sleep(stub.delay)
        found = stub.answers.get(question, (404, b'{"error":"not found"}'))
        status, answer = found(given) if callable(found) else found
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 -- the names that the base class looks for

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(answers: dict[str, Answer | Callable[[Any], Answer]]) -> Iterator[Stub]:
    with Stub(answers) as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            stub.shutdown()
            thread.join()


def listed(root: str, *names: str) -> Answer:
    """The answer that lists these models of a store, or all."""
    models = [
        {"name": model.name, "model": model.name, "digest": model.digest, "size": model.size}
        for model in look(root).models
        if not names or model.name in names
    ]
    return 200, json.dumps({"models": models}).encode()


@contextmanager
def ollama_on(
    root: str, *loaded: str, keeps: str = "", offers: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Stub]:
    """A server that works on the store at ``root``, has these models loaded, and will not delete ``keeps``.

    It can pull what its registry ``offers``: models by name with the contents of their blobs, the config last.
    """

    def show(given: Any) -> Answer:
        inventory = look(root)
        blobs = inventory.blobs_of(inventory.model_by_name[given["model"]])
        path = next(blob.files[0].path for blob in blobs if blob.kind == "weights")
        return 200, json.dumps({"modelfile": f"FROM {root}/{path}\n"}).encode()

    def delete(given: Any) -> Answer:
        if given["model"] == keeps:
            return 500, b'{"error":"disk on fire"}'
        Ollama(root).rm(given["model"])
        return 200, b""

    def unload(given: Any) -> Answer:
        return (500, b'{"error":"busy"}') if given["model"] == keeps else (200, b'{"done":true}')

    def pull(given: Any) -> Answer:
        contents = (offers or {}).get(given["model"])
        if contents is None:
            return 200, b'{"status":"pulling manifest"}\n{"error":"pull model manifest: file does not exist"}\n'
        Ollama(root).pull(given["model"], contents)
        sizes = [{"digest": digest_of(each), "total": len(each), "completed": len(each)} for each in contents]
        lines = [{"status": "pulling manifest"}, *sizes, {"status": "success"}]
        return 200, b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    answers: dict[str, Answer | Callable[[Any], Answer]] = {
        "GET /api/version": (200, b'{"version":"0.33.0"}'),
        "GET /api/tags": lambda _given: listed(root),
        "GET /api/ps": listed(root, *loaded) if loaded else (200, b'{"models":[]}'),
        "POST /api/show": show,
        "POST /api/generate": unload,
        "DELETE /api/delete": delete,
        "POST /api/pull": pull,
    }
    with serving(answers) as stub:
        yield stub

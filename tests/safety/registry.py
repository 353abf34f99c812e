"""A registry of models on the loopback interface, as far as a pull needs one. Each answer takes a while."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

from ollama_rules import digest_of

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.ollama.image.model"


class Registry(ThreadingHTTPServer):
    """Serves what was put into it: a model's manifest, and blobs by way of another host name, as real ones do."""

    daemon_threads = True

    def __init__(self, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.latency = latency
        self.random = Random(1)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.sent: Counter[str] = Counter()
        """How many bytes went out, under each tag and digest."""
        self.most: int | None = None
        """After so many bytes of a blob nothing more comes, and the connection stays open."""
        self.has_stalled, self.is_over = threading.Event(), threading.Event()

    @property
    def host(self) -> str:
        """The host part of its models' names."""
        return f"127.0.0.1:{self.server_address[1]}"

    def put(self, name: str, contents: Sequence[str]) -> None:
        """Offer a model whose blobs have these contents, the last one as its config."""
        entries = [
            {"mediaType": LAYER, "digest": digest_of(content), "size": len(content.encode())} for content in contents
        ]
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {**entries[-1], "mediaType": CONFIG},
            "layers": entries[:-1],
        }
        self.blobs.update({digest_of(content): content.encode() for content in contents})
        self.manifests[name] = json.dumps(document).encode()


class Answer(BaseHTTPRequestHandler):
    """One request. Blobs are at another host name, which the server that pulls has to follow by itself."""

    server: Registry

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""

    def do_HEAD(self) -> None:
        """The size of a blob."""
        self.answer(with_body=False)

    def do_GET(self) -> None:
        """A manifest, where a blob is, or its bytes."""
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        time.sleep(self.server.random.uniform(0, self.server.latency))
        *_, kind, name = self.path.split("/")
        model = self.path.removeprefix("/v2/library/").partition("/")[0]
        body = self.server.manifests.get(model) if kind == "manifests" else self.server.blobs.get(name)
        if body is None:
            self.send_error(404)
        elif kind == "blobs" and with_body:
            self.send_response(307)
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/direct/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send(body, with_body)

    def send(self, body: bytes, with_body: bool) -> None:
        first, last = self.wanted(len(body))
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Type", MANIFEST)
        self.send_header("Content-Length", str(last - first))
        self.end_headers()
        if with_body:
            part = body[first:last][: self.server.most]
            self.wfile.write(part)
            self.server.sent[self.path.rpartition("/")[2]] += len(part)
            if len(part) < last - first:
                self.server.has_stalled.set()
                self.server.is_over.wait()

    def wanted(self, size: int) -> tuple[int, int]:
        """The range that is asked for."""
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        return (int(first or 0), min(int(last) + 1, size)) if last else (0, size)


@contextmanager
def registry(latency: float) -> Iterator[Registry]:
    """Serve until the block ends."""
    with Registry(latency) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            server.shutdown()
            thread.join()

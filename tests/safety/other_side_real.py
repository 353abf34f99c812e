"""The real server of ``PRUNELLA_OLLAMA`` next to Prunella, asked over its API, with a registry that we serve."""

import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ollama_rules import digest_of
from safety.other_side import USED, Deed, Seen, build, script
from safety.real_ollama import Serving, serving
from safety.registry import Registry, registry

GONE = re.compile(r"stat [^ ]*/manifests/[^ ]*: no such file")
"""A manifest was deleted while Ollama listed them all: by whoever it was, and nothing is lost by it."""


class Binary:
    """A server that lives as long as the race, on a store whose content is new for every round."""

    def __init__(self, folder: str, models: Registry) -> None:
        self.folder = folder
        self.models = models
        self.prefix = f"{models.host}/library/"
        self.stack = ExitStack()
        self.pool = ThreadPoolExecutor(max_workers=1)
        self.round: Future[list[str]] | None = None
        self.serving: Serving | None = None

    @property
    def root(self) -> str:
        return f"{self.folder}/store"

    def new_store(self, seed: int) -> str:
        for name in ("manifests", "blobs", ".prunella"):
            shutil.rmtree(f"{self.root}/{name}", ignore_errors=True)
        build(self.root, self.prefix)
        if self.serving is None:
            self.start()
        return self.root

    def start(self) -> None:
        """Start it, or start it again."""
        self.stack.close()
        self.serving = self.stack.enter_context(serving(self.root, self.folder))

    def begin(self, root: str, seed: int, span: float) -> None:
        self.round = self.pool.submit(self.play, script(seed, span))

    def end(self) -> Seen:
        assert self.round is not None
        return Seen(self.round.result(), [digest_of(content) for content in USED])

    def close(self) -> None:
        self.pool.shutdown()
        self.stack.close()

    def play(self, deeds: list[Deed]) -> list[str]:
        """Do everything in its time; return the pulls that failed."""
        failures = []
        for deed in deeds:
            time.sleep(deed.after)
            failure = self.do(deed)
            failures += [f"{deed.what} failed: {failure}"] if failure and deed.what == "pull" else []
        return failures

    def do(self, deed: Deed) -> str:
        name = f"http://{self.prefix}{deed.name}"
        match deed.what:
            case "pull":
                self.models.put(deed.name, deed.contents)
                return self.ask("POST", "pull", model=name, insecure=True, stream=False)
            case "rm":
                return self.ask("DELETE", "delete", model=name.removeprefix("http://"))
            case "cp":
                return self.ask("POST", "copy", source=name.removeprefix("http://"), destination=f"copy-{deed.name}")
            case "start":
                self.start()
        return ""  # these blobs hold no model that a create could read

    def ask(self, method: str, what: str, **arguments: object) -> str:
        """Ask the server for something; return its complaint."""
        assert self.serving is not None
        data = json.dumps(arguments).encode()
        request = urllib.request.Request(f"{self.serving.url}/api/{what}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
        return text if '"error"' in text and not GONE.search(text) else ""


@contextmanager
def by_binary(folder: str, latency: float) -> Iterator[Binary]:
    """A server for the race, with its store below ``folder``."""
    os.makedirs(Path(folder, "store"))
    with registry(latency) as models:
        binary = Binary(folder, models)
        try:
            yield binary
        finally:
            binary.close()

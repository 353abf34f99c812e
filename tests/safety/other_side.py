"""What an Ollama does during one round of the race: as a process of its own that goes by its rules."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

sys.path.insert(0, str(Path(__file__).parents[1]))

from ollama_rules import Ollama, PullFailed
from prunella_core.sample import StoreBuilder

USED = ("of kept", "of kept and own", "of own", "of own and pulled0", "of pulled0", "of pulled1")
"""What blobs of the store hold that models need, ..."""

UNUSED = tuple(f"left over, number {number}" for number in range(5))
"""... and what no model needs: a pull that finds them there does not touch them."""

PULLED = ("pulled0", "pulled1", "pulled2")
OWN = "own:latest"
MODELS = {"kept": USED[:2], "own": USED[1:4], "pulled0": USED[3:5], "pulled1": USED[5:]}
"""What each model needs; what Prunella removes by name is not what is being pulled."""

YEAR = 365 * 86_400.0


def build(root: str, prefix: str = "") -> None:
    """The store of a round, a year old. ``prefix`` is where its models are pulled from, if not from the default."""
    builder = StoreBuilder(root, time.time())
    for content in UNUSED:
        builder.layer("weights", content, age=YEAR)
    for name, contents in MODELS.items():
        layers = [builder.layer("weights", content, age=YEAR) for content in contents]
        place = prefix if name in PULLED else ""
        builder.model(f"{place}{name}", *layers[1:], config=layers[0], age=YEAR)


class Deed(NamedTuple):
    """One thing that a server does, so many seconds after the one before."""

    after: float
    what: str
    name: str = ""
    contents: tuple[str, ...] = ()


def script(seed: int, span: float) -> list[Deed]:
    """What happens in a round: mostly pulls that reuse what is there, begun at any time within ``span`` seconds."""
    chance = Random(seed)
    deeds = [_pull(chance, seed, _delay(chance, span))]
    for number in range(chance.choice([0, 0, 1, 2])):
        what = chance.choice(["pull", "pull", "rm", "cp", "create", "start"])
        after = chance.uniform(0, span / 4)
        deeds.append(
            _pull(chance, seed + number, after) if what == "pull" else Deed(after, what, chance.choice(PULLED))
        )
    return chance.sample(deeds, len(deeds))


def _delay(chance: Random, span: float) -> float:
    """Half of them right when Prunella begins: that is where it is narrow."""
    return chance.uniform(0, chance.choice([0.03, span]))


def _pull(chance: Random, seed: int, after: float) -> Deed:
    found = chance.sample([*UNUSED, *UNUSED, *USED], chance.choice([1, 2, 3]))
    new = [f"new {seed} {number} {chance.random()}" for number in range(chance.choice([0, 1, 1, 1, 2]))]
    contents = list(dict.fromkeys([*found, *new]))
    if chance.random() < 0.5:  # else what is there comes first, as weights do
        chance.shuffle(contents)
    return Deed(after, "pull", chance.choice(PULLED), tuple(contents))


class Seen(NamedTuple):
    """Pulls that failed, and the digests of blobs that the server itself deleted as unused."""

    failures: list[str]
    deleted: list[str]


class OtherSide(Protocol):
    """A server on the store of a round."""

    def new_store(self, seed: int) -> str:
        """Make the store of the next round; that of the last one is gone then."""

    def begin(self, root: str, seed: int, span: float) -> None:
        """Start what happens in this round."""

    def end(self) -> Seen:
        """Wait until it is over."""


class Rules:
    """A server that goes by the rules, in a process that lives as long as the race."""

    def __init__(self, folder: str, process: "subprocess.Popen[str]", latency: float) -> None:
        self.folder = folder
        self.process = process
        self.latency = latency

    def new_store(self, seed: int) -> str:
        for old in os.scandir(self.folder):
            shutil.rmtree(old.path)
        build(f"{self.folder}/{seed}")
        return f"{self.folder}/{seed}"

    def begin(self, root: str, seed: int, span: float) -> None:
        assert self.process.stdin is not None
        print(json.dumps([root, seed, span, self.latency]), file=self.process.stdin, flush=True)

    def end(self) -> Seen:
        assert self.process.stdout is not None
        return Seen(*json.loads(self.process.stdout.readline()))


@contextmanager
def by_rules(folder: str, latency: float) -> Iterator[Rules]:
    """A process that ends when its input does, however the race ended; its stores lie in ``folder``."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Rules(folder, process, latency)
        finally:
            process.communicate()


def play(ollama: Ollama, deeds: list[Deed]) -> list[str]:
    """Do everything in its time; return the pulls that failed."""
    failures = []
    for deed in deeds:
        time.sleep(deed.after)
        try:
            _do(ollama, deed)
        except PullFailed as failed:
            failures += [f"{deed.what} failed at {failed}"] if deed.what == "pull" else []
        except FileNotFoundError:  # no such model now
            continue
    return failures


def _do(ollama: Ollama, deed: Deed) -> None:
    match deed.what:
        case "pull":
            ollama.pull(deed.name, deed.contents)
        case "rm":
            ollama.rm(deed.name)
        case "cp":
            ollama.cp(deed.name, f"copy-of-{deed.name}")
        case "create":
            ollama.create(f"made-of-{deed.name}", deed.name, f"a system prompt {time.time_ns()}")
        case _:
            ollama.start()


def doze(chance: Random, latency: float) -> None:
    """Wait for the registry."""
    time.sleep(chance.uniform(0, latency))


def serve() -> None:
    """Play a round for every line that comes in, and answer with what failed."""
    for line in sys.stdin:
        root, seed, span, latency = json.loads(line)
        wait = partial(doze, Random(seed), latency)
        ollama = Ollama(root, wait=wait)
        failures = play(ollama, script(seed, span))
        print(json.dumps([failures, ollama.deleted]), flush=True)


if __name__ == "__main__":
    serve()

"""Prunella beside a server that pulls, copies and creates all the time: no model ever loses a blob.

    python tests/safety/race.py [rounds]

A second process does to a store what Ollama's server does, in its order: it looks which blobs are there, downloads
the others into partials, renames them, verifies, and writes the manifest last and in place, first empty, then whole.
All the while this process prunes with ``--age 0`` and without force, removes into the trash, restores and empties,
and a third process does the same. Whenever a model is finished, all its blobs have to be there. Prints the rounds and
the losses; exits with 1 if there is one.

What the server does not write itself looks old, as in a store that is used for years: nothing here is saved by having
been written just now, unless it was. The models that are removed by name are others than those that are being pulled,
as a person does not remove what is on its way; their layers are the same. What such a removal takes from a pull that
had found it there has to be in the trash, and comes back from it.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).parents[1]))

from prunella_core.apply import apply
from prunella_core.base.errors import Locked, Refused, StalePlan
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, PruneClass, Request, Restore
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from stores import DAY, RUBBISH, broken_models, in_trash, needs_of, open_store, prune, to_trash

LAYERS = [f"layer {number} " * 300 for number in range(6)]
PULLED = [f"pulled{number}" for number in range(3)]
KEPT = "kept:latest"
OWN = "own:latest"

RETENTION = 2
"""Seconds for which the trash is kept: longer than any pull runs here, as it is in life."""


class Server:
    """What Ollama's server does to a store, with its order of calls, and nothing else."""

    def __init__(self, root: str, seed: int) -> None:
        self.builder = StoreBuilder(root, time.time())
        self.random = random.Random(seed)
        self.serial = 0

    def step(self) -> None:
        """Do one thing, whole."""
        self.grow_old()
        self.random.choice([self.pull, self.pull, self.copy, self.create, self.delete])()

    def grow_old(self) -> None:
        """Let what is there have been there for a year."""
        then = time.time() - 365 * DAY
        with os.scandir(f"{self.builder.root}/blobs") as listing:
            for entry in listing:
                try:
                    os.utime(entry.path, (then, then))
                except FileNotFoundError:  # pruned meanwhile
                    continue

    def pull(self) -> None:
        """The new layers first have partials; those that are there are not looked at again."""
        self.serial += 1
        contents = [*self.random.sample(LAYERS, 3), f"new in every pull {os.getpid()} {self.serial}"]
        self.random.shuffle(contents)
        layers = [self.builder_layer(content) for content in contents]
        missing = [content for content, path in layers if not os.path.exists(path)]
        partials = [self.start(path) for content, path in layers if content in missing]
        self.wait()
        for content, partial in zip(missing, partials, strict=True):
            self.download(content, partial)
        self.wait()  # it verifies now
        self.write_manifest(self.random.choice(PULLED), [content for content, _path in layers])

    def builder_layer(self, content: str) -> tuple[str, str]:
        return content, self.builder.blob_path(digest_of(content))

    @staticmethod
    def start(path: str) -> str:
        """A partial has its full size at once, and a file for its part."""
        Path(f"{path}-partial-0").write_text('{"N":0,"Offset":0,"Size":3000,"Completed":0}')
        with open(f"{path}-partial", "wb") as file:
            file.truncate(3_000)
        return f"{path}-partial"

    @staticmethod
    def download(content: str, partial: str) -> None:
        with open(partial, "r+b") as file:
            file.write(content.encode())
            file.truncate()
        os.unlink(f"{partial}-0")
        os.rename(partial, partial.removesuffix("-partial"))

    def copy(self) -> None:
        """As ``ollama cp`` does: the target is created empty, and then written."""
        source = self.manifest(self.random.choice(PULLED))
        try:
            data = Path(source).read_bytes()
        except FileNotFoundError:
            return
        self.write_in_place(self.manifest(f"copy{self.random.randrange(2)}"), data)

    def create(self) -> None:
        """From a model that is there: its layers are touched, a small one is written, and the manifest."""
        try:
            needed = needs_of(self.manifest(self.random.choice(PULLED)))
        except FileNotFoundError:
            return
        try:
            for digest in needed:
                os.utime(self.builder.blob_path(digest))
        except FileNotFoundError:  # the model is broken, which is told at the end of the round
            return
        self.serial += 1
        own = f"a system prompt {os.getpid()} {self.serial}"
        temporary = f"{self.builder.root}/blobs/sha256-{self.random.randrange(10**9)}"
        Path(temporary).write_text(own)
        os.rename(temporary, self.builder.blob_path(digest_of(own)))
        entries = [{"mediaType": "x.model", "digest": digest, "size": 1} for digest in (*needed, digest_of(own))]
        self.write_document(f"created{self.random.randrange(2)}", entries)

    def delete(self) -> None:
        """As somebody else's tool does: the manifest goes, and its blobs are left to Prunella."""
        try:
            os.unlink(self.manifest(self.random.choice([*PULLED, "copy0", "copy1", "created0", "created1"])))
        except FileNotFoundError:
            return

    def write_manifest(self, name: str, contents: list[str]) -> None:
        self.write_document(name, [{"mediaType": "x.model", "digest": digest_of(c), "size": len(c)} for c in contents])

    def write_document(self, name: str, layers: list[dict[str, object]]) -> None:
        document = {"schemaVersion": 2, "config": layers[0], "layers": layers[1:]}
        self.write_in_place(self.manifest(name), json.dumps(document).encode())

    @staticmethod
    def write_in_place(path: str, data: bytes) -> None:
        while True:
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb", buffering=0) as file:
                    file.write(data[: len(data) // 2])
                    file.write(data[len(data) // 2 :])
            except FileNotFoundError:  # an empty folder was removed in between: the pull fails, and is tried again
                continue
            return

    def manifest(self, name: str) -> str:
        return f"{self.builder.root}/{self.builder.manifest_path(name)}"

    def wait(self) -> None:
        time.sleep(self.random.choice([0, 0, 0.002, 0.005]))


def digest_of(content: str) -> str:
    """The digest of a blob with this content."""
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def serve(root: str, seed: int) -> None:
    """Be the server: a step for every line that comes in, and an answer after it, until there is no more."""
    server = Server(root, seed)
    for _line in sys.stdin:
        for _ in range(5):
            server.step()
        print("done", flush=True)


# Prunella


def attempt(root: str, request: Request) -> str:
    """One run of Prunella; say how it ended."""
    store = open_store(root)
    try:
        inventory = scan(store, time.time())
        receipt = apply(make_plan(inventory, request, time.time()), time.time, settle=0)
    except Locked:
        return "locked"
    except StalePlan:
        return "stale"
    except Refused:
        return "refused"
    return "done" if receipt.done else "partly"


def clean_up(root: str, own: str, chance: random.Random) -> Counter[str]:
    """What two people at once might do: prune all rubbish, remove a model of their own, restore it, empty the trash."""
    counts: Counter[str] = Counter()
    counts[f"prune {attempt(root, prune(0))}"] += 1
    mine = in_trash_as(root, own)
    if not mine:
        counts[f"rm {attempt(root, to_trash(own))}"] += 1
    elif chance.random() < 0.5 or age_of(mine[0]) < RETENTION:
        counts[f"restore {attempt(root, Restore(entry=mine[-1]))}"] += 1
    else:
        counts[f"empty {attempt(root, Empty(entries=(mine[0],)))}"] += 1
    counts[f"prune {attempt(root, prune(RETENTION, *RUBBISH, PruneClass.TRASH))}"] += 1
    return counts


def age_of(entry: str) -> float:
    """Seconds since an entry of the trash was made."""
    return time.time() - datetime.strptime(entry[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()


def in_trash_as(root: str, name: str) -> list[str]:
    """The entries of the trash that hold a model of this name, the oldest first."""
    trash = scan(open_store(root), time.time()).trash
    return [entry.id for entry in trash if any(model.name == name for model in entry.models)]


def prunella(root: str, seed: int) -> None:
    """Be a second Prunella: clean up for every line that comes in."""
    chance = random.Random(seed)
    for _line in sys.stdin:
        for _ in range(3):
            clean_up(root, OWN, chance)
        print("done", flush=True)


@contextmanager
def started(role: str, root: str, seed: int) -> "Iterator[subprocess.Popen[str]]":
    """This file again in one of its roles, which ends when its input does, however the race ended."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, "--role", role, "--root", root, "--seed", str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    with process:
        try:
            yield process
        finally:
            process.communicate()


def build(root: str) -> None:
    """Two models that share their layers with those that will be pulled, where they are not there, nor in the trash."""
    builder = StoreBuilder(root, time.time())
    for name, contents in ((KEPT, LAYERS[:2]), (OWN, LAYERS[1:3])):
        if os.path.exists(f"{root}/{builder.manifest_path(name)}") or in_trash_as(root, name):
            continue
        layers = [builder.layer("weights", content, age=DAY) for content in contents]
        builder.model(name, *layers, config=builder.config(model_type=name, age=DAY), age=DAY)


def bring_back(root: str) -> int:
    """Restore, under other names, what is in the trash and a model misses; say how many models are whole again by it.

    A removal that names a model does not wait for pulls that found its blobs there: what those miss is in the trash.
    """
    broken = broken_models(root)
    missing = {digest for bad in broken.values() for digest in bad} & in_trash(root)
    for number, entry in enumerate(scan(open_store(root), time.time()).trash if missing else ()):
        for model in entry.models:
            if missing & set(model.needs):
                attempt(root, Restore(entry=entry.id, model=model.name, under=f"back{number}:{time.time_ns()}"))
    return len(broken) - len(broken_models(root))


def losses_in(root: str) -> list[str]:
    """Finished models whose blobs are not all there."""
    return [f"{model} misses {len(bad)} blobs" for model, bad in broken_models(root).items()]


def run(rounds: int, seed: int = 0) -> tuple[list[str], Counter[str]]:
    """Race for so many rounds; return the losses, and how often what was tried ended how."""
    losses: list[str] = []
    counts: Counter[str] = Counter()
    chance = random.Random(seed)
    with ExitStack() as stack:
        root = f"{stack.enter_context(tempfile.TemporaryDirectory(prefix='prunella-race-'))}/store"
        build(root)
        roles = (("server", seed), ("prunella", seed + 1))
        others = [stack.enter_context(started(role, root, its_seed)) for role, its_seed in roles]
        for number in range(rounds):
            for other in others:
                say(other.stdin)
            for _ in range(3):
                counts += clean_up(root, KEPT, chance)
            for other in others:
                assert other.stdout is not None
                assert other.stdout.readline() == "done\n", "the other process failed"
            counts["models whose blobs came back from the trash"] += bring_back(root)
            found = losses_in(root)
            losses += [f"round {number}: {loss}" for loss in found]
            if found:
                for model in broken_models(root):  # told once
                    os.unlink(f"{root}/manifests/{model}")
            build(root)
    return losses, counts


def say(pipe: IO[str] | None) -> None:
    assert pipe is not None
    pipe.write("go\n")
    pipe.flush()


def main(rounds: int, seed: int) -> int:
    losses, counts = run(rounds, seed)
    for what, number in sorted(counts.items()):
        print(f"{number:6} {what}")
    for loss in losses:
        print(f"LOSS: {loss}")
    print(f"rounds {rounds}, losses {len(losses)}")
    return 1 if losses else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--role", choices=["server", "prunella"], help=argparse.SUPPRESS)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        (serve if arguments.role == "server" else prunella)(arguments.root, arguments.seed)
    else:
        sys.exit(main(arguments.rounds, arguments.seed))

"""Completion in the shell: the script that asks, and the names and digests that answer it."""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

if TYPE_CHECKING:
    from prunella_core.inventory.records import TrashEntry

SHELLS = ("bash", "zsh", "fish")


class _BashWithColons(BashComplete):
    """Bash takes a colon for the end of a word, and model names are full of them."""

    done = ""
    """What Bash takes for words before the one that it completes."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Join again what Bash split at colons."""
        args, current = super().get_completion_args()
        whole: list[str] = []
        for word in (*args, current):
            if whole and (word == ":" or whole[-1].endswith(":")):
                whole[-1] += word
            else:
                whole.append(word)
        if whole[-1] != current:
            self.done = whole[-1][: whole[-1].rindex(":") + 1]
        return whole[:-1], whole[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Answer only with what Bash does not have yet."""
        item.value = item.value.removeprefix(self.done)
        return super().format_completion(item)


def register() -> None:
    """Let click answer Bash in our way."""
    add_completion_class(_BashWithColons)


def script(shell: str) -> str:
    """Return what the shell has to evaluate."""
    from prunella_tui.cli.root import root

    kind = get_completion_class(shell)
    assert kind is not None
    return kind(root, {}, "prunella", "_PRUNELLA_COMPLETE").source()


_Source = Callable[[str], Iterable[str]]


def complete(*sources: _Source) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return what click asks for completions: what ``sources`` offer for the typed beginning, in any case."""

    def answer(context: click.Context, _argument: click.Parameter, typed: str) -> list[str]:
        try:
            with context.scope(cleanup=False):
                offered = dict.fromkeys(chain.from_iterable(source(typed) for source in sources))
        except Exception:  # noqa: BLE001 -- a shell in the middle of a word is no place for a complaint
            return []
        return [name for name in offered if name.casefold().startswith(typed.casefold())]

    return answer


def models(_typed: str) -> Iterator[str]:
    """Yield the names of the models."""
    from prunella_core.scan.manifests import read_manifests
    from prunella_tui.cli.session import open_store

    for manifest in read_manifests(open_store()).manifests:
        yield manifest.name


def digests(typed: str) -> list[str]:
    """Return the digests, written as they were begun."""
    from prunella_core.ollama.names import place_of
    from prunella_tui.cli.session import open_store

    known = sorted({place_of(f"blobs/{name}").digest or "" for name in os.listdir(open_store().blobs)} - {""})
    return known if typed.startswith("s") else [digest.removeprefix("sha256:") for digest in known]


def clear_digests(typed: str) -> list[str]:
    """Return the digests once it is clear that one is meant."""
    return digests(typed) if typed.startswith("sha256:") else []


def trash_entries(_typed: str) -> list[str]:
    """Return the IDs of the trash."""
    return [entry.id for entry in _trash()]


def trashed_models(_typed: str) -> list[str]:
    """Return the names of the models in the trash."""
    return [model.name for entry in _trash() for model in entry.models]


def _trash() -> "list[TrashEntry]":
    from prunella_core.scan.own import read_trash
    from prunella_tui.cli.session import open_store

    return [entry for entry in read_trash(open_store()).entries if not entry.is_spent]

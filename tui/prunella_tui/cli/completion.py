"""Completion in the shell: the script that asks, and the names and digests that are answered."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

if TYPE_CHECKING:
    from prunella_core.inventory.records import TrashEntry

SHELLS = ("bash", "zsh", "fish")


class _BashWithColons(BashComplete):
    """Bash takes a colon for the end of a word, and model names are full of them."""

    done = ""
    """What Bash believes to be words before the one that it completes."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Put together again what Bash took apart at colons."""
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


def script(shell: str) -> str:
    """Return what the shell has to evaluate."""
    from prunella_tui.cli.root import root

    kind = get_completion_class(shell)
    assert kind is not None
    return kind(root, {}, "prunella", "_PRUNELLA_COMPLETE").source()


def complete_models(context: click.Context, _argument: click.Parameter, typed: str) -> list[str]:
    """Return the names of models that begin so, in any case."""
    return _answer(context, lambda: [name for name in _models() if name.casefold().startswith(typed.casefold())])


def complete_digests(context: click.Context, _argument: click.Parameter, typed: str) -> list[str]:
    """Return the digests that begin so, written as they were begun."""
    prefix = "sha256:" if typed.startswith("s") else ""
    return _answer(context, lambda: [prefix + digits for digits in _digests() if (prefix + digits).startswith(typed)])


def complete_targets(context: click.Context, argument: click.Parameter, typed: str) -> list[str]:
    """Return models, and digests once it is clear that one is meant."""
    digests = complete_digests(context, argument, typed) if typed.startswith("sha256:") else []
    return [*complete_models(context, argument, typed), *digests]


def complete_entries(context: click.Context, _argument: click.Parameter, typed: str) -> list[str]:
    """Return the IDs of removals that begin so."""
    return _answer(context, lambda: [entry.id for entry in _trash() if entry.id.startswith(typed)])


def complete_trash(context: click.Context, argument: click.Parameter, typed: str) -> list[str]:
    """Return what can be restored: models of the trash, and removals."""
    names = _answer(context, lambda: [model.name for entry in _trash() for model in entry.models])
    matching = [name for name in dict.fromkeys(names) if name.casefold().startswith(typed.casefold())]
    return [*matching, *complete_entries(context, argument, typed)]


def _answer(context: click.Context, look: Callable[[], list[str]]) -> list[str]:
    try:
        with context.scope(cleanup=False):
            return look()
    except Exception:  # noqa: BLE001 -- a shell in the middle of a word is no place for a complaint
        return []


def _models() -> Iterator[str]:
    from prunella_core.scan import read_manifests
    from prunella_tui.cli.session import open_store

    for manifest in read_manifests(open_store()).manifests:
        yield manifest.name


def _digests() -> list[str]:
    from prunella_core.ollama.digests import read_blob_name
    from prunella_tui.cli.session import open_store

    known = (read_blob_name(name).digest for name in os.listdir(open_store().blobs))
    return sorted({digest.removeprefix("sha256:") for digest in known if digest})


def _trash() -> "list[TrashEntry]":
    from prunella_core.scan import read_trash
    from prunella_tui.cli.session import open_store

    return [entry for entry in read_trash(open_store()).entries if not entry.is_spent]


def register() -> None:
    """Let click answer Bash in our way."""
    add_completion_class(_BashWithColons)

"""The commands that show: ls, blobs, show, why, df."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from prunella_core.base.text import clean
from prunella_core.base.units import parse_size
from prunella_core.export.documents.looking import (
    blob_document,
    blobs_document,
    df_document,
    model_document,
    models_document,
)
from prunella_core.inventory.records import Blob, Inventory, Model, State
from prunella_core.plan.build import reclaimable
from prunella_core.query import select
from prunella_core.scan.other import other_files
from prunella_core.space.space import space_of
from prunella_tui.cli.completion import complete_digests, complete_models
from prunella_tui.cli.filters import filters, read_filter
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import DONE, FAILED, complain, present
from prunella_tui.cli.session import look, open_store, retention
from prunella_tui.cli.targets import find_model, find_row
from prunella_tui.report.blob import blob_lines
from prunella_tui.report.format import size
from prunella_tui.report.model import model_lines
from prunella_tui.report.tables import blobs_lines, models_lines, usage_lines

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Row = TypeVar("_Row")
MODEL_SORTS = ("size", "disk", "frees", "shared", "age", "modified", "name", "id")
BLOB_SORTS = ("disk", "size", "age", "models", "state", "kind", "digest")


def _listed(sorts: tuple[str, ...], quiet: str) -> Callable[[_Command], _Command]:
    def give(command: _Command) -> _Command:
        for option in (
            click.option("-q", "--quiet", is_flag=True, help=quiet),
            click.option("--reverse", is_flag=True, help="Reverse the order."),
            click.option("--sort", type=click.Choice(sorts), default=sorts[0], help="Sort by a column, largest first."),
        ):
            command = option(command)
        return command

    return give


@click.command()
@_listed(MODEL_SORTS, "Print the names only.")
@filters("models")
@looks
def ls(
    words: tuple[str, ...],
    states: tuple[str, ...],
    sort: str,
    reverse: bool,
    quiet: bool,
    as_json: bool,
    **flags: str | None,
) -> None:
    """List models with their sizes, what they share, and what each frees.

    SIZE is what ollama list shows, ON DISK what the files take, FREES what deleting this model alone gives back: what
    it shares with other models stays.

    FILTER: words that must occur, and terms on size, disk, frees, shared, age, unused, state and name.

    \b
      prunella ls --sort frees
      prunella ls --unused 30d --min-size 5GB
      prunella ls llama 'unused>30d' 'size>5GB'
      prunella ls --json | jq '.models[] | select(.shared == 0) | .name'
    """
    query = read_filter("models", words, states, flags)
    inventory = look(open_store())
    chosen = select(inventory.models, query, inventory, inventory.scanned_at)
    shown = _in_order(chosen, _model_keys(inventory), sort, reverse)
    if quiet and not as_json:
        _print_names(model.name for model in shown)
    else:
        present(as_json, lambda: models_document(inventory, shown), lambda: models_lines(inventory, shown))


def _model_keys(inventory: Inventory) -> dict[str, Callable[[Model], Any]]:
    usage = space_of(inventory).models
    return {
        "name": lambda model: model.name.casefold(),
        "id": lambda model: model.digest,
        "size": lambda model: -model.size,
        "disk": lambda model: -usage[model.name].allocated,
        "frees": lambda model: -usage[model.name].frees,
        "shared": lambda model: -usage[model.name].shared,
        "age": lambda model: model.modified_at,
        "modified": lambda model: -model.modified_at,
    }


def _in_order(rows: Iterable[_Row], keys: Mapping[str, Callable[[_Row], Any]], sort: str, reverse: bool) -> list[_Row]:
    """Return ``rows`` by a key; those that are equal in it by the first."""
    in_order = sorted(sorted(rows, key=next(iter(keys.values()))), key=keys[sort])
    return in_order[::-1] if reverse else in_order


def _print_names(names: Iterable[str]) -> None:
    for name in names:
        click.echo(clean(name))


@click.command()
@_listed(BLOB_SORTS, "Print the digests only, of other files the paths.")
@filters("blobs")
@looks
def blobs(
    words: tuple[str, ...],
    states: tuple[str, ...],
    sort: str,
    reverse: bool,
    quiet: bool,
    as_json: bool,
    **flags: str | None,
) -> None:
    """List the files in blobs/: what each is, and which models use it.

    Unreferenced ones show what their first bytes say they are, and which model they likely come from.

    FILTER: words that must occur, and terms on size, disk, age, unused, state, kind, name and used.

    \b
      prunella blobs --state unreferenced --state partial
      prunella blobs --sort age
      prunella blobs --state partial --age 7d --min-size 1GB
      prunella blobs 'unused>30d' 'disk>1GB'
    """
    from prunella_core.advice.identify import described

    query = read_filter("blobs", words, states, flags)
    inventory = look(open_store())
    now = inventory.scanned_at
    rows = _in_order(select(inventory.blobs, query, inventory, now), _BLOB_KEYS, sort, reverse)
    if quiet and not as_json:
        _print_names(blob.digest or blob.key for blob in rows)
        return
    found = {blob.key: described(inventory.store, blob) for blob in rows if not blob.models}
    identities = {key: identity for key, identity in found.items() if identity}
    present(
        as_json,
        lambda: blobs_document(inventory, now, rows, identities),
        lambda: blobs_lines(inventory, rows, identities, now),
    )


_STATES = list(State)
_BLOB_KEYS: dict[str, Callable[[Blob], Any]] = {
    "digest": lambda blob: blob.key,
    "disk": lambda blob: -blob.allocated,
    "size": lambda blob: -blob.size,
    "age": lambda blob: blob.idle_since or 0,
    "models": lambda blob: -len(blob.models),
    "state": lambda blob: _STATES.index(blob.state),
    "kind": lambda blob: blob.kind or "~",
}


@click.command()
@click.argument("model", shell_complete=complete_models)
@looks
def show(model: str, as_json: bool) -> None:
    """Show one model, its layers, and which models share them.

    MODEL is a name as Ollama takes it: without a tag it means latest; case does not matter.

    \b
      prunella show llama3.2
      prunella show hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M
    """
    inventory = look(open_store())
    found = find_model(inventory, model)
    present(
        as_json,
        lambda: model_document(inventory, found),
        lambda: model_lines(inventory, found, inventory.scanned_at),
    )


@click.command()
@click.argument("digest", shell_complete=complete_digests)
@looks
def why(digest: str, as_json: bool) -> None:
    """Explain why a blob is on disk: which models use it, or since when none does.

    Of an unreferenced blob it shows what its first bytes say it is, and which model it likely comes from.

    DIGEST is the unambiguous start of a digest, with or without sha256:, or a path like blobs/NAME.

    \b
      prunella why 3f1a9c
      prunella why blobs/README.txt
    """
    from prunella_core.advice.identify import THOROUGH, described

    inventory = look(open_store())
    blob = find_row(inventory, digest)
    identity = described(inventory.store, blob, THOROUGH)
    now = inventory.scanned_at
    present(
        as_json,
        lambda: blob_document(inventory, blob, now, identity),
        lambda: blob_lines(inventory, blob, identity, now),
    )


@click.command()
@click.option("--fail-if-reclaimable", "limit", metavar="SIZE", help="Exit with 1 if a prune would free this much now.")
@looks
def df(limit: str | None, as_json: bool) -> int:
    """Compare what ollama list shows with what is on disk.

    Ollama counts shared weights once per model, and leaves out what no model uses. This shows the difference, and what
    prune can free: now, and once it is older than the retention.

    --fail-if-reclaimable counts unreferenced blobs, partial downloads and leftovers of any age, not the trash.

    \b
      prunella df --fail-if-reclaimable 20GB || prunella prune --age 0 --yes
    """
    most = None if limit is None else parse_size(limit)
    keeps = retention()
    inventory = look(open_store())
    other = None if inventory.store.exported_from else other_files(inventory)
    present(as_json, lambda: df_document(inventory, keeps, other), lambda: usage_lines(inventory, keeps, other))
    return DONE if most is None else _judged(inventory, most)


def _judged(inventory: Inventory, most: int) -> int:
    waste = reclaimable(inventory, inventory.scanned_at)
    if waste < max(most, 1):
        return DONE
    complain(f"a prune would free {size(waste)} now; the limit is {size(most)}: prunella prune --age 0")
    return FAILED

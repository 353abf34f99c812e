"""The commands that show: ls, blobs, show, why, df, diff."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean, parse_age, parse_size
from prunella_core.export import views
from prunella_core.inventory.records import Blob, Inventory, Model, State
from prunella_core.ledger.memory import Noted, read_totals
from prunella_core.query import FIELDS, Query, Rows, parse, select, with_terms
from prunella_core.space import space_of
from prunella_tui.cli.options import all_of, command, is_set, looks, no_log_option, retention
from prunella_tui.cli.output import DONE, FAILED, complain, present, say
from prunella_tui.cli.session import SHOWING, complete, digests, look, models, open_store, read_export
from prunella_tui.report.format import size
from prunella_tui.report.tables import blobs_lines, models_lines, usage_lines

_Row = TypeVar("_Row")
_FLAGS = {
    "age": ("age", ">=", "AGE", "At least this old: 30d, 12h, 2w."),
    "unused": ("unused", ">=", "AGE", "Not needed or used for at least this long."),
    "min_size": ("size", ">=", "SIZE", "At least this large: 5GB, 500MB, 2GiB."),
    "max_size": ("size", "<=", "SIZE", "At most this large."),
    "name": ("name", ":", "TEXT", "With this in the name."),
    "used_by": ("used", "=", "MODEL", "Only what this model needs."),
    "kind": ("kind", "=", "KIND", "Only this kind: weights, template, config, ..."),
}
"""Under the name of a flag, the field and operator of the term that it stands for, what it takes, and its help."""


class Listing(NamedTuple):
    """Which rows are wanted, and in which order."""

    query: Query
    sort: str
    is_reversed: bool
    is_quiet: bool

    def of(self, rows: Iterable[_Row], inventory: Inventory, keys: Mapping[str, Callable[[_Row], Any]]) -> list[_Row]:
        """Return the rows by a key; those that are equal in it by the last of ``keys``."""
        chosen = select(rows, self.query, inventory, inventory.scanned_at)
        in_order = sorted(sorted(chosen, key=[*keys.values()][-1]), key=keys[self.sort])
        return in_order[::-1] if self.is_reversed else in_order

    def prints(self, names: Iterable[str]) -> bool:
        """Print the names alone, if that is wanted; return whether it was."""
        if not self.is_quiet or is_set("json"):
            return False
        for name in names:
            click.echo(clean(name))
        return True


def lists(rows: Rows, sorts: tuple[str, ...], quiet: str) -> Callable[[Callable[[Listing], None]], Callable[..., None]]:
    """Give a command the arguments and options of a listing, which it takes as one ``Listing``."""
    several = "Only these; may be repeated."
    options = all_of(
        click.argument("words", metavar="[FILTER]...", nargs=-1),
        click.option("--sort", type=click.Choice(sorts), default=sorts[0], help="Sort by a column, largest first."),
        click.option("--reverse", is_flag=True, help="Reverse the order."),
        click.option("-q", "--quiet", is_flag=True, help=quiet),
        click.option("--state", type=click.Choice(FIELDS[rows]["state"].words), multiple=True, help=several),
        *(_option(name) for name in _FLAGS if _FLAGS[name][0] in FIELDS[rows]),
    )

    def give(command: Callable[[Listing], None]) -> Callable[..., None]:
        @wraps(command)
        def run(words: tuple[str, ...], sort: str, reverse: bool, quiet: bool, **flags: Any) -> None:
            terms = [(*_FLAGS[name][:2], flags[name]) for name in _FLAGS if flags.get(name) is not None]
            if flags["state"]:
                terms.append(("state", "=", ",".join(flags["state"])))
            command(Listing(with_terms(parse(" ".join(words), rows), *terms), sort, reverse, quiet))

        return options(run)

    return give


def _option(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    _field, _operator, metavar, help_ = _FLAGS[name]
    completes = complete(models) if metavar == "MODEL" else None
    return click.option(f"--{name.replace('_', '-')}", metavar=metavar, help=help_, shell_complete=completes)


_STATES = list(State)
_MODEL_SORTS = ("size", "disk", "frees", "shared", "age", "modified", "id", "name")
_BLOB_KEYS: dict[str, Callable[[Blob], Any]] = {
    "disk": lambda blob: -blob.allocated,
    "size": lambda blob: -blob.size,
    "age": lambda blob: blob.idle_since or 0,
    "models": lambda blob: -len(blob.models),
    "state": lambda blob: _STATES.index(blob.state),
    "kind": lambda blob: blob.kind or "~",
    "digest": lambda blob: blob.key,
}


@command
@lists("models", _MODEL_SORTS, "Print the names only.")
@looks
@no_log_option
def ls(listing: Listing) -> None:
    """SIZE is what ollama list shows, ON DISK what the files take, FREES what deleting this model alone gives back.
    Data that other models share stays on disk.

    FILTER: words that must occur, and terms on size, disk, frees, shared, age, unused, state and name.

    \b
      prunella ls --sort frees
      prunella ls --unused 30d --min-size 5GB
      prunella ls llama 'unused>30d' 'size>5GB'
      prunella ls --json | jq '.models[] | select(.shared == 0) | .name'
    """
    inventory = look(open_store(), log_for=SHOWING)
    shown = listing.of(inventory.models, inventory, _model_keys(inventory))
    if not listing.prints(model.name for model in shown):
        present(lambda: views.models_document(inventory, shown), lambda: models_lines(inventory, shown))


def _model_keys(inventory: Inventory) -> dict[str, Callable[[Model], Any]]:
    usage = space_of(inventory).models
    return {
        "size": lambda model: -model.size,
        "disk": lambda model: -usage[model.name].allocated,
        "frees": lambda model: -usage[model.name].frees,
        "shared": lambda model: -usage[model.name].shared,
        "age": lambda model: model.modified_at,
        "modified": lambda model: -model.modified_at,
        "id": lambda model: model.digest,
        "name": lambda model: model.name.casefold(),
    }


@command
@lists("blobs", tuple(_BLOB_KEYS), "Print the digests only, of other files the paths.")
@looks
def blobs(listing: Listing) -> None:
    """Unreferenced blobs also show what their first bytes look like, and which model they likely come from.

    FILTER: words that must occur, and terms on size, disk, age, unused, state, kind, name and used.

    \b
      prunella blobs --state unreferenced --state partial
      prunella blobs --sort age
      prunella blobs --state partial --age 7d --min-size 1GB
      prunella blobs 'unused>30d' 'disk>1GB'
    """
    from prunella_core.advice.identify import described

    inventory = look(open_store())
    rows = listing.of(inventory.blobs, inventory, _BLOB_KEYS)
    if listing.prints(blob.digest or blob.key for blob in rows):
        return
    found = {blob.key: described(inventory.store, blob) for blob in rows if not blob.models}
    identities = {key: identity for key, identity in found.items() if identity}
    present(lambda: views.blobs_document(inventory, rows, identities), lambda: blobs_lines(inventory, rows, identities))


@command
@click.argument("model", shell_complete=complete(models))
@looks
@no_log_option
def show(model: str) -> None:
    """MODEL is a name as Ollama takes it: without a tag it means latest; case does not matter.

    \b
      prunella show llama3.2
      prunella show hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M
    """
    from prunella_tui.cli.targets import find_model
    from prunella_tui.report.rows import model_lines

    inventory = look(open_store(), log_for=SHOWING)
    found = find_model(inventory, model)
    now = inventory.scanned_at
    present(lambda: views.model_document(inventory, found), lambda: model_lines(inventory, found, now))


@command
@click.argument("digest", shell_complete=complete(digests))
@looks
def why(digest: str) -> None:
    """Names the models that use it, or says since when none does. For an unreferenced blob it also shows what the first
    bytes look like, and which model it likely comes from.

    DIGEST is the unambiguous start of a digest, with or without sha256:, or a path like blobs/NAME.

    \b
      prunella why 3f1a9c
      prunella why blobs/README.txt
    """
    from prunella_core.advice.identify import THOROUGH, described
    from prunella_tui.cli.targets import find_row
    from prunella_tui.report.rows import blob_lines

    inventory = look(open_store())
    blob = find_row(inventory, digest)
    identity = described(inventory.store, blob, THOROUGH)
    now = inventory.scanned_at
    present(lambda: views.blob_document(inventory, blob, identity), lambda: blob_lines(inventory, blob, identity, now))


@command
@click.option("--since", metavar="AGE", help="Show what became more or less in this time: 30d, 2w.")
@click.option("--fail-if-reclaimable", "limit", metavar="SIZE", help="Exit with 1 if a prune would free this much now.")
@looks
def df(since: str | None, limit: str | None) -> int:
    """Ollama counts shared weights once per model and leaves out what no model uses. df shows the difference, and how
    much prune can free now, and more once the retention is over.

    --since compares with what an earlier run noted: each day the first one that may write to the store. If none is that
    old, it shows the time since the oldest.

    --fail-if-reclaimable counts unreferenced blobs, partial downloads and leftovers of any age, not the trash.

    \b
      prunella df --since 30d
      prunella df --fail-if-reclaimable 20GB || prunella prune --age 0 --yes
    """
    from prunella_core.scan.system import other_files

    most = None if limit is None else parse_size(limit)
    keeps, span = retention(), None if since is None else parse_age(since)
    inventory = look(open_store())
    noted = () if span is None else _noted(inventory, span)
    other = None if inventory.store.exported_from else other_files(inventory)
    present(
        lambda: views.df_document(inventory, keeps, other, noted), lambda: usage_lines(inventory, keeps, other, noted)
    )
    if most is None:
        return DONE
    from prunella_core.plan.build import reclaimable

    waste = reclaimable(inventory, inventory.scanned_at)
    if waste < max(most, 1):
        return DONE
    complain(f"a prune would free {size(waste)} now; the limit is {size(most)}: prunella prune --age 0")
    return FAILED


@command
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path(), required=False)
@looks
def diff(old: str, new: str | None) -> None:
    """Shows what became more or less, and which models came, went or changed. OLD and NEW are files written by prunella
    export; - reads one from stdin. Without NEW, OLD is compared with the store as it is now.

    \b
      prunella diff last-month.json.gz
      prunella diff last-month.json.gz today.json.gz --json | jq .change
    """
    from prunella_tui.report.tables import diff_lines

    before = read_export(old)
    after = read_export(new) if new else look(open_store())
    present(lambda: views.diff_document(before, after), lambda: diff_lines(before, after))


def _noted(inventory: Inventory, span: int) -> tuple[Noted, ...]:
    if inventory.store.exported_from is not None:
        raise Refused("an export has no history: compare two with prunella diff OLD NEW")
    noted = read_totals(inventory.store, inventory.scanned_at - span, inventory.scanned_at)
    if not noted:
        say("Nothing was noted before this run; the first one of each day that may write to the store does so.")
    return noted

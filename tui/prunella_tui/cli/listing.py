"""What ``ls`` and ``blobs`` have in common: filters as flags and as words, the order, and names alone."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.query import FIELDS, Query, Rows, parse, select, with_terms
from prunella_tui.cli.completion import complete, models
from prunella_tui.cli.options import all_of, is_set

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
            command(Listing(_query(rows, words, flags), sort, reverse, quiet))

        return options(run)

    return give


def _option(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    _field, _operator, metavar, help_ = _FLAGS[name]
    completes = complete(models) if metavar == "MODEL" else None
    return click.option(f"--{name.replace('_', '-')}", metavar=metavar, help=help_, shell_complete=completes)


def _query(rows: Rows, words: Iterable[str], flags: Mapping[str, Any]) -> Query:
    terms = [(*_FLAGS[name][:2], flags[name]) for name in _FLAGS if flags.get(name) is not None]
    if flags["state"]:
        terms.append(("state", "=", ",".join(flags["state"])))
    return with_terms(parse(" ".join(words), rows), *terms)

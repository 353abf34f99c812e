"""The filters of ``ls`` and ``blobs``: flags, and words of the filter language that mean the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from prunella_core.query import FIELDS, Query, Rows, parse, with_terms
from prunella_tui.cli.completion import complete_models

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Flag(NamedTuple):
    """A flag, and the field and operator of the term that it stands for."""

    flag: str
    field: str
    operator: str
    metavar: str
    help: str

    @property
    def name(self) -> str:
        """What it is called where its value arrives."""
        return self.flag.strip("-").replace("-", "_")


_FLAGS = (
    _Flag("--age", "age", ">=", "AGE", "At least this old: 30d, 12h, 2w."),
    _Flag("--unused", "unused", ">=", "AGE", "Not needed or used for at least so long."),
    _Flag("--min-size", "size", ">=", "SIZE", "At least this large: 5GB, 500MB, 2GiB."),
    _Flag("--max-size", "size", "<=", "SIZE", "At most this large."),
    _Flag("--name", "name", ":", "TEXT", "With this in the name."),
    _Flag("--used-by", "used", "=", "MODEL", "Only what this model needs."),
    _Flag("--kind", "kind", "=", "KIND", "Only weights, template, config, ..."),
)


def filters(rows: Rows) -> Callable[[_Command], _Command]:
    """Give a command the flags that its rows know, ``--state``, and words of the language as arguments."""
    fields = FIELDS[rows]

    def give(command: _Command) -> _Command:
        for flag in reversed([flag for flag in _FLAGS if flag.field in fields]):
            complete = complete_models if flag.metavar == "MODEL" else None
            option = click.option(flag.flag, flag.name, metavar=flag.metavar, help=flag.help, shell_complete=complete)
            command = option(command)
        choice = click.Choice(fields["state"].words)
        several = "Only these; may be repeated."
        command = click.option("--state", "states", type=choice, multiple=True, help=several)(command)
        return click.argument("words", metavar="[FILTER]...", nargs=-1)(command)

    return give


def read_filter(rows: Rows, words: Sequence[str], states: Sequence[str], flags: Mapping[str, str | None]) -> Query:
    """Return the filter that the words and flags of a command say. Raises InvalidInput."""
    said = [(flag, flags.get(flag.name)) for flag in _FLAGS]
    terms = [(flag.field, flag.operator, value) for flag, value in said if value is not None]
    if states:
        terms.append(("state", "=", ",".join(states)))
    return with_terms(parse(" ".join(words), rows), *terms)

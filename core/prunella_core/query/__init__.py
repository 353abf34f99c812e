"""A small language for filters: words that must occur, and terms like ``size>5GB`` or ``state:partial``."""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.base.units import parse_age, parse_size
from prunella_core.inventory.records import Inventory
from prunella_core.query.fields import FIELDS, KNOWN, WORDS, Field, Rows

Row = TypeVar("Row")
Predicate = Callable[[Any], bool]

_TERM = re.compile(r"([a-z]+)(>=|<=|>|<|=|:)(.*)\Z", re.DOTALL)
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_EXAMPLES = {"size": "5GB", "age": "30d"}


class Term(Struct, frozen=True):
    """One condition; ``value`` is in bytes, in seconds, or text in lower case."""

    field: str
    operator: str
    value: float | str


class Query(Struct, frozen=True, kw_only=True):
    """A filter for rows of one kind. A row passes when every word occurs in it and every term holds."""

    rows: Rows
    words: tuple[str, ...] = ()
    """In lower case."""
    terms: tuple[Term, ...] = ()


def parse(text: str, rows: Rows) -> Query:
    """Read a filter for ``rows``. Raises InvalidInput for a term that is incomplete or unknown.

    Only a colon may be part of a word: names of models have one.
    """
    words, terms = [], []
    for part in text.casefold().split():
        match = _TERM.match(part)
        if match and (match[1] in KNOWN or match[2] != ":"):
            terms.append(match.groups())
        else:
            words.append(part)
    return with_terms(Query(rows=rows, words=tuple(words)), *terms)


def with_terms(query: Query, *terms: Sequence[str]) -> Query:
    """Add terms, each of a field, an operator and a value as people write it. Raises InvalidInput."""
    more = tuple(_term(field, sign, value, query.rows) for field, sign, value in terms)
    return replace(query, terms=query.terms + more)


def _term(name: str, sign: str, value: str, rows: Rows) -> Term:
    field = FIELDS[rows].get(name)
    if field is None:
        raise InvalidInput(f"unknown filter “{name}” for {rows}: use {', '.join(FIELDS[rows])}")
    if (sign in _COMPARED) != (field.kind in _EXAMPLES):
        takes = f">, >=, < or <=, as in {name}>{_EXAMPLES[field.kind]}" if field.kind in _EXAMPLES else ": or ="
        raise InvalidInput(f"invalid filter “{clean(name + sign + value)}”: {name} takes {takes}")
    if not value:
        raise InvalidInput(f"incomplete filter “{name}{sign}”: add a value")
    return Term(name, sign, _value(field, name, value))


def _value(field: Field, name: str, value: str) -> float | str:
    if field.kind in ("size", "age"):
        return parse_size(value) if field.kind == "size" else parse_age(value)
    wanted = value.casefold()
    for each in wanted.split(",") if field.words else ():
        if not each or not any(word.startswith(each) for word in field.words):
            raise InvalidInput(f"invalid {name} “{clean(each)}”: use {', '.join(field.words)}")
    return wanted


def by_terms(query: Query, inventory: Inventory, now: float) -> Predicate | None:
    """Return a test of whether every term holds for a row at ``now`` (seconds, UTC); ``None`` without terms."""
    tests = [_test(term, FIELDS[query.rows][term.field], inventory, now) for term in query.terms]
    return reduce(_both, tests) if tests else None


def _both(one: Predicate, other: Predicate) -> Predicate:
    return lambda row: one(row) and other(row)


def _test(term: Term, field: Field, inventory: Inventory, now: float) -> Predicate:
    read, value = partial(field.read, inventory), term.value
    if isinstance(value, str):
        matches = _match(field, term.operator, value)
        return lambda row: any(map(matches, read(row)))
    compare = _COMPARED[term.operator]
    if field.kind == "size":
        return lambda row: compare(read(row), value)
    return lambda row: (since := read(row)) is not None and compare(max(now - since, 0), value)


def _match(field: Field, sign: str, wanted: str) -> Callable[[str], bool]:
    """A colon asks for a part, an equals sign for the whole (``llama3.2`` for ``llama3.2:latest``).

    Of several words with commas between them one has to match.
    """
    if field.kind == "word":
        any_of = tuple(wanted.split(","))
        return (lambda word: word in any_of) if sign == "=" else (lambda word: word.startswith(any_of))
    if sign == "=":
        bare = wanted.removesuffix(":latest")
        return lambda name: name.casefold().removesuffix(":latest") == bare
    return lambda name: wanted in name.casefold()


def select(rows: Iterable[Row], query: Query, inventory: Inventory, now: float) -> list[Row]:
    """Return the rows that match the whole query, in their order."""
    passes = by_terms(query, inventory, now)
    chosen = [row for row in rows if passes(row)] if passes else list(rows)
    text_of = WORDS[query.rows]
    for word in query.words:
        chosen = [row for row in chosen if word in text_of(row).casefold()]
    return chosen

"""A small language for filters: words that must occur, and terms like ``size>5GB`` or ``state:partial``."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, Literal, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean, parse_age, parse_size
from prunella_core.inventory.records import Inventory, Model, State
from prunella_core.ledger.memory import likely_model
from prunella_core.space import Usage, space_of

Rows = Literal["models", "blobs", "trash"]
Row = TypeVar("Row")
Predicate = Callable[[Any], bool]

_TERM = re.compile(r"([a-z]+)(>=|<=|>|<|=|:)(.*)\Z", re.DOTALL)
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NUMBERS: dict[str, tuple[Callable[[str], float], str]] = {"size": (parse_size, "5GB"), "age": (parse_age, "30d")}


class Field(NamedTuple):
    """A field of a row; ``read`` takes the inventory and the row.

    ``size``: bytes. ``age``: the time (seconds, UTC) from which it counts, or ``None``. ``names``: names as Ollama has
    them, which contain the value of a term. ``word``: words, which begin with it; ``words`` are all that exist.
    """

    kind: Literal["size", "age", "names", "word"]
    read: Callable[[Inventory, Any], Any]
    words: tuple[str, ...] = ()


def _usage(inventory: Inventory, model: Model) -> Usage:
    return space_of(inventory).models[model.name]


_MODEL_STATES: dict[str, Callable[[Inventory, Model], object]] = {
    "pinned": lambda _, model: model.is_pinned,
    "broken": lambda inventory, model: inventory.problems_by_model[model.name],
    "shared": lambda inventory, model: _usage(inventory, model).shared,
    "cloud": lambda _, model: model.details.remote_host,
    "local": lambda _, model: not model.details.remote_host,
}
_MODELS = {
    "age": Field("age", lambda _, model: model.modified_at),
    "unused": Field("age", lambda _, model: model.idle_since),
    "size": Field("size", lambda _, model: model.size),
    "disk": Field("size", lambda inventory, model: _usage(inventory, model).allocated),
    "frees": Field("size", lambda inventory, model: _usage(inventory, model).frees),
    "shared": Field("size", lambda inventory, model: _usage(inventory, model).shared),
    "state": Field(
        "word", lambda *row: (state for state, is_so in _MODEL_STATES.items() if is_so(*row)), tuple(_MODEL_STATES)
    ),
    "name": Field("names", lambda _, model: (model.name,)),
}
_BLOBS = {
    "age": Field("age", lambda _, blob: blob.idle_since),
    "unused": Field("age", lambda _, blob: None if blob.models else blob.idle_since),
    "size": Field("size", lambda _, blob: blob.size),
    "disk": Field("size", lambda _, blob: blob.allocated),
    "state": Field("word", lambda _, blob: (blob.state.value,), tuple(state.value for state in State)),
    "kind": Field("word", lambda _, blob: (blob.kind.casefold(),) if blob.kind else ()),
    "name": Field(
        "names", lambda inventory, blob: filter(None, (*blob.models, blob.key, likely_model(inventory, blob)))
    ),
    "used": Field("names", lambda _, blob: blob.models),
}
_TRASH = {
    "age": Field("age", lambda _, entry: entry.removed_at),
    "disk": Field("size", lambda _, entry: sum(file.allocated for file in entry.files)),
    "name": Field("names", lambda _, entry: tuple(model.name for model in entry.models)),
}
FIELDS: Mapping[Rows, Mapping[str, Field]] = {"models": _MODELS, "blobs": _BLOBS, "trash": _TRASH}


def _words_of_model(model: Model) -> str:
    details = model.details.family, model.details.parameters, model.details.quantization
    return " ".join(filter(None, (model.name, *details, model.digest[:12])))


WORDS: Mapping[Rows, Callable[[Any], str]] = {
    "models": _words_of_model,
    "blobs": lambda blob: " ".join((blob.key, blob.state.value, blob.kind or "", *blob.models)),
    "trash": lambda entry: " ".join((entry.id, *(model.name for model in entry.models))),
}
"""The text in which plain words must occur."""


class Term(Struct, frozen=True):
    """One condition; ``value`` is in bytes, in seconds, or text in lower case."""

    field: str
    operator: str
    value: float | str


class Query(Struct, frozen=True, kw_only=True):
    """A filter for rows of one kind. A row passes when every word (lower case) occurs in it and every term holds."""

    rows: Rows
    words: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()


def parse(text: str, rows: Rows) -> Query:
    """Read a filter for ``rows``. Raises InvalidInput for a term that is incomplete or unknown.

    Only a colon may be part of a word: names of models have one.
    """
    words, terms = [], []
    for part in text.casefold().split():
        match = _TERM.match(part)
        if match and (match[2] != ":" or any(match[1] in fields for fields in FIELDS.values())):
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
    read, example = _NUMBERS.get(field.kind, (str.casefold, ""))
    if (sign in _COMPARED) != bool(example):
        takes = f">, >=, < or <=, as in {name}>{example}" if example else ": or ="
        raise InvalidInput(f"invalid filter “{clean(name + sign + value)}”: {name} takes {takes}")
    if not value:
        raise InvalidInput(f"incomplete filter “{name}{sign}”: add a value")
    for each in value.casefold().split(",") if field.words else ():
        if not each or not any(word.startswith(each) for word in field.words):
            raise InvalidInput(f"invalid {name} “{clean(each)}”: use {', '.join(field.words)}")
    return Term(name, sign, read(value))


def by_terms(query: Query, inventory: Inventory, now: float) -> Predicate | None:
    """Return a test of whether every term holds for a row at ``now`` (seconds, UTC); ``None`` without terms."""
    tests = [_test(term, FIELDS[query.rows][term.field], inventory, now) for term in query.terms]
    return reduce(lambda one, other: lambda row: one(row) and other(row), tests) if tests else None


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
    passes, text_of = by_terms(query, inventory, now), WORDS[query.rows]
    chosen = filter(passes, rows) if passes else rows
    return [row for row in chosen if all(word in text_of(row).casefold() for word in query.words)]

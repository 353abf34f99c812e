"""What a filter can ask of a row: the fields of models, of rows in ``blobs/``, and of removals in the trash."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from prunella_core.inventory.records import Blob, Inventory, Model, State, TrashEntry
from prunella_core.ledger.ages import likely_model
from prunella_core.space.space import space_of

Rows = Literal["models", "blobs", "trash"]
Reader = Callable[[Any], Any]


class Field(NamedTuple):
    """A field of a row. ``reader`` makes, of an inventory, a function that reads it.

    ``size``: bytes. ``age``: the time (seconds, UTC) from which it is reckoned, or ``None``. ``names``: names as Ollama
    has them, which a term's value occurs in. ``word``: words, which begin with it; ``words`` are those that there are.
    """

    kind: Literal["size", "age", "names", "word"]
    reader: Callable[[Inventory], Reader]
    words: tuple[str, ...] = ()


def _plain(read: Reader) -> Callable[[Inventory], Reader]:
    """A field that the row itself tells."""
    return lambda _inventory: read


def _usage(amount: str) -> Callable[[Inventory], Reader]:
    def reader(inventory: Inventory) -> Reader:
        usage = space_of(inventory).models
        return lambda model: getattr(usage[model.name], amount)

    return reader


MODEL_STATES = ("pinned", "broken", "shared", "cloud", "local")


def _states_of_models(inventory: Inventory) -> Reader:
    broken = {problem.model for problem in inventory.problems}
    usage = space_of(inventory).models

    def states(model: Model) -> Iterable[str]:
        is_so = (
            model.is_pinned,
            model.name in broken,
            usage[model.name].shared > 0,
            bool(model.details.remote_host),
            not model.details.remote_host,
        )
        return (state for state, holds in zip(MODEL_STATES, is_so, strict=True) if holds)

    return states


def _names_of_blobs(inventory: Inventory) -> Reader:
    def names(blob: Blob) -> Iterable[str]:
        likely = likely_model(inventory, blob)
        return (*blob.models, blob.key, *((likely,) if likely else ()))

    return names


def _unused_since(blob: Blob) -> float | None:
    return None if blob.models else blob.idle_since


_MODELS = {
    "age": Field("age", _plain(lambda model: model.modified_at)),
    "unused": Field("age", _plain(lambda model: model.idle_since)),
    "size": Field("size", _plain(lambda model: model.size)),
    "disk": Field("size", _usage("allocated")),
    "frees": Field("size", _usage("frees")),
    "shared": Field("size", _usage("shared")),
    "state": Field("word", _states_of_models, MODEL_STATES),
    "name": Field("names", _plain(lambda model: (model.name,))),
}
_BLOBS = {
    "age": Field("age", _plain(lambda blob: blob.idle_since)),
    "unused": Field("age", _plain(_unused_since)),
    "size": Field("size", _plain(lambda blob: blob.size)),
    "disk": Field("size", _plain(lambda blob: blob.allocated)),
    "state": Field("word", _plain(lambda blob: (blob.state.value,)), tuple(state.value for state in State)),
    "kind": Field("word", _plain(lambda blob: (blob.kind.casefold(),) if blob.kind else ())),
    "name": Field("names", _names_of_blobs),
    "used": Field("names", _plain(lambda blob: blob.models)),
}
_TRASH = {
    "age": Field("age", _plain(lambda entry: entry.removed_at)),
    "disk": Field("size", _plain(lambda entry: sum(file.allocated for file in entry.files))),
    "name": Field("names", _plain(lambda entry: tuple(model.name for model in entry.models))),
}
FIELDS: Mapping[Rows, Mapping[str, Field]] = {"models": _MODELS, "blobs": _BLOBS, "trash": _TRASH}
KNOWN = frozenset(name for fields in FIELDS.values() for name in fields)
"""Every field of the language. What stands before a colon and is none of these is part of a word."""


def _words_of_model(model: Model) -> str:
    details = (model.details.family, model.details.parameters, model.details.quantization)
    return " ".join((model.name, *filter(None, details), model.digest[:12]))


def _words_of_blob(blob: Blob) -> str:
    return " ".join((blob.key, blob.state.value, blob.kind or "", *blob.models))


def _words_of_entry(entry: TrashEntry) -> str:
    return " ".join((entry.id, *(model.name for model in entry.models)))


WORDS: Mapping[Rows, Callable[[Any], str]] = {
    "models": _words_of_model,
    "blobs": _words_of_blob,
    "trash": _words_of_entry,
}
"""The text in which plain words must occur."""

"""The fields that a filter knows of models, of rows in ``blobs/``, and of entries in the trash."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from prunella_core.inventory.records import Blob, Inventory, Model, State
from prunella_core.ledger.memory import likely_model
from prunella_core.space.space import Usage, space_of

Rows = Literal["models", "blobs", "trash"]


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
    "broken": lambda inventory, model: inventory.problems_of(model),
    "shared": lambda inventory, model: _usage(inventory, model).shared,
    "cloud": lambda _, model: model.details.remote_host,
    "local": lambda _, model: not model.details.remote_host,
}


def _names_of_blob(inventory: Inventory, blob: Blob) -> Iterable[str]:
    return filter(None, (*blob.models, blob.key, likely_model(inventory, blob)))


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
    "name": Field("names", _names_of_blob),
    "used": Field("names", lambda _, blob: blob.models),
}
_TRASH = {
    "age": Field("age", lambda _, entry: entry.removed_at),
    "disk": Field("size", lambda _, entry: sum(file.allocated for file in entry.files)),
    "name": Field("names", lambda _, entry: tuple(model.name for model in entry.models)),
}
FIELDS: Mapping[Rows, Mapping[str, Field]] = {"models": _MODELS, "blobs": _BLOBS, "trash": _TRASH}
KNOWN = frozenset(name for fields in FIELDS.values() for name in fields)
"""Every field of the language. Other text before a colon is part of a word."""

WORDS: Mapping[Rows, Callable[[Any], str]] = {
    "models": lambda model: " ".join(filter(None, (model.name, *_details(model), model.digest[:12]))),
    "blobs": lambda blob: " ".join((blob.key, blob.state.value, blob.kind or "", *blob.models)),
    "trash": lambda entry: " ".join((entry.id, *(model.name for model in entry.models))),
}
"""The text in which plain words must occur."""


def _details(model: Model) -> tuple[str | None, ...]:
    return model.details.family, model.details.parameters, model.details.quantization

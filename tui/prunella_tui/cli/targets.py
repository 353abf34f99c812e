"""What the names on the command line mean in a store."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from prunella_core.base.errors import InvalidInput, NotFound, Refused
from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, TrashEntry
from prunella_core.ollama.names import match_name, nearest_names, parse_digest_prefix, parse_name
from prunella_core.plan.records import Removal, Restore
from prunella_core.store import is_pinned
from prunella_tui.report.format import names as listed
from prunella_tui.report.format import short_digest

_BARE_DIGITS = re.compile(r"[0-9a-fA-F]{6,64}\Z")
"""Fewer digits are more likely a typing error than a digest."""


def find_model(inventory: Inventory, text: str) -> Model:
    """Return the model that ``text`` names. Raises NotFound with the nearest names, or InvalidInput."""
    name = match_name(parse_name(text), inventory.model_by_name)
    if name is None:
        raise _unknown([text], inventory.model_by_name)
    return inventory.model_by_name[name]


def find_row(inventory: Inventory, text: str) -> Blob:
    """Return the row that a path, a file name or the start of a digest names. Raises NotFound or InvalidInput."""
    path = text if text.startswith("blobs/") else f"blobs/{text}"
    if named := inventory.blob_by_file.get(path) or inventory.blob_by_key.get(path):
        return named
    if text.startswith("blobs/") and not text.startswith("blobs/sha256"):
        raise NotFound(f"no {clean(text)} in {clean(inventory.store.root)}")
    prefix = parse_digest_prefix(text.removeprefix("blobs/"))
    if prefix in inventory.blob_by_key:  # a whole digest: thousands may be named, and no row has to be looked at
        return inventory.blob_by_key[prefix]
    found = [blob for blob in inventory.blobs if blob.digest and blob.digest.startswith(prefix)]
    if not found:
        raise NotFound(f"no blob starts with {prefix}")
    if len({blob.digest for blob in found}) > 1:
        raise InvalidInput(f"{prefix} is ambiguous: {len(found)} blobs start with it; type more digits")
    return found[0]


def find_whole(inventory: Inventory, texts: Iterable[str]) -> list[Blob]:
    """Return the blobs of the models, digests and paths that ``texts`` name. Raises NotFound or InvalidInput."""
    found: dict[str, Blob] = {}
    for text in texts:
        kind, key = _meaning(inventory, text)
        if kind == "models":
            found |= {blob.key: blob for blob in inventory.blobs_of(inventory.model_by_name[key])}
        elif kind != "blobs":
            raise _unknown([text], inventory.model_by_name)
        elif inventory.blob_by_key[key].has_hash:
            found[key] = inventory.blob_by_key[key]
        else:
            raise InvalidInput(f"{clean(key)} cannot be verified: only whole blobs are named by their hash")
    return list(found.values())


def find_removal(inventory: Inventory, texts: Iterable[str], force: bool, to_trash: bool) -> Removal:
    """Return the request that deletes what ``texts`` name: models, blobs, damaged manifests.

    Raises NotFound, InvalidInput, or Refused when a model that stays uses one of the blobs.
    """
    named: dict[str, dict[str, None]] = {"models": {}, "blobs": {}, "manifests": {}, "unknown": {}}
    for text in texts:
        kind, key = _meaning(inventory, text)
        named[kind][key] = None
    if named["unknown"]:
        raise _unknown(named["unknown"], (*inventory.model_by_name, *_broken(inventory)))
    for key in named["blobs"]:
        if staying := [name for name in inventory.blob_by_key[key].models if name not in named["models"]]:
            raise Refused(f"{short_digest(key)} is used by {listed(staying)}; nothing was deleted")
    models, blobs, manifests = (tuple(named[kind]) for kind in ("models", "blobs", "manifests"))
    return Removal(models=models, blobs=blobs, manifests=manifests, force=force, to_trash=to_trash)


def _meaning(inventory: Inventory, text: str) -> tuple[str, str]:
    """Return what a name means, and its key; a model's name wins over everything that looks like it."""
    if name := _matching(text, inventory.model_by_name):
        return "models", name
    if text in inventory.broken_by_path:
        return "manifests", text
    if text.startswith("manifests/"):
        for model in inventory.models:
            if model.manifest.path == text:
                return "models", model.name
        raise NotFound(f"no {clean(text)} in {clean(inventory.store.root)}")
    is_blob = text.startswith(("blobs/", "sha256:", "sha256-"))
    broken = _broken(inventory)
    if not is_blob and (name := _matching(text, broken)):
        return "manifests", broken[name]
    if is_blob or _BARE_DIGITS.match(text):
        return "blobs", find_row(inventory, text).key
    parse_name(text)  # raises InvalidInput
    return "unknown", text


def _broken(inventory: Inventory) -> dict[str, str]:
    """Return the paths of damaged manifests by the names of their models."""
    return {problem.model: path for path, problem in inventory.broken_by_path.items() if problem.model}


def find_restore(inventory: Inventory, text: str, under: str | None) -> Restore:
    """Return the request that restores a model, of several the last, or an entry. Raises NotFound or InvalidInput."""
    if under is not None:
        parse_name(under)
    entries = [entry for entry in inventory.trash if not entry.is_spent]
    known = {model.name: entry.id for entry in entries for model in entry.models}
    if name := _matching(text, known) or _only_tag(text, known):
        return Restore(entry=known[name], model=name, under=under)
    entry = _entry(inventory.trash, text)  # also what an emptied one still keeps, because a model misses it
    if entry is None:
        parse_name(text)  # raises InvalidInput
        raise NotFound(f"no “{clean(text)}” in the trash{_hint([text], known) or ': prunella trash lists it'}")
    if under is None:
        return Restore(entry=entry.id)
    if len(entry.models) != 1:
        raise InvalidInput("--as takes one model: name it, not the trash entry")
    return Restore(entry=entry.id, model=entry.models[0].name, under=under)


def _only_tag(text: str, known: Iterable[str]) -> str | None:
    """Return the only known name that is ``text`` with a tag: ``phi4`` finds ``phi4:14b``."""
    found = [name for name in known if name.casefold().startswith(f"{text.casefold()}:")]
    return found[0] if len(found) == 1 else None


def _entry(entries: Iterable[TrashEntry], text: str) -> TrashEntry | None:
    """Return the entry with an ID that begins with ``text``, also after its time. Raises InvalidInput for several."""
    found = [entry for entry in entries if entry.id.startswith(text) or entry.id.partition("-")[2].startswith(text)]
    exact = [entry for entry in found if entry.id == text]
    if len(found) > 1 and not exact:
        raise InvalidInput(f"“{clean(text)}” is ambiguous: {len(found)} trash entries start with it")
    return next(iter(exact or found), None)


def find_entries(inventory: Inventory, texts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the IDs that ``texts`` begin, or ``None`` for all. Raises NotFound or InvalidInput."""
    found = []
    for text in texts:
        if (entry := _entry(inventory.trash, text)) is None:
            raise NotFound(f"no entry “{clean(text)}” in the trash: prunella trash lists them")
        found.append(entry.id)
    return tuple(dict.fromkeys(found)) or None


def unmatched(inventory: Inventory, patterns: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each pattern that pins no model of this store, with the nearest names."""
    for pattern in patterns:
        if not any(is_pinned(model.name, (pattern,)) for model in inventory.models):
            yield f"“{clean(pattern)}” matches no model{_hint([pattern], inventory.model_by_name)}"


def _matching(text: str, known: Iterable[str]) -> str | None:
    try:
        return match_name(parse_name(text), known)
    except InvalidInput:  # a path or a digest, perhaps
        return None


def _unknown(texts: Collection[str], known: Iterable[str]) -> NotFound:
    what = "model" if len(texts) == 1 else "models"
    return NotFound(f"no {what} {', '.join(f'“{clean(text)}”' for text in texts)}{_hint(texts, known)}")


def _hint(texts: Iterable[str], known: Iterable[str]) -> str:
    near = list(dict.fromkeys(clean(name) for text in texts for name in nearest_names(text, known)))[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ""

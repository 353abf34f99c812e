"""Whether a model could come back: by a pull, by a pull of its base, or not at all; as far as the disk shows.

No registry is asked. A pull writes the registry's bytes; a create ends the manifest with a line end and notes for each
layer the model that it was taken from; a copy has the bytes of what it was copied from (Ollama's ``server/images.go``,
``server/create.go`` and ``manifest`` package). So a copy under another name can look like a pull.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.inventory.records import WEIGHTS, Inventory, Model
from prunella_core.ollama.manifest import Layer
from prunella_core.ollama.names import DEFAULT_HOST, DEFAULT_NAMESPACE, ModelName, parse_name

_CONFIG = "config"


class Origin(Struct, frozen=True, kw_only=True):
    """How to get a model back.

    ``pullable``: a pull brings all of it. ``derived``: a pull brings its base, and ``only_here`` is lost. ``created``:
    its weights are only here. ``cloud``: it runs elsewhere and has no weights here.
    """

    kind: Literal["pullable", "derived", "created", "cloud"]
    source: str | None
    """The short name to pull; ``None`` where there is none."""
    certainty: Literal["known", "guess"]
    evidence: tuple[str, ...]
    """Sentences: why we think so."""
    only_here: tuple[str, ...] = ()
    """Digests of the layers that cannot be pulled. The config does not count: every create writes its own."""


def origins(inventory: Inventory) -> dict[str, Origin]:
    """Return what would bring each model back, by name."""
    models = inventory.model_by_name
    return inventory.kept("origins", lambda: dict(zip(models, map(_Provenance(models).origin, models), strict=True)))


class _Provenance:
    """Finds first which models can be pulled, and then what the others were made of."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self.models = models
        self.names = {name: ModelName.of_path(model.manifest.path) for name, model in models.items()}
        self.pulled_as: dict[str, str] = {}
        """The name to pull, by model; models that cannot be pulled are missing."""
        alike: dict[str, list[str]] = {}
        for name, model in models.items():  # a manifest that names no layers stands alone
            alike.setdefault(model.digest if model.layers else name, []).append(name)
        for same_manifest in alike.values():
            self._find_source(same_manifest)
        self.layers_of: dict[str, dict[str, Layer]] = {}

    @cached_property
    def brought_by(self) -> dict[str, str]:
        """The name to pull for each blob that a pull brings; only needed where a model was created here."""
        return {digest: by for name, by in self.pulled_as.items() for digest in self.models[name].needs}

    def origin(self, name: str) -> Origin:
        if self.models[name].details.remote_host:
            return self._cloud(name)
        if name not in self.pulled_as:
            return self._made(name)
        source = self.pulled_as[name]
        return Origin(
            kind="pullable",
            source=source,
            certainty="known" if self._is_surely_pulled(source) else "guess",
            evidence=tuple(self._signs_of_a_pull(name, source)),
        )

    def _find_source(self, alike: list[str]) -> None:
        with_default = any(self.names[name].host == DEFAULT_HOST for name in alike)
        candidates = [name for name in alike if self._may_be_pulled(name, with_default)]
        if not candidates:
            return
        first = min(candidates, key=lambda name: (self.names[name].host == DEFAULT_HOST, self.models[name].modified_at))
        untagged = {name: replace(self.names[name], tag="") for name in candidates}
        tags = [name for name in candidates if untagged[name] == untagged[first]]
        self.pulled_as.update({name: name if name in tags else first for name in alike})

    def _may_be_pulled(self, name: str, copied_to_default: bool) -> bool:
        model, where = self.models[name], self.names[name]
        if model.details.remote_host or not model.layers:
            return not model.details.remote_host
        is_from_another = any(layer.made_from for layer in model.layers)
        if model.looks_created:  # a foreign registry may send a line end too, but notes no origins
            return where.host != DEFAULT_HOST and not copied_to_default and not is_from_another
        is_librarys = where.host == DEFAULT_HOST and where.namespace == DEFAULT_NAMESPACE
        return not (is_librarys and is_from_another)  # the library's own models are made from no other

    def _cloud(self, name: str) -> Origin:
        model, details = self.models[name], self.models[name].details
        own = [layer.digest for layer in model.layers if layer.kind != _CONFIG] if model.looks_created else []
        host, there = (clean(text or "a model there") for text in (details.remote_host, details.remote_model))
        return Origin(
            kind="cloud",
            source=None if model.looks_created else name,
            certainty="known",
            evidence=(f"its config says that it runs at {host} as {there}",),
            only_here=tuple(digest for digest in dict.fromkeys(own) if digest not in self.brought_by),
        )

    def _is_surely_pulled(self, name: str) -> bool:
        """Whether both name and manifest say so: copies often have names of the default host."""
        model = self.models.get(name)
        if model is None or not model.layers or model.looks_created:
            return False
        return self.names[name].host != DEFAULT_HOST

    def _signs_of_a_pull(self, name: str, source: str) -> Iterator[str]:
        if source != name:
            yield f"it has the same manifest as {source}"
        if not self.models[name].layers:
            yield "its manifest names no layers; only its name gives a hint"
        elif self.models[name].looks_created:
            yield "its manifest looks created here, but does not say from which model"
        else:
            yield "its manifest looks pulled, not created here"
        where = self.names[source]
        if where.host != DEFAULT_HOST:
            yield f"its name says where to pull it: {where.host}"
        else:
            library = "Ollama's library" if where.namespace == DEFAULT_NAMESPACE else f"{where.namespace} at ollama.com"
            yield f"{source} looks like a name from {library}, but so would a local copy"

    def _made(self, name: str) -> Origin:
        layers = self._layers(name)
        bringers = {digest: self._bringer(layer, {name}) for digest, layer in layers.items()}
        weights = [layer for layer in layers.values() if layer.kind in WEIGHTS]
        lost = next((layer for layer in weights if bringers[layer.digest] is None), None)
        base = next((bringers[digest] for digest in [layer.digest for layer in weights] or bringers), None)
        source = None if lost else base
        is_own = self.models[name].looks_created and not self._can_be_pushed(name)
        return Origin(
            kind="derived" if source else "created",
            source=source,
            certainty="known" if is_own and (source is None or self._is_surely_pulled(source)) else "guess",
            evidence=tuple(self._signs_of_a_create(name, source, lost)),
            only_here=tuple(digest for digest, bringer in bringers.items() if bringer is None),
        )

    def _layers(self, name: str) -> dict[str, Layer]:
        if name not in self.layers_of:
            named = (layer for layer in self.models[name].layers if layer.digest and layer.kind != _CONFIG)
            self.layers_of[name] = {layer.digest: layer for layer in named}
        return self.layers_of[name]

    def _bringer(self, layer: Layer, seen: set[str]) -> str | None:
        """Return the name to pull for this layer, as far back as manifests say what it was taken from."""
        base = _short(layer.made_from)
        there = self._layers(base).get(layer.digest) if base in self.models else None
        if layer.digest in self.brought_by:
            return self.pulled_as[base] if there and base in self.pulled_as else self.brought_by[layer.digest]
        if not base or base in seen or layer.digest in self._begun_here:
            return None
        if base not in self.models:
            return base
        return self._bringer(there, {*seen, base}) if there else None

    @cached_property
    def _begun_here(self) -> frozenset[str]:
        """The layers that a model of this store was created with, and took from no other."""
        made = (name for name, model in self.models.items() if name not in self.pulled_as and model.looks_created)
        return frozenset(layer.digest for name in made for layer in self._layers(name).values() if not layer.made_from)

    def _can_be_pushed(self, name: str) -> bool:
        return (self.names[name].host, self.names[name].namespace) != (DEFAULT_HOST, DEFAULT_NAMESPACE)

    def _signs_of_a_create(self, name: str, source: str | None, lost: Layer | None) -> Iterator[str]:
        if self.models[name].looks_created:
            yield "its manifest looks created here, not pulled"
        if source in self.models:
            how = "can" if source and self._is_surely_pulled(source) else "can probably"
            yield f"its weights are those of {source}, which {how} be pulled"
        elif source:
            yield f"its manifest says that its weights were taken from {source}, which is not in this store"
        else:
            yield self._why_lost(lost)
        if self._can_be_pushed(name):
            yield f"if it was ever pushed as {name}, it can be pulled; nothing here shows whether it was"

    def _why_lost(self, lost: Layer | None) -> str:
        base = _short(lost.made_from) if lost else ""
        if lost is None:
            return "it has no weights, and no model that can be pulled has its layers"
        if base in self.models and lost.digest in self._layers(base):
            return f"its weights were taken from {base}, which cannot be pulled either"
        if base in self.models:
            return f"its weights were taken from {base}, which has other weights now"
        return "no model that can be pulled has its weights"


@lru_cache(maxsize=1024)
def _short(text: str) -> str:
    try:
        return parse_name(text).short if text else ""
    except InvalidInput:  # old versions wrote paths into ``from``
        return ""

"""Model names, as Ollama takes and shows them (its ``types/model/name.go``)."""

import re
from collections.abc import Iterable

from msgspec import Struct

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean

DEFAULT_HOST = "registry.ollama.ai"
_HOST_IN_V2 = "ollama.com"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

_MODEL = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_VALID = re.compile(
    rf"[A-Za-z0-9_][A-Za-z0-9_.:-]{{0,349}}/[A-Za-z0-9_][A-Za-z0-9_-]{{0,79}}/{_MODEL}/{_MODEL}\Z"
).match


class ModelName(Struct, frozen=True):
    """Where a model's manifest lies: ``manifests/<host>/<namespace>/<model>/<tag>``."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def of_path(cls, path: str) -> "ModelName":
        """Return the name of the manifest at ``path``, relative to the store; it is only valid at the depth of a tag.

        Below ``manifests-v2/`` the default host has another name, and a colon is written ``%3A``.
        """
        tree, *parts = path.split("/")
        if len(parts) != len(cls.__struct_fields__):
            return cls("", "", "", "")
        host, *rest = parts
        if tree == "manifests-v2":
            host = DEFAULT_HOST if host == _HOST_IN_V2 else host.replace("%3A", ":")
        return cls(host, *rest)

    @property
    def path(self) -> str:
        """Where its manifest is written, relative to the store."""
        return f"manifests/{self.host}/{self.namespace}/{self.model}/{self.tag}"

    @property
    def short(self) -> str:
        """The name as ``ollama list`` prints it; unique within a store."""
        shown = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{shown}"
        return shown if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{shown}"

    @property
    def is_valid(self) -> bool:
        """Whether Ollama accepts every part; a valid name is safe to use as a path."""
        return _VALID(f"{self.host}/{self.namespace}/{self.model}/{self.tag}") is not None


def parse_name(text: str) -> ModelName:
    """Read a name that a person typed: no tag means ``latest``, no host Ollama's own registry.

    Raises InvalidInput when Ollama would not take it either.
    """
    rest = text.strip()
    tag = DEFAULT_TAG
    if rest.rfind(":") > rest.rfind("/"):  # a colon before the last slash belongs to a host's port
        rest, _, tag = rest.rpartition(":")
    rest, _, model = rest.rpartition("/")
    host, _, namespace = rest.rpartition("/")
    host = host.rpartition("://")[2]
    name = ModelName(host or DEFAULT_HOST, namespace or DEFAULT_NAMESPACE, model, tag)
    if not name.is_valid or "" in text.strip().rpartition("://")[2].split("/"):
        raise InvalidInput(f"invalid model name “{clean(text)}”: use [[host/]namespace/]model[:tag]")
    return name


def is_short_name(text: str) -> bool:
    """Whether it is a name exactly as ``ollama list`` prints it, which may be handed to a shell."""
    try:
        return parse_name(text).short == text
    except InvalidInput:
        return False


def match_name(wanted: ModelName, known: Iterable[str]) -> str | None:
    """Return the short name among ``known`` that ``wanted`` means, exact case first, then any case, as Ollama does."""
    names = list(known)
    if wanted.short in names:
        return wanted.short
    folded = wanted.short.casefold()
    return next((name for name in names if name.casefold() == folded), None)


def nearest_names(text: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that someone who typed ``text`` may have meant, the likeliest first."""
    import difflib

    by_folded = {name.casefold().removesuffix(":latest"): name for name in known}
    close = difflib.get_close_matches(text.casefold().removesuffix(":latest"), by_folded, n=3, cutoff=0.5)
    return [by_folded[name] for name in close]

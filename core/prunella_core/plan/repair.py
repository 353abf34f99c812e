"""What a repair takes out of the store, and what the server has to pull."""

from typing import NamedTuple

from msgspec import Struct

from prunella_core.base.errors import NotFound
from prunella_core.base.text import clean
from prunella_core.fs.sizes import reclaimed_each
from prunella_core.inventory.problems import DAMAGE
from prunella_core.inventory.records import Inventory, Model, State
from prunella_core.ollama.names import place_of
from prunella_core.plan.records import Kept, Plan, PlannedFile, Receipt, Repair
from prunella_core.store import Store


class Damage(NamedTuple):
    """The digests of a model's blobs that are there and bad, with what is wrong, and of those that are missing."""

    bad: dict[str, str]
    missing: tuple[str, ...]

    @property
    def digests(self) -> tuple[str, ...]:
        """All of them: what a pull has to bring."""
        return (*self.bad, *self.missing)


def damage(inventory: Inventory, model: Model) -> Damage:
    """Return what is wrong with the blobs of ``model``: by their sizes, and by what verify found."""
    found = [problem for problem in inventory.problems_of(model) if problem.kind in DAMAGE]
    verified = ((place_of(problem.path).whole, problem.message) for problem in found)
    bad = {digest: message for digest, message in verified if digest in model.needs}
    for layer in model.layers:
        blob = inventory.blob_by_key.get(layer.digest)
        if blob and any(file.is_regular and file.size != layer.size for file in blob.content):
            bad.setdefault(layer.digest, f"it has {blob.size:,} bytes, but its manifest says {layer.size:,}")
    missing = (digest for digest in model.needs if inventory.blob_by_key[digest].state is State.MISSING)
    return Damage(bad, tuple(missing))


def damaged_models(inventory: Inventory) -> list[Model]:
    """The models with blobs that are missing, or known to be damaged."""
    return [model for model in inventory.models if damage(inventory, model).digests]


def why_no_pull(inventory: Inventory, model: Model) -> str:
    """Return why no pull repairs a model; empty where one can."""
    origin = inventory.origins[model.name]
    if origin.kind in ("pullable", "cloud"):
        return "" if origin.source == model.name else f"it is a copy: pull {origin.source}, then copy it again"
    return f"it was created here; the rest: ollama pull {origin.source}" if origin.source else "it was created here"


def plan_repair(inventory: Inventory, request: Repair, now: float) -> Plan:
    """Plan to keep a model in the trash and to take its damaged blobs there; no files where nothing is wrong.

    Raises NotFound.
    """
    model = inventory.model_by_name.get(request.model)
    if model is None:
        raise NotFound(f"no model {clean(request.model)} in {clean(inventory.store.root)}")
    found = damage(inventory, model)
    blobs = {digest: inventory.blob_by_key[digest] for digest in model.needs}
    bad = [(file, digest) for digest in found.bad for file in blobs[digest].content]
    sizes = reclaimed_each(file for file, _digest in bad)
    files = [
        PlannedFile(file=file, reclaims=size, digest=digest, reason=found.bad[digest], models=blobs[digest].models)
        for (file, digest), size in zip(bad, sizes, strict=True)
    ]
    copied = PlannedFile(file=model.manifest, reclaims=0, digest=None, reason="a copy is kept", models=(model.name,))
    kept = [blob for digest, blob in blobs.items() if digest not in found.digests]
    return Plan(
        store=inventory.store,
        request=request,
        made_at=now,
        mode="trash",
        models=(model.name,),
        files=(copied, *files) if found.digests else (),
        kept=tuple(
            Kept(digest=blob.key, allocated=blob.allocated, used_by=blob.models, reason="sound, as far as is known")
            for blob in kept
        ),
        blocked=(),
        reclaims=sum(sizes),
        missing=found.missing,
    )


def digests_of(plan: Plan) -> tuple[str, ...]:
    """Return what a pull has to bring for one plan of a repair."""
    return (*dict.fromkeys(item.digest for item in plan.files if item.digest), *plan.missing)


class NotRepaired(Struct, frozen=True, kw_only=True):
    """A damaged model that no pull repairs, and why."""

    model: str
    reason: str


class RepairPlan(Struct, frozen=True, kw_only=True):
    """Which models are repaired, each by a plan of its own; ``along`` are those that share all of their damage."""

    store: Store
    plans: tuple[Plan, ...]
    along: tuple[str, ...] = ()
    refused: tuple[NotRepaired, ...] = ()
    size: int
    """Bytes to download, if no newer version comes."""


class Repaired(Struct, frozen=True, kw_only=True):
    """What became of one model."""

    model: str
    is_whole: bool
    is_newer: bool = False
    """Whether the pull brought another version."""
    entry: str = ""
    """The trash entry with what was there before; empty where the store has all of it."""
    why_not: str = ""


class RepairReceipt(Struct, frozen=True, kw_only=True):
    """What really happened."""

    plan: RepairPlan
    repaired: tuple[Repaired, ...]
    cancelled: bool = False
    notes: tuple[str, ...] = ()
    expired: Receipt | None = None
    """What was deleted afterwards because its time in the trash was over."""

    @property
    def done(self) -> bool:
        """Whether every damaged model is whole now."""
        whole = all(each.is_whole for each in self.repaired)
        return whole and not (self.cancelled or self.plan.refused)

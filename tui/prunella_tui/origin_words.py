"""Whether a model comes back, in words. Plain strings, already clean, for Rich and Textual alike."""

from prunella_core.base.text import clean
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Model
from prunella_core.plan.records import Lost, Plan


def comes_back(model: Model, origin: Origin) -> str:
    """Return in a line what would bring ``model`` back, and whether that is a guess."""
    return f"probably {_how(model, origin)} (a guess)" if origin.certainty == "guess" else _how(model, origin)


def _how(model: Model, origin: Origin) -> str:
    lost = only_here(model, origin)
    rest = f"; only here: {lost}" if lost else ""
    if origin.kind == "created":
        return f"by nothing: it was created here{rest}"
    if origin.kind == "cloud":
        return f"from elsewhere, where it runs{rest}"
    pull = f"ollama pull {clean(origin.source or '')}"
    if origin.kind == "derived":
        return f"in part, by {pull}{rest}" if lost else f"by {pull}, of which it was made"
    return f"by {pull}"


def only_here(model: Model, origin: Origin) -> str:
    """Return the kinds of layers that nothing else brings back: ``system, params``."""
    lost = set(origin.only_here)
    return ", ".join(dict.fromkeys(clean(layer.kind) for layer in model.layers if layer.digest in lost))


def lost_by_title(plan: Plan) -> list[tuple[str, tuple[Lost, ...]]]:
    """Return what a plan takes that cannot come back, with titles: whole models, then those that lose a part."""
    until = ", once the trash has let go of it" if plan.mode == "trash" else ""
    whole = tuple(lost for lost in plan.lost if lost.is_weights)
    part = tuple(lost for lost in plan.lost if not lost.is_weights)
    titled = ((f"Cannot come back{until}", whole), (f"Comes back only in part{until}", part))
    return [(title, rows) for title, rows in titled if rows]


def lost_for_good(lost: Lost) -> str:
    """Return why a model that goes cannot come back as it is."""
    if lost.is_weights:
        guess = "" if lost.origin.certainty == "known" else ", as far as one can tell"
        return f"created here: nothing else has its weights{guess}"
    kinds = ", ".join(clean(kind) for kind in lost.kinds)
    source = f"; the rest by ollama pull {clean(lost.origin.source)}" if lost.origin.source else ""
    return f"only here: {kinds}{source}"

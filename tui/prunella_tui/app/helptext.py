"""The help: every key, from the one list of them, and the words of the columns."""

from textual.content import Content

from prunella_tui.app.bindings import GROUPS, KEYS, shown

WORDS = (
    ("Model", "a name in the store; its manifest names the blobs that it needs"),
    ("Blob", "a file of a model, named by the digest of its bytes; here its first 12 digits"),
    ("Size", "what `ollama list` shows: shared layers count for every model"),
    ("On disk", "bytes that the files take on the disk"),
    ("Frees", "what deleting it alone gives back"),
    ("Shared", "bytes on the disk that other models need too"),
    ("Idle", "time since last change or use"),
    ("Age", "time since last needed; if in use, since written"),
    ("Used by", "a model that needs it, and how many more"),
    ("unreferenced", "a blob that no manifest names: no model needs it"),
    ("partial", "an interrupted download"),
    ("leftover", "a temporary file of a create or upload"),
    ("missing", "a model needs it, and it is not there"),
    ("stray", "not a file of Ollama's; never deleted unless you mark it"),
    ("✓  ▪", "marked; deleted because of a mark"),
    ("!  ▸  ⚑  ☁", "has a problem; loaded in the server; pinned; runs in the cloud"),
)
_WIDTH = 16


def help_text() -> Content:
    """Return every key under its group, and what the words mean."""
    lines = []
    for group in GROUPS:
        lines += [Content.styled(group, "bold")]
        lines += [_row(shown(key.keys), key.about) for key in KEYS if key.group == group]
        lines += [Content("")]
    lines += [Content.styled("Words", "bold"), *(_row(word, meaning) for word, meaning in WORDS)]
    return Content("\n").join(lines)


def _row(name: str, meaning: str) -> Content:
    return Content.assemble((f"  {name:<{_WIDTH}}", "$text-primary"), meaning)

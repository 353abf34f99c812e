"""What Ollama's next start deletes, in words."""

from collections.abc import Iterator, Sequence

from prunella_core.advice.forecast import OLDER, NextStart
from prunella_core.base.text import clean
from prunella_tui.report.format import counted, short_digest, size
from prunella_tui.report.lines import Block, Tone, line, names_below, section


def forecast_summary(coming: NextStart) -> str:
    """Return the forecast in one line."""
    if coming.skipped:
        return f"Ollama's next start deletes nothing: {clean(coming.why or '')}"
    if not _deleted(coming):
        return "Ollama's next start deletes nothing"
    broken = f", breaks {counted(len(coming.would_break), 'model')}" if coming.would_break else ""
    lost = f", loses {counted(len(coming.downloads), 'download')}" if coming.downloads else ""
    return f"Ollama's next start deletes {counted(len(_deleted(coming)), 'file')}{broken}{lost}"


def forecast_lines(coming: NextStart) -> Iterator[Block]:
    """Yield what a server that starts now does to the store, and what is uncertain."""
    version = f"Ollama {coming.server_version}" if coming.server_version else "Ollama"
    yield line((_headline(coming, version), "head"))
    if coming.noprune:
        yield line("OLLAMA_NOPRUNE is set here; the server's own environment decides.")
    if coming.stops:
        yield line("It skips its cleanup because it can't read some manifests.")
    yield from _listed("Unreadable", "warning", [f"{stop.path}: {stop.message}" for stop in coming.stops])
    if not coming.skipped:
        yield line("Without asking, it deletes downloads and blobs that no manifest names, if over an hour old.")
        yield line(("It skips this where OLLAMA_NOPRUNE is set in the server's own environment.", "quiet"))
    yield from _listed("Models it would break", "bad", coming.would_break)
    held = [f"{short_digest(lost.digest)}  {size(lost.held)} of {size(lost.size)}" for lost in coming.downloads]
    yield from _listed("Downloads that would start over", "warning", held)
    yield from _listed("Manifests it ignores; blobs only they name would be deleted", "warning", coming.overlooked)
    of_downloads = {path for lost in coming.downloads for path in lost.files}
    others = [path for path in _deleted(coming) if path not in of_downloads]
    yield from _listed("Other files it would delete" if of_downloads else "Files it would delete", "strong", others)
    renamed = [f"{old} → {new}" for old, new in coming.renamed]
    yield from _listed("Files it would rename", "strong", renamed)
    yield from _older(coming)
    unsure = [f"{problem.path}: {problem.message}" for problem in coming.unsure]
    yield from _listed("Uncertain: the server may read these differently", "warning", unsure)


def _listed(title: str, tone: Tone, rows: Sequence[str]) -> Iterator[Block]:
    return section(f"{title}:", tone, names_below(rows))


def _older(coming: NextStart) -> Iterator[Block]:
    """What is different where an older server starts on models of a newer one."""
    older = coming.older_server
    if older and set(older.files) != set(coming.files):
        yield from (line(), line((_headline(older, OLDER), "bad")))
        yield line("It does not read manifests-v2/, which a newer Ollama writes, and deletes what only that names.")
        yield from _listed("Models it would break", "bad", older.would_break)


def _headline(coming: NextStart, who: str) -> str:
    if coming.skipped or not _deleted(coming):
        return f"If {who} started now, it would delete nothing"
    files = counted(len(_deleted(coming)), "file")
    return f"If {who} started now, it would delete {files} and free {size(coming.reclaims)}"


def _deleted(coming: NextStart) -> list[str]:
    renamed = {old for old, _new in coming.renamed}
    return [path for path in coming.files if path not in renamed]

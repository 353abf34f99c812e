"""A verification in words: its progress, and what it found."""

from collections.abc import Iterator

from prunella_core.verify import VerifyProgress, VerifyResult
from prunella_tui.report.format import counted, duration, names, number, rate, rest, size
from prunella_tui.report.lines import Block, Span, line
from prunella_tui.report.ways import COMMANDS, Ways

_MOST = 20


def progress_text(progress: VerifyProgress, seconds: float) -> str:
    """Return the progress after ``seconds``: files, bytes, rate and the time left."""
    parts = (
        f"{number(progress.files)} of {counted(progress.of_files, 'file')}",
        f"{size(progress.bytes)} of {size(progress.of_bytes)}",
        rate(progress.bytes, seconds),
        rest(progress.share, seconds),
    )
    return " · ".join(filter(None, parts))


def verify_lines(result: VerifyResult, seconds: float, ways: Ways = COMMANDS) -> Iterator[Block]:
    """Yield what was found in ``seconds``: each damaged blob with the models it breaks, and the count."""
    for bad in result.bad:
        yield line(("✗ ", "bad"), (bad.path, "strong"))
        yield line(bad.problem, indent=2)
        yield line(f"breaks {names(bad.models, _MOST)}" if bad.models else "no model uses it", indent=2)
    for check in result.changed:
        yield line(("~ ", "warning"), check.path, ": changed while it was read; verify it again")
    if result.checked or not result.remembered:
        yield _count(result, seconds)
    if result.remembered:
        more = counted(result.remembered, "more blob" if result.checked else "blob")
        yield line(f"{more} verified by an earlier run and unchanged: ", ("no damage", "good"), ways.again)
    if result.cancelled:
        yield line(("The next run resumes here", "quiet"))
    if result.bad:
        yield line((f"To fix it: {ways.fix}", "quiet"))


def _count(result: VerifyResult, seconds: float) -> Block:
    checked = f"{counted(result.checked, 'blob')} verified, {size(result.bytes)}"
    pace = f" in {duration(seconds)}, {rate(result.bytes, seconds)}" if seconds >= 1 else ""
    if result.cancelled:
        return line(("Cancelled", "warning"), f": {checked} so far{pace}: ", _outcome(result))
    return line(f"{checked}{pace}: ", _outcome(result))


def _outcome(result: VerifyResult) -> Span:
    if result.bad:
        return counted(len(result.bad), "damaged blob"), "bad"
    if result.changed:
        return f"{number(len(result.changed))} changed meanwhile", "warning"
    return "no damage found", "good"

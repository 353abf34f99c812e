"""What ``verify`` shows."""

from collections.abc import Iterator

from rich.console import Group, RenderableType

from prunella_core.verify import Bad, VerifyResult
from prunella_tui.cli.views.words import BAD, GOOD, QUIET, STRONG, WARNING, line
from prunella_tui.presentation import counted, duration, number, rate, size


def verified_view(result: VerifyResult, seconds: float) -> RenderableType:
    """Return what was found in ``seconds``: each bad blob with the models that it breaks, and the count."""
    parts: list[RenderableType] = [each for bad in result.bad for each in _bad(bad)]
    for check in result.changed:
        parts.append(line(("~ ", WARNING), check.path, ": changed while it was read; verify it again"))
    if result.checked or not result.remembered:
        parts.append(_count(result, seconds))
    return Group(*parts, *_hints(result))


def _bad(bad: Bad) -> Iterator[RenderableType]:
    yield line(("✗ ", BAD), (bad.path, STRONG))
    yield line(bad.problem, indent=2)
    if not bad.models:
        yield line(("no model needs it", QUIET), indent=2)
    for name in bad.models:
        yield line("breaks ", (name, STRONG), indent=2)


def _count(result: VerifyResult, seconds: float) -> RenderableType:
    read = f"{counted(result.checked, 'blob')} verified, {size(result.bytes)}"
    pace = f" in {duration(seconds)}, {rate(result.bytes, seconds)}" if seconds >= 1 else ""
    if result.cancelled:
        return line(("Cancelled", WARNING), f": {read} so far{pace}: ", _outcome(result))
    return line(f"{read}{pace}: ", _outcome(result))


def _outcome(result: VerifyResult) -> tuple[str, str]:
    if result.bad:
        return counted(len(result.bad), "bad blob"), BAD
    if result.changed:
        return f"{number(len(result.changed))} changed meanwhile", WARNING
    return "all sound", GOOD


def _hints(result: VerifyResult) -> Iterator[RenderableType]:
    if result.remembered:
        more = counted(result.remembered, "more blob" if result.checked else "blob")
        yield line(f"{more} found ", ("sound", GOOD), " by an earlier run, and unchanged since; --again reads all")
    if result.cancelled:
        yield line(("The next run goes on from there.", QUIET))
    if result.bad:
        yield line(("To mend it: prunella doctor", QUIET))

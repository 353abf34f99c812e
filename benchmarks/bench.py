"""Times Prunella beside the programs that people know, on stores of known truth: ``make bench``."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from generate import Truth, build_big, build_small
from growth import growth
from keys import press_keys
from machine import machine, versions
from profiling import profile
from removing import hashing, removal
from report import Line, facts, lines_table
from setting import FULL, QUICK, Setting, build, make_plain, say
from starting import starting
from whole import big, small

_RESULTS = Path(__file__).with_name("RESULTS.md")


class Section(NamedTuple):
    """One part of the report: a heading, what it means, and a table or a listing."""

    title: str
    meaning: str
    body: str


def main() -> None:
    """Measure, print the report, and write it down if the measure was full."""
    wanted = _arguments()
    named = os.environ.get("PRUNELLA_OLLAMA")
    ollama = shutil.which(named) if named else None
    if named and ollama is None:
        sys.exit(f"bench: PRUNELLA_OLLAMA names no program: {named}")
    with tempfile.TemporaryDirectory(prefix="prunella-bench-") as folder:
        make_plain(folder)
        setting = Setting(folder, QUICK if wanted.quick else FULL, ollama)
        report = _report(setting, wanted.date)
    print(report)
    if not wanted.quick:
        _RESULTS.write_text(report + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small stores, to see that it runs; writes no RESULTS.md")
    parser.add_argument("--date", required=True, help="the day that the report bears")
    return parser.parse_args()


def _report(setting: Setting, date: str) -> str:
    lines, sections = _measure(setting)
    about = f"Measured on {date} by `make bench`: one run, warm cache, programs in turn."
    if setting.scale is QUICK:
        about += " Small stores, few rounds: it shows that it runs, not how fast it is."
    parts = [
        f"# Results\n\n{about}\n\n{facts(machine(setting.folder))}",
        f"## Targets\n\n{_TARGETS}\n\n{lines_table(lines)}",
        *(f"## {section.title}\n\n{section.meaning}\n\n{section.body}" for section in sections),
        f"## Versions\n\n{facts(versions(setting.ollama))}",
    ]
    return "\n\n".join(parts)


def _measure(setting: Setting) -> tuple[list[Line], list[Section]]:
    lines: list[Line] = []
    sections: list[Section] = []
    store, other = setting.path("big"), setting.path("small")
    say(f"building {setting.scale.blobs:,} blobs")
    truth = build(build_big, store, setting.scale.blobs, time.time())
    other_truth = build(build_small, other, time.time())
    what, other_what = _told(truth), _told(other_truth)
    parts: list[tuple[str, str, Callable[[], tuple[list[Line], str]]]] = [
        ("The big store", what + _WHOLE, lambda: big(setting, store, truth)),
        ("The small store", other_what + _SMALL, lambda: small(setting, other, other_truth)),
        ("Key presses on the big store", _KEYS, lambda: press_keys(setting, store, truth)),
        ("Removing", _REMOVING, lambda: removal(setting)),
        ("Verifying", _VERIFYING, lambda: hashing(setting)),
        ("Growth", _GROWTH, lambda: growth(setting)),
    ]
    for title, meaning, measure in parts:
        say(f"{time.strftime('%X')} {title}")
        kept, body = measure()
        lines += kept
        sections.append(Section(title, meaning, body))
    say(f"{time.strftime('%X')} Profiles")
    sections.append(Section("Where the time until the first rows goes", _STARTING, starting(setting, store, other)))
    for command in (("ls", "--json"), ("blobs", "--json")):
        title = f"Where the time of {' '.join(command)} goes"
        sections.append(Section(title, _PROFILE, profile(store, *command)))
    return lines, sections


def _told(truth: Truth) -> str:
    return (
        f"{truth.models:,} models, {truth.blobs:,} blobs, of which nothing needs {truth.unreferenced:,}, and "
        f"{truth.partials:,} partial downloads.\n\n"
    )


_TARGETS = """\
Each line is a ratio of medians of this run, so that a slow machine is slow for both sides. Memory is the peak of one
process; key presses are milliseconds on this machine."""

_WHOLE = """\
Whole processes, from start to exit, their output thrown away. `du -s` and `find` look at every file once and print
next to nothing; ours read every manifest too, and print a document about every model or blob. The application runs in a
terminal of 120 columns and 40 lines: *first rows* is when the first models stand there, *all rows* when both tabs say
the whole count. The *empty app* is a Textual application that shows one word. `ollama list` asks a server that runs
already; a command of ours that finds such a server asks it what it has loaded."""

_SMALL = """\
What starting costs: Python itself, our imports, and the application's first frame with all that belongs on it."""

_KEYS = """\
From the press until the last byte after which nothing is written for 80 ms. If the side or the foot follows in a frame
of its own, that frame is in it: the first one was there earlier. Of a dozen presses 95 of 100 is the slowest. A
press that stands out has such a second frame: it waits for the next tick of the application's clock."""

_REMOVING = """\
The same blobs of 64 KiB, each time in a fresh store that was written to the disk first. `xargs rm` gets a ready list of
them; ours read the store, plan, note what goes, rename it aside, look a second time, and only then unlink, or keep it
in the trash. The trash twice: from the reading itself, as the application does it, and by `rm`, which has to find each
of the names that it is given."""

_VERIFYING = """\
Large blobs in the cache, so that SHA-256 is what counts. `sha256sum` gets one file a process, two at a time.
Some builds of it do not use what the processor has for SHA-256; `verify` uses Python's `hashlib`, so the same library,
one file a process, two at a time, stands beside it: that says whether both cores are used."""

_GROWTH = """\
Seconds for stores that double. The factor is that of a store of exactly twice the blobs; whole processes, so it has the
start in it."""

_STARTING = """\
Whole processes. Before our first line runs, Python and Textual have started; then our modules are imported, and the
screen with its tables is composed, styled, laid out and drawn. The scan goes on beside that."""

_PROFILE = """\
By `cProfile`, which makes calls dearer than they are. Only the main thread of the main process: the second process,
which calls `lstat` for every blob, is waited for in `read`."""


if __name__ == "__main__":
    main()

"""Times Prunella against the programs that people know, on stores of known truth: ``make bench``."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from copying import copying
from generate import Truth, build_big, build_shared, build_small
from keys import press_keys
from machine import machine, versions
from profiling import profile
from removing import hashing, removal
from report import Line, facts, lines_table
from setting import FULL, QUICK, Setting, build, make_plain, say
from whole import big, guarded, small

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
    store, shared, other = map(setting.path, ("big", "shared", "small"))
    say(f"building {setting.scale.blobs:,} blobs")
    truth = build(build_big, store, setting.scale.blobs, time.time())
    shared_truth = build(build_shared, shared, setting.scale.shared, time.time())
    other_truth = build(build_small, other, time.time())
    parts: list[tuple[str, str, Callable[[], tuple[list[Line], str]]]] = [
        ("Many blobs", _counts(truth) + _WHOLE, lambda: big(setting, "many blobs", store, truth)),
        ("Much sharing", _counts(shared_truth) + _SHARED, lambda: big(setting, "much sharing", shared, shared_truth)),
        ("A small store", _counts(other_truth) + _SMALL, lambda: small(setting, other, other_truth)),
        ("Key presses, many blobs", _KEYS, lambda: press_keys(setting, store, truth)),
        ("Key presses, much sharing", _KEYS, lambda: press_keys(setting, shared, shared_truth)),
        ("The guard, many blobs", _GUARDED, lambda: guarded(setting, store)),
        ("Removing", _REMOVING, lambda: removal(setting)),
        ("Verifying", _VERIFYING, lambda: hashing(setting)),
        ("Copying", _COPYING, lambda: copying(setting)),
    ]
    for title, meaning, measure in parts:
        say(f"{time.strftime('%X')} {title}")
        kept, body = measure()
        lines += kept
        sections.append(Section(title, meaning, body))
    say(f"{time.strftime('%X')} Profiles")
    for command in (("ls", "--json"), ("blobs", "--json")):
        sections.append(Section(f"Profile of {' '.join(command)}", _PROFILE, profile(store, *command)))
    return lines, sections


def _counts(truth: Truth) -> str:
    return (
        f"{truth.models:,} models, {truth.blobs:,} blobs, {truth.unreferenced:,} of them unreferenced, "
        f"{truth.partials:,} partial downloads.\n\n"
    )


_TARGETS = """\
Each line is a ratio of medians of this run, so that a slow machine is slow for both sides. Memory is the peak of one
process; key presses are milliseconds on this machine."""

_WHOLE = """\
Whole processes from start to exit, output discarded. `floor.py` prints the same rows in plain Python without anything
that makes them safe or complete. `du -s` and `find` stat every file and print next to nothing; Prunella reads every
manifest too. The application runs in a terminal of 120 columns and 40 lines: *all rows* is when both tabs show the
whole count. The *empty app* is a Textual application that shows one word."""

_SHARED = """\
Every model has its own weights, but thousands share the same few licences and templates."""

_SMALL = """\
The cost of starting: Python, imports, and the application's first complete frame."""

_KEYS = """\
From the press until the last byte after which nothing is written for 80 ms. Of a dozen presses, 95 of 100 is the
slowest."""

_GUARDED = """\
A run of the guard that finds nothing to do, against a list of the same guarded store."""

_REMOVING = """\
The same blobs of 64 KiB, each time in a fresh store that was flushed to disk first. `xargs rm` gets a ready list.
Prunella reads the store, plans, writes its record, sets the files aside, looks a second time, and only then unlinks
them (`--settle 0`: without watching for a pull first) or keeps them in the trash."""

_VERIFYING = """\
Large cached blobs, so SHA-256 is what counts. `sha256sum` gets one file per process, two at a time; some builds do not
use the processor's SHA instructions, so Python's `hashlib` in two processes is measured too."""

_COPYING = """\
Large cached blobs, copied to an empty folder on the same disk. `sha256sum` reads what `cp` wrote, still in the cache.
Prunella flushes each blob to the disk too, which `cp` does not. Before each run everything else is flushed."""

_PROFILE = """\
By `cProfile`, which makes calls look slower than they are."""


if __name__ == "__main__":
    main()

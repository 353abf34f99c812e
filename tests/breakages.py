"""Breaks the program on purpose, one way at a time, and looks whether the tests notice.

    python tests/breakages.py [--only WORD …] [--list]

Each breakage of ``breakages.toml`` replaces one text in a copy of ``core/`` and runs the tests that it names, until one
fails. Prints what was caught and what was missed; exits with 1 if anything was missed, or does not fit the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
CORE = TESTS.parent / "core"
LONGEST = 600.0
"""Seconds for the tests of one breakage."""


class Breakage(NamedTuple):
    """Put ``new`` in place of ``old`` in ``file`` of the core, and what that would mean is ``name``."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read() -> list[Breakage]:
    """All breakages, with the tests of their package where they name none."""
    document = tomllib.loads((TESTS / "breakages.toml").read_text())
    tests = document["tests"]
    return [
        Breakage(each["name"], each["file"], each["old"], each["new"], tuple(each.get("tests") or tests[package(each)]))
        for each in document["breakage"]
    ]


def package(breakage: dict[str, str]) -> str:
    """The package of a breakage."""
    return breakage["file"].partition("/")[0]


def broken(breakage: Breakage) -> str | None:
    """The text of the broken file; nothing where the breakage does not fit the code any more."""
    text = (CORE / "prunella_core" / breakage.file).read_text()
    return text.replace(breakage.old, breakage.new) if text.count(breakage.old) == 1 else None


def is_caught(breakage: Breakage, text: str) -> bool:
    """Whether a test fails on a copy of the core with this ``text`` in one file."""
    with tempfile.TemporaryDirectory(prefix="prunella-broken-") as folder:
        core = Path(folder, "core")
        shutil.copytree(CORE, core, ignore=shutil.ignore_patterns("__pycache__"))
        (core / "prunella_core" / breakage.file).write_text(text)
        return run(breakage.tests, core, Path(folder, "tests")) != 0


def run(tests: Sequence[str], core: Path, scratch: Path) -> int:
    """Run tests by the names of their files against a copy of the core, and return their exit code."""
    files = [str(path) for name in tests for path in sorted(TESTS.rglob(f"{name}.py"))]
    environment = {**os.environ, "PYTHONPATH": str(core), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "-p", "no:cacheprovider", f"--basetemp={scratch}"]
    done = subprocess.run(
        [*command, *files],
        env=environment,
        cwd=TESTS.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LONGEST,
        check=False,
    )
    return done.returncode


def main(only: Sequence[str]) -> int:
    """Go through the breakages that have one of the words in their name."""
    breakages = [each for each in read() if not only or any(word in each.name for word in only)]
    with tempfile.TemporaryDirectory(prefix="prunella-broken-") as folder:
        names = sorted({name for each in breakages for name in each.tests})
        if run(names, CORE, Path(folder, "tests")):
            print("the tests fail already, without a breakage")
            return 1
    missed = 0
    for each in breakages:
        text = broken(each)
        verdict = "no longer fits" if text is None else "caught" if is_caught(each, text) else "MISSED"
        missed += verdict != "caught"
        print(f"{verdict:15}{each.file}: {each.name}", flush=True)
    print(f"breakages {len(breakages)}, missed {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="those with one of these words")
    sys.exit(main(parser.parse_args().only))

"""Where things are printed: documents and tables on stdout, prose about the run on stderr."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from prunella_core.base.text import clean

if TYPE_CHECKING:
    from rich.console import Console

    from prunella_core.export.documents.fields import Document
    from prunella_tui.report.lines import Block

_NO_LIMIT = 1_000_000
"""The width of a pipe, in columns: nothing is folded or cut for a program that reads."""


def print_json(document: "Document") -> None:
    """Write one document to stdout."""
    from prunella_core.base.encoding import encode

    for piece in encode(document):
        _write(piece, sys.stdout)


def print_document(data: bytes) -> None:
    """Write a document that is encoded already to stdout."""
    _write(data, sys.stdout)


def show(blocks: "Iterable[Block]", *, on_stderr: bool = False) -> None:
    """Print for people: coloured and fitted on a terminal, plain and whole in a pipe."""
    from prunella_tui.report.rich import Drawing

    stream = sys.stderr if on_stderr else sys.stdout
    surface = console(stream)
    with surface.capture() as captured:
        surface.print(Drawing(blocks), crop=False)
    _write(captured.get().encode(stream.encoding, "replace"), stream)


def _write(data: bytes, stream: TextIO) -> None:
    """Write all of it: where Python was told not to buffer, one call may write a part and not say so."""
    stream.flush()
    rest = memoryview(data)
    while rest:
        rest = rest[stream.buffer.write(rest) :]
    stream.buffer.flush()


def console(stream: TextIO) -> "Console":
    """Make a console for which no text is markup. Colours follow the terminal, ``NO_COLOR`` and ``TERM``."""
    from rich.console import Console

    width = None if stream.isatty() else _NO_LIMIT
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def tell(sentence: str) -> None:
    """Say something about the run on stderr."""
    sys.stderr.write(clean(sentence) + "\n")


def complain(message: str) -> None:
    """Say in one line on stderr what went wrong."""
    tell(f"prunella: {message}")

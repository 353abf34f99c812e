"""``prunella --help``: plain text, so that it shows at once, without importing click or a command."""

SECTIONS = {
    "See": {
        "ls": "List models with their sizes, what they share, and what each frees.",
        "blobs": "List the files in blobs/: what each is, and which models use it.",
        "show": "Show one model, its layers, and which models share them.",
        "why": "Explain why a blob is on disk.",
        "df": "Compare what ollama list shows with what is on disk.",
        "doctor": "Show what is wrong with the store and how to fix it.",
        "stores": "List the stores on this machine, and which one is used.",
        "verify": "Check every blob against its hash.",
        "export": "Export a scan to view on another machine.",
        "diff": "Compare two exports, or one with the store now.",
        "metrics": "Print metrics for Prometheus.",
    },
    "Delete": {
        "rm": "Move models or single blobs to the trash.",
        "prune": "Delete what no model uses.",
        "free": "Free a given amount of space, least-missed first.",
        "pin": "Protect models from prune --all and free.",
    },
    "Copy": {
        "copy": "Copy models to another disk or machine.",
        "move": "Copy models to another disk or machine, then delete them here.",
    },
    "Undo": {
        "trash": "List what is in the trash, and when it expires.",
        "restore": "Restore a model or a whole trash entry.",
        "empty": "Delete trash entries permanently.",
        "guard": "Keep what Ollama itself deletes.",
        "log": "Show the history: what was deleted, and where it is now.",
    },
    "More": {
        "demo": "Try everything on a sample store.",
        "completion": "Print the completion script for a shell.",
    },
}
LINES = {name: line for section in SECTIONS.values() for name, line in section.items()}
"""Every command with its line, in the order of the help."""
READ_ONLY = frozenset({"ls", "blobs", "show", "why", "df", "doctor", "trash", "export", "metrics", "diff"})
"""What works on an export too. Everything else needs the store itself, and is refused before anything is read."""
_TOP = """\
Usage: prunella [OPTIONS] [COMMAND] [ARGS]...

  See what fills your Ollama store, and get it back safely.

  Without a command it opens the application.

    prunella                      look around, mark, delete
    prunella ls --sort frees      the models that free most
    prunella prune --dry-run      what a clean-up would delete
    prunella restore llama3.2     undo a removal
    prunella demo                 try it on a sample store
    prunella --import FILE ls     what another machine exported

  Exit codes: 0 done, 1 failed, 2 usage, 3 refused and nothing changed,
  4 partly done, 130 interrupted.

Options:
  --store DIR      The model store.
                   [PRUNELLA_STORE; else OLLAMA_MODELS; else the one found]
  --theme NAME     Colours of the application.  [PRUNELLA_THEME]
  --retention AGE  How long the trash keeps things.
                   [PRUNELLA_RETENTION; else 7d]
  --import FILE    Read an export instead of a store; - reads it from stdin.
                   [PRUNELLA_IMPORT]
  --no-log         Do not read Ollama's log.  [PRUNELLA_NO_LOG]
  --version        Show the version and exit.
  -h, --help       Show this message and exit.
"""


def page() -> str:
    """Return the whole text."""
    return _TOP + "".join(f"\n{title}:\n{_rows(commands)}" for title, commands in SECTIONS.items())


def _rows(commands: dict[str, str]) -> str:
    width = max(map(len, commands))
    return "".join(f"  {name:<{width}}  {line}\n" for name, line in commands.items())

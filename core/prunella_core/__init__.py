"""What an Ollama model store takes, what a removal would give back, and the removal itself.

Data flows one way: ``open_store`` → ``scan_store`` → ``Inventory`` → ``make_plan`` → ``Plan`` → ``carry_out`` →
``Receipt``. Sizes are bytes, times are seconds since the epoch (UTC). Nothing here draws or prints. What is public is
in ``__all__``; ``docs/library.md`` has examples.
"""

from importlib import import_module

from prunella_core.base import __version__ as __version__

TYPE_CHECKING = False  # type checkers know better; the module typing would slow every start down
if TYPE_CHECKING:
    from prunella_core.library import *  # noqa: F403
    from prunella_core.library import __all__ as __all__
else:  # imported at their first use: the command line imports what a command needs, and no more

    def __getattr__(name: str) -> object:
        library = import_module("prunella_core.library")
        if name == "__all__" or name in library.__all__:
            return getattr(library, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The Textual application. Importing this package imports Textual, so the command line does it late."""

from prunella_tui.app.app import PrunellaApp
from prunella_tui.app.setup import Setup
from prunella_tui.app.terminal import ending_on_signals

__all__ = ["PrunellaApp", "Setup", "run_app"]


def run_app(setup: Setup) -> int:
    """Show a store until the user leaves, and return the exit code."""
    app = PrunellaApp(setup)
    with ending_on_signals(app):
        app.run()
    return app.return_code or 0

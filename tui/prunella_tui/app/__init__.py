"""The Textual application. Importing this package imports Textual, so the command line does it late."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial

from prunella_core.advice.forecast import is_noprune
from prunella_core.base.units import DEFAULT_RETENTION, parse_age
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.uses import Follower
from prunella_core.ollama.client import connect
from prunella_core.ollama.quiet import is_quiet
from prunella_core.store.find import service_user
from prunella_core.store.locate import Store
from prunella_tui.app.app import PrunellaApp
from prunella_tui.app.setup import Setup
from prunella_tui.app.terminal import ending_on_signals

__all__ = ["PrunellaApp", "Setup", "run_app"]


def run_app(
    store: Store,
    *,
    theme: str | None = None,
    remember_theme: Callable[[str], None] | None = None,
    is_sample: bool = False,
    retention: int | None = None,
    environ: Mapping[str, str] | None = None,
    imported: Inventory | None = None,
    collects: bool = True,
    settle: float = 10.0,
    follows_log: bool = False,
) -> int:
    """Show ``store`` until the user leaves, and return the exit code.

    ``retention`` (seconds) is how long the trash keeps things. A server is looked for where ``environ`` says, but not
    for an ``imported`` export, which is shown as it was when it was scanned. ``collects`` says whether expired trash is
    emptied after every removal. What is deleted for good is watched for a pull for ``settle`` seconds. ``follows_log``
    says whether Ollama's log is read for when models were used.
    """
    setup = Setup(
        store=store,
        now=time.time if imported is None else lambda: imported.scanned_at,
        theme=theme,
        remember_theme=remember_theme,
        is_sample=is_sample,
        retention=parse_age(DEFAULT_RETENTION) if retention is None else retention,
        connect=lambda: None if environ is None or is_sample or imported else connect(environ),
        imported=imported,
        collects=collects,
        settle=0 if is_sample else settle,
        follow=partial(Follower, store, os.path.expanduser("~"))
        if follows_log and not (is_sample or imported)
        else None,
        is_quiet=partial(is_quiet, environ or {}),
        service_user=lambda: None if environ is None or imported else service_user(environ, store.root),
        noprune=environ is not None and is_noprune(environ),
    )
    app = PrunellaApp(setup)
    with ending_on_signals(app):
        app.run()
    return app.return_code or 0

"""The names that the application still uses of ``prunella_tui.report``."""

from prunella_tui.report import format as _format
from prunella_tui.report.format import *  # noqa: F403
from prunella_tui.report.verify import progress_text

whose = _format.likely_of
removed_title = _format.trash_title
verifying = progress_text

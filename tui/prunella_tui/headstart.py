"""Begins to read the store while Python still imports the application, so that the first frame has rows."""

from collections.abc import Callable
from threading import Thread

from prunella_core.inventory import Inventory
from prunella_core.scan import Progress, Report


class HeadStart:
    """A survey in a thread of its own, that somebody follows later."""

    def __init__(self, survey: Callable[[Report], Inventory]) -> None:
        self._survey = survey
        self._found: Inventory | None = None
        self._error: BaseException | None = None
        self._report: Report | None = None
        self._thread = Thread(target=self._run, name="head start", daemon=True)
        self._thread.start()

    def follow(self, report: Report) -> Inventory:
        """Report from now on, wait for the end, and return what was found. Raises what the survey raises."""
        self._report = report
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found

    def _run(self) -> None:
        try:
            self._found = self._survey(self._tell)
        except BaseException as error:  # noqa: BLE001 -- it is raised where somebody follows
            self._error = error

    def _tell(self, progress: Progress) -> None:
        if self._report:
            self._report(progress)

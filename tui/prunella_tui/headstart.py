"""Begins to read the store while Python still imports the application, so that the first frame has rows."""

from collections.abc import Callable
from threading import Event, Thread

from prunella_core.inventory.records import Inventory
from prunella_core.scan import Progress, Report


class _Ended(Exception):
    """Nobody needs this survey any more."""


class HeadStart:
    """A survey in a thread of its own. That of a large store waits, once it knows something, for somebody to follow it.

    What it has to do then takes longer than the import, and the two would only hold each other up.
    """

    def __init__(self, survey: Callable[[Report], Inventory], *, is_large: bool) -> None:
        self._survey = survey
        self._is_large = is_large
        self._found: Inventory | None = None
        self._error: BaseException | None = None
        self._early: Progress | None = None
        self._report: Report | None = None
        self._is_followed = Event()
        self._is_ended = False
        self._thread = Thread(target=self._run, name="head start", daemon=True)
        self._thread.start()

    def follow(self, report: Report) -> Inventory:
        """Report what was known early, and all from now on; wait for the end, and return what was found.

        Raises what the survey raises.
        """
        early, self._early = self._early, None
        if early:
            try:
                report(early)
            except BaseException:
                self.end()
                raise
        self._report = report
        self._is_followed.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        found, self._found = self._found, None  # it is not ours to keep
        assert found is not None
        return found

    def end(self) -> None:
        """Let it end, and wait for that: the store is left alone from then on."""
        self._is_ended = True
        self._is_followed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._found = self._survey(self._tell)
        except BaseException as error:  # noqa: BLE001 -- it is raised where somebody follows
            self._error = error

    def _tell(self, progress: Progress) -> None:
        if self._is_large and not self._report and not self._is_ended:
            known = progress.so_far()
            self._early = progress._replace(so_far=lambda: known)
            self._is_followed.wait()
        if self._is_ended:
            raise _Ended
        if self._report:
            self._report(progress)

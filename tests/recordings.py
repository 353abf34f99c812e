"""Stores that a real Ollama server wrote, as they were recorded; the fixture ``recorded`` unpacks them."""

from pathlib import Path
from typing import Any, NamedTuple

from prunella_core.store import Store

RECORDED = Path(__file__).parent / "recorded"


class Recorded(NamedTuple):
    """A store that a real server wrote, unpacked, and what the server said of it."""

    store: Store
    scenario: dict[str, Any]

    @property
    def now(self) -> float:
        """The time of the recording: what the clock under test has to say."""
        return float(self.scenario["recorded_at"])

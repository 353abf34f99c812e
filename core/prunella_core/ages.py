"""Ages as people write them."""

import re

from prunella_core.errors import InvalidInput
from prunella_core.text import clean

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_AGE = re.compile(r"(?:[0-9]+[wdhms])+\Z")
_TERM = re.compile(r"([0-9]+)([wdhms])")
_LONGEST = 1_000 * 365 * 86_400

SETTLING_SECONDS = 600
"""What was written in the last ten minutes may belong to a pull or create that is still running."""

DEFAULT_RETENTION = "7d"
"""How long things are kept when nobody said otherwise."""


def parse_age(text: str) -> int:
    """Return the seconds in ``7d``, ``12h``, ``2w``, ``1d12h`` or ``0``.

    Raises InvalidInput for anything else, so that a typing error never means "now".
    """
    wanted = text.strip().lower()
    if wanted == "0":
        return 0
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _TERM.findall(wanted)) if len(wanted) < 40 else -1
    if not _AGE.match(wanted) or not 0 <= seconds <= _LONGEST:
        raise InvalidInput(f"“{clean(text)}” is no age: it takes 7d, 12h, 2w, 1d12h or 0")
    return seconds

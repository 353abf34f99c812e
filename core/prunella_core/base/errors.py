"""What can go wrong, as one sentence for people and one class for code."""


class PrunellaError(Exception):
    """A failure that a person can act on. The message names the path, what was tried and what to do."""


class InvalidInput(PrunellaError):
    """What was typed cannot be understood: an age, a name, a digest."""


class NotFound(PrunellaError):
    """What was named is not there: a store, a model, a blob."""


class Refused(PrunellaError):
    """A safety rule says no. Nothing was changed."""


class StalePlan(Refused):
    """The store changed between the plan and its execution. Nothing was changed."""


class Locked(Refused):
    """Another Prunella is working on this store. Nothing was changed."""


class Cancelled(PrunellaError):
    """The work was cancelled before it changed anything."""

"""The exit codes, on which scripts may rely."""

DONE = 0
FAILED = 1
USAGE = 2
REFUSED = 3
"""A safety rule or the person said no; nothing was changed."""

PARTLY = 4
INTERRUPTED = 130

"""Whether blobs have the bytes that their names stand for. It reads, remembers what it found, and removes nothing."""

from prunella_core.verify.checks import Check, checks_of, whole_blobs
from prunella_core.verify.reading import Reader
from prunella_core.verify.result import Bad, VerifyProgress, VerifyResult
from prunella_core.verify.run import verify, verify_blobs

__all__ = [
    "Bad",
    "Check",
    "Reader",
    "VerifyProgress",
    "VerifyResult",
    "checks_of",
    "verify",
    "verify_blobs",
    "whole_blobs",
]

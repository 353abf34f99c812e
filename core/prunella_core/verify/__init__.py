"""Do blobs have the bytes that their names stand for? It reads, remembers what it found, and deletes nothing."""

from prunella_core.verify.found import Bad, Check, VerifyProgress, VerifyResult
from prunella_core.verify.run import Reader, verify_blobs, whole_blobs

__all__ = ["Bad", "Check", "Reader", "VerifyProgress", "VerifyResult", "verify_blobs", "whole_blobs"]

"""What a blob that no model names is, as far as its first bytes tell."""

from prunella_core.advice.identify.describe import identify
from prunella_core.advice.identify.heads import HEAD, THOROUGH, described

__all__ = ["HEAD", "THOROUGH", "described", "identify"]

"""What a blob that no model names is: as far as its first bytes tell, and as far as anybody remembers."""

from prunella_core.identify.describe import identify
from prunella_core.identify.heads import HEAD, THOROUGH, described
from prunella_core.identify.likely import likely_model

__all__ = ["HEAD", "THOROUGH", "described", "identify", "likely_model"]

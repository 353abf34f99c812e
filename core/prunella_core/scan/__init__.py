"""The one reader: turns a Store into an Inventory. It opens manifests and small configs, and writes nothing."""

from prunella_core.scan.manifests import ManifestReading, read_manifests
from prunella_core.scan.progress import Progress, Report, Space, never, silent, space_of
from prunella_core.scan.scanning import scan
from prunella_core.scan.trash import RECORD, new_id, read_trash, removed_at

__all__ = [
    "RECORD",
    "ManifestReading",
    "Progress",
    "Report",
    "Space",
    "never",
    "new_id",
    "read_manifests",
    "read_trash",
    "removed_at",
    "scan",
    "silent",
    "space_of",
]

"""The one reader: turns a Store into an Inventory. It opens manifests and small configs, and writes nothing."""

from prunella_core.scan.assemble import scan
from prunella_core.scan.entries import Progress, Report, Space, space_of
from prunella_core.scan.manifests import ManifestReading, read_manifests

__all__ = ["ManifestReading", "Progress", "Report", "Space", "read_manifests", "scan", "space_of"]

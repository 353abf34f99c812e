"""The one reader: turns a Store into an Inventory. It opens manifests and small configs, and writes nothing."""

from prunella_core.scan.assemble import scan
from prunella_core.scan.entries import Progress, Report
from prunella_core.scan.manifests import ManifestReading, read_manifests

__all__ = ["ManifestReading", "Progress", "Report", "read_manifests", "scan"]

"""The one mutator: executes a Plan and says in a Receipt what really happened."""

from prunella_core.apply.disk import Disk
from prunella_core.apply.execute import Step, apply
from prunella_core.apply.pin import write_pins
from prunella_core.apply.recover import has_unfinished

__all__ = ["Disk", "Step", "apply", "has_unfinished", "write_pins"]

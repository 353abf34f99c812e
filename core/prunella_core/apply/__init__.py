"""The one mutator: executes a Plan and says in a Receipt what really happened."""

from prunella_core.apply.aside import put_back
from prunella_core.apply.execute import apply, has_unfinished
from prunella_core.apply.work import Step, World
from prunella_core.fs.disk import Disk

__all__ = ["Disk", "Step", "World", "apply", "has_unfinished", "put_back"]

"""Copies models to another store: a plan of what is written there, and the one mutator of that store."""

from prunella_core.copy.plan import CopiedBlob, CopiedModel, CopyPlan, NotCopied, plan_copy
from prunella_core.copy.run import CopyReceipt, copy_models
from prunella_core.copy.target import Target, look_at_target

__all__ = [
    "CopiedBlob",
    "CopiedModel",
    "CopyPlan",
    "CopyReceipt",
    "NotCopied",
    "Target",
    "copy_models",
    "look_at_target",
    "plan_copy",
]

"""What ``free --json`` prints besides the plan or the receipt."""

from typing import Any

from prunella_core.advice.free.proposal import Proposal
from prunella_core.base.text import clean


def proposal_fields(proposal: Proposal) -> dict[str, Any]:
    """The target and the reasons; regret is in bytes that would have to be downloaded again."""
    return {
        "target": proposal.target,
        "reachable": proposal.reachable,
        "regret": proposal.regret,
        "model_reasons": [
            {"name": clean(item.key), "reason": item.reason} for item in proposal.items if item.kind == "model"
        ],
        "items": [
            {
                "kind": item.kind,
                "key": clean(item.key),
                "reason": item.reason,
                "reclaims": item.frees,
                "regret": item.regret,
            }
            for item in proposal.items
        ],
        "not_proposed": [{"name": clean(left.name), "because": list(left.guards)} for left in proposal.left_out],
    }

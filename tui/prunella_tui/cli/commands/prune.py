"""``prunella prune``."""

import time

import click

from prunella_core.ages import DEFAULT_RETENTION, parse_age
from prunella_core.plan import PruneClass, PrunePolicy
from prunella_core.planning import make_plan
from prunella_tui.cli.options import removes
from prunella_tui.cli.removing import Wishes, carry_out, look_for_removal
from prunella_tui.cli.session import setting

_CLASSES = [each.value for each in PruneClass]
_WITHOUT_MODELS = frozenset(PruneClass) - {PruneClass.MODEL}


@click.command()
@click.option("--age", metavar="AGE", help="Take what is at least this old: 7d, 12h, 2w, 1d12h or 0.  [7d]")
@click.option("--all", "with_models", is_flag=True, help="Take models of that age too.")
@click.option("--class", "classes", type=click.Choice(_CLASSES), multiple=True, help="Only these; may be repeated.")
@removes
def command(
    age: str | None,
    with_models: bool,
    classes: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Remove what nothing needs any more: unreferenced blobs, downloads that never ended, leftovers.

    Without --age it takes what is older than the retention (7 days, if nobody said otherwise).
    No blob goes that a model which stays needs. What goes is gone for good.

    \b
      prunella prune --dry-run            show what would go
      prunella prune --age 0              all that nothing needs, now
      prunella prune --age 90d --all      models too that are older than 90 days
      prunella prune --class partial -y   only downloads that never ended
    """
    policy = PrunePolicy(age=_seconds(age), classes=_classes(classes, with_models), force=force)
    inventory = look_for_removal(dry_run)
    plan = make_plan(inventory, policy, time.time())
    return carry_out(inventory, plan, Wishes(dry_run=dry_run, yes=yes, as_json=as_json))


def _seconds(age: str | None) -> int:
    retention = setting("retention")
    return parse_age(age or (retention.value if retention else DEFAULT_RETENTION))


def _classes(chosen: tuple[str, ...], with_models: bool) -> frozenset[PruneClass]:
    classes = frozenset(map(PruneClass, chosen)) or _WITHOUT_MODELS
    return classes | {PruneClass.MODEL} if with_models else classes

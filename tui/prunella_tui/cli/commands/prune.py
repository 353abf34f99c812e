"""``prunella prune``."""

import time

import click

from prunella_core.base.units import parse_age
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import PruneClass, PrunePolicy
from prunella_tui.cli import removing
from prunella_tui.cli.options import Wishes, changes, force_option
from prunella_tui.cli.session import retention

_CLASSES = [each.value for each in PruneClass]
_WITHOUT_MODELS = frozenset(PruneClass) - {PruneClass.MODEL}


@click.command()
@click.option("--age", metavar="AGE", help="Take what is at least this old: 7d, 12h, 2w, 1d12h or 0.  [7d]")
@click.option("--all", "with_models", is_flag=True, help="Take models too that were neither changed nor used since.")
@click.option("--class", "classes", type=click.Choice(_CLASSES), multiple=True, help="Only these; may be repeated.")
@force_option
@changes
def command(age: str | None, with_models: bool, classes: tuple[str, ...], force: bool, **wishes: bool) -> int:
    """Remove what nothing needs any more: unreferenced blobs, downloads that never ended, leftovers, the trash.

    Without --age it takes what is older than the retention (7 days, if nobody said otherwise). An age counts from when
    a blob was written or last seen with a model, whichever is later. No blob goes that a model which stays needs, nor
    one that a model in the trash needs. --all never takes a pinned or loaded model. What goes is gone for good.

    \b
      prunella prune --dry-run            show what would go
      prunella prune --age 0              all that nothing needs, and the trash, now
      prunella prune --age 90d --all      models too that nobody used for 90 days
      prunella prune --class partial -y   only downloads that never ended
    """
    seconds = retention() if age is None else parse_age(age)
    wanted = Wishes(**wishes)
    chosen = _classes(classes, with_models)
    inventory = removing.look_for_change(wanted.dry_run)
    takes_models = PruneClass.MODEL in chosen
    loaded = removing.ask_server(inventory)[1] if takes_models else frozenset()
    policy = PrunePolicy(age=seconds, classes=chosen, force=force, loaded=loaded)
    return removing.carry_out(inventory, make_plan(inventory, policy, time.time()), wanted)


def _classes(chosen: tuple[str, ...], with_models: bool) -> frozenset[PruneClass]:
    classes = frozenset(map(PruneClass, chosen)) or _WITHOUT_MODELS
    return classes | {PruneClass.MODEL} if with_models else classes

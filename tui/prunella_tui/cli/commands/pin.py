"""``prunella pin``."""

import click

from prunella_core.base.text import clean
from prunella_core.operations.pins import pin, unpin
from prunella_core.store.pins import read_pins
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json
from prunella_tui.cli.session import look, open_store


@click.command()
@click.argument("patterns", metavar="[NAME|GLOB]...", nargs=-1)
@click.option("--remove", is_flag=True, help="Unpin these.")
@looks
def command(patterns: tuple[str, ...], remove: bool, as_json: bool) -> None:
    """Keep models from prune --all. Without a name it lists the pins and what they hold.

    \b
      prunella pin llama3.2 'qwen*'
      prunella pin --remove 'qwen*'
    """
    store = open_store()
    if patterns:
        (unpin if remove else pin)(store, patterns)
    models = [clean(model.name) for model in look(store).models if model.is_pinned]
    pins = [clean(pattern) for pattern in read_pins(store)]
    if as_json:
        print_json({"store": clean(store.root), "pins": pins, "models": models})
        return
    for pattern in pins:
        click.echo(pattern)
    click.echo(f"pinned models: {', '.join(models) or 'none'}")

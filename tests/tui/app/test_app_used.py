"""When models were used, from Ollama's log: read behind the first screen, and shown when it is known."""

from functools import partial

from msgspec.structs import replace

from journeys import NOW, Open
from ollama_logs import by_llama_server, log_file
from prunella_core.ledger.uses import Follower
from prunella_core.sample import StoreBuilder

_DAY = 86_400


async def test_the_details_say_how_often_and_when(family: StoreBuilder, open_app: Open) -> None:
    from pathlib import Path

    async with open_app(Path(family.root)) as journey:
        model = journey.session.inventory.model_by_name["apart:7b"]  # type: ignore[union-attr]
        path = family.blob_path(next(layer.digest for layer in model.layers if layer.kind == "weights"))
        log_file(family, "".join(by_llama_server(NOW - days * _DAY, path) for days in (4, 3)), at=NOW)
        await journey.press("/", *"apart", "enter")
        assert "loaded" not in journey.details
        follow = partial(Follower, journey.session.store, "/nowhere")
        journey.session.setup = replace(journey.session.setup, follow=follow)
        await journey.press("r")
        assert "loaded 2 times, last " in journey.details
        assert journey.session.inventory is not None
        assert journey.session.inventory.model_by_name["apart:7b"].idle[1] == "loaded-in-log"

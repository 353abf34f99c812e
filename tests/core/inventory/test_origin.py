"""Does it come back: what can be pulled, what was made of it, and what only this store has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.inventory.origin import Origin, origins
from prunella_core.plan.records import PruneClass
from prunella_core.sample import Layer, StoreBuilder
from recordings import Recorded
from stores import DAY, HOUR, NOW, for_good, look, plan_for, prune, to_trash

Unpack = Callable[..., Recorded]


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """An empty store."""
    return StoreBuilder(str(tmp_path), NOW)


def weights(builder: StoreBuilder, seed: str = "weights") -> Layer:
    return builder.layer("weights", seed * 1_000, age=DAY)


def origin(builder: StoreBuilder, name: str) -> Origin:
    return origins(look(builder.root))[name]


def test_a_name_of_the_library_is_a_guess_since_a_copy_looks_the_same(builder: StoreBuilder) -> None:
    builder.model("llama3.2", weights(builder))
    found = origin(builder, "llama3.2:latest")
    assert (found.kind, found.source, found.certainty) == ("pullable", "llama3.2:latest", "guess")
    assert any("copy" in sentence for sentence in found.evidence)


def test_another_host_says_where_it_was_pulled_from(builder: StoreBuilder) -> None:
    builder.model("hf.co/someone/tiny:Q4_0", weights(builder))
    found = origin(builder, "hf.co/someone/tiny:Q4_0")
    assert (found.kind, found.source, found.certainty) == ("pullable", "hf.co/someone/tiny:Q4_0", "known")


@pytest.mark.parametrize(("age", "source"), [(DAY, "tiny:latest"), (2 * DAY, "mine:latest")])
def test_a_copy_comes_back_under_the_name_that_was_there_first(builder: StoreBuilder, age: int, source: str) -> None:
    config = builder.config(model_type="1B")
    builder.model("tiny", weights(builder), config=config, age=1.5 * DAY)
    builder.model("mine", weights(builder), config=config, age=age)
    assert {origin(builder, name).source for name in ("tiny:latest", "mine:latest")} == {source}


def test_a_copy_of_a_model_from_another_host_comes_back_from_there(builder: StoreBuilder) -> None:
    config = builder.config(model_type="1B")
    builder.model("mine", weights(builder), config=config, age=DAY)
    builder.model("hf.co/someone/tiny:Q4_0", weights(builder), config=config, age=HOUR)
    found = origin(builder, "mine:latest")
    assert (found.kind, found.source, found.certainty) == ("pullable", "hf.co/someone/tiny:Q4_0", "known")


def test_tags_of_one_model_are_pulled_by_their_own_names(builder: StoreBuilder) -> None:
    config = builder.config(model_type="1B")
    builder.model("tiny:1b", weights(builder), config=config, age=DAY)
    builder.model("tiny", weights(builder), config=config, age=HOUR)
    assert origin(builder, "tiny:latest").source == "tiny:latest"


def test_a_create_from_a_pulled_model_has_its_own_layers_only_here(builder: StoreBuilder) -> None:
    base = weights(builder)
    system = builder.layer("system", "Be brief.")
    builder.model("hf.co/someone/tiny:Q4_0", base, age=DAY)
    builder.derive("brief", "hf.co/someone/tiny:Q4_0", [base], system)
    found = origin(builder, "brief:latest")
    assert (found.kind, found.source, found.certainty) == ("derived", "hf.co/someone/tiny:Q4_0", "known")
    assert found.only_here == (system.digest,)


def test_a_base_that_is_a_guess_makes_what_was_made_of_it_one(builder: StoreBuilder) -> None:
    base = weights(builder)
    builder.model("tiny", base, age=DAY)
    builder.derive("brief", "tiny:latest", [base])
    found = origin(builder, "brief:latest")
    assert (found.kind, found.source, found.certainty) == ("derived", "tiny:latest", "guess")
    assert not found.only_here


def test_a_base_that_is_not_here_is_named_and_a_guess(builder: StoreBuilder) -> None:
    builder.derive("brief", "tiny:latest", [weights(builder)], builder.layer("system", "Be brief."))
    found = origin(builder, "brief:latest")
    assert (found.kind, found.source, found.certainty) == ("derived", "tiny:latest", "guess")
    assert any("not in this store" in sentence for sentence in found.evidence)


def test_a_chain_of_creates_leads_back_to_its_beginning(builder: StoreBuilder) -> None:
    base, first, second = weights(builder), builder.layer("system", "One."), builder.layer("params", "{}")
    builder.derive("one", "tiny:latest", [base], first)
    builder.derive("two", "one:latest", [base, first], second)
    found = origin(builder, "two:latest")
    assert (found.kind, found.source) == ("derived", "tiny:latest")
    assert found.only_here == (first.digest, second.digest)


def test_a_base_that_was_replaced_brings_the_old_weights_no_more(builder: StoreBuilder) -> None:
    builder.model("tiny", weights(builder, "new weights"), age=DAY)
    builder.derive("brief", "tiny:latest", [weights(builder, "old weights")])
    found = origin(builder, "brief:latest")
    assert (found.kind, found.source) == ("created", None)
    assert any("other weights now" in sentence for sentence in found.evidence)


def test_of_two_tags_the_one_that_it_was_made_of_is_named(builder: StoreBuilder) -> None:
    base, config = weights(builder), builder.config(model_type="1B")
    for tag in ("1b", "latest", "a"):
        builder.model(f"tiny:{tag}", base, config=config, age=DAY)
    builder.derive("brief", "tiny:1b", [base])
    assert origin(builder, "brief:latest").source == "tiny:1b"


def test_the_manifest_of_an_old_create_is_not_taken_for_the_librarys(builder: StoreBuilder) -> None:
    builder.model("brief", weights(builder)._replace(made_from="tiny:latest"))
    found = origin(builder, "brief:latest")
    assert (found.kind, found.source, found.certainty) == ("derived", "tiny:latest", "guess")


def test_weights_that_began_here_are_not_brought_by_a_name_that_is_gone(builder: StoreBuilder) -> None:
    base = weights(builder)
    builder.model("renamed", base, created=True)
    builder.derive("brief", "first-name:latest", [base])
    assert origin(builder, "brief:latest").kind == "created"


def test_names_that_lead_in_a_circle_bring_nothing(builder: StoreBuilder) -> None:
    base = weights(builder)
    builder.derive("one", "two:latest", [base])
    builder.derive("two", "one:latest", [base])
    assert origin(builder, "one:latest").kind == origin(builder, "two:latest").kind == "created"


@pytest.mark.parametrize("base", ["/home/me/tiny.gguf", "", "\x1b[31m", "a/b/c/d/e", "@sha256:00"])
def test_a_path_where_a_model_should_be_named_brings_nothing(builder: StoreBuilder, base: str) -> None:
    builder.derive("mine", base, [weights(builder)])
    assert origin(builder, "mine:latest").kind == "created"


def test_a_create_under_a_name_that_can_be_pushed_is_a_guess(builder: StoreBuilder) -> None:
    builder.model("me/mine", weights(builder), created=True)
    found = origin(builder, "me/mine:latest")
    assert (found.kind, found.certainty) == ("created", "guess")
    assert any("pushed" in sentence for sentence in found.evidence)


def test_a_created_copy_under_another_host_is_not_taken_for_a_pull(builder: StoreBuilder) -> None:
    config = builder.config(model_type="1B")
    for name in ("mine", "hf.co/me/mine"):
        builder.model(name, weights(builder), config=config, created=True)
    assert origin(builder, "hf.co/me/mine:latest").kind == "created"


def test_a_foreign_registry_may_end_its_manifests_with_a_line(builder: StoreBuilder) -> None:
    builder.model("hf.co/someone/tiny:Q4_0", weights(builder), created=True)
    found = origin(builder, "hf.co/someone/tiny:Q4_0")
    assert (found.kind, found.certainty) == ("pullable", "guess")


def test_a_pulled_model_whose_publisher_made_it_from_another_is_pulled(builder: StoreBuilder) -> None:
    builder.model("someone/brief", weights(builder)._replace(made_from="tiny:latest"))
    assert origin(builder, "someone/brief:latest").source == "someone/brief:latest"


def test_a_cloud_model_has_nothing_to_lose_but_what_was_added_here(builder: StoreBuilder) -> None:
    config = builder.config(remote_host="https://ollama.com:443", remote_model="big:120b")
    system = builder.layer("system", "Be brief.")
    builder.model("big:120b-cloud", config=config)
    builder.model("brief-cloud", system, config=config, created=True)
    pulled, made = origin(builder, "big:120b-cloud"), origin(builder, "brief-cloud:latest")
    assert (pulled.kind, pulled.source, pulled.only_here) == ("cloud", "big:120b-cloud", ())
    assert (made.kind, made.source, made.only_here) == ("cloud", None, (system.digest,))


def test_a_manifest_without_layers_leaves_only_the_name_to_go_by(builder: StoreBuilder) -> None:
    builder.manifest("tiny", "{}").manifest("hf.co/someone/tiny", "{}")
    found = origin(builder, "tiny:latest")
    assert (found.kind, found.source, found.certainty) == ("pullable", "tiny:latest", "guess")


def test_what_a_server_created_from_a_file_is_only_here(recorded: Unpack) -> None:
    found = origins(look(recorded("create-from-gguf", "after").store.root))["fresh:latest"]
    assert (found.kind, found.source, found.certainty, len(found.only_here)) == ("created", None, "known", 1)


def test_what_a_server_created_of_its_own_creation_is_only_here_too(recorded: Unpack) -> None:
    found = origins(look(recorded("rm-shared").store.root))
    assert {name: origin.kind for name, origin in found.items()} == dict.fromkeys(found, "created")
    assert any("base:latest" in sentence for sentence in found["b:latest"].evidence)
    assert [found[name].certainty for name in ("b:latest", "ns/tuned:v1")] == ["known", "guess"]


def family(builder: StoreBuilder) -> dict[str, Layer]:
    """A pulled model, one made of it, and one that was created here under two names."""
    layers = {
        "pulled": weights(builder),
        "own": weights(builder, "own"),
        "system": builder.layer("system", "Be brief.", age=DAY),
    }
    config = builder.config(model_type="2B", age=DAY)
    builder.model("tiny", layers["pulled"], age=DAY)
    builder.derive("brief", "tiny:latest", [layers["pulled"]], layers["system"], age=DAY)
    for name in ("mine", "alias"):
        builder.model(name, layers["own"], config=config, age=DAY, created=True)
    return layers


def test_a_plan_names_first_what_cannot_come_back(builder: StoreBuilder) -> None:
    layers = family(builder)
    plan = plan_for(builder.root, to_trash("alias:latest", "brief:latest", "mine:latest", "tiny:latest"))
    lost = {lost.model: (lost.is_weights, lost.layers, lost.kinds) for lost in plan.lost}
    assert lost == {
        "alias:latest": (True, (layers["own"].digest,), ("weights",)),
        "mine:latest": (True, (layers["own"].digest,), ("weights",)),
        "brief:latest": (False, (layers["system"].digest,), ("system",)),
    }
    assert [lost.model for lost in plan.lost][-1] == "brief:latest"


def test_what_a_model_that_stays_has_too_is_not_lost(builder: StoreBuilder) -> None:
    family(builder)
    assert not plan_for(builder.root, for_good(models=("mine:latest", "tiny:latest"))).lost


def test_a_prune_of_models_names_what_cannot_come_back(builder: StoreBuilder) -> None:
    family(builder)
    plan = plan_for(builder.root, prune(0, PruneClass.MODEL))
    assert {lost.model for lost in plan.lost} == {"alias:latest", "brief:latest", "mine:latest"}

"""Model names: read, shown and matched as Ollama does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella_core.base.errors import InvalidInput
from prunella_core.ollama.names import ModelName, match_name, nearest_names, parse_name

PART = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,20}", fullmatch=True)
DOTTED = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
HOST = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}(:[0-9]{1,5})?", fullmatch=True)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("llama3.2", ModelName("registry.ollama.ai", "library", "llama3.2", "latest")),
        ("llama3.2:1b", ModelName("registry.ollama.ai", "library", "llama3.2", "1b")),
        ("user/m:t", ModelName("registry.ollama.ai", "user", "m", "t")),
        ("hf.co/user/m:Q4_K_M", ModelName("hf.co", "user", "m", "Q4_K_M")),
        ("127.0.0.1:5000/ns/m", ModelName("127.0.0.1:5000", "ns", "m", "latest")),
        ("127.0.0.1:5000/ns/m:t", ModelName("127.0.0.1:5000", "ns", "m", "t")),
        ("https://registry.ollama.ai/library/m:t", ModelName("registry.ollama.ai", "library", "m", "t")),
        ("  m\n", ModelName("registry.ollama.ai", "library", "m", "latest")),
        ("_m", ModelName("registry.ollama.ai", "library", "_m", "latest")),
    ],
)
def test_reads_what_people_type(typed: str, name: ModelName) -> None:
    assert parse_name(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        *["", ":", "m:", ":t", "/m", "a//m", "a b", "m:t:u", "a/b/c/d", "../m", "a/../m", ".m", "-m", "a.b/m"],
        *["m" * 81, "m:" + "t" * 81, "n" * 81 + "/m", "h" * 351 + "/n/m", "mödel", "m\0", "m\n:t", "m\x1b[2J"],
    ],
)
def test_refuses_what_no_model_can_be_called(typed: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_name(typed)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("typed", ["m" * 80, "m:" + "t" * 80, "h" * 350 + "/n/m"])
def test_takes_parts_as_long_as_ollama_does(typed: str) -> None:
    assert parse_name(typed).is_valid


@given(HOST, PART, DOTTED, DOTTED)
def test_the_short_name_means_the_same_model(host: str, namespace: str, model: str, tag: str) -> None:
    name = ModelName(host, namespace, model, tag)
    assert parse_name(name.short) == name


def test_the_short_name_leaves_out_only_what_is_the_default() -> None:
    assert ModelName("registry.ollama.ai", "library", "m", "latest").short == "m:latest"
    assert ModelName("registry.ollama.ai", "me", "m", "t").short == "me/m:t"
    assert ModelName("hf.co", "library", "m", "t").short == "hf.co/library/m:t"


def test_names_match_in_any_case_but_the_exact_one_first() -> None:
    known = ["upper/Model:v1", "UPPER/Model:v1", "other:latest"]
    assert match_name(parse_name("UPPER/Model:v1"), known) == "UPPER/Model:v1"
    assert match_name(parse_name("Upper/MODEL:V1"), known) == "upper/Model:v1"
    assert match_name(parse_name("OTHER"), known) == "other:latest"
    assert match_name(parse_name("another"), known) is None


def test_proposes_the_nearest_names_the_likeliest_first() -> None:
    known = ["llama3.2:latest", "Llama3.1:8b", "phi4:14b", "mistral:7b"]
    assert nearest_names("lama3.2", known)[0] == "llama3.2:latest"
    assert nearest_names("LLAMA3.1:8B", known)[0] == "Llama3.1:8b"
    assert nearest_names("qqqq", known) == []
    assert len(nearest_names("a:1", [f"a:{number}" for number in range(9)])) == 3

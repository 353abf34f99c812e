"""The server: asked and never needed. A stub speaks as much of its language as Prunella does."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread
from typing import Any

import pytest

from prunella_core.base.errors import Cancelled
from prunella_core.export.portable import dump, load
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.exchange import Address, within
from prunella_core.ollama.server import Server, ServerError, address, connect
from prunella_core.operations.server import loaded_here, serves
from prunella_core.sample import StoreBuilder
from servers import Answer, Stub, listed, serving
from stores import look


@pytest.fixture
def inventory(builder: StoreBuilder) -> Inventory:
    return look(builder.root)


@pytest.fixture
def stub(inventory: Inventory) -> Iterator[Stub]:
    answers: dict[str, Answer | Callable[[Any], Answer]] = {
        "GET /api/tags": listed(inventory.store.root),
        "GET /api/ps": listed(inventory.store.root, "base:latest"),
        "POST /api/generate": (200, b'{"model":"base:latest","response":"","done":true,"done_reason":"unload"}'),
        "DELETE /api/delete": (200, b""),
    }
    with serving(answers) as server:
        yield server


def reach(stub: Stub) -> Server:
    server = connect(stub.environ)
    assert server is not None
    return server


# What is asked


def test_it_is_found_where_it_listens(stub: Stub) -> None:
    assert reach(stub).address == f"http://127.0.0.1:{stub.server_port}"
    assert stub.asked == [], "only knocked at"


def test_a_server_of_this_store_is_known_by_its_list(stub: Stub, inventory: Inventory, builder: StoreBuilder) -> None:
    server = reach(stub)
    assert serves(server, inventory)
    builder.model("another", builder.layer("weights", "of another"))
    assert not serves(server, look(builder.root))
    assert server.models() == {model.name: model.digest for model in inventory.models}


def test_what_it_has_loaded_of_this_store(stub: Stub, inventory: Inventory) -> None:
    assert loaded_here(reach(stub), inventory) == frozenset({"base:latest"})
    assert stub.asked == [("GET /api/ps", None)]


def test_what_it_has_loaded_of_another_store_is_not_ours(stub: Stub, inventory: Inventory) -> None:
    other = {
        "models": [{"name": "base:latest", "model": "base:latest", "digest": "f" * 64}, {"name": "x", "model": "x"}]
    }
    stub.answers["GET /api/ps"] = (200, json.dumps(other).encode())
    assert loaded_here(reach(stub), inventory) == frozenset()


def test_what_it_has_loaded_of_an_export_is_told_and_noted_nowhere(stub: Stub, inventory: Inventory) -> None:
    exported = load(dump(inventory, "elsewhere"))
    assert loaded_here(reach(stub), exported) == frozenset({"base:latest"})


def test_a_timeout_of_the_system_is_told_in_its_own_words() -> None:
    def work() -> None:
        raise TimeoutError(110, "Connection timed out")

    with pytest.raises(TimeoutError, match="Connection timed out"):
        within(5, work)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 seconds"):
        within(0.01, Event().wait)


def test_unloading_is_a_generation_that_is_kept_for_no_time(stub: Stub) -> None:
    reach(stub).unload("base:latest")
    [(question, body)] = stub.asked
    assert question == "POST /api/generate"
    assert (body["model"], body["keep_alive"], body.get("prompt") or "") == ("base:latest", 0, "")


def test_where_it_reads_weights_from(stub: Stub) -> None:
    shown = {"modelfile": "# comment\nFROM /var/models/blobs/sha256-0123\nTEMPLATE {{ .Prompt }}\nFROM /other\n"}
    stub.answers["POST /api/show"] = (200, json.dumps(shown).encode())
    assert reach(stub).weights("base:latest") == "/var/models/blobs/sha256-0123"
    stub.answers["POST /api/show"] = (200, b'{"modelfile":"FROM base:latest"}')
    assert reach(stub).weights("base:latest") == ""


def test_deleting_names_the_model(stub: Stub) -> None:
    reach(stub).delete("team/solo:v1")
    [(question, body)] = stub.asked
    assert question == "DELETE /api/delete"
    assert body["model"] == "team/solo:v1"


# What can go wrong

QUESTIONS: dict[str, Callable[[Server], object]] = {
    "GET /api/version": lambda server: server.version(),
    "GET /api/tags": lambda server: server.models(),
    "GET /api/ps": lambda server: server.loaded(),
    "POST /api/generate": lambda server: server.unload("m"),
    "DELETE /api/delete": lambda server: server.delete("m"),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_it_refuses_is_said_in_its_words(stub: Stub, question: str, status: int) -> None:
    stub.answers[question] = (status, b'{"error":"no \\u001b[31m room"}')
    with pytest.raises(ServerError, match=r"no .*room") as raised:
        QUESTIONS[question](reach(stub))
    assert "\x1b" not in str(raised.value)
    assert str(stub.server_port) in str(raised.value)


GARBAGE = [b"", b"<html>", b"[]", b"[1, 2]", b"null", b"7", b"{}", b'{"models": null}', b'{"models": [7]}', b"\xff"]
EMPTY = [b'{"models": []}']


@pytest.mark.parametrize("answer", [*GARBAGE, *EMPTY])
@pytest.mark.parametrize("question", ["GET /api/tags", "GET /api/ps"])
def test_an_answer_that_is_none_of_ollamas(stub: Stub, inventory: Inventory, question: str, answer: bytes) -> None:
    stub.answers[question] = (200, answer)
    server = reach(stub)
    if answer in EMPTY:
        assert not QUESTIONS[question](server)
    else:
        with pytest.raises(ServerError, match=r"\A[^\n]*does not answer as Ollama does[^\n]*\Z"):
            QUESTIONS[question](server)
    loaded = loaded_here(server, inventory)
    if question.endswith("tags"):
        assert loaded == frozenset({"base:latest"})
    else:
        assert loaded == (frozenset() if answer in EMPTY else None), "unknown is not nothing"


def test_one_that_goes_away_in_between(inventory: Inventory) -> None:
    with serving({}) as stub:
        server = reach(stub)
    with pytest.raises(ServerError, match="does not answer"):
        server.loaded()
    assert loaded_here(server, inventory) is None


def test_one_that_speaks_another_language(inventory: Inventory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def talk() -> None:
            for _ in range(2):
                connection, _peer = listener.accept()
                with connection:
                    connection.settimeout(1)
                    connection.sendall(b"220 mail.example.org ESMTP\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        server = connect({"OLLAMA_HOST": f"127.0.0.1:{port}"})
        with pytest.raises(ServerError):
            Server(address({"OLLAMA_HOST": f"127.0.0.1:{port}"})).loaded()
        thread.join()
    assert server is not None
    assert loaded_here(None, inventory) == frozenset()


def test_one_that_never_answers_is_not_waited_for(
    stub: Stub, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunella_core.ollama.server._ANSWER_SECONDS", 0.2)
    stub.delay = 2
    began = time.monotonic()
    with pytest.raises(ServerError):
        reach(stub).loaded()
    assert loaded_here(reach(stub), inventory) is None
    assert time.monotonic() - began < 1.5


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[Server]:
    """Something that accepts, and then does with every connection whatever ``talk`` does."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        port = listener.getsockname()[1]

        def serve() -> None:
            with suppress(OSError):  # the listener is closed at the end
                while True:
                    connection = stack.enter_context(listener.accept()[0])
                    Thread(target=speak, args=(connection,), daemon=True).start()

        def speak(connection: socket.socket) -> None:
            with suppress(OSError):  # the other side has hung up
                talk(connection)

        Thread(target=serve, daemon=True).start()
        yield Server(Address("http", "127.0.0.1", port, ""))
        listener.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _trickle(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Say something again and again, each time before anybody would lose patience."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            connection.recv(0)
            Event().wait(0.02)

    return talk


def _say_nothing(_connection: socket.socket) -> None:
    Event().wait(5)


TRICKLES: dict[str, Callable[[socket.socket], None]] = {
    "nothing at all": _say_nothing,
    "a status line": _trickle(b"", b"H"),
    "headers": _trickle(HEAD, b"X-Slow: 1\r\n"),
    "a body": _trickle(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "a body to the end": _trickle(HEAD + b"Connection: close\r\n\r\n", b" "),
    "chunks": _trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@pytest.mark.parametrize("kind", TRICKLES)
def test_an_answer_that_trickles_in_ends_in_time(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("prunella_core.ollama.server._ANSWER_SECONDS", 0.3)
    with listening(TRICKLES[kind]) as server:
        assert loaded_here(server, inventory) is None
        with pytest.raises(ServerError, match="does not answer"):
            server.models()


def test_a_flood_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunella_core.ollama.server._LARGEST_ANSWER", 100_000)

    def flood(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Connection: close\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    with listening(flood) as server, pytest.raises(ServerError, match="too long"):
        server.models()


def test_json_that_is_too_deep_is_no_answer(stub: Stub) -> None:
    deep = b'{"models":[],"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    stub.answers["GET /api/tags"] = (200, deep)
    with pytest.raises(ServerError):
        reach(stub).models()


def test_a_name_that_is_never_found_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is unknown whether something listens there, and it is asked no longer than it takes to lose patience."""
    asked = Event()

    def look_up(*_arguments: Any, **_options: Any) -> list[Any]:
        asked.wait(5)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("prunella_core.ollama.server._PROBE_SECONDS", 0.1)
    monkeypatch.setattr("prunella_core.ollama.server._ANSWER_SECONDS", 0.1)
    server = connect({"OLLAMA_HOST": "slow.example"})
    assert server is not None
    with pytest.raises(ServerError):
        server.loaded()
    asked.set()


def test_a_proxy_is_not_asked_for_this_machine(
    stub: Stub, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ollama's own client: nothing on the way knows what listens here."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert loaded_here(reach(stub), inventory) == frozenset({"base:latest"})


# Where nothing listens


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "http://localhost:{port}", "[::1]:{port}", "0.0.0.0:{port}"])
def test_nobody_there_is_known_at_once(host: str) -> None:
    began = time.monotonic()
    assert connect({"OLLAMA_HOST": host.format(port=free_port())}) is None
    assert time.monotonic() - began < 1


STRANGE = ["[::1", "http://[abc]:1", "http://[", "a b", "\x00", "http://\udcff", "x" * 300, "..", "http://a..b", "[]:1"]


@pytest.mark.parametrize("host", STRANGE, ids=range(len(STRANGE)))
def test_no_address_at_all_is_nobody(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_arguments: Any, **_options: Any) -> socket.socket:
        raise OSError("no server is asked in a test")

    monkeypatch.setattr(socket, "create_connection", no_network)
    assert connect({"OLLAMA_HOST": host}) is None


# Addresses, as Ollama reads them (its envconfig tests)

ADDRESSES = {
    "": "http://127.0.0.1:11434",
    "1.2.3.4": "http://1.2.3.4:11434",
    ":1234": "http://127.0.0.1:1234",
    ":11434": "http://127.0.0.1:11434",
    "1.2.3.4:1234": "http://1.2.3.4:1234",
    "example.com": "http://example.com:11434",
    "example.com:1234": "http://example.com:1234",
    "example.com:56789/": "http://example.com:56789",
    "example.com/": "http://example.com:11434",
    "example.com/ollama": "http://example.com:11434/ollama",
    ":56789/": "http://127.0.0.1:56789",
    "1.2.3.4:0": "http://1.2.3.4:0",
    "1.2.3.4:66000": "http://1.2.3.4:11434",
    "1.2.3.4:-1": "http://1.2.3.4:11434",
    "example.com:x": "http://example.com:11434",
    "http://1.2.3.4": "http://1.2.3.4:80",
    "https://1.2.3.4": "https://1.2.3.4:443",
    "http://example.com:1234": "http://example.com:1234",
    "https://example.com:1234/ollama/": "https://example.com:1234/ollama",
    "[::1]": "http://[::1]:11434",
    "[::1]:123": "http://[::1]:123",
    "::1": "http://[::1]:11434",
    "http://[::1]:1337": "http://[::1]:1337",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:8080": "http://127.0.0.1:8080",
    "[::]:8080": "http://[::1]:8080",
    " 1.2.3.4 ": "http://1.2.3.4:11434",
    '"1.2.3.4:5"': "http://1.2.3.4:5",
    "'example.com'": "http://example.com:11434",
    ' "http://1.2.3.4" ': "http://1.2.3.4:80",
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_read_as_ollama_reads_it(text: str) -> None:
    assert address({"OLLAMA_HOST": text}).url == ADDRESSES[text]


def test_without_a_word_it_is_the_usual_place() -> None:
    assert address({}).url == "http://127.0.0.1:11434"


# What it costs


def test_the_client_is_imported_only_when_somebody_answers() -> None:
    code = (
        "import sys; from prunella_core.ollama.server import connect;"
        "assert connect({'OLLAMA_HOST': sys.argv[1]}) is None;"
        "loaded = {name.partition('.')[0] for name in sys.modules};"
        "print(sorted(loaded & {'urllib3', 'http', 'ssl'}))"
    )
    command = [sys.executable, "-c", code, f"127.0.0.1:{free_port()}"]
    run = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n"


# A pull, which may take hours


def never() -> bool:
    return False


def pulling(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_a_pull_is_followed_to_its_end(stub: Stub) -> None:
    seen = []
    stub.answers["POST /api/pull"] = (
        200,
        pulling(
            '{"status":"pulling manifest"}',
            '{"status":"pulling ab","digest":"sha256:ab","total":7}',
            '{"status":"pulling ab","digest":"sha256:ab","total":7,"completed":7}',
            '{"status":"verifying sha256 digest"}',
            '{"status":"success"}',
        ),
    )
    reach(stub).pull("base:latest", lambda *each: seen.append(each), never)
    assert seen == [("sha256:ab", 0, 7), ("sha256:ab", 7, 7)]
    assert stub.asked == [("POST /api/pull", {"model": "base:latest", "insecure": False, "stream": True})]


@pytest.mark.parametrize(
    ("name", "insecure"),
    [("127.0.0.1:5000/library/x", True), ("localhost:5000/library/x", True), ("example.org:5000/library/x", False)],
)
def test_only_a_registry_on_this_machine_is_asked_without_https(stub: Stub, name: str, insecure: bool) -> None:
    stub.answers["POST /api/pull"] = (200, pulling('{"status":"success"}'))
    reach(stub).pull(name, print, never)
    assert stub.asked[0][1]["insecure"] is insecure


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (200, b'{"status":"pulling manifest"}\n{"error":"file does not \\u001b[31m exist"}\n', "does not .*exist"),
        (500, b'{"error":"disk full"}', "disk full"),
        (200, b"", "ended before"),
        (200, b'{"status":"pulling manifest"}\n', "ended before"),
        (200, b"<html>\n", "not answer as Ollama"),
        (200, b'{"status":7}\n', "not answer as Ollama"),
        (200, b"x" * 2_000_000, "too long a line"),
    ],
)
def test_a_pull_that_fails_says_why(stub: Stub, status: int, answer: bytes, why: str) -> None:
    stub.answers["POST /api/pull"] = (status, answer)
    with pytest.raises(ServerError, match=why) as raised:
        reach(stub).pull("base:latest", print, never)
    assert "\x1b" not in str(raised.value)


EMPTY_LINES = _trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n\n\r\n")


@pytest.mark.parametrize("talk", [*TRICKLES.values(), EMPTY_LINES], ids=[*TRICKLES, "empty lines"])
def test_a_pull_that_says_nothing_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setattr("prunella_core.ollama.server._WORK_SECONDS", 0.3)
    with listening(talk) as server, pytest.raises(ServerError, match="nothing for"):
        server.pull("base:latest", print, never)


def chunk(line: bytes) -> bytes:
    return b"%x\r\n%s\n\r\n" % (len(line) + 1, line)


def _checking(connection: socket.socket) -> None:
    """Say that a hash is worked out, and nothing for longer than the client waits otherwise."""
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    connection.sendall(chunk(b'{"digest":"sha256:ab","total":10000000,"completed":10000000}'))
    connection.sendall(chunk(b'{"status":"verifying sha256 digest"}'))
    Event().wait(0.6)
    connection.sendall(chunk(b'{"status":"success"}') + b"0\r\n\r\n")


def test_a_server_that_checks_what_it_pulled_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunella_core.ollama.server._WORK_SECONDS", 0.3)
    monkeypatch.setattr("prunella_core.ollama.server._HASHED_A_SECOND", 1_000_000)
    with listening(_checking) as server:
        server.pull("base:latest", print, never)


def test_a_cancelled_pull_is_hung_up() -> None:
    is_begun, is_over = Event(), Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b'{"status":"pulling manifest"}'))
        is_begun.set()
        while connection.recv(65_536):
            pass
        is_over.set()

    with listening(talk) as server:
        with pytest.raises(Cancelled):
            server.pull("base:latest", print, is_begun.is_set)
        assert is_over.wait(5), "else it pulls on"

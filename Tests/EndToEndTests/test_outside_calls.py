"""What a legacy server asks and tells on the GET stream of a session, from the first call on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.client import ANSWERS
from harness.gateway import Gateway
from harness.processes import eventually
from harness.scripted import ScriptedServer
from harness.wire import Connection, LegacySession, modern, post_modern, rpc

Make = Callable[..., Gateway]
ABILITIES: dict[str, Any] = {"roots": {}, "sampling": {}, "elicitation": {}}
QUESTIONS: dict[str, dict[str, Any]] = {
    "roots": {"method": "roots/list"},
    "sampling": {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}},
    "elicitation": {
        "method": "elicitation/create",
        "params": {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}},
    },
}
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.tools = ["who", *QUESTIONS]
    server.questions = QUESTIONS
    yield server
    server.close()


def gateway_to(make_gateway: Make, server: ScriptedServer, workers: int = 3, **more: Any) -> Gateway:
    return make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http", **more}}}, workers=workers)


def messages_of(stream: Iterator[dict[str, str]]) -> Iterator[dict[str, Any]]:
    return (json.loads(event["data"]) for event in stream if event.get("data"))


def ask(session: LegacySession, tool: str) -> Any:
    """Calls a tool that asks, answers what comes on the stream of the call, and gives what the server made of it."""
    with Connection(session.port, timeout=15) as calling:
        calling.send(session.bytes_of(rpc("tools/call", {"name": tool, "arguments": {}}, next(session.numbers))))
        head = calling.head()
        assert head.headers["content-type"] == "text/event-stream", calling.exactly(int(head.headers["content-length"]))
        for message in messages_of(calling.stream()):
            if "method" not in message:
                return json.loads(message["result"]["content"][0]["text"])
            assert message["method"] == QUESTIONS[tool]["method"]
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": ANSWERS[tool]}
            assert session.post(answer).status == 202
    raise AssertionError("no answer")


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("tool", QUESTIONS)
def test_a_question_in_the_first_call_of_a_session_is_answered(
    make_gateway: Make, server: ScriptedServer, tool: str, workers: int
) -> None:
    port = gateway_to(make_gateway, server, workers).port
    for _ in range(3):
        assert ask(LegacySession(port, capabilities=ABILITIES), tool) == {"result": ANSWERS[tool]}


@pytest.mark.parametrize("isolation", ["principal", "shared"])
def test_a_question_goes_to_the_only_client_with_a_call_on_its_way(
    make_gateway: Make, server: ScriptedServer, isolation: str
) -> None:
    port = gateway_to(make_gateway, server, isolation=isolation).port
    idle, session = (LegacySession(port, capabilities=ABILITIES) for _ in range(2))
    assert "who" in idle.call("who").message["result"]["content"][0]["text"]
    assert ask(session, "roots") == {"result": ANSWERS["roots"]}


@pytest.mark.parametrize("isolation", ["session", "shared"])
@pytest.mark.parametrize("tool", QUESTIONS)
def test_a_question_to_a_modern_client_is_refused_at_once(
    make_gateway: Make, server: ScriptedServer, tool: str, isolation: str
) -> None:
    port = gateway_to(make_gateway, server, isolation=isolation).port
    for _ in range(2):
        answer = post_modern(port, modern("tools/call", {"name": tool, "arguments": {}})).message
        said = json.loads(answer["result"]["content"][0]["text"])
        assert said["error"]["code"] == -32601, said


def test_a_question_that_its_client_can_not_answer_is_refused_at_once(
    make_gateway: Make, server: ScriptedServer
) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port, capabilities={"roots": {}})
    for tool in ("sampling", "elicitation"):
        said = json.loads(session.call(tool).message["result"]["content"][0]["text"])
        assert said["error"]["code"] == -32601, said


def test_a_modern_clients_session_is_heard(make_gateway: Make, server: ScriptedServer) -> None:
    port = gateway_to(make_gateway, server).port
    call = modern("tools/call", {"name": "who", "arguments": {}})
    upstream = post_modern(port, call).message["result"]["content"][0]["text"].removeprefix("who ")
    assert upstream in server.streams
    server.tools.append("new")
    server.push(upstream, CHANGED)

    def listed() -> list[str]:
        return [tool["name"] for tool in post_modern(port, modern("tools/list")).message["result"]["tools"]]

    assert eventually(lambda: "new" in listed())


@pytest.mark.parametrize("refusal", [405, 404, 400])
def test_a_server_without_streams_is_asked_for_one_once(make_gateway: Make, refusal: int) -> None:
    server = ScriptedServer(streams=False, refusal=refusal)
    try:
        port = gateway_to(make_gateway, server).port
        for _ in range(3):
            assert "result" in LegacySession(port).call("who").message
            assert "result" in post_modern(port, modern("tools/call", {"name": "who", "arguments": {}})).message
        assert len(server.sessions_of("refused GET")) == 1
    finally:
        server.close()


def test_a_server_that_begins_its_streams_late_is_called_all_the_same(
    make_gateway: Make, server: ScriptedServer
) -> None:
    server.withholds_heads = True
    port = gateway_to(make_gateway, server).port
    for _ in range(2):
        session = LegacySession(port, capabilities=ABILITIES)
        assert ask(session, "roots") == {"result": ANSWERS["roots"]}


def test_a_stream_that_broke_is_opened_again_before_the_next_call(make_gateway: Make, server: ScriptedServer) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port, capabilities=ABILITIES)
    assert ask(session, "roots") == {"result": ANSWERS["roots"]}
    for _ in range(3):
        (upstream,) = {whose for kind, whose, _ in server.seen if kind == "tools/call"}
        server.break_stream(upstream)
        opened = len(server.requests("GET", upstream))
        # The end of the stream may reach the gateway after the call.
        assert eventually(lambda: "result" in session.call("who").message and upstream in server.streams)
        assert ask(session, "roots") == {"result": ANSWERS["roots"]}
        assert len(server.requests("GET", upstream)) == opened + 1


def test_a_response_on_the_stream_of_the_session_is_that_of_its_call(
    make_gateway: Make, server: ScriptedServer
) -> None:
    server.answers_aside = {"who"}
    session = LegacySession(gateway_to(make_gateway, server).port)
    for _ in range(3):
        assert "who" in session.call("who").message["result"]["content"][0]["text"]
    assert eventually(lambda: server.left_aside == [b""] * 3), "its POSTs are still open"


def test_a_session_that_ends_takes_its_stream_with_it(make_gateway: Make, server: ScriptedServer) -> None:
    gateway = gateway_to(make_gateway, server)
    server.keeps_ended_streams = True

    def descriptors_after(sessions: int) -> int:
        for _ in range(sessions):
            session = LegacySession(gateway.port)
            assert "result" in session.call("who").message
            assert session.delete().status == 200
        return gateway.descriptors()

    # Some are of connections that are kept for the next call.
    before = descriptors_after(10)
    assert descriptors_after(20) < before + 10, "streams of sessions that are over are open"

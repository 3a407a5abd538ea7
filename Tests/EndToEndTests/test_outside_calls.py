"""What a legacy server asks and tells on the GET stream of a session, from the first call on."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.client import ANSWERS
from harness.gateway import Gateway
from harness.paths import python
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


def test_a_question_that_came_with_another_call_outlives_it(make_gateway: Make, server: ScriptedServer) -> None:
    """The server asks while two calls are on their way, and nothing says for which."""
    held, released = threading.Event(), threading.Event()

    def on_call(message: dict[str, Any]) -> None:
        if message["params"]["name"] == "who":
            held.set()
            released.wait(20)
        else:
            held.wait(20)

    server.on_call = on_call
    session = LegacySession(gateway_to(make_gateway, server, workers=1).port, capabilities=ABILITIES)
    with Connection(session.port, timeout=20) as asking, Connection(session.port, timeout=20) as other:
        asking.send(session.bytes_of(rpc("tools/call", {"name": "roots", "arguments": {}}, 1)))
        assert eventually(lambda: server.requests("tools/call"))
        other.send(session.bytes_of(rpc("tools/call", {"name": "who", "arguments": {}}, 2)))
        # It is asked in the course of the call that began last.
        other.head()
        messages = messages_of(other.stream())
        question = next(messages)
        assert question["method"] == "roots/list"
        released.set()
        assert [message["id"] for message in messages] == [2], "the question was withdrawn"
        assert session.post({"jsonrpc": "2.0", "id": question["id"], "result": ANSWERS["roots"]}).status == 202
        asked = asking.response().message
    assert json.loads(asked["result"]["content"][0]["text"]) == {"result": ANSWERS["roots"]}


ASKING_CHILD = """
import json, sys
def say(**members):
    print(json.dumps({"jsonrpc": "2.0", **members}), flush=True)
asking = None
for line in sys.stdin:
    message = json.loads(line)
    method, number = message.get("method"), message.get("id")
    name = message.get("params", {}).get("name")
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        info = {"name": "asking", "version": "1"}
        say(id=number, result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
    elif method == "tools/list":
        say(id=number, result={"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("ask", "other")]})
    elif name == "ask":
        asking = number
    elif name == "other":
        if asking is not None:
            say(id="question", method="roots/list")
        say(id=number, result={"content": [{"type": "text", "text": "early" if asking is None else "late"}]})
    elif method is None:
        text = json.dumps({name: message[name] for name in ("result", "error") if name in message})
        say(id=asking, result={"content": [{"type": "text", "text": text}]})
        asking = None
    elif number is not None:
        say(id=number, error={"code": -32601, "message": "Method not found"})
"""


@pytest.mark.parametrize("isolation", ["shared", "session"])
def test_a_child_is_answered_in_whichever_call_it_was_asked(make_gateway: Make, isolation: str) -> None:
    """It asks for the one call just before it answers the other, which nothing tells from the question."""
    entry = {"command": python("harness"), "args": ["-c", ASKING_CHILD], "isolation": isolation}
    gateway = make_gateway(settings={"servers": {"own": entry}}, workers=3)
    session = LegacySession(gateway.port, capabilities=ABILITIES)
    questions: queue.Queue[dict[str, Any]] = queue.Queue()

    def call(name: str) -> Any:
        """Its answer; what is asked meanwhile is left for later."""
        body = session.bytes_of(rpc("tools/call", {"name": name, "arguments": {}}, next(session.numbers)))
        with Connection(session.port, timeout=20) as connection:
            connection.send(body)
            head = connection.head()
            if head.kind == "application/json":
                return json.loads(connection.exactly(int(head.headers["content-length"])))["result"]
            for message in messages_of(connection.stream()):
                assert message.get("method") != "notifications/cancelled", "the question was withdrawn"
                if "method" not in message:
                    return message["result"]
                questions.put(message)
        raise AssertionError("no answer")

    with ThreadPoolExecutor(1) as pool:
        for _ in range(8):
            asked = pool.submit(call, "ask")
            while call("other")["content"][0]["text"] == "early":
                pass
            question = questions.get(timeout=20)
            assert session.post({"jsonrpc": "2.0", "id": question["id"], "result": ANSWERS["roots"]}).status == 202
            assert json.loads(asked.result()["content"][0]["text"]) == {"result": ANSWERS["roots"]}

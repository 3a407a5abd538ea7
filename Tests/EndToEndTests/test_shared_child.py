"""What a child that all clients share asks and logs: each client gets what is its own."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.wire import (
    Connection,
    LegacySession,
    Response,
    envelope,
    modern,
    modern_headers,
    post_modern,
    request,
    rpc,
)

PREFIX = "io.modelcontextprotocol/"
PROGRAM = Path(__file__).parent / "harness" / "sharing.py"
QUESTIONS: dict[str, dict[str, Any]] = {
    "roots": {"method": "roots/list"},
    "sampling": {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}},
    "elicitation": {"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {}}},
}
ABLE: dict[str, Any] = {"roots": {}, "sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    def child(era: str, **more: Any) -> dict[str, Any]:
        return {"command": sys.executable, "args": [str(PROGRAM), era], **more}

    servers = {
        "legacy": child("legacy"),
        "modern": child("modern"),
        "apart": child("legacy", isolation="principal"),
    }
    gateway = Gateway(tmp_path_factory.mktemp("shared"), settings={"servers": servers}, workers=2)
    gateway.wait_for(*servers)
    yield gateway
    gateway.stop()


def ask(gateway: Gateway, what: str, abilities: Any = None, alias: str = "legacy", **more: Any) -> Any:
    arguments = {**QUESTIONS[what], **more}
    message = modern("tools/call", {"name": "ask", "arguments": arguments}, meta=envelope(capabilities=abilities))
    return post_modern(gateway.port, message, path=f"/mcp/{alias}", timeout=30)


@pytest.mark.parametrize("delay", [0, 1.6], ids=["at once", "after a while"])
@pytest.mark.parametrize("then", ["error", "failure"])
@pytest.mark.parametrize("what", QUESTIONS)
def test_a_modern_client_is_told_what_it_lacks(gateway: Gateway, what: str, then: str, delay: float) -> None:
    others = {name: value for name, value in ABLE.items() if name != what}
    answer = ask(gateway, what, others, then=then, delay=delay)
    assert (answer.status, answer.kind, answer.code) == (400, "application/json", -32021), answer
    error = answer.message["error"]
    assert list(error["data"]["requiredCapabilities"]) == [what], error
    assert "legacy" in error["message"] and what in error["message"], error


def test_the_part_of_a_capability_that_is_missing_is_named(gateway: Gateway) -> None:
    tools = {"messages": [], "maxTokens": 1, "tools": []}
    answer = ask(gateway, "sampling", {**ABLE, "sampling": {}}, params=tools, then="error")
    assert answer.message["error"]["data"]["requiredCapabilities"] == {"sampling": {"tools": {}}}
    url = {"mode": "url", "message": "m", "url": "https://example.com/", "elicitationId": "1"}
    answer = ask(gateway, "elicitation", {**ABLE, "elicitation": {"form": {}}}, params=url, then="failure")
    assert answer.message["error"]["data"]["requiredCapabilities"] == {"elicitation": {"url": {}}}


def test_a_server_that_can_do_without_is_let_go_on(gateway: Gateway) -> None:
    answer = ask(gateway, "roots", {}, then="go on", delay=1.6)
    assert (answer.status, answer.kind) == (200, "application/json")
    assert json.loads(answer.message["result"]["content"][0]["text"])["error"]["code"] == -32601


def test_what_a_client_can_do_but_not_across_the_eras_is_not_said_to_be_missing(gateway: Gateway) -> None:
    for what in QUESTIONS:
        answer = ask(gateway, what, ABLE, then="failure")
        assert answer.status == 200 and answer.message["result"]["isError"] is True, answer


def test_a_legacy_client_gets_the_servers_own_words(gateway: Gateway) -> None:
    session = LegacySession(gateway.port, path="/mcp/legacy", capabilities={"roots": {}})
    for what in ("sampling", "elicitation"):
        answer = session.call("ask", {**QUESTIONS[what], "then": "failure"})
        assert answer.status == 200 and answer.message["result"]["isError"] is True, answer
        assert json.loads(answer.message["result"]["content"][0]["text"])["error"]["code"] == -32601
        assert session.call("ask", {**QUESTIONS[what], "then": "error"}).code == 0


def test_a_child_of_clients_that_can_do_the_same_is_told_what_they_can_do(gateway: Gateway) -> None:
    """The remedy for a server that goes by what was declared, and does not just ask."""

    def declared(alias: str) -> Any:
        arguments = {"text": "x", "level": "debug"}
        call = modern("tools/call", {"name": "log", "arguments": arguments})
        return json.loads(post_modern(gateway.port, call, path=f"/mcp/{alias}").message["result"]["content"][0]["text"])

    assert set(declared("legacy")) == set(ABLE)
    assert declared("apart") == {}
    answer = ask(gateway, "sampling", {}, alias="apart", then="error")
    assert (answer.status, answer.code) == (400, -32021)


@pytest.mark.parametrize("delay", [0, 1.6], ids=["at once", "after a while"])
def test_what_a_modern_child_refuses_has_its_status(gateway: Gateway, delay: float) -> None:
    arguments = {"needs": {"sampling": {}}, "delay": delay}
    call = modern("tools/call", {"name": "refuse", "arguments": arguments})
    answer = post_modern(gateway.port, call, path="/mcp/modern")
    assert (answer.status, answer.code) == (400, -32021), answer
    assert answer.message["error"]["data"]["requiredCapabilities"] == {"sampling": {}}
    said = LegacySession(gateway.port, path="/mcp/modern").call("refuse", arguments)
    assert said.status == 200 and said.message["result"]["isError"] is True
    assert "sampling" in said.message["result"]["content"][0]["text"]


def head_of(connection: Connection, gateway: Gateway, message: dict[str, Any], alias: str) -> Response:
    body = json.dumps(message).encode()
    headers: dict[str, str | None] = dict(modern_headers(message))
    connection.send(request("POST", f"/mcp/{alias}", headers, body, port=gateway.port))
    return connection.head()


@pytest.mark.parametrize("alias", ["legacy", "modern", "apart"])
def test_a_call_that_nothing_can_be_missing_for_is_heard_of_soon(gateway: Gateway, alias: str) -> None:
    arguments = {"text": "x", "level": "debug", "delay": 5}
    able = None if alias == "apart" else ABLE
    message = modern("tools/call", {"name": "log", "arguments": arguments}, meta=envelope(capabilities=able))
    with Connection(gateway.port, timeout=20) as connection:
        head = head_of(connection, gateway, message, alias)
        assert head.headers["content-type"] == "text/event-stream"


def test_what_is_told_in_the_course_of_a_call_does_not_wait(gateway: Gateway) -> None:
    meta = envelope(**{PREFIX + "logLevel": "info"})
    message = modern("tools/call", {"name": "log", "arguments": {"text": "x", "afterwards": 5}}, meta=meta)
    with Connection(gateway.port, timeout=20) as connection:
        head = head_of(connection, gateway, message, "legacy")
        assert head.headers["content-type"] == "text/event-stream"


def test_an_answer_waits_for_its_status_no_longer_than_silence_may_last(
    make_gateway: Callable[..., Gateway],
) -> None:
    child = {"command": sys.executable, "args": [str(PROGRAM), "legacy"]}
    listeners = {"http": {"heartbeat_interval": "2s"}}
    gateway = make_gateway(settings={"servers": {"own": child}, "listeners": listeners})
    gateway.wait_for("own")
    message = modern("tools/call", {"name": "ask", "arguments": {**QUESTIONS["roots"], "then": "error", "delay": 6}})
    with Connection(gateway.port, timeout=30) as connection:
        head = head_of(connection, gateway, message, "own")
        assert head.headers["content-type"] == "text/event-stream"
        last = [json.loads(event["data"]) for event in connection.stream() if event.get("data")][-1]
        assert last["error"]["code"] == -32021


# MARK: Logs


def logged(messages: list[dict[str, Any]]) -> list[str]:
    return [message["params"]["data"] for message in messages if message.get("method") == "notifications/message"]


def listened(session: LegacySession) -> tuple[Connection, list[str]]:
    """The stream of a session, and what it logs from now on."""
    connection, head = session.listen(timeout=60)
    assert head.status == 200
    found: list[str] = []

    def read() -> None:
        with suppress(OSError):
            for event in connection.stream():
                if event.get("data"):
                    found.extend(logged([json.loads(event["data"])]))

    threading.Thread(target=read, daemon=True).start()
    return connection, found


def until(found: list[str], text: str) -> None:
    end = time.monotonic() + 20
    while text not in found and time.monotonic() < end:
        time.sleep(0.02)
    assert text in found, found


def test_a_clients_lines_are_its_own(make_gateway: Callable[..., Gateway]) -> None:
    child = {"command": sys.executable, "args": [str(PROGRAM), "legacy"]}
    gateway = make_gateway(settings={"servers": {"own": child}}, workers=2)
    gateway.wait_for("own")
    caller, idle, curious, strict = (LegacySession(gateway.port) for _ in range(4))
    streams = {session: listened(session) for session in (caller, idle, curious, strict)}
    assert curious.post(rpc("logging/setLevel", {"level": "info"}, 1)).status == 200
    assert strict.post(rpc("logging/setLevel", {"level": "error"}, 2)).status == 200
    answer = caller.call("log", {"text": "mine", "late": "late"})
    assert logged(answer.messages()) == ["mine"]
    # It came when nobody had a call on its way: it may be of one that has ended, and is for who asked for such lines.
    until(streams[caller][1], "late")
    until(streams[curious][1], "late")
    answer = strict.call("log", {"text": "of strict", "late": "grave", "level": "error"})
    assert logged(answer.messages()) == ["of strict"]
    for session in (caller, curious, strict):
        until(streams[session][1], "grave")
    assert [streams[session][1] for session in (caller, idle, curious, strict)] == [
        ["late", "grave"],
        [],
        ["late", "grave"],
        ["grave"],
    ]
    for connection, _ in streams.values():
        connection.close()


def log_call(gateway: Gateway, alias: str, meta: dict[str, Any], **more: Any) -> list[str]:
    message = modern("tools/call", {"name": "log", "arguments": {"text": "said", **more}}, meta=meta)
    return logged(post_modern(gateway.port, message, path=f"/mcp/{alias}", timeout=30).messages())


def test_a_modern_client_hears_what_it_would_hear_from_a_modern_server_itself(gateway: Gateway) -> None:
    for level in (None, "error", "debug"):
        meta = envelope(**({PREFIX + "logLevel": level} if level else {}))
        assert log_call(gateway, "modern", meta) == ["said"], level
        assert log_call(gateway, "legacy", meta) == (["said"] if level == "debug" else []), level


def test_of_several_modern_clients_those_that_asked_hear_it(gateway: Gateway) -> None:
    heard: dict[str, list[str]] = {}

    def call(name: str, meta: dict[str, Any], **more: Any) -> None:
        heard[name] = log_call(gateway, "modern", meta, **more)

    slow = threading.Thread(target=call, args=("unasked", envelope()), kwargs={"delay": 3, "text": "its own"})
    slow.start()
    time.sleep(0.5)
    call("asked", envelope(**{PREFIX + "logLevel": "info"}))
    slow.join()
    assert heard == {"asked": ["said"], "unasked": ["its own"]}


def test_a_legacy_client_of_a_modern_server_hears_from_the_level_on_that_it_set(gateway: Gateway) -> None:
    session = LegacySession(gateway.port, path="/mcp/modern")
    assert session.post(rpc("logging/setLevel", {"level": "error"}, 1)).status == 200
    assert logged(session.call("log", {"text": "low"}).messages()) == []
    assert logged(session.call("log", {"text": "high", "level": "error"}).messages()) == ["high"]

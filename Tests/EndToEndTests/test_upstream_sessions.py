"""What becomes of a client's conversations with legacy upstreams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.cases import heavy
from harness.gateway import Gateway
from harness.processes import eventually
from harness.scripted import ScriptedServer, ScriptedStreamServer
from harness.upstreams import HTTPUpstream
from harness.wire import Connection, LegacySession, Response, post, rpc

Make = Callable[..., Gateway]
UPDATED = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "ref://clock"}}
CLOCK = {"uri": "ref://clock"}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def gateway_to(make_gateway: Make, server: ScriptedServer, workers: int = 3, **more: Any) -> Gateway:
    return make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http", **more}}}, workers=workers)


def text_of(response: Response) -> str:
    return response.message["result"]["content"][0]["text"]


def who(session: LegacySession) -> str:
    """The upstream session that a call of this client ends up in."""
    return text_of(session.call("who")).removeprefix("who ")


def messages_of(stream: Iterator[dict[str, str]]) -> Iterator[dict[str, Any]]:
    return (json.loads(event["data"]) for event in stream if event.get("data"))


@pytest.mark.parametrize("workers", [1, 3])
def test_each_client_has_an_upstream_session_of_its_own_that_ends_with_it(
    make_gateway: Make, server: ScriptedServer, workers: int
) -> None:
    port = gateway_to(make_gateway, server, workers).port
    one, two = LegacySession(port), LegacySession(port)
    mine = who(one)
    assert {who(one) for _ in range(8)} == {mine}
    assert who(two) != mine
    assert one.delete().status == 200
    assert eventually(lambda: server.sessions_of("DELETE") == [mine]), server.seen
    assert who(two)


def test_a_stream_opens_before_the_first_call_and_once_only(make_gateway: Make, server: ScriptedServer) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    upstream = who(session)
    kinds = [kind for kind, whose, _ in server.seen if whose == upstream]
    assert kinds.index("GET") < kinds.index("tools/call"), kinds
    for _ in range(6):
        assert session.post(rpc("resources/subscribe", CLOCK)).message["result"] == {}
    assert session.post(rpc("logging/setLevel", {"level": "info"})).message["result"] == {}
    listening, head = session.listen()
    with listening:
        assert head.status == 200
        server.push(upstream, UPDATED)
        assert next(messages_of(listening.stream())) == UPDATED
    assert server.sessions_of("GET").count(upstream) == 1
    assert server.requests("resources/subscribe", upstream)


def test_a_stream_opens_when_the_client_listens(make_gateway: Make, server: ScriptedServer) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    listening, _ = session.listen()
    with listening:
        upstream = who(session)
        assert eventually(lambda: upstream in server.streams)
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": "x"}}
        server.push(upstream, note)
        assert next(messages_of(listening.stream())) == note


def test_a_broken_stream_is_taken_up_after_its_last_event(make_gateway: Make, server: ScriptedServer) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    upstream = who(session)
    session.post(rpc("resources/subscribe", CLOCK))
    listening, _ = session.listen()
    with listening:
        messages = messages_of(listening.stream())
        server.push(upstream, UPDATED, number="7-x")
        assert next(messages) == UPDATED
        server.break_stream(upstream)
        assert eventually(lambda: upstream in server.streams)
        assert server.requests("GET", upstream)[-1]["last-event-id"] == "7-x"
        server.push(upstream, UPDATED)
        assert next(messages) == UPDATED


def test_a_stream_ends_with_its_session(make_gateway: Make, server: ScriptedServer) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    upstream = who(session)
    session.post(rpc("resources/subscribe", CLOCK))
    assert eventually(lambda: upstream in server.streams)
    session.delete()
    assert eventually(lambda: upstream in server.sessions_of("DELETE"))
    other = LegacySession(session.port)
    for _ in range(3):
        assert who(other) != upstream
    assert server.sessions_of("GET").count(upstream) == 1, "it was opened again"


@pytest.mark.parametrize("workers", [3, *heavy(1)])
def test_a_call_that_meets_an_ended_session_goes_out_again_in_a_new_one(
    make_gateway: Make, server: ScriptedServer, workers: int
) -> None:
    session = LegacySession(gateway_to(make_gateway, server, workers).port)
    before = who(session)
    session.post(rpc("resources/subscribe", CLOCK))
    session.post(rpc("logging/setLevel", {"level": "error"}))
    server.sessions.discard(before)
    after = who(session)
    assert after != before
    # Once, with all that the client had settled, and before the call.
    kinds = [kind for kind, whose, _ in server.seen if whose == after]
    assert kinds.count("tools/call") == 1
    assert set(kinds[: kinds.index("tools/call")]) >= {"resources/subscribe", "logging/setLevel"}
    assert server.requests("logging/setLevel", after)[0]["params"] == {"level": "error"}
    listening, _ = session.listen()
    with listening:
        assert eventually(lambda: after in server.streams), "nobody listens in the new session"
        server.push(after, UPDATED)
        assert next(messages_of(listening.stream())) == UPDATED


def test_a_server_that_starts_anew_is_not_missed(make_gateway: Make, server: ScriptedServer) -> None:
    """All its sessions and streams are gone at once, the gateway's own among them."""
    session = LegacySession(gateway_to(make_gateway, server).port)
    who(session)
    opened = len(server.requests("initialize"))
    server.sessions.clear()
    for upstream in list(server.streams):
        server.break_stream(upstream)
    answers: list[Response] = []

    def is_whole_again() -> bool:
        answers.append(session.call("who"))
        return len(server.requests("initialize")) >= opened + 2 and len(server.streams) >= 1

    assert eventually(is_whole_again)
    assert [answer for answer in answers if "error" in answer.message] == []


@pytest.mark.heavy
def test_a_server_that_forgets_at_once_again_is_not_asked_for_ever(
    make_gateway: Make, server: ScriptedServer
) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    who(session)

    class Forgetful(set):  # type: ignore[type-arg]
        def __contains__(self, _: object) -> bool:
            return False

    remembered, server.sessions = server.sessions, Forgetful()
    opened = len(server.requests("initialize"))
    error = session.call("who").message["error"]
    assert error["code"] == -32603 and "own" in error["message"]
    assert len(server.requests("initialize")) <= opened + 4
    server.sessions = remembered
    assert eventually(lambda: "result" in session.call("who").message)


def test_a_level_that_was_set_before_the_upstream_session_opened_holds_in_it(
    make_gateway: Make, server: ScriptedServer
) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    session.post(rpc("logging/setLevel", {"level": "warning"}))
    upstream = who(session)
    kinds = [kind for kind, whose, _ in server.seen if whose == upstream]
    assert kinds.index("logging/setLevel") < kinds.index("tools/call")


@pytest.mark.parametrize("isolation", ["shared", "principal"])
def test_who_shares_a_subscription_keeps_it_when_another_leaves(
    make_gateway: Make, server: ScriptedServer, isolation: str
) -> None:
    port = gateway_to(make_gateway, server, isolation=isolation).port
    one, two, three = (LegacySession(port) for _ in range(3))
    upstream = who(one)
    assert who(two) == upstream and who(three) == upstream
    for session in (one, two, three):
        assert session.post(rpc("resources/subscribe", CLOCK)).message["result"] == {}
    assert one.post(rpc("resources/unsubscribe", CLOCK)).message["result"] == {}
    two.delete()
    assert server.requests("resources/unsubscribe") == []
    quiet, _ = one.listen()
    told, _ = three.listen()
    with quiet, told:
        assert eventually(lambda: upstream in server.streams)
        server.push(upstream, UPDATED)
        assert next(messages_of(told.stream())) == UPDATED
        three.delete()
        assert eventually(lambda: len(server.requests("resources/unsubscribe")) == 1), server.seen
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": "x"}}
        server.push(upstream, note)
        assert next(messages_of(quiet.stream())) == note, "told after it unsubscribed"


@pytest.mark.parametrize("streams", [True, False])
def test_a_server_without_sessions_is_called_as_it_is(make_gateway: Make, streams: bool) -> None:
    server = ScriptedServer(sessions=False, streams=streams)
    try:
        session = LegacySession(gateway_to(make_gateway, server).port)
        listening, _ = session.listen()
        with listening:
            for _ in range(5):
                assert text_of(session.call("who")) == "who "
        assert session.post(rpc("resources/subscribe", CLOCK)).message["result"] == {}
        session.delete()
        assert server.requests("DELETE") == []
    finally:
        server.close()


@pytest.mark.parametrize("refusal", [405, 404, 400])
def test_a_server_without_streams_is_subscribed_to_all_the_same(make_gateway: Make, refusal: int) -> None:
    server = ScriptedServer(streams=False, refusal=refusal)
    try:
        session = LegacySession(gateway_to(make_gateway, server).port)
        upstream = who(session)
        for _ in range(3):
            assert session.post(rpc("resources/subscribe", CLOCK)).message["result"] == {}
        assert who(session) == upstream
        assert len(server.sessions_of("refused GET")) == 1, "it has none, as the gateway's own session found"
    finally:
        server.close()


def test_idle_sessions_end_with_all_that_was_theirs(make_gateway: Make, server: ScriptedServer) -> None:
    settings = {
        "servers": {"own": {"url": server.url, "type": "http"}},
        "sessions": {"idle_timeout": "1s", "max": 2, "per_client": 2},
    }
    port = make_gateway(settings=settings, workers=2).port
    one, two = LegacySession(port), LegacySession(port)
    upstream = who(one)
    listening, _ = two.listen()
    with listening:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        assert post(port, rpc("initialize", params)).status == 503
        assert eventually(lambda: upstream in server.sessions_of("DELETE"), 15)
        assert two.post(rpc("ping")).status == 200, "who listens is not idle"
        assert post(port, rpc("initialize", params)).status == 200
        assert one.post(rpc("ping")).status == 503, "who comes back needs room like a newcomer"


def test_a_second_initialize_opens_another_session_and_ends_the_first(
    make_gateway: Make, server: ScriptedServer
) -> None:
    """What was settled is in the id, from which other processes read it."""
    gateway = gateway_to(make_gateway, server)
    session = LegacySession(gateway.port)
    former, before = session.id, who(session)
    client = {"clientInfo": {"name": "x", "version": "1"}}
    params = {"protocolVersion": "2025-06-18", "capabilities": {"roots": {}}, **client}
    again = session.post(rpc("initialize", params))
    assert again.status == 200 and again.message["result"]["protocolVersion"] == "2025-06-18"
    session.id, session.version = again.headers["mcp-session-id"], "2025-06-18"
    assert session.id != former
    after = who(session)
    assert after != before and server.requests("initialize", after)[0]["params"]["capabilities"] == {"roots": {}}
    assert eventually(lambda: server.sessions_of("DELETE") == [before])
    old = {**session.headers, "Mcp-Session-Id": former}
    assert post(gateway.port, rpc("ping"), old).status == 404
    assert post(gateway.port, rpc("initialize", params), old).status == 404
    assert session.post(rpc("ping")).status == 200


def test_a_second_initialize_that_finds_no_room_leaves_the_first_session(
    make_gateway: Make, server: ScriptedServer
) -> None:
    settings = {
        "servers": {"own": {"url": server.url, "type": "http"}},
        "sessions": {"max": 1, "per_client": 1},
    }
    session = LegacySession(make_gateway(settings=settings).port)
    upstream = who(session)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    assert session.post(rpc("initialize", params)).status == 503
    assert who(session) == upstream


# --- HTTP+SSE upstreams ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [404, 500, 202])
def test_a_call_that_an_http_and_sse_server_does_not_take_fails_at_once(make_gateway: Make, refusal: int) -> None:
    server = ScriptedStreamServer(refusal)
    try:
        settings = {"servers": {"own": {"url": server.url, "type": "sse"}}}
        session = LegacySession(make_gateway(settings=settings, workers=3).port)
        for _ in range(4):
            answer = session.call("who").message
            if refusal == 202:
                assert answer["result"]["content"][0]["text"].startswith("who ")
            else:
                assert answer["error"]["code"] == -32603 and "own" in answer["error"]["message"], answer
    finally:
        server.close()


def test_a_result_that_comes_after_its_client_came_back_ends_the_stream(
    make_gateway: Make, references: dict[str, HTTPUpstream]
) -> None:
    session = LegacySession(make_gateway({"own": references["v1http"].entry()}, workers=3).port)
    params = {"name": "slow", "arguments": {"steps": 6, "pause": 0.1}, "_meta": {"progressToken": 1}}
    with Connection(session.port) as calling:
        calling.send(session.bytes_of(rpc("tools/call", params, 1)))
        assert calling.head().status == 200
        last = next(event["id"] for event in calling.stream() if event.get("id"))
    again, head = session.listen(last_event=last)
    with again:
        assert head.status == 200
        events = [json.loads(event["data"]) for event in again.stream() if event.get("data")]
    assert "result" in events[-1], "the stream ended before its result"


# --- results beyond their limit --------------------------------------------------------------------------------------


def test_a_result_beyond_its_limit_is_an_error_if_its_length_is_announced(
    make_gateway: Make, server: ScriptedServer
) -> None:
    settings = {"servers": {"own": {"url": server.url, "type": "http"}}, "limits": {"result": "1MiB"}}
    session = LegacySession(make_gateway(settings=settings, workers=1).port)
    assert len(text_of(session.call("who", {"padding": 1_000_000}))) > 1_000_000
    error = session.call("who", {"padding": 1_100_000}).message["error"]
    assert error["code"] == -32603 and "own" in error["message"]
    assert who(session)


# --- lists that one client sees differently --------------------------------------------------------------------------

CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def tools_of(session: LegacySession) -> list[str]:
    return [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]]


@pytest.mark.parametrize("prefix", ["conditional", "always"])
def test_a_change_in_one_clients_session_is_that_clients_alone(
    make_gateway: Make, server: ScriptedServer, prefix: str
) -> None:
    settings = {"servers": {"own": {"url": server.url, "type": "http"}}, "prefix": prefix}
    port = make_gateway(settings=settings, workers=3).port
    before = "own__" if prefix == "always" else ""
    mine, other = LegacySession(port), LegacySession(port)
    listening, _ = mine.listen()
    quiet, _ = other.listen()
    with listening, quiet:
        told, told_other = messages_of(listening.stream()), messages_of(quiet.stream())
        upstream = text_of(mine.call(f"{before}who")).removeprefix("who ")
        whose_other = text_of(other.call(f"{before}who")).removeprefix("who ")
        assert eventually(lambda: {upstream, whose_other} <= set(server.streams))
        server.extra_tools[upstream] = ["mine"]
        server.push(upstream, CHANGED)
        assert next(told) == CHANGED
        for _ in range(6):
            assert tools_of(mine) == [f"{before}who", f"{before}mine"]
        assert tools_of(other) == [f"{before}who"]
        assert text_of(mine.call(f"{before}mine")) == f"mine {upstream}"
        # A change for everybody keeps what is one client's own.
        server.tools.append("all")
        for session in list(server.streams):
            server.push(session, CHANGED)
        assert next(told) == CHANGED and next(told_other) == CHANGED
        assert eventually(lambda: tools_of(mine) == [f"{before}{name}" for name in ("who", "all", "mine")])
        assert tools_of(other) == [f"{before}who", f"{before}all"]
        # And it goes as it came.
        server.extra_tools.clear()
        server.push(upstream, CHANGED)
        assert eventually(lambda: tools_of(mine) == [f"{before}who", f"{before}all"])


def test_a_change_for_all_is_told_once(make_gateway: Make, server: ScriptedServer) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    listening, _ = session.listen()
    with listening:
        told = messages_of(listening.stream())
        upstream = who(session)
        assert eventually(lambda: upstream in server.streams and len(server.streams) == 2)
        server.tools.append("all")
        listed = len(server.requests("tools/list", upstream))
        for each in list(server.streams):
            server.push(each, CHANGED)
        assert next(told) == CHANGED
        # The client's own session has been looked at, and brought nothing that is new to the client.
        assert eventually(lambda: len(server.requests("tools/list", upstream)) > listed)
        server.push(upstream, UPDATED)
        assert next(told) == UPDATED
        assert tools_of(session) == ["who", "all"]

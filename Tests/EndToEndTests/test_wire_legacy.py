"""Revisions 2025-03-26 to 2025-11-25 on the wire: MCP, Base Protocol, Transports and Lifecycle of each."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness.cases import heavy
from harness.gateway import Gateway
from harness.processes import eventually
from harness.wire import Connection, LegacySession, Response, notification, post, request, rpc

Headers = dict[str, str | None]
ALIASES = ["v1http", "v1sse", "v1stdio", "v2http", "v2stdio"]


@pytest.fixture(scope="module")
def port(shared_gateway: Callable[[int], Gateway]) -> int:
    return shared_gateway(3).port


@pytest.fixture(scope="module")
def session(port: int) -> LegacySession:
    return LegacySession(port)


def initialize(version: str = "2025-11-25", number: Any = 0) -> dict[str, Any]:
    client = {"name": "wire", "version": "1"}
    return rpc("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": client}, number)


# --- opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
def test_a_known_revision_is_agreed_to(port: int, version: str) -> None:
    response = post(port, initialize(version))
    assert response.status == 200
    result = response.message["result"]
    assert result["protocolVersion"] == version
    assert result["serverInfo"]["name"] and result["capabilities"]["tools"]["listChanged"] is True
    assert "resultType" not in result
    session_id = response.headers["mcp-session-id"]
    assert len(session_id) >= 16 and all(0x21 <= ord(character) <= 0x7E for character in session_id)


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01", "", "2025-11-25x"])
def test_other_revisions_are_offered_the_latest_legacy_one(port: int, version: str) -> None:
    assert post(port, initialize(version)).message["result"]["protocolVersion"] == "2025-11-25"


def test_session_ids_are_all_different(port: int) -> None:
    ids = {post(port, initialize()).headers["mcp-session-id"] for _ in range(30)}
    assert len(ids) == 30


def test_requests_work_right_after_initialize_on_other_connections(port: int) -> None:
    """Before `notifications/initialized`, and on whichever worker takes the connection."""
    for _ in range(40):
        session = LegacySession(port, initialized=False)
        answer = session.post(rpc("ping", None, 1))
        assert (answer.status, answer.message["result"]) == (200, {})


def test_first_request_get_and_initialized_may_come_at_once(port: int) -> None:
    for _ in range(10):
        session = LegacySession(port, initialized=False)
        with Connection(port) as one, Connection(port) as two, Connection(port) as three:
            one.send(session.bytes_of(notification("notifications/initialized")))
            two.send(session.get_bytes())
            three.send(session.bytes_of(rpc("tools/list", None, 1)))
            assert one.response().status == 202
            assert two.head().status == 200
            assert "result" in three.response().message


# --- a table of requests and answers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A message in an open session of 2025-11-25; code 0 is a result, None is no body."""

    name: str
    message: Any
    status: int
    code: int | None
    headers: Headers | None = None
    id: Any = 1
    statuses: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name


LIST = rpc("tools/list")
BATCH = [rpc("ping", None, 1), rpc("ping", None, 2)]
ROWS = [
    Row("list", LIST, 200, 0),
    Row("list with empty params", rpc("tools/list", {}), 200, 0),
    Row("ping", rpc("ping"), 200, 0),
    Row("set level", rpc("logging/setLevel", {"level": "warning"}), 200, 0),
    Row("a bad level", rpc("logging/setLevel", {"level": "loud"}), 200, -32602),
    Row("a string id", rpc("ping", None, "1"), 200, 0, id="1"),
    Row("id zero", rpc("ping", None, 0), 200, 0, id=0),
    Row("an id beyond 2^53", rpc("ping", None, 9007199254740993), 200, 0, id=9007199254740993),
    Row("no version header", rpc("ping"), 200, 0, {"MCP-Protocol-Version": None}),
    Row("a bad version header", rpc("ping"), 400, None, {"MCP-Protocol-Version": "1999-01-01"}, id=...),
    Row("another known version header", rpc("ping"), 200, 0, {"MCP-Protocol-Version": "2025-06-18"}, statuses=(200, 400), codes=(0, -32600, -32602), id=...),
    Row("no session", LIST, 400, None, {"Mcp-Session-Id": None}, id=...),
    Row("no session and no version header", LIST, 400, None, {"Mcp-Session-Id": None, "MCP-Protocol-Version": None}, id=...),
    Row("an unknown session", LIST, 404, None, {"Mcp-Session-Id": "0123456789abcdef0123456789abcdef"}, id=...),
    Row("an ill-formed session", LIST, 404, None, {"Mcp-Session-Id": "!"}, id=..., statuses=(404, 400)),
    Row("a notification", notification("notifications/roots/list_changed"), 202, None),
    Row("an unknown notification", notification("notifications/whatever"), 202, None),
    Row("a response nobody waits for", {"jsonrpc": "2.0", "id": 999, "result": {}}, 202, None),
    Row("an error response nobody waits for", {"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "m"}}, 202, None),
    Row("an unknown method", rpc("tools/frobnicate"), 200, -32601),
    Row("a modern method", rpc("server/discover", {}), 200, -32601),
    Row("an unknown tool", rpc("tools/call", {"name": "v1http__nope", "arguments": {}}), 200, -32602),
    Row("an unknown server in a name", rpc("tools/call", {"name": "nobody__echo", "arguments": {}}), 200, -32602),
    Row("no tool name", rpc("tools/call", {"arguments": {}}), 200, -32602),
    Row("an unknown prompt", rpc("prompts/get", {"name": "nobody__p"}), 200, -32602),
    Row("an unknown resource", rpc("resources/read", {"uri": "nobody://x"}), 200, -32002, codes=(-32002, -32602)),
    Row("an unknown cursor", rpc("tools/list", {"cursor": "bogus"}), 200, -32602),
    Row("a batch", BATCH, 400, -32600, id=None),
    Row("an empty batch", [], 400, -32600, id=None),
    Row("a string", "hello", 400, -32600, id=None),
    Row("an object without a method", {"jsonrpc": "2.0", "id": 1}, 400, -32600, id=...),
    Row("a null id", rpc("ping", None, None), 400, -32600, id=None),
    Row("no body", b"", 400, -32700, id=None),
    Row("half a body", b'{"jsonrpc":"2.0","id":1,"meth', 400, -32700, id=None),
    Row("accepts JSON only", rpc("ping"), 406, None, {"Accept": "application/json"}, id=..., statuses=(200, 406), codes=(0, -32600)),
    Row("accepts neither type", rpc("ping"), 406, None, {"Accept": "text/html"}, id=...),
    Row("wrong content type", rpc("ping"), 415, None, {"Content-Type": "text/plain"}, id=..., statuses=(415, 400)),
    Row("initialize with an unknown session", initialize(number=1), 404, None, {"Mcp-Session-Id": "0123456789abcdef"}, id=..., statuses=(404, 200)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_status_and_code(session: LegacySession, row: Row) -> None:
    response = session.post(row.message, row.headers)
    assert response.status in (row.statuses or (row.status,)), response
    if row.status == 202:
        assert response.body == b""
        return
    if row.id is ...:
        return
    message = response.message
    if row.code == 0:
        assert "result" in message, message
        assert "resultType" not in message["result"], "a modern member in a legacy result"
    else:
        assert message["error"]["code"] in (row.codes or (row.code,)), message
        assert message["error"]["message"]
    assert message["id"] == row.id and type(message["id"]) is type(row.id)


@pytest.mark.parametrize("alias", ALIASES)
def test_legacy_results_hold_nothing_modern(port: int, alias: str) -> None:
    """A strict client refuses an empty result with any member besides `_meta`."""
    session = LegacySession(port, path=f"/mcp/{alias}")
    for message in (
        rpc("ping"),
        rpc("logging/setLevel", {"level": "info"}),
        rpc("resources/subscribe", {"uri": "ref://clock"}),
    ):
        assert set(session.post(message).message["result"]) <= {"_meta"}, message["method"]
    for message in (
        rpc("tools/list"),
        rpc("resources/list"),
        rpc("prompts/list"),
        rpc("resources/templates/list"),
        rpc("resources/read", {"uri": "ref://notes/welcome"}),
        rpc("tools/call", {"name": "echo", "arguments": {"text": "x"}}),
        rpc("prompts/get", {"name": "plain"}),
    ):
        result = session.post(message).message["result"]
        assert not {"resultType", "ttlMs", "cacheScope"} & set(result), (message["method"], list(result))
        assert not [key for key in result.get("_meta", {}) if key.startswith("io.modelcontextprotocol/")], result[
            "_meta"
        ]


def test_a_revision_drops_what_it_does_not_know(port: int) -> None:
    """What revision 2025-03-26 has no words for is left out or turned into text."""
    session = LegacySession(port, "2025-03-26", path="/mcp/v2http")
    links = session.call("links").message["result"]["content"]
    assert "resource_link" not in [block["type"] for block in links], "a block that revision does not have"
    structured = session.call("structured").message["result"]
    assert json.loads(structured["content"][0]["text"]) == {"city": "Ōsaka", "degrees": 21.5}


# --- batches ---------------------------------------------------------------------------------------------------------


def test_batches_of_2025_03_26(port: int) -> None:
    session = LegacySession(port, "2025-03-26")
    batch = [
        rpc("ping", None, 1),
        notification("notifications/roots/list_changed"),
        rpc("tools/call", {"name": "v1http__echo", "arguments": {"text": "a"}}, "b"),
        rpc("no/such", None, 3),
    ]
    response = session.post(batch)
    assert response.status == 200
    answers: dict[Any, Any] = {}
    for message in response.messages():
        for answer in message if isinstance(message, list) else [message]:
            answers[answer["id"]] = answer
    assert set(answers) == {1, "b", 3}
    assert answers[1]["result"] == {}
    assert answers["b"]["result"]["content"][0]["text"] == "a"
    assert answers[3]["error"]["code"] == -32601


def test_a_batch_of_notifications_is_accepted(port: int) -> None:
    session = LegacySession(port, "2025-03-26")
    response = session.post([notification("notifications/roots/list_changed")] * 2)
    assert (response.status, response.body) == (202, b"")


def test_a_batch_of_responses_is_accepted(port: int) -> None:
    session = LegacySession(port, "2025-03-26")
    response = session.post([{"jsonrpc": "2.0", "id": 1, "result": {}}, {"jsonrpc": "2.0", "id": 2, "result": {}}])
    assert (response.status, response.body) == (202, b"")


def test_an_empty_batch_is_refused(port: int) -> None:
    response = LegacySession(port, "2025-03-26").post([])
    assert (response.status, response.code) == (400, -32600)


def test_initialize_is_refused_in_a_batch(port: int) -> None:
    response = post(port, [initialize("2025-03-26")])
    assert (response.status, response.code) == (400, -32600)
    assert "mcp-session-id" not in response.headers


def test_a_bad_entry_does_not_spoil_a_batch(port: int) -> None:
    response = LegacySession(port, "2025-03-26").post([rpc("ping", None, 1), 7])
    assert response.status in (200, 400)
    if response.status == 200:
        flat = [
            answer
            for message in response.messages()
            for answer in (message if isinstance(message, list) else [message])
        ]
        assert {answer["id"]: answer for answer in flat}[1]["result"] == {}


# --- sessions --------------------------------------------------------------------------------------------------------


def test_delete_ends_a_session(port: int) -> None:
    session = LegacySession(port)
    assert session.delete().status in (200, 202, 204)
    assert session.post(rpc("ping")).status == 404
    connection, head = session.listen()
    connection.close()
    assert head.status == 404
    assert session.delete().status == 404
    # On every worker, not only where the session lived.
    for _ in range(12):
        assert session.post(rpc("ping")).status == 404


def test_delete_ends_the_sessions_streams(port: int) -> None:
    session = LegacySession(port)
    connection, head = session.listen()
    with connection:
        assert head.status == 200
        session.delete()
        assert list(connection.chunks()) is not None, "the stream did not end"


def test_a_session_id_is_taken_whole(port: int) -> None:
    session = LegacySession(port)
    for forged in (
        session.id[:-1],
        session.id + "0",
        session.id[:-1] + ("0" if session.id[-1] != "0" else "1"),
        session.id.swapcase(),
    ):
        if forged != session.id:
            assert session.post(rpc("ping"), {"Mcp-Session-Id": forged}).status == 404, forged


def test_get_needs_a_session(port: int) -> None:
    for headers, statuses in (
        ({"Accept": "text/event-stream", "Mcp-Session-Id": "0123456789abcdef"}, (404,)),
        ({"Accept": "text/event-stream", "MCP-Protocol-Version": "2025-11-25"}, (400, 405)),
        ({"Accept": "text/event-stream"}, (400, 405)),
    ):
        with Connection(port) as connection:
            assert connection.exchange(request("GET", "/mcp", dict(headers), port=port), "GET").status in statuses, (
                headers
            )


def test_delete_needs_a_session(port: int) -> None:
    with Connection(port) as connection:
        headers: Headers = {"MCP-Protocol-Version": "2025-11-25"}
        assert connection.exchange(request("DELETE", "/mcp", headers, port=port), "DELETE").status in (400, 405)


def test_get_must_accept_an_event_stream(session: LegacySession) -> None:
    with Connection(session.port) as connection:
        assert connection.exchange(session.get_bytes({"Accept": "application/json"}), "GET").status == 406


def test_get_streams_conflict_beyond_their_limit_until_one_is_gone(make_gateway: Callable[..., Gateway]) -> None:
    """A session may have several, and a slot is free as soon as its connection dies."""
    session = LegacySession(make_gateway(settings={"limits": {"streams_per_session": 2}}, workers=2).port)
    first, head = session.listen()
    assert head.status == 200 and head.headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in head.headers.get("cache-control", "")
    second, head = session.listen()
    assert head.status == 200
    third, refused = session.listen()
    third.close()
    assert refused.status == 409
    first.close()

    def again() -> bool:
        connection, answer = session.listen()
        connection.close()
        return answer.status == 200

    assert eventually(again, 5), "the slot was not freed"
    second.close()


# --- streams ---------------------------------------------------------------------------------------------------------


def next_message(events: Iterator[dict[str, str]]) -> tuple[str | None, dict[str, Any]]:
    for event in events:
        if event.get("data"):
            return event.get("id"), json.loads(event["data"])
    raise AssertionError("the stream ended")


def change_tools(session: LegacySession, name: str, events: Iterator[dict[str, str]]) -> tuple[str | None, Any]:
    """A tool comes, the client is told, and it goes again: two changes in a row may be none."""
    assert "result" in session.call("add_tool", {"name": name}).message
    told = next_message(events)
    assert "result" in session.call("remove_tool", {"name": name}).message
    return told


@pytest.mark.parametrize("alias", ["v1http", "v2stdio", *heavy("v1sse", "v1stdio", "v2http")])
def test_list_changes_come_on_the_get_stream(port: int, alias: str) -> None:
    session = LegacySession(port, path=f"/mcp/{alias}")
    connection, head = session.listen()
    with connection:
        assert head.status == 200
        events = connection.stream()
        session.post(rpc("tools/list"))
        number, message = change_tools(session, f"get_{alias}", events)
        assert message["method"] == "notifications/tools/list_changed"
        assert number, "an event without an id cannot be resumed after"
        assert "_meta" not in message.get("params", {}), message


def test_a_get_stream_resumes_after_the_last_event(port: int) -> None:
    session = LegacySession(port, path="/mcp/v1http")
    connection, head = session.listen()
    with connection:
        assert head.status == 200
        events = connection.stream()
        session.post(rpc("resources/subscribe", {"uri": "ref://clock"}))
        session.call("touch")
        first, message = next_message(events)
        assert message["method"] == "notifications/resources/updated"
    # Two more while nobody listens; both, and only they, are replayed.
    session.call("touch")
    session.call("touch")
    assert first is not None

    def resumed() -> list[str | None] | None:
        again, answer = session.listen(last_event=first)
        with again:
            if answer.status == 409:
                return None
            assert answer.status == 200, answer
            replayed = again.stream()
            return [next_message(replayed)[0] for _ in range(2)]

    ids = eventually(resumed, 5)
    assert ids and len(set(ids)) == 2 and first not in ids


def test_an_unknown_last_event_does_not_end_the_session(port: int) -> None:
    session = LegacySession(port)
    connection, head = session.listen(last_event="999999-no-such")
    connection.close()
    assert head.status in (200, 400, 404, 409, 410), head
    assert session.post(rpc("ping")).status == 200


def stream_call(session: LegacySession, name: str, arguments: dict[str, Any], number: Any, token: Any) -> Connection:
    params = {"name": name, "arguments": arguments, "_meta": {"progressToken": token}}
    connection = Connection(session.port)
    connection.send(session.bytes_of(rpc("tools/call", params, number)))
    return connection


@pytest.mark.parametrize("alias", ALIASES)
def test_progress_makes_the_answer_a_stream_and_stays_on_it(port: int, alias: str) -> None:
    session = LegacySession(port, path=f"/mcp/{alias}")
    listening, head = session.listen()
    with listening, stream_call(session, "slow", {"steps": 3}, "call", "tok") as connection:
        assert head.status == 200
        response = connection.response()
        assert response.kind == "text/event-stream"
        assert "mcp-session-id" not in response.headers or response.headers["mcp-session-id"] == session.id
        reports = [
            message["params"] for message in response.messages() if message.get("method") == "notifications/progress"
        ]
        assert [(report["progressToken"], report["progress"]) for report in reports] == [("tok", n) for n in (1, 2, 3)]
        assert response.message["id"] == "call" and "result" in response.message
        # Nothing of it on the GET stream: the next thing there is the list change.
        assert change_tools(session, f"only_{alias}", listening.stream())[1]["method"] == (
            "notifications/tools/list_changed"
        )


def test_streams_begin_with_a_priming_event_from_2025_11_25_on(port: int) -> None:
    for version, primed in (("2025-11-25", True), ("2025-06-18", False), ("2025-03-26", False)):
        session = LegacySession(port, version, path="/mcp/v1http")
        with stream_call(session, "slow", {"steps": 1}, 1, 1) as connection:
            assert connection.head().status == 200
            first = next(connection.stream())
            empty = not first.get("data") and bool(first.get("id"))
            assert empty == primed, (version, first)


def test_several_calls_stream_at_once(port: int) -> None:
    session = LegacySession(port, path="/mcp/v1http")
    connections = [stream_call(session, "slow", {"steps": 5}, n, n) for n in range(8)]
    for number, connection in enumerate(connections):
        with connection:
            messages = connection.response().messages()
            tokens = {message["params"]["progressToken"] for message in messages if "method" in message}
            assert tokens == {number}
            assert messages[-1]["id"] == number


def test_two_clients_with_the_same_ids_and_tokens_never_meet(port: int) -> None:
    """On one shared child process."""
    sessions = [LegacySession(port, path="/mcp/v1stdio") for _ in range(6)]
    results: dict[int, Response] = {}

    def run(index: int) -> None:
        with stream_call(sessions[index], "slow", {"steps": 3 + index}, 1, "same") as connection:
            results[index] = connection.response()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(6):
        messages = results[index].messages()
        assert messages[-1]["id"] == 1
        assert messages[-1]["result"]["content"][0]["text"] == f"{3 + index} steps"
        reports = [message["params"] for message in messages if message.get("method") == "notifications/progress"]
        assert [report["progress"] for report in reports] == list(range(1, 4 + index))
        assert {report["progressToken"] for report in reports} == {"same"}


@pytest.mark.parametrize("alias", ["v1stdio", *heavy("v1http", "v2http")])
def test_a_broken_call_stream_resumes_by_get(port: int, alias: str) -> None:
    """A legacy disconnect is no cancellation: the result is there to be fetched."""
    session = LegacySession(port, path=f"/mcp/{alias}")
    with stream_call(session, "slow", {"steps": 6, "pause": 0.1}, "broken", "t") as connection:
        assert connection.head().status == 200
        events = connection.stream()
        last = None
        while last is None:
            event = next(events)
            last = event.get("id") if "progress" in event.get("data", "") else None

    again, head = session.listen(last_event=last)
    with again:
        assert head.status == 200, head
        seen = []
        for event in again.stream():
            if event.get("data"):
                seen.append(json.loads(event["data"]))
                if "result" in seen[-1]:
                    break
        assert seen[-1]["id"] == "broken"
        progress = [message["params"]["progress"] for message in seen[:-1]]
        assert progress == sorted(set(progress)) and 1 not in progress, "replayed what had been seen"
        assert progress[-1] == 6


def journal(session: LegacySession) -> dict[str, list[str]]:
    return session.call("journal").message["result"]["structuredContent"]


@pytest.mark.parametrize("alias", ["v1http", *heavy("v1stdio", "v2http")])
def test_a_client_that_goes_away_cancels_nothing(port: int, alias: str) -> None:
    session = LegacySession(port, path=f"/mcp/{alias}")
    tag = f"legacy-gone-{alias}"
    with Connection(port) as connection:
        params = {"name": "sleep", "arguments": {"seconds": 1.5, "tag": tag}}
        connection.send(session.bytes_of(rpc("tools/call", params, 1)))
        assert eventually(lambda: tag in journal(session)["begun"])
    assert eventually(lambda: tag in journal(session)["ended"], 6)
    assert tag not in journal(session)["cancelled"]


@pytest.mark.parametrize("alias", ["v1http", "v1stdio", *heavy("v1sse", "v2http", "v2stdio")])
def test_a_cancelled_call_is_told_upstream_and_its_post_ends(port: int, alias: str) -> None:
    session = LegacySession(port, path=f"/mcp/{alias}")
    tag = f"legacy-cancel-{alias}"
    with Connection(port) as connection:
        params = {"name": "sleep", "arguments": {"seconds": 15, "tag": tag}}
        connection.send(session.bytes_of(rpc("tools/call", params, "to cancel")))
        assert eventually(lambda: tag in journal(session)["begun"])
        cancel = notification("notifications/cancelled", {"requestId": "to cancel", "reason": "enough"})
        assert session.post(cancel).status == 202
        response = connection.response()
        assert response.status == 200
        assert response.message["id"] == "to cancel" and "error" in response.message
    assert eventually(lambda: tag in journal(session)["cancelled"])


def test_cancelling_what_nobody_called_is_passed_over(session: LegacySession) -> None:
    assert session.post(notification("notifications/cancelled", {"requestId": 4711})).status == 202
    assert session.post(notification("notifications/cancelled", {"requestId": "x"})).status == 202
    assert session.post(rpc("ping")).status == 200


# --- what the server asks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alias", ["v1http", "v1sse", "v1stdio", "v2sse"])
def test_a_question_comes_on_the_stream_of_its_call_and_its_answer_from_any_connection(port: int, alias: str) -> None:
    session = LegacySession(port, path=f"/mcp/{alias}", capabilities={"elicitation": {"form": {}}})
    with Connection(port) as connection:
        connection.send(session.bytes_of(rpc("tools/call", {"name": "elicit_form", "arguments": {}}, "asking")))
        head = connection.head()
        assert head.status == 200 and head.headers["content-type"].startswith("text/event-stream")
        events = connection.stream()
        question = next_message(events)[1]
        assert question["method"] == "elicitation/create" and question["params"]["message"].endswith("Who are you?")
        # Another client's answer to that id must not count.
        other = LegacySession(port, path=f"/mcp/{alias}")
        wrong = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Mallory"}}}
        assert other.post(wrong).status in (202, 400)
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Ada"}}}
        assert session.post(answer).status == 202
        result = next_message(events)[1]
        assert result["id"] == "asking"
        assert result["result"]["structuredContent"]["content"] == {"name": "Ada"}


@pytest.mark.parametrize("alias", ["v1stdio", *heavy("v1http")])
def test_a_client_without_the_capability_is_never_asked(port: int, alias: str) -> None:
    session = LegacySession(port, path=f"/mcp/{alias}")
    for tool in ("elicit_form", "sample", "roots"):
        messages = session.call(tool).messages()
        assert not [message for message in messages if "method" in message and "id" in message], messages
        answer = messages[-1]
        assert "error" in answer or answer["result"]["isError"], answer


@pytest.mark.parametrize("alias", ["v1http", "v1stdio"])
def test_the_clients_refusal_reaches_the_server(port: int, alias: str) -> None:
    session = LegacySession(port, path=f"/mcp/{alias}", capabilities={"sampling": {}})
    with Connection(port) as connection:
        connection.send(session.bytes_of(rpc("tools/call", {"name": "sample", "arguments": {}}, 1)))
        assert connection.head().status == 200
        events = connection.stream()
        question = next_message(events)[1]
        assert question["method"] == "sampling/createMessage"
        refusal = {"code": -1, "message": "User rejected sampling request"}
        session.post({"jsonrpc": "2.0", "id": question["id"], "error": refusal})
        result = next_message(events)[1]["result"]
        assert result["isError"] and "(-1)" in result["content"][0]["text"], result
        assert "User rejected sampling request" in result["content"][0]["text"]


# --- pages in browsers -----------------------------------------------------------------------------------------------


def test_a_page_may_read_answers_errors_and_streams(port: int) -> None:
    page: Headers = {"Origin": "http://localhost:3000"}
    session = LegacySession(port, path="/mcp/v1http")
    listening = Connection(port)
    listening.send(session.get_bytes(page))
    with listening, Connection(port) as calling:
        params = {"name": "slow", "arguments": {"steps": 1}, "_meta": {"progressToken": 1}}
        calling.send(session.bytes_of(rpc("tools/call", params, 1), page))
        heads = [
            post(port, initialize(), page),
            post(port, rpc("ping"), page),
            session.post(rpc("ping"), page),
            session.post(notification("notifications/initialized"), page),
            listening.head(),
            calling.head(),
        ]
    assert [head.status for head in heads] == [200, 400, 200, 202, 200, 200]
    for head in heads:
        assert head.headers["access-control-allow-origin"] == page["Origin"], head
        assert "mcp-session-id" in head.headers["access-control-expose-headers"], head
    # Nothing of it for who does not ask, on the same connection too.
    with Connection(port) as connection:
        assert "access-control-allow-origin" in connection.exchange(session.bytes_of(rpc("ping"), page)).headers
        assert "access-control-allow-origin" not in connection.exchange(session.bytes_of(rpc("ping"))).headers


# --- proxies that wait for the body ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
def test_something_comes_at_once_on_a_stream(port: int, version: str) -> None:
    session = LegacySession(port, version)
    connection, head = session.listen()
    with connection:
        assert head.status == 200
        # Long before the first heartbeat.
        assert next(connection.chunks())

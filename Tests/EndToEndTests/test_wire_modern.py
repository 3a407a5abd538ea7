"""Revision 2026-07-28 on the wire: MCP 2026-07-28, Base Protocol, Streamable HTTP, Subscriptions and Caching."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from harness.cases import heavy
from harness.gateway import Gateway
from harness.wire import (
    MODERN,
    Connection,
    LegacySession,
    Response,
    envelope,
    modern,
    modern_headers,
    notification,
    post,
    post_modern,
    request,
    rpc,
)

PREFIX = "io.modelcontextprotocol/"
VERSION = PREFIX + "protocolVersion"
CAPABILITIES = PREFIX + "clientCapabilities"
SUBSCRIPTION = PREFIX + "subscriptionId"
ECHO = {"name": "v2http__echo", "arguments": {"text": "hi"}}
Headers = dict[str, str | None]


@pytest.fixture(scope="module")
def port(shared_gateway: Callable[[int], Gateway]) -> int:
    return shared_gateway(3).port


@dataclass(frozen=True)
class Row:
    """One request and its answer: an HTTP status, a JSON-RPC code (0 for a result) and the id it must carry."""

    name: str
    message: Any
    status: int
    code: int
    headers: Headers | None = None
    id: Any = 1
    statuses: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name


def without(key: str, method: str = "tools/list") -> dict[str, Any]:
    meta = envelope()
    del meta[key]
    return modern(method, meta=meta)


def at(version: str, method: str = "tools/list") -> dict[str, Any]:
    return modern(method, meta=envelope(version))


def b64(text: str) -> str:
    return "=?base64?" + base64.b64encode(text.encode()).decode() + "?="


CALL = modern("tools/call", ECHO)
LIST = modern("tools/list")
LIST_BYTES = json.dumps(LIST).encode()


def altered(old: bytes, new: bytes) -> bytes:
    """The bytes of `LIST` with one part changed."""
    assert LIST_BYTES.count(old) == 1
    return LIST_BYTES.replace(old, new)


ROWS = [
    # what works
    Row("discover", modern("server/discover"), 200, 0),
    Row("list", LIST, 200, 0),
    Row("call", CALL, 200, 0),
    Row("no client info", modern("tools/list", meta=envelope(**{PREFIX + "clientInfo": None})), 200, 0),
    Row("unknown vendor keys in _meta", modern("tools/list", meta=envelope(**{"example.com/a": 1})), 200, 0),
    Row("a string id", modern("tools/list", number="1"), 200, 0, id="1"),
    Row("id zero", modern("tools/list", number=0), 200, 0, id=0),
    Row("a negative id", modern("tools/list", number=-7), 200, 0, id=-7),
    Row("an id beyond 2^53", modern("tools/list", number=9007199254740993), 200, 0, id=9007199254740993),
    Row("a long string id", modern("tools/list", number="x" * 200), 200, 0, id="x" * 200),
    Row("an id with escapes", modern("tools/list", number='é"\\\n'), 200, 0, id='é"\\\n'),
    Row("session headers are ignored", LIST, 200, 0, {"Mcp-Session-Id": "nobody", "Last-Event-ID": "7"}),
    Row("blanks around the name", CALL, 200, 0, {"Mcp-Name": "  v2http__echo \t"}),
    Row("a name in base64", CALL, 200, 0, {"Mcp-Name": b64("v2http__echo")}),
    # the envelope
    Row("no _meta", rpc("tools/list", {}), 400, -32602, modern_headers(rpc("tools/list", {}))),
    Row("no params", rpc("tools/list"), 400, -32602, modern_headers(rpc("tools/list"))),
    Row("no capabilities", without(CAPABILITIES), 400, -32602),
    Row("no version in the envelope", without(VERSION), 400, -32602),
    Row("capabilities are no object", modern("tools/list", meta=envelope(**{CAPABILITIES: 3})), 400, -32602),
    Row("version is no string", modern("tools/list", meta=envelope(**{VERSION: 3})), 400, -32602, codes=(-32602, -32020)),
    # the version header
    Row("no version header", LIST, 400, -32020, {"MCP-Protocol-Version": None}),
    Row("a legacy version header", LIST, 400, -32020, {"MCP-Protocol-Version": "2025-11-25"}),
    Row("another version header", LIST, 400, -32020, {"MCP-Protocol-Version": "2027-01-01"}),
    Row("unknown version", at("2027-01-01"), 400, -32022, {"MCP-Protocol-Version": "2027-01-01"}),
    Row("unknown version on discover", at("2031-01-01", "server/discover"), 400, -32022, {"MCP-Protocol-Version": "2031-01-01"}),
    # the routing headers
    Row("no method header", LIST, 400, -32020, {"Mcp-Method": None}),
    Row("another method header", LIST, 400, -32020, {"Mcp-Method": "tools/call"}),
    Row("method value in capitals", LIST, 400, -32020, {"Mcp-Method": "TOOLS/LIST"}),
    Row("no name header", CALL, 400, -32020, {"Mcp-Name": None}),
    Row("another name header", CALL, 400, -32020, {"Mcp-Name": "v2http__add"}),
    Row("name header of the upstream's own name", CALL, 400, -32020, {"Mcp-Name": "echo"}),
    Row("base64 with bad padding", CALL, 400, -32020, {"Mcp-Name": "=?base64?djJodHRwX19lY2hv=?="}),
    Row("base64 with a bad alphabet", CALL, 400, -32020, {"Mcp-Name": "=?base64?@@@@?="}),
    Row("base64 of another name", CALL, 400, -32020, {"Mcp-Name": b64("v2http__add")}),
    Row("half a base64 marker is literal", CALL, 400, -32020, {"Mcp-Name": "=?base64?djJodHRwX19lY2hv"}),
    # methods
    Row("initialize", modern("initialize", {"protocolVersion": MODERN, "capabilities": {}}), 404, -32601),
    Row("ping", modern("ping"), 404, -32601),
    Row("logging/setLevel", modern("logging/setLevel", {"level": "info"}), 404, -32601),
    Row("resources/subscribe", modern("resources/subscribe", {"uri": "ref://clock"}), 404, -32601),
    Row("resources/unsubscribe", modern("resources/unsubscribe", {"uri": "ref://clock"}), 404, -32601),
    Row("an unknown method", modern("tools/frobnicate"), 404, -32601),
    Row("an unknown method with a string id", modern("x", number="abc"), 404, -32601, id="abc"),
    Row("initialize with a modern header only", rpc("initialize", {"protocolVersion": MODERN}), 400, -32602,
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "initialize"}, codes=(-32602, -32020)),
    # params
    Row("an unknown tool", modern("tools/call", {"name": "v2http__nope"}), 400, -32602, statuses=(200, 400)),
    Row("an unknown server in a name", modern("tools/call", {"name": "nobody__echo"}), 400, -32602, statuses=(200, 400)),
    Row("no tool name", modern("tools/call", {"arguments": {}}), 400, -32602, {"Mcp-Name": "x"}, codes=(-32602, -32020)),
    Row("an unknown cursor", modern("tools/list", {"cursor": "bogus"}), 400, -32602, statuses=(200, 400)),
    Row("an unknown resource", modern("resources/read", {"uri": "nobody://x"}), 400, -32602, statuses=(200, 400)),
    # shapes
    Row("an array", [LIST], 400, -32600, id=None),
    Row("an empty array", [], 400, -32600, id=None),
    Row("a response", {"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600, id=None, codes=(-32600, -32602)),
    Row("a null id", modern("tools/list", number=None), 400, -32600, id=None),
    Row("an id that is an object", modern("tools/list", number={}), 400, -32600, id=None),
    Row("a boolean id", modern("tools/list", number=True), 400, -32600, id=None),
    Row("no jsonrpc member", {k: v for k, v in LIST.items() if k != "jsonrpc"}, 400, -32600, id=...),
    Row("jsonrpc 1.0", {**LIST, "jsonrpc": "1.0"}, 400, -32600, id=...),
    Row("method is a number", {**LIST, "method": 3}, 400, -32600, id=...),
    Row("params is an array", {**LIST, "params": []}, 400, -32600, id=..., codes=(-32600, -32602)),
    Row("a string", "hello", 400, -32600, id=None),
    Row("a number", 7, 400, -32600, id=None),
    Row("null", None, 400, -32600, id=None),
    # bytes
    Row("no body", b"", 400, -32700, id=None),
    Row("half a body", LIST_BYTES[:-3], 400, -32700, id=None),
    Row("more than one value", LIST_BYTES + b" {}", 400, -32700, id=None),
    Row("bad UTF-8", altered(b'"jsonrpc"', b'"\xff\xfe":1,"jsonrpc"'), 400, -32700, id=None),
    Row("a lone surrogate's bytes", altered(b'"jsonrpc"', b'"\xed\xa0\x80":1,"jsonrpc"'), 400, -32700, id=None),
    Row("a trailing comma", LIST_BYTES[:-1] + b",}", 400, -32700, id=None),
    Row("single quotes", b"{'jsonrpc':'2.0'}", 400, -32700, id=None),
    Row("a control character in a string", altered(b'"jsonrpc"', b'"a\x01b":1,"jsonrpc"'), 400, -32700, id=None),
    Row("a bad number", altered(b'"id": 1', b'"id": 01'), 400, -32700, id=None),
    Row("a bad escape", altered(b"tools/list", b"tools\\xlist"), 400, -32700, id=None),
    Row("method twice", LIST_BYTES[:-1] + b',"method":"tools/list"}', 400, -32600, id=...),
    Row("method twice, once escaped", LIST_BYTES[:-1] + b',"m\\u0065thod":"tools/list"}', 400, -32600, id=...),
    Row("id twice", LIST_BYTES[:-1] + b',"id":1}', 400, -32600, id=...),
    Row("name twice", json.dumps(CALL).encode().replace(b'"arguments"', b'"name":"v2http__add","arguments"'), 400, -32600, modern_headers(CALL), id=...),
    Row("version key twice", altered(b'"_meta": {', b'"_meta": {"' + VERSION.encode() + b'":"2026-07-28",'), 400, -32600, id=...),
    Row("too deep", LIST_BYTES[:-1] + b',"x":' + b"[" * 500 + b"]" * 500 + b"}", 400, -32600, id=..., codes=(-32600, -32700)),
    # types
    Row("accepts neither type", LIST, 406, 0, {"Accept": "text/html"}, id=...),
    Row("accepts JSON only", LIST, 406, 0, {"Accept": "application/json"}, id=..., statuses=(200, 406)),
    Row("wrong content type", LIST, 415, 0, {"Content-Type": "text/plain"}, id=..., statuses=(415, 400)),
]  # fmt: skip


def mirrored(message: Any) -> Headers:
    """The routing headers that belong to a message, those of `LIST` where nobody can tell."""
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        return dict(modern_headers(LIST))
    params = message.get("params")
    named = {"name": "x", "uri": "x", **(params if isinstance(params, dict) else {})}
    return dict(modern_headers({**message, "params": named}))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_status_and_code(port: int, row: Row) -> None:
    response = post(port, row.message, {**mirrored(row.message), **(row.headers or {})})
    judge(row, response)


def judge(row: Row, response: Response) -> None:
    assert response.status in (row.statuses or (row.status,)), response
    assert "mcp-session-id" not in response.headers, "a session was minted for a modern request"
    if row.id is ... and row.code == 0:
        return
    message = response.message
    if row.code == 0:
        assert "result" in message, message
        assert message["result"]["resultType"] == "complete"
    else:
        assert message["error"]["code"] in (row.codes or (row.code,)), message
        assert message["error"]["message"], "an error without words"
    if row.id is not ...:
        assert message["id"] == row.id and type(message["id"]) is type(row.id), message["id"]


def test_unknown_versions_are_told_what_is_served(port: int) -> None:
    response = post_modern(port, at("2099-01-01", "server/discover"), {"MCP-Protocol-Version": "2099-01-01"})
    data = response.message["error"]["data"]
    assert data["requested"] == "2099-01-01"
    assert data["supported"][0] == MODERN and "2025-11-25" in data["supported"]
    discovered = post_modern(port, modern("server/discover")).message["result"]["supportedVersions"]
    assert set(data["supported"]) <= set(discovered)


def test_discover_says_who_and_what(port: int) -> None:
    result = post_modern(port, modern("server/discover")).message["result"]
    assert result["supportedVersions"][0] == MODERN
    assert "2025-11-25" in result["supportedVersions"]
    assert result["capabilities"]["tools"]["listChanged"] is True
    assert result["capabilities"]["resources"]["subscribe"] is True
    assert result["_meta"][PREFIX + "serverInfo"]["name"]


@pytest.mark.parametrize(
    "message",
    [
        modern("server/discover"),
        modern("tools/list"),
        modern("prompts/list"),
        modern("resources/list"),
        modern("resources/templates/list"),
        modern("resources/read", {"uri": "ref://notes/welcome"}),
    ],
    ids=lambda message: message["method"],
)
def test_cacheable_results_say_for_how_long(port: int, message: dict[str, Any]) -> None:
    result = post_modern(port, message).message["result"]
    assert result["resultType"] == "complete"
    assert isinstance(result["ttlMs"], int) and result["ttlMs"] >= 0
    assert result["cacheScope"] in ("public", "private")


def test_every_result_is_stamped(port: int) -> None:
    """Whichever era the upstream has."""
    for alias in ("v2http", "v1http", "v1stdio"):
        params = {"name": f"{alias}__echo", "arguments": {"text": "hi"}}
        result = post_modern(port, modern("tools/call", params)).message["result"]
        assert result["resultType"] == "complete", alias
        assert PREFIX + "serverInfo" in result["_meta"], alias
        assert PREFIX + "subscriptionId" not in result["_meta"], alias


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_are_not_allowed(port: int, method: str) -> None:
    with Connection(port) as connection:
        headers: Headers = {"MCP-Protocol-Version": MODERN, "Accept": "text/event-stream"}
        response = connection.exchange(request(method, "/mcp", headers, port=port), method)
        assert response.status == 405
        assert "POST" in response.headers["allow"]


def test_stray_notifications_are_taken_and_dropped(port: int) -> None:
    for method in ("notifications/cancelled", "notifications/whatever"):
        message = notification(method, {"requestId": 1, "_meta": envelope()})
        response = post(port, message, {"MCP-Protocol-Version": MODERN, "Mcp-Method": method})
        assert response.status == 202 and response.body == b"", response


@pytest.mark.parametrize("alias", ["v2http", "v2stdio", "v2sse", "v1http", "v1stdio", "v1sse"])
def test_a_resource_that_is_not_there_is_named(port: int, alias: str) -> None:
    """Each era has a code of its own for it, and servers of the legacy era several."""
    uri = "ref://nothing/here"
    path = f"/mcp/{alias}"
    response = post_modern(port, modern("resources/read", {"uri": uri}), path=path)
    assert response.code == -32602, response
    assert response.message["error"]["data"]["uri"] == uri
    if alias in ("v2http", "v2stdio"):
        # It speaks the legacy era itself, and says there what it says to any client of that era.
        session = LegacySession(port, path=path)
        assert session.post(rpc("resources/read", {"uri": uri})).code == -32602


def test_repeated_routing_headers_are_refused(port: int) -> None:
    body = json.dumps(LIST).encode()
    for name, value in (("Mcp-Method", "tools/list"), ("MCP-Protocol-Version", MODERN)):
        pairs = [
            ("Host", f"127.0.0.1:{port}"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Length", str(len(body))),
            ("MCP-Protocol-Version", MODERN),
            ("Mcp-Method", "tools/list"),
            (name, value),
        ]
        with Connection(port) as connection:
            response = connection.exchange(request("POST", "/mcp", pairs, body))
            assert (response.status, response.code) == (400, -32020), name


def test_an_undeclared_capability_is_named(port: int) -> None:
    for tool, capability in (("elicit_form", "elicitation"), ("sample", "sampling"), ("roots", "roots")):
        message = modern("tools/call", {"name": tool, "arguments": {}})
        response = post_modern(port, message, path="/mcp/v2http")
        assert (response.status, response.code) == (400, -32021), response
        assert capability in response.message["error"]["data"]["requiredCapabilities"]


def test_input_required_passes_through_with_its_state(port: int) -> None:
    """Same era: the round trip needs nothing of the gateway, and nothing may be added to it."""
    meta = envelope(capabilities={"elicitation": {"form": {}}})
    params: dict[str, Any] = {"name": "elicit_form", "arguments": {}}
    first = post_modern(port, modern("tools/call", params, meta=meta), path="/mcp/v2http").message["result"]
    assert first["resultType"] == "input_required"
    assert first["requestState"] == "state é 1"
    assert first["inputRequests"]["k1"]["method"] == "elicitation/create"
    answers = {"k1": {"action": "accept", "content": {"name": "Ada"}}}
    again = {**params, "inputResponses": answers, "requestState": first["requestState"]}
    second = post_modern(port, modern("tools/call", again, number=2, meta=meta), path="/mcp/v2http").message["result"]
    assert second["resultType"] == "complete"
    assert second["structuredContent"]["content"] == {"name": "Ada"}
    wrong = {**again, "requestState": "another"}
    response = post_modern(port, modern("tools/call", wrong, number=3, meta=meta), path="/mcp/v2http")
    assert response.code == -32602


def test_log_messages_come_only_when_asked_for(port: int) -> None:
    params = {"name": "log", "arguments": {"text": "x"}}
    plain = post_modern(port, modern("tools/call", params), path="/mcp/v2http")
    assert [message for message in plain.messages() if "method" in message] == []
    meta = envelope(**{PREFIX + "logLevel": "warning"})
    asked = post_modern(port, modern("tools/call", params, meta=meta), path="/mcp/v2http")
    logged = [message for message in asked.messages() if message.get("method") == "notifications/message"]
    assert [message["params"]["level"] for message in logged] == ["error"]


@pytest.mark.parametrize("alias", ["v2http", "v1stdio", *heavy("v2stdio", "v1http", "v1sse")])
def test_progress_carries_the_callers_token_on_its_stream(port: int, alias: str) -> None:
    for token in ("a token é", 0, 12345678901234567890):
        meta = envelope(progressToken=token)
        params = {"name": "slow", "arguments": {"steps": 2}}
        response = post_modern(port, modern("tools/call", params, meta=meta), path=f"/mcp/{alias}")
        assert response.status == 200 and response.kind == "text/event-stream", response
        assert b"\nid:" not in b"\n" + response.body, "an event id on a modern stream"
        reports = [message["params"] for message in response.messages() if "method" in message]
        assert [report["progressToken"] for report in reports] == [token, token]
        assert [report["progress"] for report in reports] == [1, 2]
        assert response.message["id"] == 1 and "result" in response.message


def test_without_a_token_there_is_no_progress_and_the_answer_is_json(port: int) -> None:
    params = {"name": "slow", "arguments": {"steps": 2}}
    response = post_modern(port, modern("tools/call", params), path="/mcp/v2http")
    assert response.kind == "application/json"
    assert len(response.messages()) == 1


# --- subscriptions/listen --------------------------------------------------------------------------------------------


def listen(port: int, notifications: dict[str, Any], number: Any, path: str = "/mcp") -> Connection:
    message = modern("subscriptions/listen", {"notifications": notifications}, number)
    connection = Connection(port)
    headers: Headers = dict(modern_headers(message))
    connection.send(request("POST", path, headers, json.dumps(message).encode(), port=port))
    return connection


def next_message(events: Any) -> dict[str, Any]:
    return json.loads(next(event["data"] for event in events if event.get("data")))


@pytest.mark.parametrize("number", ["listen-a", 77], ids=["string", "number"])
@pytest.mark.parametrize("alias", ["v2http", "v2stdio", "v1http", "v1stdio"])
def test_a_listen_is_acknowledged_first_and_tells_of_list_changes(port: int, alias: str, number: Any) -> None:
    wanted = {"toolsListChanged": True}
    with listen(port, wanted, number, f"/mcp/{alias}") as connection:
        head = connection.head()
        assert head.status == 200 and head.headers["content-type"].startswith("text/event-stream"), head
        events = connection.stream()
        ack = next_message(events)
        assert ack["method"] == "notifications/subscriptions/acknowledged"
        assert ack["params"]["notifications"] == wanted
        assert ack["params"]["_meta"][SUBSCRIPTION] == number
        name = f"listened_{alias}_{number}".replace("-", "_")
        for tool in ("add_tool", "remove_tool"):
            call = modern("tools/call", {"name": tool, "arguments": {"name": name}})
            assert "result" in post_modern(port, call, path=f"/mcp/{alias}").message
            told = next_message(events)
            assert told["method"] == "notifications/tools/list_changed"
            assert told["params"]["_meta"][SUBSCRIPTION] == number


def test_a_listen_gets_nothing_outside_its_filter(port: int) -> None:
    with listen(port, {"resourceSubscriptions": ["ref://clock"]}, 5, "/mcp/v2http") as connection:
        assert connection.head().status == 200
        events = connection.stream()
        ack = next_message(events)
        assert ack["params"]["notifications"] == {"resourceSubscriptions": ["ref://clock"]}
        for tool, arguments in (
            ("add_tool", {"name": "outside"}),
            ("remove_tool", {"name": "outside"}),
            ("touch", {"uri": "ref://elsewhere"}),
            ("touch", {"uri": "ref://clock"}),
        ):
            post_modern(port, modern("tools/call", {"name": tool, "arguments": arguments}), path="/mcp/v2http")
        told = next_message(events)
        assert told["method"] == "notifications/resources/updated"
        assert told["params"]["uri"] == "ref://clock"
        assert told["params"]["_meta"][SUBSCRIPTION] == 5


ALIASES = ["v2http", "v2stdio", "v2sse", "v1http", "v1stdio", "v1sse"]


@pytest.mark.parametrize("alias", ALIASES)
def test_a_listen_hears_of_resources_of_either_era(port: int, alias: str) -> None:
    """From its acknowledgement on, and of those of its own server only."""
    uris = ["ref://clock", "ref://notes/welcome"]
    with listen(port, {"resourceSubscriptions": uris}, "r", f"/mcp/{alias}") as connection:
        assert connection.head().status == 200
        events = connection.stream()
        assert next_message(events)["params"]["notifications"] == {"resourceSubscriptions": uris}
        for other in ALIASES:
            if other != alias:
                touch(port, other, "ref://clock")
        touch(port, alias, "ref://notes/welcome")
        told = next_message(events)
        assert told["params"] == {"uri": "ref://notes/welcome", "_meta": {SUBSCRIPTION: "r"}}


@pytest.mark.parametrize("alias", ["v2http", "v1stdio"])
def test_a_listen_to_all_servers_hears_under_the_names_that_it_knows(port: int, alias: str) -> None:
    """All six servers have the same resources, so that five of them are listed under marked URIs."""
    listed = post_modern(port, modern("resources/list")).message["result"]["resources"]
    marked = [entry["uri"] for entry in listed if entry["uri"] == f"ref://clock?sluice-server={alias}"]
    uri = (marked or ["ref://clock"])[0]
    with listen(port, {"resourceSubscriptions": [uri]}, 1) as connection:
        assert connection.head().status == 200
        events = connection.stream()
        assert next_message(events)["params"]["notifications"] == {"resourceSubscriptions": [uri]}
        for other in ALIASES:
            if other != alias:
                touch(port, other, "ref://clock")
        touch(port, alias, "ref://clock")
        assert next_message(events)["params"]["uri"] == uri


def test_what_nobody_owns_is_not_acknowledged(port: int) -> None:
    wanted = {"toolsListChanged": False, "resourceSubscriptions": ["nobody://x"]}
    with listen(port, wanted, 1) as connection:
        assert connection.head().status == 200
        assert next_message(connection.stream())["params"]["notifications"] == {}


def touch(port: int, alias: str, uri: str) -> None:
    call = modern("tools/call", {"name": "touch", "arguments": {"uri": uri}})
    assert "result" in post_modern(port, call, path=f"/mcp/{alias}").message


@pytest.mark.parametrize("alias", ALIASES)
def test_logs_come_from_the_level_on_that_a_request_names(port: int, alias: str) -> None:
    params = {"name": "log", "arguments": {"text": "x"}}
    levels = {"error": ["error"], "debug": ["debug", "info", "error"], None: [], "info": ["info", "error"]}
    for level, expected in levels.items():
        meta = envelope(**{PREFIX + "logLevel": level})
        response = post_modern(port, modern("tools/call", params, meta=meta), path=f"/mcp/{alias}")
        logged = [message["params"]["level"] for message in response.messages() if "method" in message]
        assert logged == expected, level


def test_a_listen_needs_an_event_stream(port: int) -> None:
    message = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    response = post_modern(port, message, {"Accept": "application/json"})
    assert response.status == 406


def test_several_listens_at_once_keep_their_ids_apart(port: int) -> None:
    connections = [listen(port, {"toolsListChanged": True}, n, "/mcp/v2http") for n in (1, "1", 2)]
    try:
        streams = []
        for connection, number in zip(connections, (1, "1", 2), strict=True):
            assert connection.head().status == 200
            streams.append((connection.stream(), number))
            assert next_message(streams[-1][0])["params"]["_meta"][SUBSCRIPTION] == number
        call = modern("tools/call", {"name": "add_tool", "arguments": {"name": "three_listens"}})
        post_modern(port, call, path="/mcp/v2http")
        for events, number in streams:
            found = next_message(events)["params"]["_meta"][SUBSCRIPTION]
            assert found == number and type(found) is type(number)
    finally:
        for connection in connections:
            connection.close()
        call = modern("tools/call", {"name": "remove_tool", "arguments": {"name": "three_listens"}})
        post_modern(port, call, path="/mcp/v2http")


# --- cancellation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alias", ["v2http", "v1stdio", *heavy("v2stdio", "v1http", "v1sse")])
def test_closing_the_connection_cancels_the_call(port: int, alias: str) -> None:
    from harness.processes import eventually

    tag = f"modern-close-{alias}"
    message = modern("tools/call", {"name": "sleep", "arguments": {"seconds": 15, "tag": tag}})

    def journal() -> dict[str, list[str]]:
        call = modern("tools/call", {"name": "journal", "arguments": {}})
        return post_modern(port, call, path=f"/mcp/{alias}").message["result"]["structuredContent"]

    with Connection(port) as connection:
        body = json.dumps(message).encode()
        connection.send(request("POST", f"/mcp/{alias}", dict(modern_headers(message)), body, port=port))
        assert eventually(lambda: tag in journal()["begun"]), "the call did not arrive"
    assert eventually(lambda: tag in journal()["cancelled"]), "the server was not told"

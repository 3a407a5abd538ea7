"""What must survive byte for byte, and how answers travel.

The upstream is `wire_server.py`, which echoes what arrived and answers with members that a JSON printer would change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wire_server

from harness.gateway import Gateway
from harness.processes import eventually
from harness.upstreams import HTTPUpstream, wire_command
from harness.wire import LegacySession, Response, envelope, modern, modern_headers, post

ALIASES = ["wirelegacystdio", "wirelegacyhttp", "wiremodernstdio", "wiremodernhttp"]
ARGUMENTS = (
    rb'{"price":1.10,"big":9223372036854775808,"huge":1e400,"long":0.1000000000000000055511151231257827,"neg":-0.0,'
    rb'"zz":1,"aa":2,"dup":1,"dup":2,"esc\u0061pe":"\u0041\/\u00e9\ud83c\udf75 \" \\","":[],"nested":{"b":[1.0,1.00],"a":null}}'
)


class Caller:
    """Calls of one era with bodies made by hand."""

    def __init__(self, port: int, alias: str, era: str) -> None:
        self.port, self.path, self.era = port, f"/mcp/{alias}", era
        self.session = LegacySession(port, path=self.path) if era == "legacy" else None

    def call(
        self,
        tool: str,
        arguments: bytes = b"{}",
        meta: bytes = b"",
        number: bytes = b"7",
        extra: bytes = b"",
        capabilities: dict[str, Any] | None = None,
    ) -> Response:
        members = [b'"name":"' + tool.encode() + b'"', b'"arguments":' + arguments]
        own = meta
        if self.session is None:
            own = json.dumps(envelope(capabilities=capabilities), separators=(",", ":")).encode()[1:-1] + (b"," + meta if meta else b"")
        if own:
            members.append(b'"_meta":{' + own + b"}")
        return self.send(
            b'{"jsonrpc":"2.0","id":'
            + number
            + b',"method":"tools/call","params":{'
            + b",".join(members)
            + b"}"
            + extra
            + b"}",
            tool,
        )

    def send(self, body: bytes, tool: str) -> Response:
        if self.session is not None:
            return self.session.post(body, timeout=20)
        headers: dict[str, str | None] = dict(modern_headers({"method": "tools/call", "params": {"name": tool}}))
        return post(self.port, body, headers, path=self.path, timeout=20)

    def list(self) -> bytes:
        if self.session is not None:
            return self.session.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).body
        message = modern("tools/list")
        return post(self.port, message, dict(modern_headers(message)), path=self.path).body


@pytest.fixture(params=["legacy", "modern"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=ALIASES)
def alias(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def caller(wire_gateway: Gateway, alias: str, era: str) -> Caller:
    return Caller(wire_gateway.port, alias, era)


def received(response: Response) -> str:
    """The request as the upstream got it."""
    assert response.status == 200, response
    assert "result" in response.message, response.message
    return response.message["result"]["content"][0]["text"]


def test_a_call_reaches_the_server_byte_for_byte(caller: Caller) -> None:
    response = caller.call(
        "raw", ARGUMENTS, b'"vendor.example/x":1.50,"traceparent":"00-1-2-03"', extra=b',"extra":{"k":1.0}'
    )
    text = received(response)
    assert '"arguments":' + ARGUMENTS.decode() in text
    assert '"vendor.example/x":1.50' in text
    assert '"extra":{"k":1.0}' in text
    assert "\n" not in text


def test_a_result_reaches_the_client_byte_for_byte(caller: Caller) -> None:
    response = caller.call("raw", ARGUMENTS)
    assert wire_server.ODD in response.body, response.body[-600:]
    assert response.kind == "application/json"


@pytest.mark.parametrize(
    "number", [b"0", b"-3", b"9007199254740993", b'"7"', b'"\\u0061\\"b"', b'"' + b"n" * 300 + b'"']
)
def test_ids_come_back_as_they_were(wire_gateway: Gateway, era: str, number: bytes) -> None:
    for alias in ("wirelegacystdio", "wiremodernhttp"):
        response = Caller(wire_gateway.port, alias, era).call("raw", number=number)
        expected = json.loads(number)
        assert response.message["id"] == expected and type(response.message["id"]) is type(expected)


def test_a_list_reaches_the_client_byte_for_byte(caller: Caller) -> None:
    body = caller.list()
    for part in (b'"x-price":1.10', b'"maximum":9223372036854775808,"multipleOf":0.10', b'"x\\u002dkey":"\\u0041"'):
        assert body.count(part) == len(wire_server.TOOLS), part


def test_a_merged_list_changes_nothing_but_names(wire_gateway: Gateway) -> None:
    session = LegacySession(wire_gateway.port)
    body = session.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).body
    assert body.count(b'"x-price":1.10') == len(wire_server.TOOLS) * len(ALIASES)
    names = [tool["name"] for tool in json.loads(body)["result"]["tools"]]
    assert sorted(names) == sorted(f"{alias}__{tool}" for alias in ALIASES for tool in wire_server.TOOLS)
    assert len(set(names)) == len(names)


def test_a_renamed_call_changes_nothing_but_the_name(wire_gateway: Gateway) -> None:
    session = LegacySession(wire_gateway.port)
    for alias in ALIASES:
        # The member's key is written with an escape, and it stands behind the arguments.
        body = (
            b'{"id":1,"params":{"arguments":' + ARGUMENTS + b',"n\\u0061me":"' + alias.encode() + b'__raw"},'
            b'"method":"tools\\/call","jsonrpc":"2.0"}'
        )
        text = received(session.post(body))
        assert '"arguments":' + ARGUMENTS.decode() in text
        sent = json.loads(text)
        assert sent["params"]["name"] == "raw" and sent["method"] == "tools/call"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r", b"\n\n \t\n"], ids=repr)
def test_line_feeds_between_members_do_not_split_a_message(caller: Caller, newline: bytes) -> None:
    """Toward a child that others share."""
    arguments = b'{"a":' + newline + b"1.10," + newline + b'"text":"line\\nfeed"' + newline + b"}"
    response = caller.call("raw", arguments)
    text = received(response)
    found = json.loads(text)["params"]["arguments"]
    assert found == {"a": 1.10, "text": "line\nfeed"}
    assert "1.10," in text and "line\\nfeed" in text
    assert received(caller.call("raw")), "the next call on the same child"


def test_a_progress_notification_keeps_its_numbers(caller: Caller) -> None:
    response = caller.call("note", b"{}", rb'"progressToken":"t\u00f6k"')
    assert response.kind == "text/event-stream", response
    first = next(message for message in response.messages() if "method" in message)
    assert first["params"]["progressToken"] == "tök"
    assert b'"progress":1.50,"total":9223372036854775808' in response.body
    assert wire_server.ODD in response.body


def test_the_clients_progress_token_stays_on_its_hop(caller: Caller) -> None:
    """Tokens are mapped: two clients may use the same one."""
    text = received(caller.call("raw", b"{}", b'"progressToken":"mine"'))
    assert "progressToken" in text
    text = received(caller.call("raw"))
    assert "progressToken" not in text


@pytest.mark.parametrize("tool", ["raw", "fragments", "tail"])
def test_an_answer_that_comes_first_is_json(caller: Caller, tool: str) -> None:
    """Whatever the upstream used, in however many pieces, wherever its id stands."""
    response = caller.call(tool)
    assert response.status == 200 and response.kind == "application/json", response.headers
    assert response.message["id"] == 7
    assert wire_server.ODD in response.body


def test_an_answer_that_is_late_is_a_stream(caller: Caller) -> None:
    """Of a client that can do all that a server may need: what it lacked would be told by the HTTP status."""
    everything = {"roots": {}, "sampling": {"tools": {}, "context": {}}, "elicitation": {"form": {}, "url": {}}}
    response = caller.call("late", capabilities=everything)
    assert response.status == 200 and response.kind == "text/event-stream"
    assert response.message["id"] == 7
    assert wire_server.ODD in response.body


@pytest.mark.parametrize("alias", ["wirelegacystdio", "wiremodernstdio"], indirect=True)
def test_lines_that_are_no_messages_are_passed_over(caller: Caller) -> None:
    assert received(caller.call("garbage"))


def test_escapes_and_duplicates_where_the_gateway_reads(wire_gateway: Gateway) -> None:
    """Keys are compared unescaped; a duplicate at a level that the gateway reads is refused."""
    session = LegacySession(wire_gateway.port, path="/mcp/wirelegacystdio")
    start = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"raw","arguments":{}'
    for body in (
        start + b'},"id":2}',
        start + b'},"\\u0069d":2}',
        start + b'},"method":"ping"}',
        start + b',"n\\u0061me":"late"}}',
        start + b',"_meta":{"progressToken":1,"progressToken":2}}}',
    ):
        response = session.post(body)
        assert (response.status, response.code) == (400, -32600), (body, response)
    # Deeper down they are the server's business.
    assert '"x":1,"x":2' in received(session.post(start[:-1] + b'"x":1,"x":2}}}'))


def records(folder: Path, alias: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{alias}.record").read_text().splitlines()]


@pytest.mark.parametrize("alias", ["wirelegacyhttp", "wiremodernhttp"], indirect=True)
def test_heads_toward_an_upstream_are_written_afresh(caller: Caller, alias: str, folder: Path) -> None:
    if caller.session is not None:
        caller.session.post(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "raw", "arguments": {"mark": caller.era}},
            },
            {"Authorization": "Bearer secret", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "X-Custom": "y"},
        )
    else:
        message = modern("tools/call", {"name": "raw", "arguments": {"mark": caller.era}})
        headers: dict[str, str | None] = {"Authorization": "Bearer secret", "Cookie": "a=b", "Mcp-Session-Id": "theirs"}
        post(caller.port, message, {**modern_headers(message), **headers}, path=caller.path)
    sent = [entry for entry in records(folder, alias) if f'"mark": "{caller.era}"' in entry["raw"]][-1]
    headers_sent = {name.lower(): value for name, value in sent["headers"].items()}
    assert "authorization" not in headers_sent and "cookie" not in headers_sent and "x-custom" not in headers_sent
    assert {"application/json", "text/event-stream"} <= set(headers_sent["accept"].replace(" ", "").split(","))
    assert headers_sent["content-type"].startswith("application/json")
    if alias == "wiremodernhttp":
        assert headers_sent["mcp-protocol-version"] == "2026-07-28"
        assert (headers_sent["mcp-method"], headers_sent["mcp-name"]) == ("tools/call", "raw")
        assert "mcp-session-id" not in headers_sent
        meta = json.loads(sent["raw"])["params"]["_meta"]
        assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
        assert meta["io.modelcontextprotocol/clientInfo"]["name"] != "wire", "the gateway speaks for itself"
    else:
        assert "mcp-method" not in headers_sent and "mcp-name" not in headers_sent
        own = caller.session.id if caller.session else "theirs"
        assert headers_sent["mcp-session-id"] != own
        assert "io.modelcontextprotocol" not in sent["raw"], "the modern envelope reached a legacy server"


def test_configured_headers_are_sent_upstream(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream], folder: Path
) -> None:
    record = folder / "headers.record"
    upstream = make_upstream(wire_command("--era", "legacy", "--record", str(record)), name="headers")
    entry = upstream.entry(headers={"Authorization": "Bearer ${env:E2E_TOKEN}", "X-Team": "a b"})
    gateway = make_gateway({"up": entry}, env={"E2E_TOKEN": "t0ken"})
    assert "result" in LegacySession(gateway.port).call("raw").message
    for sent in records(folder, "headers"):
        headers = {name.lower(): value for name, value in sent["headers"].items()}
        assert (headers.get("authorization"), headers.get("x-team")) == ("Bearer t0ken", "a b"), sent["kind"]
    assert "t0ken" not in gateway.log


def test_an_upstream_that_forgets_its_sessions_is_opened_again(wire_gateway: Gateway, era: str) -> None:
    caller = Caller(wire_gateway.port, "wirelegacyhttp", era)
    assert eventually(lambda: "result" in caller.call("forget").message, 5)
    answers = [caller.call("raw") for _ in range(3)]
    assert all(answer.status == 200 for answer in answers)
    # At most the call that found out may fail, with an error that says so.
    failed = [answer.message["error"] for answer in answers if "error" in answer.message]
    assert len(failed) <= 1 and all("wirelegacyhttp" in json.dumps(error) for error in failed), failed
    assert "result" in answers[-1].message


def test_an_upstream_that_dies_in_mid_call_is_named_and_comes_back(
    caller: Caller, alias: str, wire_upstreams: dict[str, HTTPUpstream]
) -> None:
    """A child is started again by the gateway, a server on a port by its operator."""
    response = caller.call("exit")
    assert response.status == 200, response
    error = response.message["error"]
    assert error["code"] == -32603 and alias in json.dumps(error), error
    if alias in wire_upstreams:
        down = caller.call("raw")
        assert down.status == 200 and alias in json.dumps(down.message["error"]), down
        wire_upstreams[alias].start()

    def answers() -> bool:
        response = caller.call("raw")
        assert response.status == 200, response
        return "result" in response.message

    assert eventually(answers, 15, 0.2), caller.call("raw")

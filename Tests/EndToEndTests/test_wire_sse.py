"""HTTP+SSE of 2024-11-05 toward clients (MCP 2024-11-05, Transports), on the wire and through SDK clients."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.client import Driver, Trace
from harness.conversation import CHECKS, Pairing, conversation, options
from harness.gateway import Gateway
from harness.processes import eventually
from harness.scripted import ScriptedServer, event
from harness.wire import Connection, Response, notification, post, request, rpc

# Each transport of a server behind it, and either SDK before it; the other pairings are heavy.
ORDINARY = {("v1", "v1stdio"), ("v2", "v1http"), ("v1", "v1sse")}
PAIRINGS = [
    pytest.param(
        Pairing(client, "legacy", server, False),
        id=f"{client}-legacy-to-{server}",
        marks=() if (client, server) in ORDINARY else pytest.mark.heavy,
    )
    for client in ("v1", "v2")
    for server in ("v1http", "v1sse", "v1stdio", "v2sse")
]


@pytest.fixture(scope="module")
def trace_of(
    folder: Path, drivers: Callable[[str], Driver], entries: dict[str, Any]
) -> Iterator[Callable[[Pairing], Trace]]:
    gateways: dict[str, Gateway] = {}
    traces: dict[Pairing, Trace] = {}

    def of(pairing: Pairing) -> Trace:
        if pairing.server not in gateways:
            gateways[pairing.server] = Gateway(folder, {pairing.server: entries[pairing.server]}, workers=3)
        if pairing not in traces:
            job = conversation(f"sse{len(traces)}")
            target = {"sse": f"{gateways[pairing.server].url}/sse"}
            traces[pairing] = drivers(pairing.client).run(target, *job, **options(pairing))
        return traces[pairing]

    yield of
    for gateway in gateways.values():
        gateway.stop()


@pytest.mark.parametrize("feature", CHECKS)
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_feature_over_http_and_sse(pairing: Pairing, feature: str, trace_of: Callable[[Pairing], Trace]) -> None:
    CHECKS[feature](trace_of(pairing), pairing)


# --- the wire --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def port(folder: Path, server: ScriptedServer) -> Iterator[int]:
    gateway = Gateway(folder, settings={"servers": {"own": {"url": server.url, "type": "http"}}}, workers=3)
    yield gateway.port
    gateway.stop()


class StreamSession:
    """A session whose messages come down one stream."""

    def __init__(self, port: int, initialized: bool = True) -> None:
        self.port, self.numbers = port, itertools.count(1)
        self.connection = Connection(port)
        self.connection.send(request("GET", "/mcp/sse", {"Accept": "text/event-stream"}, port=port))
        self.head = self.connection.head()
        self.events = self.connection.stream()
        endpoint = next(self.events)
        assert endpoint["event"] == "endpoint"
        self.endpoint = endpoint["data"]
        if initialized:
            client = {"name": "wire", "version": "1"}
            params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client}
            self.opening = self.ask(rpc("initialize", params, 0))
            self.post(notification("notifications/initialized"))

    def __enter__(self) -> StreamSession:
        return self

    def __exit__(self, *_: Any) -> None:
        self.connection.close()

    def post(self, message: Any) -> Response:
        return post(self.port, message, path=self.endpoint)

    def message(self) -> dict[str, Any]:
        event = next(event for event in self.events if event.get("data"))
        assert event["event"] == "message"
        return json.loads(event["data"])

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        response = self.post(message)
        assert (response.status, response.body) == (202, b"Accepted")
        return self.message()


def test_the_first_event_names_a_path_to_post_to(port: int) -> None:
    with StreamSession(port) as session:
        assert session.head.status == 200 and session.head.headers["content-type"].startswith("text/event-stream")
        assert session.endpoint.startswith("/mcp/messages?session_id=")
        assert session.opening["result"]["protocolVersion"] == "2024-11-05"
        assert session.ask(rpc("ping", None, "x")) == {"jsonrpc": "2.0", "id": "x", "result": {}}
        tools = session.ask(rpc("tools/list", None, 2))
        assert [tool["name"] for tool in tools["result"]["tools"]] == ["who"]
        assert session.ask(rpc("no/such", None, 3))["error"]["code"] == -32601


@pytest.mark.parametrize("batch", [[], [1], [rpc("ping", None, 1), rpc("ping", None, 2)]])
def test_a_batch_is_refused_as_there_are_none_on_this_transport(port: int, batch: list[Any]) -> None:
    with StreamSession(port) as session:
        refused = session.post(batch)
        assert refused.status == 400 and refused.message["error"]["code"] == -32600
        assert session.ask(rpc("ping", None, 3))["id"] == 3


def test_calls_from_every_connection_are_answered_on_the_one_stream(port: int) -> None:
    """Whichever worker takes the POST."""
    with StreamSession(port) as session:
        for number in range(1, 31):
            assert session.post(rpc("tools/call", {"name": "who", "arguments": {}}, number)).status == 202
        answers = [session.message() for _ in range(30)]
        assert sorted(answer["id"] for answer in answers) == list(range(1, 31))
        assert len({answer["result"]["content"][0]["text"] for answer in answers}) == 1


def test_what_is_no_message_of_a_session_is_refused(port: int) -> None:
    with StreamSession(port) as session:
        assert post(port, rpc("ping"), path="/mcp/messages").status == 400
        assert post(port, rpc("ping"), path="/mcp/messages?session_id=").status in (400, 404)
        assert post(port, rpc("ping"), path="/mcp/messages?session_id=0123456789abcdef").status == 404
        assert post(port, b"{", path=session.endpoint).status == 400
        # Neither kind of session is taken for the other.
        number = session.endpoint.partition("=")[2]
        assert post(port, rpc("ping"), {"Mcp-Session-Id": number}).status == 404
        for method, path in (("GET", session.endpoint), ("POST", "/mcp/sse"), ("DELETE", "/mcp/sse")):
            with Connection(port) as connection:
                assert connection.exchange(request(method, path, port=port), method).status == 405, (method, path)
        assert session.ask(rpc("ping", None, 1))["result"] == {}


def test_a_session_ends_with_its_stream(port: int, server: ScriptedServer) -> None:
    with StreamSession(port) as session:
        text = session.ask(rpc("tools/call", {"name": "who", "arguments": {}}, 1))["result"]["content"][0]["text"]
    assert eventually(lambda: session.post(rpc("ping")).status == 404)
    assert eventually(lambda: text.removeprefix("who ") in server.sessions_of("DELETE"))


def test_news_of_the_upstream_come_down_the_stream(port: int, server: ScriptedServer) -> None:
    updated = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "ref://clock"}}
    with StreamSession(port) as session:
        text = session.ask(rpc("tools/call", {"name": "who", "arguments": {}}, 1))["result"]["content"][0]["text"]
        upstream = text.removeprefix("who ")
        assert session.ask(rpc("resources/subscribe", {"uri": "ref://clock"}, 2))["result"] == {}
        server.push(upstream, updated)
        assert session.message() == updated


def test_a_reader_that_stops_reading_is_let_go(
    make_gateway: Callable[..., Gateway], server: ScriptedServer
) -> None:
    """Nothing can be held back for it, so its session ends rather than fill the memory."""
    settings = {"servers": {"own": {"url": server.url, "type": "http"}}, "limits": {"result": "1MiB"}}
    gateway = make_gateway(settings=settings, workers=1)
    with StreamSession(gateway.port) as session:
        text = session.ask(rpc("tools/call", {"name": "who", "arguments": {}}, 1))["result"]["content"][0]["text"]
        upstream = text.removeprefix("who ")
        assert session.ask(rpc("resources/subscribe", {"uri": "ref://clock"}, 2))["result"] == {}
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": "x" * 30_000}}
        stream = server.stream(upstream)
        for _ in range(600):
            stream.put(event(note))
        assert eventually(lambda: session.post(rpc("ping")).status == 404, 20)

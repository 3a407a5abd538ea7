"""WebSocket: clients on both listeners, every revision on one socket, and upstreams that speak it."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from harness.cases import heavy
from harness.client import text_of
from harness.gateway import Gateway
from harness.processes import eventually
from harness.sockets import Socket, SocketUpstream
from harness.upstreams import reference_command, stdio_entry
from harness.wire import MODERN, Connection, envelope, modern, notification, post, request, rpc

MIB = 1 << 20
LEGACY_REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.fixture(scope="module")
def gateway(shared_gateway: Callable[[int], Gateway]) -> Gateway:
    return shared_gateway(3)


@pytest.fixture
def opened(gateway: Gateway) -> Iterator[Socket]:
    with Socket(gateway.socket_url("v1http")) as client:
        client.initialize()
        yield client


# --- opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["mcp"], "mcp"), (["other", "mcp"], "mcp"), (["other"], None), (None, None)]
)
def test_the_subprotocol_is_named_only_if_it_was_offered(gateway: Gateway, offered: Any, chosen: str | None) -> None:
    with Socket(gateway.socket_url(), subprotocols=offered) as client:
        assert client.connection.subprotocol == chosen
        client.initialize()


@pytest.mark.parametrize("path", ["/", "/mcp/ws", "/mcp/v1http/ws"])
def test_the_listener_of_its_own_serves_the_same(gateway: Gateway, path: str) -> None:
    with Socket(f"ws://127.0.0.1:{gateway.websocket_port}{path}") as client:
        client.initialize()
        names = [tool["name"] for tool in client.request(rpc("tools/list", number=2))["result"]["tools"]]
        assert ("echo" if "v1http" in path else "v1http__echo") in names


def status_of(url: str, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as refusal, connect(url, additional_headers=headers, open_timeout=10):
        pass
    return int(refusal.value.response.status_code)


@pytest.mark.parametrize("listener", ["http", "websocket"])
def test_foreign_pages_and_names_are_refused_at_the_upgrade(gateway: Gateway, listener: str) -> None:
    port = gateway.port if listener == "http" else gateway.websocket_port
    url = gateway.socket_url(port=port)
    assert status_of(url, Origin="https://evil.example") == 403
    with Connection(port) as raw:
        assert raw.exchange(upgrade("/mcp/ws", Host="rebound.example"), "GET").status == 421
    with Socket(url, origin="http://localhost:3000") as client:
        client.initialize()


@pytest.mark.parametrize("path", ["/mcp/nobody/ws", "/ws", "/mcp/ws/more", "/debug/echo"])
def test_other_paths_are_not_found(gateway: Gateway, path: str) -> None:
    assert status_of(f"ws://127.0.0.1:{gateway.port}{path}") == 404


def test_the_websocket_listener_serves_nothing_else(gateway: Gateway) -> None:
    assert post(gateway.websocket_port, rpc("ping")).status == 404


def upgrade(path: str, **changes: str | None) -> bytes:
    headers: dict[str, str | None] = {
        "Host": "127.0.0.1",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    return request("GET", path, {**headers, **{name.replace("_", "-"): value for name, value in changes.items()}})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Upgrade": None, "Connection": None}, (400, 426)),
        ({"Sec_WebSocket_Version": "12"}, (426,)),
        ({"Sec_WebSocket_Key": "short"}, (400,)),
        ({"Sec_WebSocket_Key": None}, (400,)),
    ],
)
def test_what_is_no_handshake_is_refused(gateway: Gateway, changes: Any, status: tuple[int, ...]) -> None:
    with Connection(gateway.port) as raw:
        assert raw.exchange(upgrade("/mcp/ws", **changes), "GET").status in status


# --- conversations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", LEGACY_REVISIONS)
def test_each_legacy_revision_opens_with_initialize(gateway: Gateway, revision: str) -> None:
    with Socket(gateway.socket_url("v1http"), subprotocols=["mcp"]) as client:
        assert client.initialize(revision)["protocolVersion"] == revision
        assert text_of(client.call("echo", {"text": revision})["result"]) == revision


def test_ids_come_back_as_they_were(opened: Socket) -> None:
    for number in (0, "0", -7, "a string that is longer than forty bytes, as some clients send them", 2**60):
        assert opened.request(rpc("ping", number=number))["id"] == number


def test_a_modern_request_stands_alone(gateway: Gateway) -> None:
    with Socket(gateway.socket_url("v2http")) as client:
        answer = client.request(modern("tools/call", {"name": "echo", "arguments": {"text": "alone"}}, number="x"))
        assert answer["result"]["resultType"] == "complete"
        assert text_of(answer["result"]) == "alone"


def test_one_socket_takes_discover_then_initialize_then_both(gateway: Gateway) -> None:
    with Socket(gateway.socket_url("v2http"), subprotocols=["mcp"]) as client:
        found = client.request(modern("server/discover"))["result"]
        assert MODERN in found["supportedVersions"]
        client.initialize()
        assert "resultType" not in client.call("echo", {"text": "legacy"})["result"]
        answer = client.request(modern("tools/call", {"name": "echo", "arguments": {"text": "modern"}}, number=9))
        assert answer["result"]["resultType"] == "complete"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (modern("tools/list", meta=envelope("2031-01-01")), -32022),
        (modern("tools/list", meta={"io.modelcontextprotocol/protocolVersion": MODERN}), -32602),
        (modern("ping"), -32601),
        (rpc("tools/list"), -32600),
        (rpc("nothing/known"), -32600),
    ],
)
def test_what_is_wrong_with_a_request_is_said_on_the_socket(gateway: Gateway, message: Any, code: int) -> None:
    with Socket(gateway.socket_url()) as client:
        assert client.request(message)["error"]["code"] == code
        assert client.request(rpc("ping", number=5))["result"] == {}


@pytest.mark.parametrize("text", ["{", "no JSON", '{"jsonrpc":"2.0"', ""])
def test_what_is_no_json_is_answered_and_the_socket_lives_on(opened: Socket, text: str) -> None:
    opened.send(text)
    answer = opened.receive()
    assert (answer["error"]["code"], answer["id"]) == (-32700, None)
    assert opened.request(rpc("ping", number=5))["result"] == {}


def test_a_binary_message_is_answered_in_binary(opened: Socket) -> None:
    opened.send(rpc("ping", number=1), binary=True)
    frame = opened.frame()
    assert isinstance(frame, bytes) and json.loads(frame)["id"] == 1
    opened.send(rpc("ping", number=2))
    assert isinstance(opened.frame(), str)
    opened.connection.send(b'{"jsonrpc": "2.0", "id": "\xff"}')
    frame = opened.frame()
    assert isinstance(frame, bytes) and json.loads(frame)["error"]["code"] == -32700


def test_a_message_in_fragments_is_one_message(opened: Socket) -> None:
    text = json.dumps(rpc("tools/call", {"name": "length", "arguments": {"text": "é" * 100_000}}, number=3))
    opened.connection.send(text[i : i + 1000] for i in range(0, len(text), 1000))
    assert text_of(opened.receive()["result"]) == "100000"


def test_many_calls_are_in_flight_on_one_socket(opened: Socket) -> None:
    for number in range(200):
        opened.send(rpc("tools/call", {"name": "echo", "arguments": {"text": f"call {number}"}}, number=number))
    answers = [opened.receive() for _ in range(200)]
    assert {answer["id"]: text_of(answer["result"]) for answer in answers} == {n: f"call {n}" for n in range(200)}


def test_batches_belong_to_one_revision(gateway: Gateway) -> None:
    batch = [rpc("ping", number=1), notification("notifications/initialized"), rpc("tools/list", number=2)]
    with Socket(gateway.socket_url("v1http")) as client:
        client.initialize("2025-03-26")
        client.send(batch)
        assert [answer["id"] for answer in client.receive()] == [1, 2]
    with Socket(gateway.socket_url("v1http")) as client:
        client.initialize("2025-06-18")
        client.send(batch)
        answer = client.receive()
        assert (answer["error"]["code"], answer["id"]) == (-32600, None)


def test_a_server_asks_the_client_over_the_socket(opened: Socket, gateway: Gateway) -> None:
    with Socket(gateway.socket_url("v1http")) as client:
        client.initialize(capabilities={"sampling": {}, "roots": {}})
        client.send(rpc("tools/call", {"name": "roots", "arguments": {}}, number=4))
        asked = client.receive()
        assert asked["method"] == "roots/list"
        client.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": [{"uri": "file:///tmp/x"}]}})
        answer = client.receive()
        assert answer["id"] == 4 and "file:///tmp/x" in json.dumps(answer["result"])
    # A client that can't is not asked.
    answer = opened.call("roots")
    assert "error" in answer or answer["result"]["isError"]


def test_progress_comes_before_the_answer(opened: Socket) -> None:
    params = {"name": "slow", "arguments": {"steps": 3, "pause": 0.01}, "_meta": {"progressToken": "p"}}
    opened.send(rpc("tools/call", params, number=6))
    answer, before = opened.until(lambda message: message.get("id") == 6)
    assert [message["params"]["progress"] for message in before] == [1, 2, 3]
    assert all(message["params"]["progressToken"] == "p" for message in before)
    assert text_of(answer["result"]) == "3 steps"


# --- ends ------------------------------------------------------------------------------------------------------------


def journal(client: Socket, era: str) -> dict[str, list[str]]:
    """Of the process that serves that era."""
    ask = modern if era == "modern" else rpc
    return client.request(ask("tools/call", {"name": "journal", "arguments": {}}))["result"]["structuredContent"]


CANCELLED = [(alias, era) for alias in ("v1http", "v1stdio", "v2http", "v2stdio", "v1ws") for era in ("legacy", "modern")]
TRIED = [("v1http", "legacy"), ("v2stdio", "modern")]


@pytest.mark.parametrize(("alias", "era"), [*TRIED, *heavy(*(case for case in CANCELLED if case not in TRIED))])
def test_a_cancelled_call_is_cancelled_upstream_and_not_answered(gateway: Gateway, alias: str, era: str) -> None:
    tag = f"socket-cancel-{alias}-{era}"
    arguments = {"name": "sleep", "arguments": {"seconds": 20, "tag": tag}}
    with Socket(gateway.socket_url(alias)) as client, Socket(gateway.socket_url(alias)) as observer:
        client.initialize()
        observer.initialize()
        client.send((modern if era == "modern" else rpc)("tools/call", arguments, number=77))
        assert eventually(lambda: tag in journal(observer, era)["begun"])
        client.send(notification("notifications/cancelled", {"requestId": 77}))
        assert eventually(lambda: tag in journal(observer, era)["cancelled"]), journal(observer, era)
        assert client.request(rpc("ping", number=78))["result"] == {}


@pytest.mark.parametrize(
    ("alias", "era"),
    [
        ("v1stdio", "legacy"),
        ("v2stdio", "modern"),
        *heavy(("v1http", "legacy"), ("v2stdio", "legacy"), ("v1http", "modern"), ("v1stdio", "modern")),
    ],
)
def test_with_its_socket_a_client_is_gone(gateway: Gateway, alias: str, era: str) -> None:
    tag = f"socket-gone-{alias}-{era}"
    arguments = {"name": "sleep", "arguments": {"seconds": 20, "tag": tag}}
    with Socket(gateway.socket_url(alias)) as observer:
        observer.initialize()
        client = Socket(gateway.socket_url(alias))
        if era == "legacy":
            client.initialize()
        client.send((modern if era == "modern" else rpc)("tools/call", arguments, number=77))
        assert eventually(lambda: tag in journal(observer, era)["begun"])
        # Without a word: no close frame.
        client.connection.socket.shutdown(socket.SHUT_RDWR)
        assert eventually(lambda: tag in journal(observer, era)["cancelled"]), journal(observer, era)


def test_clients_that_vanish_leave_nothing_behind(make_gateway: Callable[..., Gateway]) -> None:
    entry = stdio_entry(reference_command("v1"))
    gateway = make_gateway(settings={"servers": {"own": {**entry, "isolation": "session"}}}, workers=2)
    gateway.wait_for("own")
    descriptors, children = gateway.descriptors(), len(gateway.children())
    clients = [Socket(gateway.socket_url("own")) for _ in range(6)]
    for client in clients:
        client.initialize()
        client.call("echo", {"text": "x"})
    assert len(gateway.children()) >= children + 6
    for number, client in enumerate(clients):
        if number % 2:
            client.connection.close()
        else:
            client.connection.socket.shutdown(socket.SHUT_RDWR)
    assert eventually(lambda: len(gateway.children()) == children, 15), gateway.children()
    assert eventually(lambda: gateway.descriptors() <= descriptors + 2, 10)


def test_draining_lets_calls_finish_and_closes_with_1001(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(reference_command("v1"))}, workers=2)
    gateway.wait_for("child")
    busy, idle, modern_one = (Socket(gateway.socket_url("child")) for _ in range(3))
    busy.initialize()
    idle.initialize()
    modern_one.request(modern("server/discover"))
    busy.send(rpc("tools/call", {"name": "slow", "arguments": {"steps": 3, "pause": 0.5}}, number=8))
    assert eventually(lambda: gateway.admin_status("/readyz") == 200)
    stopping = threading.Thread(target=gateway.stop)
    stopping.start()
    assert idle.ended() == 1001
    assert modern_one.ended() == 1001
    answer, _ = busy.until(lambda message: message.get("id") == 8)
    assert text_of(answer["result"]) == "3 steps"
    assert busy.ended() == 1001
    stopping.join()


def test_a_listen_on_a_socket_is_told_and_cancelled(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(reference_command("v2"))})
    gateway.wait_for("child")
    with Socket(gateway.socket_url("child")) as client:
        for number in ("one", 2):
            client.send(modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, number=number))
            acknowledged = client.receive()
            assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
            assert acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == number
        client.send(modern("tools/call", {"name": "add_tool", "arguments": {"name": "late"}}, number=5))
        told = [client.until(lambda message: message.get("method") == "notifications/tools/list_changed")[0]]
        told += [client.until(lambda message: message.get("method") == "notifications/tools/list_changed")[0]]
        ids = {message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] for message in told}
        assert ids == {"one", 2}
        client.send(notification("notifications/cancelled", {"requestId": "one"}))
        client.send(modern("tools/call", {"name": "remove_tool", "arguments": {"name": "late"}}, number=6))
        told = [client.until(lambda message: message.get("method") == "notifications/tools/list_changed")[0]]
        assert told[0]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 2
        stopping = threading.Thread(target=gateway.stop)
        stopping.start()
        result, _ = client.until(lambda message: message.get("id") == 2)
        assert result["result"]["resultType"] == "complete"
        assert client.until(lambda message: True)[0]["params"]["requestId"] == 2
        assert client.ended() == 1001
        stopping.join()


# --- sizes and limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("alias", ["v1http", "v1stdio", "v2http", "v1ws"])
def test_a_4_mib_result_comes_whole(gateway: Gateway, alias: str, compression: str | None) -> None:
    with Socket(gateway.socket_url(alias), compression=compression) as client:
        extension = client.connection.response.headers.get("Sec-WebSocket-Extensions", "")
        assert ("permessage-deflate" in extension) == (compression is not None)
        client.initialize()
        text = text_of(client.call("big", {"bytes": 4 * MIB}, seconds=40)["result"])
        assert text == "0123456789abcdef" * (4 * MIB // 16)
        assert text_of(client.call("length", {"text": "x" * MIB}, seconds=40)["result"]) == str(MIB)


def test_compression_can_be_turned_off(make_gateway: Callable[..., Gateway]) -> None:
    settings = {"listeners": {"websocket": {"compression": False}}}
    gateway = make_gateway(settings=settings)
    with Socket(gateway.socket_url()) as client:
        assert "Sec-WebSocket-Extensions" not in client.connection.response.headers
        client.initialize()


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_message_beyond_the_limit_ends_the_socket(
    make_gateway: Callable[..., Gateway], compression: str | None
) -> None:
    gateway = make_gateway(settings={"listeners": {"websocket": {"max_message_size": "64KiB"}}})
    with Socket(gateway.socket_url(), compression=compression) as client:
        client.initialize()
        client.send(rpc("ping", {"filler": "x" * 100_000}))
        assert client.ended() == 1009
    with Socket(gateway.socket_url()) as client:
        client.initialize()


def test_more_sessions_than_there_may_be_are_told_so(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(settings={"sessions": {"max": 2, "per_client": 2}})
    with Socket(gateway.socket_url()) as one, Socket(gateway.socket_url()) as two, Socket(gateway.socket_url()) as three:
        one.initialize()
        two.initialize()
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        assert three.request(rpc("initialize", params))["error"]["data"]["reason"] == "session_limit"
        one.connection.close()
        assert eventually(lambda: "result" in three.request(rpc("initialize", params)))


def test_a_reader_that_stopped_is_let_go(make_gateway: Callable[..., Gateway]) -> None:
    settings = {
        "servers": {"child": stdio_entry(reference_command("v2"))},
        "limits": {"result": "1MiB", "write_timeout": "2s"},
        "listeners": {"websocket": {"compression": False}},
    }
    gateway = make_gateway(settings=settings)
    gateway.wait_for("child")
    raw = socket.create_connection(("127.0.0.1", gateway.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(upgrade("/mcp/child/ws"))
    call = modern("tools/call", {"name": "big", "arguments": {"bytes": 500_000}})
    before = gateway.descriptors()
    for _ in range(40):
        raw.sendall(masked(json.dumps(call).encode()))
    assert eventually(lambda: gateway.descriptors() < before, 30), "the reader is still there"
    with Socket(gateway.socket_url("child")) as client:
        client.initialize()
        assert text_of(client.call("echo", {"text": "others are served"})["result"]) == "others are served"
    raw.close()


def masked(text: bytes) -> bytes:
    """A text frame of a client, with a mask that changes nothing."""
    length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + text


# --- upstreams -------------------------------------------------------------------------------------------------------


def legacy_server(message: dict[str, Any]) -> list[Any]:
    """A server that knows a tool, and ends its process, so to speak, when asked to."""
    if "id" not in message:
        return []
    results: dict[str, Any] = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "socket", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "do", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "done"}]},
        "ping": {},
    }
    if message["method"] not in results:
        return [{"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}}]
    return [{"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]}]


def test_an_upstream_sees_the_headers_and_the_subprotocol_at_the_upgrade(make_gateway: Callable[..., Gateway]) -> None:
    with SocketUpstream(legacy_server) as upstream:
        gateway = make_gateway({"own": {"url": upstream.url, "headers": {"Authorization": "Bearer secret"}}})
        gateway.wait_for("own")
        with Socket(gateway.socket_url("own")) as client:
            client.initialize()
            assert text_of(client.call("do")["result"]) == "done"
        for seen in upstream.requests:
            assert seen.path == "/some/where?key=1"
            assert seen.headers["Authorization"] == "Bearer secret"
            assert seen.headers["Sec-WebSocket-Protocol"] == "mcp"
            assert "permessage-deflate" in seen.headers["Sec-WebSocket-Extensions"]
            assert seen.headers["Host"] == f"127.0.0.1:{upstream.port}"


@pytest.mark.parametrize("speaks", ["modern", "both"])
def test_an_upstream_is_spoken_to_in_the_era_of_the_client(make_gateway: Callable[..., Gateway], speaks: str) -> None:
    """On a socket for each era: what answers `initialize` on the first one may answer nothing else any more."""
    sockets: list[list[dict[str, Any]]] = []
    results: dict[str, Any] = {
        "server/discover": {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "ttlMs": 0},
        "tools/list": {"tools": [{"name": "do", "inputSchema": {"type": "object"}}], "ttlMs": 0},
        "tools/call": {"content": [{"type": "text", "text": "done"}]},
    }
    opening = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "w", "version": "1"}}
    if speaks == "both":
        results["initialize"] = opening

    def handle(message: dict[str, Any]) -> list[Any]:
        if message["method"] in ("server/discover", "initialize"):
            sockets.append([])
        sockets[-1].append(message)
        if "id" not in message:
            return []
        if message["method"] not in results:
            return [{"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32022, "message": "not this revision"}}]
        return [{"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete"} | results[message["method"]]}]

    def calls() -> list[dict[str, Any]]:
        return [message for seen in sockets for message in seen if message["method"] == "tools/call"]

    with SocketUpstream(handle) as upstream:
        gateway = make_gateway({"own": {"type": "ws", "url": upstream.url}})
        gateway.wait_for("own")
        with Socket(gateway.socket_url("own")) as client:
            client.initialize()
            assert text_of(client.call("do")["result"]) == "done"
            assert text_of(client.request(modern("tools/call", {"name": "do", "arguments": {}}))["result"]) == "done"
    assert sockets[0][0]["method"] == "server/discover"
    assert {seen[0]["method"] for seen in sockets} == {"server/discover", "initialize"}
    version = "io.modelcontextprotocol/protocolVersion"
    assert [call["params"].get("_meta", {}).get(version) for call in calls()] == [None if speaks == "both" else MODERN, MODERN]


def test_an_upstream_that_closes_in_a_call_fails_it_and_is_opened_anew(make_gateway: Callable[..., Gateway]) -> None:
    closes = [True]

    def handle(message: dict[str, Any]) -> list[Any] | None:
        if message.get("method") == "tools/call" and closes:
            closes.clear()
            return None
        return legacy_server(message)

    with SocketUpstream(handle) as upstream:
        gateway = make_gateway({"own": {"url": upstream.url, "isolation": "shared"}}, workers=3)
        gateway.wait_for("own")
        with Socket(gateway.socket_url("own")) as client:
            client.initialize()
            error = client.call("do")["error"]
            assert error["data"]["reason"] == "upstream_closed" and "1000" in error["message"], error
            assert eventually(lambda: "result" in client.call("do"))


def test_an_upstream_that_refuses_the_upgrade_is_named(make_gateway: Callable[..., Gateway]) -> None:
    def refuse(connection: Any, request: Any) -> Any:
        return connection.respond(403, "no\n")

    with SocketUpstream(legacy_server, process_request=refuse) as upstream:
        gateway = make_gateway({"own": {"url": upstream.url}}, wait=False)
        assert eventually(lambda: "own is not available" in gateway.log, 20), gateway.log


def test_a_result_beyond_the_limit_ends_the_upstreams_socket(make_gateway: Callable[..., Gateway]) -> None:
    def handle(message: dict[str, Any]) -> list[Any]:
        if message.get("method") != "tools/call":
            return legacy_server(message)
        text = "x" * (message["params"]["arguments"]["bytes"])
        return [{"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": text}]}}]

    with SocketUpstream(handle) as upstream:
        gateway = make_gateway(settings={"servers": {"own": {"url": upstream.url}}, "limits": {"result": "1MiB"}})
        gateway.wait_for("own")
        with Socket(gateway.socket_url("own")) as client:
            client.initialize()
            assert client.call("do", {"bytes": 2 * MIB})["error"]["data"]["server"] == "own"
            assert eventually(lambda: "result" in client.call("do", {"bytes": MIB // 2}))


# --- echo ------------------------------------------------------------------------------------------------------------


def test_echo_is_there_only_when_asked_for(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(arguments=("--debug-echo",))
    with connect(f"ws://127.0.0.1:{gateway.port}/debug/echo", max_size=None) as client:
        for message in ("text", b"\x00\xff", "é" * 5_000_000, b"\x01" * (8 * MIB)):
            client.send(message)
            assert client.recv(30) == message
    assert status_of(f"ws://127.0.0.1:{gateway.websocket_port}/debug/echo") == 404


# --- the command line ------------------------------------------------------------------------------------------------


def test_a_taken_port_is_named(make_gateway: Callable[..., Gateway], folder: Path) -> None:
    gateway = make_gateway()
    second = Gateway(folder, wait=False, arguments=("--websocket-port", str(gateway.websocket_port)))
    assert eventually(lambda: second.child.process.poll() is not None, 10)
    assert second.child.process.returncode == 1
    assert second.says(f"port {gateway.websocket_port} on 127.0.0.1 is in use")

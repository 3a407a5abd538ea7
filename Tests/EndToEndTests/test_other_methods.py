"""Methods that no revision of the protocol has: between a client and the one server that it looks at they pass, in either
direction; among several servers they are not found."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness import agreed
from harness.agreed import Agreed, AgreedUpstream
from harness.gateway import Gateway
from harness.processes import eventually
from harness.sockets import Socket, SocketUpstream
from harness.wire import (
    Connection,
    LegacySession,
    envelope,
    modern,
    modern_headers,
    notification,
    post,
    post_modern,
    request,
    rpc,
)

Make = Callable[..., Gateway]
LEGACY_UPSTREAMS = ["stdio", "http", "ws"]
UPSTREAMS = [*LEGACY_UPSTREAMS, "stdio modern", "http modern"]
CLIENTS = ["http", "sse", "ws", "http modern", "ws modern"]


class Client:
    """A client over one of the transports."""

    is_modern = False

    def __init__(self, gateway: Gateway, path: str) -> None:
        self.gateway, self.path = gateway, path

    def say(self, message: dict[str, Any]) -> None:
        """A notification or an answer."""

    def exchange(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What comes in the course of a request, its answer last."""
        raise NotImplementedError

    def ask(self, method: str, number: Any = "a/1", meta: dict[str, Any] | None = None, **params: Any) -> Any:
        """All that comes until the answer; questions are answered."""
        if self.is_modern:
            message = modern(method, params, number, envelope(**(meta or {})))
        else:
            message = rpc(method, {**params, **({"_meta": meta} if meta else {})}, number)
        said = []
        for one in self.exchange(message):
            said.append(one)
            if "method" in one and "id" in one:
                self.say({"jsonrpc": "2.0", "id": one["id"], "result": {"answered": one["params"]}})
        assert said[-1]["id"] == number
        return said


def is_answer(message: dict[str, Any], number: Any) -> bool:
    return message.get("id") == number and "method" not in message


class HTTPClient(Client):
    def __init__(self, gateway: Gateway, path: str) -> None:
        super().__init__(gateway, path)
        self.session = LegacySession(gateway.port, path=path)

    def say(self, message: dict[str, Any]) -> None:
        assert self.session.post(message).status == 202

    def exchange(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from read(self.gateway, self.session.bytes_of(message))


class ModernClient(Client):
    is_modern = True

    def say(self, message: dict[str, Any]) -> None:
        message = {**message, "params": {**message.get("params", {}), "_meta": envelope()}}
        assert post_modern(self.gateway.port, message, path=self.path).status == 202

    def exchange(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        body = json.dumps(message).encode()
        yield from read(
            self.gateway, request("POST", self.path, {**modern_headers(message)}, body, port=self.gateway.port)
        )


def read(gateway: Gateway, data: bytes) -> Iterator[dict[str, Any]]:
    with Connection(gateway.port) as connection:
        connection.send(data)
        head = connection.head()
        if head.kind == "text/event-stream":
            for event in connection.stream():
                if event.get("data"):
                    yield json.loads(event["data"])
        else:
            yield json.loads(connection.exactly(int(head.headers["content-length"])))


class SocketClient(Client):
    def __init__(self, gateway: Gateway, path: str) -> None:
        super().__init__(gateway, path)
        self.socket = Socket(f"ws://127.0.0.1:{gateway.port}{path}/ws")
        if not self.is_modern:
            self.socket.initialize()

    def say(self, message: dict[str, Any]) -> None:
        self.socket.send(message)

    def exchange(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self.socket.send(message)
        while True:
            found = self.socket.receive()
            yield found
            if is_answer(found, message["id"]):
                return


class ModernSocketClient(SocketClient):
    is_modern = True

    def say(self, message: dict[str, Any]) -> None:
        self.socket.send({**message, "params": {**message.get("params", {}), "_meta": envelope()}})


class StreamClient(Client):
    def __init__(self, gateway: Gateway, path: str) -> None:
        super().__init__(gateway, path)
        self.connection = Connection(gateway.port)
        self.connection.send(request("GET", f"{path}/sse", {"Accept": "text/event-stream"}, port=gateway.port))
        self.connection.head()
        self.events = self.connection.stream()
        self.endpoint = next(self.events)["data"]
        opening = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "w", "version": "1"}}
        for _ in self.exchange(rpc("initialize", opening, 0)):
            pass

    def say(self, message: dict[str, Any]) -> None:
        assert post(self.gateway.port, message, path=self.endpoint).status == 202

    def exchange(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self.say(message)
        for event in self.events:
            if event.get("data"):
                found = json.loads(event["data"])
                yield found
                if is_answer(found, message["id"]):
                    return


MAKERS: dict[str, type[Client]] = {
    "http": HTTPClient,
    "sse": StreamClient,
    "ws": SocketClient,
    "http modern": ModernClient,
    "ws modern": ModernSocketClient,
}


@pytest.fixture(scope="module")
def upstreams(folder: Path) -> Iterator[dict[str, Any]]:
    """Entries of a configuration, by what they speak."""
    with ExitStack() as stack:
        entries: dict[str, Any] = {}
        for era in ("legacy", "modern"):
            name = "" if era == "legacy" else " modern"
            entries["stdio" + name] = {"command": sys.executable, "args": [agreed.__file__, era]}
            server = AgreedUpstream(era)
            stack.callback(server.close)
            entries["http" + name] = {"type": "http", "url": server.url}
        peer = Agreed("legacy")
        socket = SocketUpstream(lambda message: [said for _, said in peer.receive(message)])
        entries["ws"] = {"type": "ws", "url": stack.enter_context(socket).url}
        yield entries


@pytest.fixture(scope="module")
def gateway_to(folder: Path, upstreams: dict[str, Any]) -> Iterator[Callable[[str], Gateway]]:
    """A gateway with one server."""
    running: dict[str, Gateway] = {}

    def of(kind: str) -> Gateway:
        if kind not in running:
            running[kind] = Gateway(folder, settings={"servers": {"own": upstreams[kind]}}, workers=3)
        return running[kind]

    yield of
    for gateway in running.values():
        gateway.stop()


def alias(kind: str) -> str:
    return "own-" + kind.replace(" ", "-")


@pytest.fixture(scope="module")
def several(folder: Path, upstreams: dict[str, Any]) -> Iterator[Gateway]:
    servers = {alias(kind): entry for kind, entry in upstreams.items()}
    gateway = Gateway(folder, settings={"servers": servers}, workers=3)
    gateway.wait_for(*servers)
    yield gateway
    gateway.stop()


@pytest.mark.parametrize("kind", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_request_passes_with_its_progress(gateway_to: Callable[[str], Gateway], client: str, kind: str) -> None:
    peer = MAKERS[client](gateway_to(kind), "/mcp")
    said = peer.ask("vendor/echo", meta={"progressToken": "p/1"}, x=[1], requestState="s")
    assert [one.get("method") for one in said] == ["notifications/progress", None], said
    assert said[0]["params"]["progressToken"] == "p/1"
    got = said[-1]["result"]["got"]
    assert (got["x"], got["requestState"]) == ([1], "s")
    assert got["_meta"]["progressToken"] != "p/1"
    assert ("resultType" in said[-1]["result"]) == peer.is_modern
    assert peer.ask("vendor/nobody")[-1]["error"] == {"code": -32601, "message": "nobody knows vendor/nobody"}


@pytest.mark.parametrize("kind", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_notification_in_the_course_of_a_call_passes(
    gateway_to: Callable[[str], Gateway], client: str, kind: str
) -> None:
    said = MAKERS[client](gateway_to(kind), "/mcp").ask("vendor/call", of="it")
    assert said[0] == {"jsonrpc": "2.0", "method": "notifications/vendor/thing", "params": {"of": "it"}}, said


@pytest.mark.parametrize("kind", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_clients_notification_reaches_the_server(
    gateway_to: Callable[[str], Gateway], client: str, kind: str
) -> None:
    """Also as the first thing that the client says."""
    mark = f"{client} to {kind}"
    peer = MAKERS[client](gateway_to(kind), "/mcp")
    peer.say(notification("x.y/quiet", {"mark": mark}))

    def heard() -> list[dict[str, Any]]:
        messages = peer.ask("vendor/heard")[-1]["result"]["heard"]
        return [message for message in messages if message.get("params", {}).get("mark") == mark]

    assert eventually(lambda: len(heard()) == 1, 10)
    assert heard()[0]["method"] == "x.y/quiet" and "id" not in heard()[0]
    meta = heard()[0]["params"].get("_meta", {})
    assert ("io.modelcontextprotocol/protocolVersion" in meta) == kind.endswith("modern")


@pytest.mark.parametrize("kind", LEGACY_UPSTREAMS)
@pytest.mark.parametrize("client", ["http", "sse", "ws"])
def test_a_servers_question_is_answered(gateway_to: Callable[[str], Gateway], client: str, kind: str) -> None:
    peer = MAKERS[client](gateway_to(kind), "/mcp")
    said = peer.ask("vendor/ask", about="it")
    assert said[0]["method"] == "x.y/question" and said[0]["params"] == {"about": "it"}
    client_said = said[-1]["result"]["client"]
    assert client_said["result"] == {"answered": {"about": "it"}} and client_said["id"].startswith("q")


@pytest.mark.parametrize("kind", LEGACY_UPSTREAMS)
@pytest.mark.parametrize("client", ["http modern", "ws modern"])
def test_a_modern_client_is_not_asked(gateway_to: Callable[[str], Gateway], client: str, kind: str) -> None:
    said = MAKERS[client](gateway_to(kind), "/mcp").ask("vendor/ask")
    assert len(said) == 1 and said[0]["result"]["client"]["error"]["code"] == -32601, said


@pytest.mark.parametrize("kind", ["stdio modern", "http modern"])
@pytest.mark.parametrize("client", ["http modern", "ws modern"])
def test_a_result_of_its_own_type_passes_within_the_modern_era(
    gateway_to: Callable[[str], Gateway], client: str, kind: str
) -> None:
    result = MAKERS[client](gateway_to(kind), "/mcp").ask("vendor/own")[-1]["result"]
    assert (result["resultType"], result["ttlMs"]) == ("vendor/partial", 7)


@pytest.mark.parametrize("kind", UPSTREAMS)
def test_a_cancelled_call_ends_and_its_server_hears_of_it(gateway_to: Callable[[str], Gateway], kind: str) -> None:
    gateway = gateway_to(kind)
    peer = HTTPClient(gateway, "/mcp")
    with Connection(gateway.port) as connection:
        connection.send(peer.session.bytes_of(rpc("vendor/hang", {}, 77)))
        assert connection.head().kind == "text/event-stream"
        peer.say(notification("notifications/cancelled", {"requestId": 77}))
        ended = [json.loads(event["data"]) for event in connection.stream() if event.get("data")]
        assert ended[-1]["id"] == 77 and "error" in ended[-1]
    if kind == "http modern":
        return

    def is_told() -> bool:
        heard = peer.ask("vendor/heard")[-1]["result"]["heard"]
        return "notifications/cancelled" in [message["method"] for message in heard]

    assert eventually(is_told, 10)


def test_a_call_that_is_not_answered_times_out(make_gateway: Make, upstreams: dict[str, Any]) -> None:
    settings = {"servers": {"own": upstreams["stdio"]}, "call_timeout": "1500ms"}
    error = HTTPClient(make_gateway(settings=settings), "/mcp").ask("vendor/hang")[-1]["error"]
    assert error["data"]["reason"] == "upstream_timeout", error


@pytest.mark.parametrize("client", CLIENTS)
def test_among_several_servers_they_are_not_found(several: Gateway, client: str) -> None:
    peer = MAKERS[client](several, "/mcp")
    peer.say(notification("x.y/quiet", {"mark": f"several {client}"}))
    error = peer.ask("vendor/echo")[-1]["error"]
    assert error["code"] == -32601 and "vendor/echo" in error["message"] and "/mcp/{alias}" in error["message"]
    heard = HTTPClient(several, f"/mcp/{alias('stdio')}").ask("vendor/heard")[-1]["result"]["heard"]
    assert f"several {client}" not in json.dumps(heard)
    if client == "http modern":
        message = modern("vendor/echo")
        assert post_modern(several.port, message).status == 404


@pytest.mark.parametrize("kind", UPSTREAMS)
@pytest.mark.parametrize("client", ["http", "ws", "http modern", "ws modern"])
def test_at_the_endpoint_of_one_of_several_they_pass(several: Gateway, client: str, kind: str) -> None:
    peer = MAKERS[client](several, f"/mcp/{alias(kind)}")
    assert peer.ask("vendor/echo", x="y")[-1]["result"]["got"]["x"] == "y"


def test_a_servers_question_in_a_call_among_several_is_refused(make_gateway: Make, upstreams: dict[str, Any]) -> None:
    """It asks in the course of a tool call here, which does pass."""

    def handle(message: dict[str, Any]) -> list[Any]:
        if message.get("method") == "tools/call":
            asked.append(message["id"])
            return [{"jsonrpc": "2.0", "id": "q", "method": "x.y/question"}]
        if message.get("id") == "q":
            return [agreed.reply(asked[0], {"content": [{"type": "text", "text": json.dumps(message)}]})]
        return [said for _, said in peer.receive(message)]

    peer, asked = Agreed("legacy"), []
    with SocketUpstream(handle) as socket:
        servers = {"one": {"type": "ws", "url": socket.url}, "two": upstreams["http"]}
        gateway = make_gateway(settings={"servers": servers})
        gateway.wait_for("one", "two")
        said = LegacySession(gateway.port).call("one__do").message
        error = json.loads(said["result"]["content"][0]["text"])["error"]
        assert error["code"] == -32601 and "/mcp/{alias}" in error["message"], error


def test_news_of_a_shared_child_go_to_those_who_share_it(several: Gateway) -> None:
    """As other notifications that belong to no call: to clients that look at it, and to nobody else."""
    with Socket(several.socket_url(alias("stdio"))) as one, Socket(several.socket_url(alias("http"))) as two:
        one.initialize()
        two.initialize()
        one.send(notification("vendor/told", {"mark": "news"}))
        found, _ = one.until(lambda message: message.get("method") == "notifications/vendor/news")
        assert found["params"] == {"mark": "news"}
        two.send(rpc("ping", None, 9))
        _, before = two.until(lambda message: message.get("id") == 9)
        assert not before


def test_a_question_of_a_shared_child_goes_to_the_client_whose_call_is_in_flight(
    gateway_to: Callable[[str], Gateway],
) -> None:
    gateway = gateway_to("stdio")
    with Socket(gateway.socket_url()) as other:
        other.initialize()
        assert HTTPClient(gateway, "/mcp").ask("vendor/ask", about="mine")[0]["params"] == {"about": "mine"}
        other.send(rpc("ping", None, 9))
        _, before = other.until(lambda message: message.get("id") == 9)
        assert not before


def test_a_modern_server_gets_the_headers_of_such_a_message(folder: Path) -> None:
    server = AgreedUpstream("modern")
    gateway = Gateway(folder, settings={"servers": {"own": {"type": "http", "url": server.url}}})
    try:
        message = modern("x.y/z")
        body = json.dumps(message).replace("x.y/z", "x.y\\/\\u007a").encode()
        headers = {**modern_headers(message), "Mcp-Param-Region": "here"}
        assert post(gateway.port, body, headers).code == -32601
        post_modern(gateway.port, {**notification("x.y/quiet"), "params": {"_meta": envelope()}})
        assert eventually(lambda: server.seen[-1][1]["method"] == "x.y/quiet", 5)
        found = {heard["method"]: seen for seen, heard in server.seen}
        assert (found["x.y/z"]["mcp-method"], found["x.y/z"]["mcp-param-region"]) == ("x.y/z", "here")
        assert found["x.y/quiet"]["mcp-method"] == "x.y/quiet"
        for name in ("a b", "a\r\nX-Injected: 1", "é", ""):
            refused = {**modern(name or "x"), "method": name}
            answer = LegacySession(gateway.port).post({**rpc(name, {}), "method": name})
            assert answer.code in (-32601, -32600), (refused, answer)
        assert not [seen for seen, _ in server.seen if "x-injected" in seen]
    finally:
        gateway.stop()
        server.close()

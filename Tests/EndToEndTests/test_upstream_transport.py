"""What servers do with HTTP and with bytes that no specification wants, and some do: marks before the text, redirects
of streams, sessions of HTTP+SSE that are forgotten while their stream is open."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.agreed import AgreedUpstream
from harness.gateway import Gateway
from harness.processes import eventually
from harness.scripted import ScriptedServer, ScriptedStreamServer
from harness.wire import (
    Connection,
    LegacySession,
    envelope,
    modern,
    modern_headers,
    notification,
    post,
    post_modern,
    rpc,
)

Make = Callable[..., Gateway]
MARK = "\ufeff"
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def text_of(answer: Any) -> str:
    return answer.message["result"]["content"][0]["text"]


@pytest.fixture
def closing() -> Iterator[list[ScriptedServer]]:
    servers: list[ScriptedServer] = []
    yield servers
    for server in servers:
        server.close()


# MARK: Byte order marks

MARKED = """
import json, sys
sys.stdout.write({"once": "\\ufeff", "alone": "\\ufeff\\n", "each": ""}[sys.argv[1]])
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    match message["method"]:
        case "initialize":
            info = {"name": "marked", "version": "1"}
            version = message["params"]["protocolVersion"]
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            result = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
        case "tools/call":
            result = {"content": [{"type": "text", "text": "\\ufeff"}]}
        case _:
            error = {"code": -32601, "message": "no"}
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), flush=True)
            continue
    mark = "\\ufeff" if sys.argv[1] == "each" else ""
    print(mark + json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}, ensure_ascii=False), flush=True)
"""


@pytest.mark.parametrize("where", ["once", "each", "alone"])
@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_child_may_begin_its_output_with_a_mark(make_gateway: Make, where: str, era: str) -> None:
    child = {"command": sys.executable, "args": ["-X", "utf8", "-c", MARKED, where], "era": era}
    gateway = make_gateway(settings={"servers": {"own": child}})
    gateway.wait_for("own")
    assert text_of(LegacySession(gateway.port).call("t")) == MARK, "within a message it is a character like others"


class Marked(ScriptedServer):
    """Begins each body with a byte order mark, as JSON or as an event stream."""

    def __init__(self, kind: str) -> None:
        super().__init__()

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def reply(self, status: int, message: Any = None, **headers: str) -> None:
                if message is None:
                    return super().reply(status, message, **headers)
                text = json.dumps(message)
                body = (MARK + (text if kind == "application/json" else f"data: {text}\n\n")).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http.RequestHandlerClass = Handler


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("padding", [0, 1 << 20], ids=["small", "large"])
def test_a_body_may_begin_with_a_mark(
    make_gateway: Make, closing: list[ScriptedServer], kind: str, padding: int
) -> None:
    server = Marked(kind)
    closing.append(server)
    gateway = make_gateway({"own": {"type": "http", "url": server.url}})
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    answer = session.call("who", {"padding": padding})
    assert answer.body.startswith(b"{") and len(text_of(answer)) > padding
    modernly = post_modern(gateway.port, modern("tools/call", {"name": "who", "arguments": {"padding": padding}}))
    assert modernly.body.startswith(b"{") and len(text_of(modernly)) > padding


def test_a_client_may_begin_a_body_with_a_mark(make_gateway: Make, closing: list[ScriptedServer]) -> None:
    server = ScriptedServer()
    closing.append(server)
    gateway = make_gateway({"own": {"type": "http", "url": server.url}})
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    call = MARK + json.dumps(rpc("tools/call", {"name": "who", "arguments": {}}))
    assert text_of(session.post(call.encode())).startswith("who ")


# MARK: Redirects


class Elsewhere(ScriptedServer):
    """Answers POSTs where it is, and redirects GETs to where its streams are."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__()
        server = self
        self.redirected: list[str] = []
        self.misled: list[str] = []

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def do_POST(self) -> None:
                if self.path != "/mcp":
                    server.misled.append(self.path)
                super().do_POST()

            def do_GET(self) -> None:
                if self.path == "/mcp":
                    server.redirected.append(self.headers["Mcp-Session-Id"])
                    return self.reply(status, Location=location)
                if self.path != "/streams":
                    return self.reply(404)
                return super().do_GET()

        self.http.RequestHandlerClass = Handler


@pytest.mark.parametrize(("status", "location"), [(307, "/streams"), (308, "../x/.././streams")])
@pytest.mark.parametrize("isolation", ["session", "shared"])
def test_a_stream_is_taken_where_it_is_redirected_to(
    make_gateway: Make, closing: list[ScriptedServer], status: int, location: str, isolation: str
) -> None:
    server = Elsewhere(status, location)
    closing.append(server)
    server.tools = ["who", "asks"]
    server.questions = {"asks": {"method": "roots/list"}}
    gateway = make_gateway(settings={"servers": {"own": {"type": "http", "url": server.url, "isolation": isolation}}})
    gateway.wait_for("own")
    session = LegacySession(gateway.port, capabilities={})
    said = json.loads(text_of(session.call("asks", timeout=20)))
    assert said["error"]["code"] == -32601, "the question was heard"
    whose = server.sessions_of("tools/call")[0]
    assert whose in server.redirected and not server.misled
    listening, head = session.listen()
    with listening:
        assert head.status == 200
        server.tools.append("new")
        for stream in list(server.streams):
            server.push(stream, CHANGED)
        told = next(event for event in listening.stream() if event.get("data"))
        assert json.loads(told["data"])["method"] == CHANGED["method"]


@pytest.mark.parametrize(
    ("status", "location"), [(302, "/streams"), (307, "http://127.0.0.2:1/streams"), (307, "/mcp")]
)
def test_a_stream_that_is_redirected_elsewhere_is_done_without(
    make_gateway: Make, closing: list[ScriptedServer], status: int, location: str
) -> None:
    server = Elsewhere(status, location)
    closing.append(server)
    gateway = make_gateway({"own": {"type": "http", "url": server.url}})
    gateway.wait_for("own")
    assert text_of(LegacySession(gateway.port).call("who")).startswith("who ")
    assert eventually(lambda: "own tells nothing outside of calls: it" in gateway.log)


class MovedStreamServer(ScriptedStreamServer):
    """HTTP+SSE whose stream, or whose POSTs from the `after`th on, are redirected."""

    def __init__(self, what: str, status: int, after: int = 0) -> None:
        super().__init__()
        server = self
        self.redirected: list[str] = []
        posts: list[str] = []

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def do_GET(self) -> None:
                if what in ("stream", "both") and self.path == "/mcp":
                    server.redirected.append("GET")
                    return self.reply(status, Location="/a/./b/../sse")
                super().do_GET()

            def do_POST(self) -> None:
                posts.append(self.path)
                place, _, session = self.path.partition("?")
                if what in ("messages", "both") and place == "/messages" and len(posts) > after:
                    self.rfile.read(int(self.headers["Content-Length"]))
                    server.redirected.append("POST")
                    return self.reply(status, Location=f"/messages/?{session}")
                super().do_POST()

        self.http.RequestHandlerClass = Handler


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("what", ["stream", "messages", "both"])
def test_a_redirect_of_http_and_sse_is_followed(
    make_gateway: Make, closing: list[ScriptedServer], what: str, status: int
) -> None:
    server = MovedStreamServer(what, status)
    closing.append(server)
    gateway = make_gateway(settings={"servers": {"own": {"type": "sse", "url": server.url}}}, workers=3)
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    for _ in range(3):
        assert text_of(session.call("who")).startswith("who ")
    assert server.redirected, "it has been"


@pytest.mark.parametrize("padding", [0, 60_000], ids=["small", "large"])
def test_a_redirect_that_begins_later_is_followed_too(
    make_gateway: Make, closing: list[ScriptedServer], padding: int
) -> None:
    server = MovedStreamServer("messages", 307, after=12)
    closing.append(server)
    gateway = make_gateway(settings={"servers": {"own": {"type": "sse", "url": server.url}}}, workers=3)
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    for _ in range(14):
        assert text_of(session.call("who", {"own": "x" * padding})).startswith("who ")
    assert server.redirected.count("POST") >= 1


# MARK: Sessions of HTTP+SSE


class Forgetful(ScriptedStreamServer):
    """Forgets sessions whose streams it leaves open."""

    def __init__(self, status: int) -> None:
        super().__init__()
        server = self
        self.forgotten: set[str] = set()

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def do_POST(self) -> None:
                if self.path.partition("=")[2] in server.forgotten:
                    self.rfile.read(int(self.headers["Content-Length"]))
                    return self.reply(status, {"error": "what session?"} if status == 400 else None)
                super().do_POST()

        self.http.RequestHandlerClass = Handler


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("isolation", ["session", "shared"])
def test_a_session_that_is_forgotten_is_opened_anew(
    make_gateway: Make, closing: list[ScriptedServer], status: int, isolation: str
) -> None:
    server = Forgetful(status)
    closing.append(server)
    settings = {"servers": {"own": {"type": "sse", "url": server.url, "isolation": isolation}}}
    gateway = make_gateway(settings=settings, workers=3)
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    for _ in range(3):
        before = text_of(session.call("who"))
        server.forgotten.update(server.streams)
        after = text_of(session.call("who"))
        assert after.startswith("who ") and after != before


def test_a_server_that_forgets_every_session_at_once_is_not_asked_for_ever(
    make_gateway: Make, closing: list[ScriptedServer]
) -> None:
    server = Forgetful(404)
    closing.append(server)
    gateway = make_gateway(settings={"servers": {"own": {"type": "sse", "url": server.url}}})
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    assert text_of(session.call("who")).startswith("who ")

    class Everyone(set[str]):
        def __contains__(self, _: object) -> bool:
            return True

    opened = len(server.requests("GET"))
    server.forgotten = Everyone()
    error = session.call("who").message["error"]
    assert error["code"] == -32603 and "HTTP 404" in error["message"], error
    assert error["message"].count("own") == 1, error
    assert len(server.requests("GET")) - opened <= 2


# MARK: Fields


class Twofold(ScriptedServer):
    """Gives two `Mcp-Session-Id` fields."""

    def __init__(self, *, equal: bool) -> None:
        super().__init__()

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def send_header(self, name: str, value: str) -> None:
                super().send_header(name, value)
                if name.lower() == "mcp-session-id":
                    super().send_header(name, value if equal else f"other-{value}")

        self.http.RequestHandlerClass = Handler


def test_two_sessions_in_one_answer_are_taken_if_they_are_the_same(
    make_gateway: Make, closing: list[ScriptedServer]
) -> None:
    same, other = Twofold(equal=True), Twofold(equal=False)
    closing += [same, other]
    servers = {name: {"type": "http", "url": server.url} for name, server in (("same", same), ("other", other))}
    gateway = make_gateway(settings={"servers": servers})
    gateway.wait_for("same")
    session = LegacySession(gateway.port)
    assert text_of(session.call("same__who")).startswith("who ")
    assert eventually(lambda: "two different Mcp-Session-Id fields" in gateway.log, 20)
    error = session.call("other__who").message["error"]
    assert "two different Mcp-Session-Id fields" in error["message"], error
    assert error["message"].count("other") == 1, error


def test_two_sessions_in_one_request_are_refused(make_gateway: Make, closing: list[ScriptedServer]) -> None:
    server = ScriptedServer()
    closing.append(server)
    gateway = make_gateway({"own": {"type": "http", "url": server.url}})
    gateway.wait_for("own")
    session, other = LegacySession(gateway.port), LegacySession(gateway.port)
    for body in (rpc("ping"), notification("notifications/initialized"), {"jsonrpc": "2.0", "id": 1, "result": {}}):
        for second in (session.id, other.id):
            both = session.bytes_of(body).replace(b"\r\n", f"\r\nmcp-session-id: {second}\r\n".encode(), 1)
            with Connection(gateway.port) as connection:
                answer = connection.exchange(both)
                assert (answer.status, answer.code) == (400, -32600), answer
                assert "twice" in answer.message["error"]["message"]
    # To a modern request it means nothing, however often.
    message = modern("tools/list")
    headers = {**modern_headers(message), "Mcp-Session-Id": "1", "mcp-session-id": "2"}
    assert post(gateway.port, message, headers).status == 200


def test_the_name_that_a_vendors_request_mirrors_is_handed_on(make_gateway: Make) -> None:
    server = AgreedUpstream("modern")
    gateway = make_gateway(settings={"servers": {"own": {"type": "http", "url": server.url}}})
    try:
        gateway.wait_for("own")
        for number, name in enumerate(["thing", "=?base64?w6k=?="]):
            message = modern("vendor/echo", {"thing": name}, number)
            headers = {**modern_headers(message), "Mcp-Name": name, "Mcp-Param-Region": "here"}
            assert "got" in post(gateway.port, message, headers).message["result"]
        quiet = {**notification("vendor/quiet"), "params": {"_meta": envelope()}}
        assert post(gateway.port, quiet, {**modern_headers(quiet), "Mcp-Name": "quiet"}).status == 202
        assert eventually(lambda: server.seen[-1][1]["method"] == "vendor/quiet", 10)
        seen = [headers for headers, message in server.seen if message["method"].startswith("vendor/")]
        assert [headers.get("mcp-name") for headers in seen] == ["thing", "=?base64?w6k=?=", "quiet"]
        assert [headers.get("mcp-method") for headers in seen] == ["vendor/echo", "vendor/echo", "vendor/quiet"]
        assert seen[0]["mcp-param-region"] == "here"
        plain = modern("vendor/echo", {}, 7)
        assert post_modern(gateway.port, plain).status == 200
        assert "mcp-name" not in server.seen[-1][0]
        twice = {**modern_headers(plain), "Mcp-Name": "one", "mcp-name": "two"}
        assert post(gateway.port, plain, twice).code == -32020
    finally:
        server.close()


# MARK: What is said of servers

BRIEF = """
import json, os, sys
first = not os.path.exists(sys.argv[1])
open(sys.argv[1], "a").close()
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    match message["method"]:
        case "initialize" if first:
            info = {"name": "b", "version": "1"}
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        case "initialize":
            sys.exit(7)
        case "tools/list":
            result = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
        case _:
            result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def test_an_error_names_its_server_once(make_gateway: Make, tmp_path: Any) -> None:
    args = ["-c", BRIEF, str(tmp_path / "seen")]
    child = {"command": sys.executable, "args": args, "isolation": "session", "era": "legacy"}
    gateway = make_gateway(settings={"servers": {"brief": child}})
    gateway.wait_for("brief")
    error = LegacySession(gateway.port).call("t").message["error"]
    assert error["message"] == 'server "brief" is not available: exited with status 7', error

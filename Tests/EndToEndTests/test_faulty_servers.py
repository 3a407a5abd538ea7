"""Servers that break a rule of the protocol, as many do: nobody else is to suffer from it, and they work if they can."""

from __future__ import annotations

import itertools
import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.cases import heavy
from harness.client import Driver
from harness.conversation import CLIENTS
from harness.gateway import Gateway
from harness.processes import eventually
from harness.scripted import ScriptedServer
from harness.upstreams import stdio_entry, wire_command
from harness.wire import LEGACY, Connection, LegacySession, modern, post_modern, request, rpc

Make = Callable[..., Gateway]
Drivers = Callable[[str], Driver]
clients = pytest.mark.parametrize(("sdk", "mode"), CLIENTS, ids=lambda value: str(value))

# MARK: Lists

FAULTY = {
    "tools/list": (
        "tools",
        [
            {"name": "none"},
            {"name": "null", "inputSchema": None},
            {"name": "untyped", "inputSchema": {}},
            {"name": "array", "inputSchema": {"type": ["object"], "required": None, "properties": None}},
            {"name": "nulls", "title": None, "description": None, "annotations": None, "inputSchema": {"type": "object"}},
            {"name": "hints", "annotations": {"readOnlyHint": "very"}, "inputSchema": {"type": "object"}},
            {"name": "output", "inputSchema": {"type": "object"}, "outputSchema": None, "_meta": None, "icons": None},
            {"name": None, "inputSchema": {"type": "object"}},
            {"inputSchema": {"type": "object"}},
            "no entry",
        ],
    ),
    "resources/list": (
        "resources",
        [
            {"uri": "faulty://1"},
            {"uri": "faulty://2", "name": None, "mimeType": None, "size": "big"},
            {"uri": "faulty://3", "name": "n", "annotations": {"audience": "all", "priority": 7}},
            {"uri": "no-scheme", "name": "n"},
            {"uri": None, "name": "n"},
            {"name": "n"},
        ],
    ),
    "resources/templates/list": (
        "resourceTemplates",
        [{"uriTemplate": "faulty://{x}"}, {"uriTemplate": "other://{x}", "name": None, "description": 7}, {"name": "n"}],
    ),
    "prompts/list": (
        "prompts",
        [
            {"name": "null", "arguments": None},
            {"name": "parts", "arguments": [None, {"description": "d"}, {"name": "a", "required": None}]},
            {"arguments": []},
        ],
    ),
}
SERVED = {
    "tools": ["none", "null", "untyped", "array", "nulls", "hints", "output"],
    "resources": ["faulty://1", "faulty://2", "faulty://3"],
    "templates": ["faulty://{x}", "other://{x}"],
    "prompts": ["null", "parts"],
}


class FaultyLists(ScriptedServer):
    def result(self, session: str, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["method"] == "initialize":
            result = super().result(session, message)
            assert result
            return {**result, "capabilities": {"tools": {"listChanged": True}, "resources": {}, "prompts": {}}}
        if message["method"] in FAULTY:
            member, entries = FAULTY[message["method"]]
            return {member: [*entries, *[{**entries[0], "name": name} for name in self.tools if name != "who"]]}
        return super().result(session, message)


@clients
def test_strict_clients_take_the_list_with_a_faulty_server_in_it(
    make_gateway: Make, drivers: Drivers, sdk: str, mode: str
) -> None:
    server = FaultyLists()
    good = stdio_entry(wire_command())
    gateway = make_gateway({"good": good, "faulty": {"type": "http", "url": server.url}})
    try:
        gateway.wait_for("good", "faulty")
        found = drivers(sdk).run(gateway.url, "lists", mode=mode).value("lists")
        tools = [tool["name"] for tool in found["tools"]["entries"]]
        assert "good__raw" in tools
        assert [name for name in tools if name.startswith("faulty__")] == ["faulty__" + name for name in SERVED["tools"]]
        uris = [str(resource["uri"]) for resource in found["resources"]["entries"]]
        assert uris == SERVED["resources"]
        assert [prompt["name"] for prompt in found["prompts"]["entries"]] == ["faulty__" + p for p in SERVED["prompts"]]
    finally:
        server.close()


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY])
def test_every_revision_gets_valid_entries_and_the_log_one_line_for_each_list(make_gateway: Make, version: str) -> None:
    server = FaultyLists()
    gateway = make_gateway({"faulty": {"type": "http", "url": server.url}})
    try:
        gateway.wait_for("faulty")
        session = LegacySession(gateway.port, version)
        tools = session.post(rpc("tools/list")).message["result"]["tools"]
        assert [tool["name"] for tool in tools] == SERVED["tools"]
        assert all(tool["inputSchema"]["type"] == "object" for tool in tools)
        assert not [tool for tool in tools if None in tool.values() or None in tool["inputSchema"].values()]
        resources = session.post(rpc("resources/list")).message["result"]["resources"]
        assert [entry["uri"] for entry in resources] == SERVED["resources"]
        assert all(isinstance(entry["name"], str) for entry in resources)
        assert "error" not in session.call("null").message
        line = "faulty: some clients would refuse every server's list for what is wrong with its tools"
        # Five more mistakes of the same kind are no more lines, and nothing is said again when another list changes.
        before = gateway.log.count(line)
        assert before == 1, gateway.log
        assert gateway.says('"none" (`inputSchema` is missing)')
        server.tools += [f"more{number}" for number in range(5)]
        own = next(iter(server.streams))
        server.push(own, {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        assert eventually(lambda: len(session.post(rpc("tools/list")).message["result"]["tools"]) == 12)
        assert gateway.times(line, 2) == 2, "once for each change"
        assert gateway.times("has no name and is left out", 4) == 4, "once for each kind"
    finally:
        server.close()


# MARK: Sessions that a server has forgotten

FORGOTTEN = {
    "400 of the TypeScript SDK": (400, -32000, "Bad Request: No valid session ID provided"),
    "400 for an unknown session": (400, -32001, "Session not found"),
    "400 as text": (400, None, "Mcp-Session-Id header is required"),
    "401": (401, -32000, "Session expired"),
    "200": (200, -32001, "Session not found"),
}


class Forgetful(ScriptedServer):
    """Answers as it is told to what comes in a session that it does not know."""

    def __init__(self, status: int, code: int | None, text: str) -> None:
        super().__init__()
        self.refused = 0
        forgetful = self

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def is_known(self) -> bool:
                if self.session in forgetful.sessions:
                    return True
                forgetful.refused += 1
                if code is None:
                    self.send_response(status)
                    self.send_header("Content-Type", "text/plain")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text.encode())
                else:
                    self.reply(status, {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": text}})
                return False

        self.http.RequestHandlerClass = Handler


ANEW = [(how, isolation) for how in FORGOTTEN for isolation in ("session", "shared")]
TRIED = [("400 as text", "session"), ("200", "shared")]


@pytest.mark.parametrize(("how", "isolation"), [*TRIED, *heavy(*(case for case in ANEW if case not in TRIED))])
def test_a_forgotten_session_is_opened_anew_and_the_call_goes_out_again(
    make_gateway: Make, how: str, isolation: str
) -> None:
    server = Forgetful(*FORGOTTEN[how])
    settings = {"servers": {"own": {"url": server.url, "type": "http", "isolation": isolation}}}
    gateway = make_gateway(settings=settings, workers=2)
    try:
        gateway.wait_for("own")
        session = LegacySession(gateway.port)
        for _ in range(2):
            before = session.call("who").message["result"]["content"][0]["text"]
            server.sessions.clear()
            after = session.call("who").message
            assert "error" not in after, after
            assert after["result"]["content"][0]["text"] != before
        message = modern("tools/call", {"name": "who", "arguments": {}})
        server.sessions.clear()
        assert "error" not in post_modern(gateway.port, message).message
    finally:
        server.close()


@pytest.mark.parametrize("how", ["401", *heavy(*(how for how in FORGOTTEN if how != "401"))])
def test_a_server_that_forgets_every_session_at_once_is_asked_no_more_than_twice(make_gateway: Make, how: str) -> None:
    server = Forgetful(*FORGOTTEN[how])
    gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}})
    try:
        gateway.wait_for("own")
        session = LegacySession(gateway.port)
        session.call("who")
        # From now on each session is forgotten as soon as it is open.
        server.sessions = type("None", (set,), {"__contains__": lambda *_: False})()
        refused, opened = server.refused, len(server.requests("initialize"))
        assert "error" in session.call("who").message
        # The call twice, and twice what says that a session is ready and asks for its stream.
        assert server.refused - refused <= 6
        assert len(server.requests("initialize")) - opened <= 2
    finally:
        server.close()


def test_an_error_that_speaks_of_a_session_of_the_tools_own_is_the_clients(make_gateway: Make) -> None:
    server = ScriptedServer()
    wanted = {"code": -32000, "message": "The shell failed: session not found in tmux"}
    answer = server.result
    server.result = lambda session, message: (  # type: ignore[method-assign]
        None if message["method"] == "tools/call" else answer(session, message)
    )
    handler = server.http.RequestHandlerClass

    class Failing(handler):  # type: ignore[misc, valid-type]
        def reply(self, status: int, message: Any = None, **headers: str) -> None:
            if message and message.get("error", {}).get("code") == -32601:
                message = {**message, "error": wanted}
            super().reply(status, message, **headers)

    server.http.RequestHandlerClass = Failing
    gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}})
    try:
        gateway.wait_for("own")
        session = LegacySession(gateway.port)
        assert session.call("who").message["error"] == wanted
        assert len(server.requests("tools/call")) == 1
    finally:
        server.close()


# MARK: What a server asks before anybody calls it

ASKING = """
import json, sys
seen = open(sys.argv[1], "a")
def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n"); sys.stdout.flush()
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method is None:
        seen.write(json.dumps(message) + "\\n"); seen.flush()
    elif method == "initialize":
        send({"id": "early", "method": "ping"})
        send({"id": "roots-early", "method": "roots/list"})
        send({"id": message["id"], "result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
              "serverInfo": {"name": "asks", "version": "1"}}})
    elif method == "notifications/initialized":
        send({"id": 1, "method": "ping"})
        send({"id": "roots", "method": "roots/list"})
        send({"id": "what", "method": "vendor/what"})
    elif method == "tools/list":
        send({"id": message["id"], "result": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}})
    elif method == "tools/call":
        send({"id": message["id"], "result": {"content": []}})
    elif "id" in message:
        send({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
"""


@pytest.mark.parametrize("isolation", ["shared", "session"])
def test_a_child_that_asks_at_once_is_answered(make_gateway: Make, tmp_path: Path, isolation: str) -> None:
    program, seen = tmp_path / "asks.py", tmp_path / "seen"
    program.write_text(ASKING)
    entry = {"command": sys.executable, "args": [str(program), str(seen)], "isolation": isolation}
    gateway = make_gateway(settings={"servers": {"own": entry}})
    gateway.wait_for("own")

    def answers() -> dict[str, dict[str, Any]]:
        lines = seen.read_text().splitlines() if seen.exists() else []
        return {str(message["id"]): message for message in map(json.loads, lines)}

    wanted = {"early", "roots-early", "1", "roots", "what"}
    assert eventually(lambda: set(answers()) == wanted), answers()
    assert answers()["early"]["result"] == answers()["1"]["result"] == {}
    assert answers()["what"]["error"]["code"] in (-32601, -32602)
    seen.unlink()
    # A client's own child asks as soon as it has one.
    assert "error" not in LegacySession(gateway.port).call("t").message


class Asking(ScriptedServer):
    """Asks in its answer to `initialize`, and on its stream as soon as that is open."""

    def __init__(self) -> None:
        super().__init__()
        server = self
        self.numbers = itertools.count(1)
        self.answers: dict[Any, tuple[str, dict[str, Any]]] = {}

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def reply(self, status: int, message: Any = None, **headers: str) -> None:
                if not message or "result" not in message:
                    return super().reply(status, message, **headers)
                asked = [rpc("ping", number=f"ping{next(server.numbers)}"), rpc("roots/list", number="roots")]
                body = "".join(f"data: {json.dumps(each)}\n\n" for each in [*asked, message]).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http.RequestHandlerClass = Handler


@pytest.mark.parametrize("isolation", ["shared", "session"])
def test_a_server_that_asks_in_its_first_answers_is_answered(make_gateway: Make, isolation: str) -> None:
    server = Asking()
    gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http", "isolation": isolation}}})
    try:
        gateway.wait_for("own")
        given = server.requests("response")
        assert eventually(lambda: len(server.requests("response")) >= 4), given
        first = server.sessions_of("initialize")[0]
        pings = [answer for answer in server.requests("response", first) if str(answer["id"]).startswith("ping")]
        assert pings and all(answer["result"] == {} for answer in pings), pings
        assert any(answer["id"] == "ping1" for answer in pings), "the one that came with initialize"
    finally:
        server.close()


# MARK: What people write

@pytest.mark.parametrize("alias", ["", "/wire"])
def test_a_slash_at_the_end_of_a_path_means_nothing(make_gateway: Make, alias: str) -> None:
    gateway = make_gateway({"wire": stdio_entry(wire_command())})
    gateway.wait_for("wire")
    session = LegacySession(gateway.port, path=f"/mcp{alias}/")
    assert "error" not in session.call("raw").message
    assert session.delete().status == 200
    assert "error" not in post_modern(gateway.port, modern("tools/list"), path=f"/mcp{alias}/").message
    socket_headers: dict[str, str | None] = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for port in (gateway.port, gateway.websocket_port):
        with Connection(port) as connection:
            connection.send(request("GET", f"/mcp{alias}/ws/", socket_headers, port=port))
            assert connection.line().split()[1] == b"101"
    with Connection(gateway.port) as connection:
        connection.send(request("GET", "/mcp/sse/", {"Accept": "text/event-stream"}, port=gateway.port))
        assert connection.head().status == 200
        event = next(connection.stream())
        assert event["data"].startswith("/mcp/messages?"), event
    for path in ("/healthz/", "/livez/", "/readyz/", "/metrics/"):
        assert gateway.admin_status(path) == 200, path
    for path in ("/healthz//", "/mcp//", "/"):
        assert gateway.admin_status(path) == 404, path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["bare", "mark"])
def test_an_environment_file_of_any_system_gives_its_variables(
    make_gateway: Make, tmp_path: Path, end: str, mark: str
) -> None:
    lines = ["E2E_OWN=of the file", 'E2E_SECRET="two words" ', "# note", "export OPENAI_API_KEY='sk'", ""]
    (tmp_path / "own.env").write_bytes((mark + end.join(lines)).encode())
    program = tmp_path / "tells.py"
    program.write_text(
        "import json, os, sys\n"
        "open(sys.argv[1], 'w').write(json.dumps({n: os.environ.get(n) for n in sys.argv[2:]}) + '\\n')\n" + ASKING
    )
    names = ["E2E_OWN", "E2E_SECRET", "OPENAI_API_KEY"]
    arguments = [str(program), str(tmp_path / "seen"), *names]
    make_gateway({"own": {"command": sys.executable, "args": arguments, "envFile": str(tmp_path / "own.env")}}, wait=False)
    seen = tmp_path / "seen"
    assert eventually(lambda: seen.exists() and seen.read_text().startswith("{"))
    found = json.loads(seen.read_text().splitlines()[0])
    assert found == {"E2E_OWN": "of the file", "E2E_SECRET": "two words", "OPENAI_API_KEY": "sk"}


# MARK: Servers that have moved


class Moved(ScriptedServer):
    """Redirects what comes to `/mcp` and counts it."""

    def __init__(self, status: int, location: str, **more: Any) -> None:
        super().__init__(**more)
        self.redirected: list[str] = []
        self.has_come_back = False
        moved = self

        class Handler(self.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def redirects(self) -> bool:
                if (self.path == "/mcp") == moved.has_come_back:
                    return False
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if moved.has_come_back:
                    self.reply(404)
                    return True
                moved.redirected.append(self.command)
                self.reply(status, Location=location.format(port=moved.port))
                return True

            def do_POST(self) -> None:
                if not self.redirects():
                    super().do_POST()

            def do_GET(self) -> None:
                if not self.redirects():
                    super().do_GET()

            def do_DELETE(self) -> None:
                if not self.redirects():
                    super().do_DELETE()

        self.http.RequestHandlerClass = Handler


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("location", ["/mcp/", "mcp/", "http://127.0.0.1:{port}/elsewhere?x=1"])
@pytest.mark.parametrize("sessions", [True, False], ids=["sessions", "stateless"])
def test_a_redirect_on_the_same_origin_is_followed(
    make_gateway: Make, status: int, location: str, sessions: bool
) -> None:
    server = Moved(status, location, sessions=sessions)
    gateway = make_gateway({"own": {"type": "http", "url": server.url, "headers": {"X-Own": "1"}}})
    try:
        gateway.wait_for("own")
        known = list(server.redirected)
        session = LegacySession(gateway.port)
        listening, _ = session.listen()
        with listening:
            assert "error" not in session.call("who").message
            if sessions:
                whose = server.sessions_of("tools/call")[0]
                assert eventually(lambda: "GET" in [kind for kind, who, _ in server.seen if who == whose])
        assert session.delete().status == 200
        if sessions:
            assert eventually(lambda: whose in server.sessions_of("DELETE"))
        assert server.redirected == known, "it is remembered"
    finally:
        server.close()


def test_a_place_that_a_server_has_left_again_is_forgotten(make_gateway: Make) -> None:
    server = Moved(308, "/elsewhere")
    gateway = make_gateway({"own": {"type": "http", "url": server.url}})
    try:
        assert "error" not in LegacySession(gateway.port).call("who").message
        server.has_come_back = True
        assert eventually(lambda: "error" not in LegacySession(gateway.port).call("who").message, 20)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("status", "location", "words"),
    [
        (301, "/mcp/", ["HTTP 301", "/mcp/", "configure `url:"]),
        (302, "/mcp/", ["HTTP 302", "/mcp/", "configure `url:"]),
        (303, "/mcp/", ["HTTP 303", "/mcp/", "configure `url:"]),
        (307, "http://localhost:{port}/mcp/", ["another origin", "http://localhost:", "configure `url:"]),
        (308, "https://127.0.0.1:{port}/mcp", ["another origin", "https://127.0.0.1:", "configure `url:"]),
        (307, "//other.invalid/mcp", ["another origin", "http://other.invalid/mcp"]),
        (307, "/mcp", ["redirects", "go on"]),
        (307, "", ["without a URL"]),
    ],
)
def test_another_redirect_is_an_error_that_says_what_to_configure(
    make_gateway: Make, status: int, location: str, words: list[str]
) -> None:
    server = Moved(status, location)
    gateway = make_gateway({"own": {"type": "http", "url": server.url}}, wait=False)
    try:
        assert eventually(lambda: "own is not available" in gateway.log), gateway.log
        line = next(line for line in gateway.log.splitlines() if "own is not available" in line)
        assert all(word in line for word in words), line
        assert not server.seen, "nothing was asked elsewhere"
    finally:
        server.close()


# --- what is no server at all -----------------------------------------------------------------------------------------


class Elsewhere(ThreadingHTTPServer):
    """Says the same to everything."""

    daemon_threads = True

    def __init__(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


PAGE = {"Content-Type": "text/html; charset=utf-8"}
CHALLENGE = {"WWW-Authenticate": 'Bearer resource_metadata="https://u.example/m"'}


@pytest.mark.parametrize(
    ("answer", "entry", "said"),
    [
        ((200, PAGE, b"<html>Sign in</html>"), {"type": "http"}, "with text/html; charset=utf-8"),
        ((200, PAGE, b"<html>Sign in</html>"), {"type": "sse"}, "with text/html; charset=utf-8"),
        ((200, PAGE, b"<html>Sign in</html>"), {}, "with text/html; charset=utf-8"),
        ((200, {}, b"{}"), {"type": "http"}, "without a Content-Type"),
        ((401, CHALLENGE, b""), {"type": "http"}, "of which none are configured (`headers`) (HTTP 401); it asks for: Bearer"),
        (
            (401, {**CHALLENGE, "Content-Type": "application/json"}, b'{"error": "invalid_token"}'),
            {"headers": {"Authorization": "Bearer x"}},
            "does not accept the gateway's credentials (HTTP 401); it asks for: Bearer resource_metadata",
        ),
        ((403, {}, b""), {"type": "sse"}, "of which none are configured (`headers`) (HTTP 403)"),
        ((302, {"Location": "https://login.example/"}, b""), {"type": "sse"}, "https://login.example/"),
    ],
)
def test_the_log_says_what_is_there_instead_of_a_server(
    make_gateway: Callable[..., Gateway],
    answer: tuple[int, dict[str, str], bytes],
    entry: dict[str, Any],
    said: str,
) -> None:
    with Elsewhere(*answer) as server:
        servers = {"u": {"url": f"http://127.0.0.1:{server.server_port}/mcp", **entry}, "wire": stdio_entry(wire_command())}
        gateway = make_gateway(servers)
        assert eventually(lambda: said in gateway.log, 30), gateway.log
        server.shutdown()

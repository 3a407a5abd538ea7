"""A legacy Streamable HTTP server inside the test's own process, which sees everything that reaches it."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.processes import eventually

CAPABILITIES = {"tools": {"listChanged": True}, "resources": {"subscribe": True}, "logging": {}}


def event(message: dict[str, Any], number: str = "") -> bytes:
    line = f"id: {number}\n" if number else ""
    return f"{line}data: {json.dumps(message)}\n\n".encode()


class ScriptedServer:
    """One tool `who` that names the session of its call, one resource, subscriptions and GET streams."""

    def __init__(
        self, *, sessions: bool = True, streams: bool = True, refusal: int = 405, place: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self.keeps_sessions, self.keeps_streams, self.refusal = sessions, streams, refusal
        self.sessions: set[str] = set()
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        """Kind of request (method of a message, or `GET`, `DELETE`), its session, the message or the headers."""
        self.streams: dict[str, queue.Queue[bytes | None]] = {}
        self.tools = ["who"]
        self.extra_tools: dict[str, list[str]] = {}
        """Tools that only one session has."""
        self.questions: dict[str, dict[str, Any]] = {}
        """What a call of a tool asks its client first, on the GET stream of its session: as TypeScript servers send what
        they don't relate to a request. It is lost where there is no stream."""
        self.withholds_heads = False
        """A GET stream has no head before it has an event."""
        self.answers_aside: set[str] = set()
        """Tools whose calls are answered on the GET stream, while the stream of the POST stays open and silent."""
        self.keeps_ended_streams = False
        """The stream of a session stays open after its DELETE."""
        self.left_aside: list[bytes] = []
        """What such streams brought from the peer in the end: nothing, when it closed them."""
        self.connections: list[socket.socket] = []
        self.on_call: Callable[[dict[str, Any]], None] = lambda _: None
        ThreadingHTTPServer.daemon_threads = True
        self.http = ThreadingHTTPServer(place, handler_for(self))
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def close(self) -> None:
        for stream in list(self.streams.values()):
            stream.put(None)
        self.http.shutdown()
        self.http.server_close()

    def die(self) -> None:
        """As a process that is killed: nobody listens, and every connection breaks."""
        self.close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def requests(self, kind: str, session: str | None = None) -> list[dict[str, Any]]:
        return [what for name, whose, what in list(self.seen) if name == kind and session in (None, whose)]

    def sessions_of(self, kind: str) -> list[str]:
        return [whose for name, whose, _ in list(self.seen) if name == kind]

    def stream(self, session: str) -> queue.Queue[bytes | None]:
        """The GET stream of a session, once there is one: on a busy machine the gateway does not wait for it."""
        assert eventually(lambda: session in self.streams), "nobody listens in that session"
        return self.streams[session]

    def push(self, session: str, message: dict[str, Any], number: str = "") -> None:
        """An event on the GET stream of a session."""
        self.stream(session).put(event(message, number))

    def break_stream(self, session: str) -> None:
        self.streams.pop(session).put(None)

    def ask(self, session: str, question: dict[str, Any], patience: float = 8) -> dict[str, Any] | None:
        """The client's response to a question on the GET stream of its session; None if there is none."""
        number = f"question {len(self.seen)}"
        if session in self.streams:
            self.push(session, {"jsonrpc": "2.0", "id": number, **question})
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for answer in self.requests("response", session):
                if answer.get("id") == number:
                    return answer
            time.sleep(0.01)
        return None

    def result(self, session: str, message: dict[str, Any]) -> dict[str, Any] | None:
        match message["method"]:
            case "initialize":
                info = {"name": "scripted", "version": "1"}
                version = message["params"]["protocolVersion"]
                return {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": info}
            case "tools/list":
                names = [*self.tools, *self.extra_tools.get(session, [])]
                return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
            case "resources/list":
                return {"resources": [{"uri": "ref://clock", "name": "clock"}]}
            case "resources/templates/list":
                return {"resourceTemplates": []}
            case "tools/call":
                self.on_call(message)
                if question := self.questions.get(message["params"]["name"]):
                    answer = self.ask(session, question) or {"error": "no answer"}
                    text = json.dumps({name: answer[name] for name in ("result", "error") if name in answer})
                    return {"content": [{"type": "text", "text": text}]}
                padding = "." * message["params"].get("arguments", {}).get("padding", 0)
                return {"content": [{"type": "text", "text": f"{message['params']['name']} {session}{padding}"}]}
            case "resources/subscribe" | "resources/unsubscribe" | "logging/setLevel" | "ping":
                return {}
        return None


def handler_for(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            server.connections.append(self.connection)

        def log_message(self, *_: Any) -> None:
            pass

        def reply(self, status: int, message: Any = None, **headers: str) -> None:
            body = b"" if message is None else json.dumps(message).encode()
            self.send_response(status)
            if body:
                self.send_header("Content-Type", "application/json")
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @property
        def session(self) -> str:
            return self.headers.get("Mcp-Session-Id", "")

        def is_known(self) -> bool:
            if not server.keeps_sessions or self.session in server.sessions:
                return True
            self.reply(404, {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "Session not found"}})
            return False

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = message.get("method", "response")
            if kind == "initialize":
                session = uuid.uuid4().hex if server.keeps_sessions else ""
                server.seen.append((kind, session, message))
                server.sessions.add(session)
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": server.result(session, message)}
                return self.reply(200, answer, **({"Mcp_Session_Id": session} if session else {}))
            if kind == "server/discover":
                return self.reply(400)
            if not self.is_known():
                return None
            server.seen.append((kind, self.session, message))
            if "id" not in message or "method" not in message:
                return self.reply(202)
            result = server.result(self.session, message)
            answer = {"jsonrpc": "2.0", "id": message["id"]}
            if result is None:
                return self.reply(200, {**answer, "error": {"code": -32601, "message": "Method not found"}})
            if kind == "tools/call" and message["params"]["name"] in server.answers_aside:
                return self.answer_aside({**answer, "result": result})
            return self.reply(200, {**answer, "result": result})

        def do_GET(self) -> None:
            if not server.keeps_streams:
                server.seen.append(("refused GET", self.session, {}))
                return self.reply(server.refusal)
            if not self.is_known():
                return None
            events: queue.Queue[bytes | None] = queue.Queue()
            server.streams[self.session] = events
            server.seen.append(("GET", self.session, {name.lower(): value for name, value in self.headers.items()}))
            event = events.get() if server.withholds_heads else b""
            self.begin_events()
            while event is not None:
                self.wfile.write(event)
                event = events.get()
            self.close_connection = True

        def begin_events(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()

        def answer_aside(self, answer: dict[str, Any]) -> None:
            self.begin_events()
            server.push(self.session, answer)
            self.close_connection = True
            # Until the peer has had enough of it.
            self.connection.settimeout(20)
            with suppress(OSError):
                server.left_aside.append(self.connection.recv(1))

        def do_DELETE(self) -> None:
            if not self.is_known():
                return None
            server.seen.append(("DELETE", self.session, {}))
            server.sessions.discard(self.session)
            if (stream := server.streams.pop(self.session, None)) and not server.keeps_ended_streams:
                stream.put(None)
            self.reply(200)

    return Handler


class ScriptedStreamServer(ScriptedServer):
    """The same over HTTP+SSE of 2024-11-05. Its sessions are its streams; `refusal` is what a tool call's POST gets."""

    def __init__(self, refusal: int = 202) -> None:
        super().__init__(refusal=refusal)
        self.http.RequestHandlerClass = stream_handler_for(self)


def stream_handler_for(server: ScriptedStreamServer) -> type[BaseHTTPRequestHandler]:
    class Handler(handler_for(server)):  # type: ignore[misc]
        def do_GET(self) -> None:
            session = uuid.uuid4().hex
            events: queue.Queue[bytes | None] = queue.Queue()
            server.streams[session] = events
            server.seen.append(("GET", session, {}))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(f"event: endpoint\ndata: /messages?session={session}\n\n".encode())
            while (event := events.get()) is not None:
                self.wfile.write(event)
            self.close_connection = True

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind, session = message.get("method", "response"), self.path.partition("=")[2]
            if session not in server.streams:
                return self.reply(404)
            server.seen.append((kind, session, message))
            if kind == "tools/call" and server.refusal != 202:
                return self.reply(server.refusal)
            if "id" in message and (result := server.result(session, message)) is not None:
                server.push(session, {"jsonrpc": "2.0", "id": message["id"], "result": result})
            return self.reply(202, "Accepted")

    return Handler

"""A server of 2026-07-28 inside the test's own process, which sees everything and can change its mind."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODERN = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
CAPABILITIES = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "logging": {},
}


class Listening:
    """One `subscriptions/listen` that is open."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.id = message["id"]
        self.filter: dict[str, Any] = message["params"]["notifications"]
        self.resources: list[str] = self.filter.get("resourceSubscriptions", [])
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def tell(self, method: str, **params: Any) -> None:
        meta = {PREFIX + "subscriptionId": self.id}
        self.events.put({"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": meta}})


class ModernServer:
    """Tools as the test wants them, resources `ref://a` and `ref://b`, listens."""

    def __init__(self) -> None:
        self.is_modern = True
        self.tools: list[dict[str, Any]] = [tool("paint")]
        self.calls: list[tuple[dict[str, str], dict[str, Any]]] = []
        """Headers in lower case and message of each call."""
        self.refusals: list[tuple[int, dict[str, Any]]] = []
        """HTTP status and error of calls to come."""
        self.lifetime = 0
        """How long clients may keep the lists, in milliseconds."""
        self.most_resources = 1024
        """How many one listen may name."""
        self.listens: list[Listening] = []
        self.ended: list[Listening] = []
        self.on_call: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None
        ThreadingHTTPServer.daemon_threads = True
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/mcp"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def publish(self, uri: str, **more: Any) -> None:
        """Tells every listen that names a resource, or what it lies below, of a change."""
        for listening in list(self.listens):
            if any(uri == named or uri.startswith(f"{named}/") for named in listening.resources):
                listening.tell("notifications/resources/updated", uri=uri, **more)

    def close(self) -> None:
        for listening in list(self.listens):
            listening.events.put(None)
        self.http.shutdown()
        self.http.server_close()

    def result(self, message: dict[str, Any]) -> dict[str, Any] | None:
        complete = {"resultType": "complete"} if self.is_modern else {}
        cacheable = {**complete, "ttlMs": self.lifetime, "cacheScope": "private"} if self.is_modern else {}
        match message["method"]:
            case "server/discover" if self.is_modern:
                return {**cacheable, "supportedVersions": [MODERN], "capabilities": CAPABILITIES}
            case "initialize" if not self.is_modern:
                info = {"name": "scripted", "version": "1"}
                return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                return {**cacheable, "tools": self.tools}
            case "resources/list":
                return {**cacheable, "resources": [{"uri": f"ref://{name}", "name": name} for name in "ab"]}
            case "resources/templates/list":
                return {**cacheable, "resourceTemplates": []}
            case "tools/call":
                answer = self.on_call(message)
                text = f"painted {message['params'].get('arguments')}"
                return {**complete, "content": [{"type": "text", "text": text}]} if answer is None else answer
        return None


def tool(name: str, **headers: str) -> dict[str, Any]:
    """A tool whose string arguments are mirrored in headers."""
    properties = {key: {"type": "string", "x-mcp-header": header} for key, header in headers.items()}
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


def handler_for(server: ModernServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def reply(self, status: int, message: Any = None) -> None:
            body = b"" if message is None else json.dumps(message).encode()
            self.send_response(status)
            if body:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def refuse(self, message: dict[str, Any], status: int, error: dict[str, Any]) -> None:
            self.reply(status, {"jsonrpc": "2.0", "id": message.get("id"), "error": error})

        def do_GET(self) -> None:
            self.reply(405)

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "id" not in message:
                return self.reply(202)
            asks_modern = self.headers.get("MCP-Protocol-Version") == MODERN
            if asks_modern != server.is_modern:
                return self.refuse(message, 400, {"code": -32600, "message": "Bad Request: not of this era"})
            if message["method"] == "subscriptions/listen":
                return self.listen(message)
            if message["method"] == "tools/call":
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.calls.append((headers, message))
                if server.refusals:
                    return self.refuse(message, *server.refusals.pop(0))
            result = server.result(message)
            if result is None:
                return self.refuse(message, 404, {"code": -32601, "message": "Method not found"})
            self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "result": result})

        def listen(self, message: dict[str, Any]) -> None:
            listening = Listening(message)
            if len(listening.resources) > server.most_resources:
                return self.refuse(message, 400, {"code": -32602, "message": "too many resources"})
            listening.tell("notifications/subscriptions/acknowledged", notifications=listening.filter)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            server.listens.append(listening)
            threading.Thread(target=self.watch, args=(listening,), daemon=True).start()
            try:
                while (event := listening.events.get()) is not None:
                    self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            except OSError:
                pass
            self.close_connection = True
            server.listens.remove(listening)
            server.ended.append(listening)

        def watch(self, listening: Listening) -> None:
            """Ends a listen whose client has closed."""
            try:
                self.connection.recv(1)
            except OSError:
                pass
            listening.events.put(None)

    return Handler

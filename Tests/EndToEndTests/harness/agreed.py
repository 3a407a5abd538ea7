"""A server with methods of its own, which no revision of the protocol has. Over HTTP and WebSocket it runs inside the
test's process, as a program of its own it speaks over stdio: `agreed.py legacy|modern`."""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODERN = "2026-07-28"
TOOL = {"name": "do", "inputSchema": {"type": "object"}}
Send = Callable[[dict[str, Any]], None]


class Agreed:
    """Answers `vendor/echo` with what it got, `vendor/ask` with the client's answer to `x.y/question`, `vendor/heard` with
    the notifications that it heard, and `vendor/hang` never. `vendor/echo` tells of its progress before, `vendor/call` of
    its beginning, and `vendor/told` is followed by news that belong to no call."""

    def __init__(self, era: str) -> None:
        self.era = era
        self.heard: list[dict[str, Any]] = []
        self.asked: dict[str, Any] = {}
        self.questions = 0

    def complete(self, result: dict[str, Any]) -> dict[str, Any]:
        return {"resultType": "complete", **result} if self.era == "modern" else result

    def receive(self, message: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        """What it says to a message: the id of the call that it belongs to, None for none, and the message."""
        method, number = message.get("method"), message.get("id")
        if method is None:
            call = self.asked.pop(number, None)
            return [] if call is None else [(call, reply(call, self.complete({"client": message})))]
        if number is None:
            self.heard.append(message)
            news = {"jsonrpc": "2.0", "method": "notifications/vendor/news", "params": message.get("params", {})}
            return [(None, news)] if method == "vendor/told" else []
        own = message.get("params", {})
        match method:
            case "initialize" if self.era == "legacy":
                version = message["params"]["protocolVersion"]
                offer = {"capabilities": {"tools": {}}, "serverInfo": {"name": "agreed", "version": "1"}}
                return [(number, reply(number, {"protocolVersion": version, **offer}))]
            case "server/discover" if self.era == "modern":
                offer = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}}
                return [(number, reply(number, self.complete({**offer, "ttlMs": 0, "cacheScope": "private"})))]
            case "tools/list":
                cache = {"ttlMs": 0, "cacheScope": "private"} if self.era == "modern" else {}
                return [(number, reply(number, self.complete({**cache, "tools": [TOOL]})))]
            case "vendor/echo":
                token = own.get("_meta", {}).get("progressToken")
                progress = {"progressToken": token, "progress": 1}
                said = [(number, {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})]
                return [*(said if token is not None else []), (number, reply(number, self.complete({"got": own})))]
            case "vendor/call":
                thing = {"jsonrpc": "2.0", "method": "notifications/vendor/thing", "params": {"of": own.get("of")}}
                return [(number, thing), (number, reply(number, self.complete({"got": own})))]
            case "vendor/own":
                return [(number, reply(number, {"resultType": "vendor/partial", "ttlMs": 7}))]
            case "vendor/ask":
                self.questions += 1
                question = f"q{self.questions}"
                self.asked[question] = number
                return [(number, {"jsonrpc": "2.0", "id": question, "method": "x.y/question", "params": own})]
            case "vendor/heard":
                return [(number, reply(number, self.complete({"heard": self.heard})))]
            case "vendor/hang":
                return []
        error = {"code": -32601, "message": f"nobody knows {method}"}
        return [(number, {"jsonrpc": "2.0", "id": number, "error": error})]


def reply(number: Any, result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


class AgreedUpstream:
    """The same over Streamable HTTP. Legacy clients are one session, whose GET stream takes what belongs to no call."""

    def __init__(self, era: str) -> None:
        self.server = Agreed(era)
        self.seen: list[tuple[dict[str, str], dict[str, Any]]] = []
        """Headers in lower case and message of each POST."""
        self.lock = threading.Lock()
        self.calls: dict[Any, queue.Queue[dict[str, Any]]] = {}
        self.streams: list[queue.Queue[dict[str, Any] | None]] = []
        ThreadingHTTPServer.daemon_threads = True
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/mcp"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def receive(self, message: dict[str, Any]) -> None:
        with self.lock:
            for call, said in self.server.receive(message):
                for place in [self.calls[call]] if call is not None else self.streams:
                    place.put(said)

    def close(self) -> None:
        for stream in self.streams:
            stream.put(None)
        self.http.shutdown()
        self.http.server_close()


def handler_for(upstream: AgreedUpstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def begin(self, status: int, kind: str = "", **headers: str) -> None:
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
                self.send_header("Connection", "close")
                self.close_connection = True
            else:
                self.send_header("Content-Length", "0")
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def event(self, message: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps(message)}\n\n".encode())
            self.wfile.flush()

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            upstream.seen.append(({name.lower(): value for name, value in self.headers.items()}, message))
            is_modern = self.headers.get("MCP-Protocol-Version") == MODERN
            if is_modern != (upstream.server.era == "modern") and message.get("method") != "initialize":
                return self.begin(400)
            if "method" not in message or "id" not in message:
                self.begin(202)
                return upstream.receive(message)
            events: queue.Queue[dict[str, Any]] = queue.Queue()
            upstream.calls[message["id"]] = events
            upstream.receive(message)
            session = {"Mcp_Session_Id": "one"} if message["method"] == "initialize" else {}
            self.begin(200, "text/event-stream", **session)
            while True:
                said = events.get()
                self.event(said)
                if said.get("id") == message["id"] and "method" not in said:
                    return None

        def do_GET(self) -> None:
            if upstream.server.era == "modern":
                return self.begin(405)
            events: queue.Queue[dict[str, Any] | None] = queue.Queue()
            upstream.streams.append(events)
            self.begin(200, "text/event-stream")
            while (said := events.get()) is not None:
                self.event(said)
            return None

        def do_DELETE(self) -> None:
            self.begin(200)

    return Handler


def main() -> None:
    server = Agreed(sys.argv[1])
    for line in sys.stdin:
        for _, said in server.receive(json.loads(line)):
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()

"""A server of both eras that offers something else in each. Over HTTP it runs inside the test's process; as a program of
its own it speaks over stdio, in the era of the first request that it understands:
`two_faced.py [--starts FILE] [--initialize refuse|die|slow|hang|FILE]`, where the file says it for processes to come."""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODERN = "2026-07-28"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
REFUSAL = {"code": -32022, "message": "Unsupported protocol version", "data": {"supported": [MODERN]}}
CAPABILITIES: dict[str, dict[str, Any]] = {
    "modern": {"tools": {"listChanged": True}, "resources": {"subscribe": True}},
    "legacy": {
        "tools": {"listChanged": True},
        "resources": {"subscribe": True},
        "prompts": {},
        "logging": {},
        "completions": {},
    },
}


class TwoFaced:
    """The tools `where`, which says in which era and process it was called, `grow`, which adds a tool to one era, and
    `touch`, which changes the resource `ref://a`; and one tool and one prompt that only one era has."""

    def __init__(self) -> None:
        self.tools = {era: ["where", "grow", "touch", f"{era}_only"] for era in CAPABILITIES}
        self.asked: list[tuple[str, str]] = []
        """Era and method of each request."""

    def result(self, era: str, message: dict[str, Any]) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
        """The result, if the method is known, and the news that it makes: an era, and a method or a URI."""
        method = message["method"]
        self.asked.append((era, method))
        complete = {"resultType": "complete"} if era == "modern" else {}
        cached = {**complete, "ttlMs": 0, "cacheScope": "private"} if era == "modern" else {}
        if method == "server/discover":
            offer = {"capabilities": CAPABILITIES[era], "instructions": f"for {era} clients"}
            return {**cached, "supportedVersions": [MODERN], **offer}, []
        if method == "initialize":
            offer = {"capabilities": CAPABILITIES[era], "instructions": f"for {era} clients"}
            info = {"serverInfo": {"name": "two", "version": "1"}}
            return {"protocolVersion": message["params"]["protocolVersion"], **offer, **info}, []
        if method == "tools/list":
            return {**cached, "tools": [{"name": name, "inputSchema": {"type": "object"}} for name in self.tools[era]]}, []
        if method == "prompts/list" and era == "legacy":
            return {"prompts": [{"name": "legacy_prompt"}]}, []
        if method == "resources/list":
            return {**cached, "resources": [{"uri": "ref://a", "name": "a"}]}, []
        if method == "resources/templates/list":
            return {**cached, "resourceTemplates": []}, []
        if method in ("ping", "resources/subscribe", "resources/unsubscribe", "logging/setLevel"):
            return {}, []
        if method != "tools/call":
            return None, []
        name, arguments = message["params"]["name"], message["params"].get("arguments", {})
        news: list[tuple[str, str]] = []
        if name == "grow":
            self.tools[arguments["era"]].append(arguments["tool"])
            news = [(arguments["era"], "notifications/tools/list_changed")]
        if name == "touch":
            news = [("legacy", "ref://a"), ("modern", "ref://a")]
        said = {"era": era, "pid": os.getpid(), "tool": name}
        return {**complete, "content": [{"type": "text", "text": json.dumps(said)}]}, news


def notification(news: str, **meta: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"_meta": meta} if meta else {}
    if news.startswith("notifications/"):
        return {"jsonrpc": "2.0", "method": news, "params": params}
    return {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": news, **params}}


class TwoFacedUpstream:
    """The same over Streamable HTTP. `initialize` may be refused: with an HTTP status, or None for an error with 200."""

    def __init__(self) -> None:
        self.server = TwoFaced()
        self.refuses_initialize = False
        self.initialize_status = 200
        self.initialize_delay = 0.0
        self.forgets_modern = False
        self.refuses_calls = 0
        """How many calls in the legacy era to come are refused as by a server of another era."""
        self.listens: list[tuple[Any, dict[str, Any], queue.Queue[dict[str, Any] | None]]] = []
        self.sessions: dict[str, queue.Queue[dict[str, Any] | None]] = {}
        self.subscribed: set[str] = set()
        """Sessions that subscribed to the resource."""
        ThreadingHTTPServer.daemon_threads = True
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def tell(self, news: list[tuple[str, str]]) -> None:
        for era, what in news:
            if era == "modern":
                for number, wanted, events in list(self.listens):
                    if what in wanted.get("resourceSubscriptions", []) or what.startswith("n") and wanted.get("toolsListChanged"):
                        events.put(notification(what, **{SUBSCRIPTION: number}))
                continue
            for session, events in list(self.sessions.items()):
                if what.startswith("n") or session in self.subscribed:
                    events.put(notification(what))

    def close(self) -> None:
        for events in [*self.sessions.values(), *(entry[2] for entry in self.listens)]:
            events.put(None)
        self.http.shutdown()
        self.http.server_close()


def handler_for(upstream: TwoFacedUpstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def reply(self, status: int, message: Any = None, **headers: str) -> None:
            body = b"" if message is None else json.dumps(message).encode()
            self.send_response(status)
            if body:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def stream(self, events: queue.Queue[dict[str, Any] | None]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                while (event := events.get()) is not None:
                    self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                    self.wfile.flush()
            except OSError:
                pass

        def do_GET(self) -> None:
            events = upstream.sessions.get(self.headers.get("Mcp-Session-Id", ""))
            self.reply(404) if events is None else self.stream(events)

        def do_DELETE(self) -> None:
            session = self.headers.get("Mcp-Session-Id", "")
            if events := upstream.sessions.pop(session, None):
                events.put(None)
            self.reply(200)

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "id" not in message:
                return self.reply(202)
            era = "modern" if self.headers.get("MCP-Protocol-Version") == MODERN else "legacy"
            session = self.headers.get("Mcp-Session-Id", "")
            error = {"jsonrpc": "2.0", "id": message["id"], "error": REFUSAL}
            if era == "modern" and upstream.forgets_modern:
                return self.reply(400, {**error, "error": {"code": -32600, "message": "Bad Request"}})
            if message["method"] == "initialize":
                time.sleep(upstream.initialize_delay)
                if upstream.initialize_status >= 500:
                    upstream.server.asked.append((era, "initialize"))
                    return self.reply(upstream.initialize_status)
                if upstream.refuses_initialize:
                    upstream.server.asked.append((era, "initialize"))
                    return self.reply(upstream.initialize_status, error)
                session = uuid.uuid4().hex
                upstream.sessions[session] = queue.Queue()
            elif era == "legacy" and session not in upstream.sessions:
                return self.reply(404)
            if era == "legacy" and message["method"] == "tools/call" and upstream.refuses_calls:
                upstream.refuses_calls -= 1
                return self.reply(406, {**error, "error": {"code": -32600, "message": "Not Acceptable"}})
            if message["method"] == "subscriptions/listen":
                events: queue.Queue[dict[str, Any] | None] = queue.Queue()
                wanted = message["params"]["notifications"]
                acknowledged = notification("notifications/subscriptions/acknowledged", **{SUBSCRIPTION: message["id"]})
                events.put({**acknowledged, "params": {**acknowledged["params"], "notifications": wanted}})
                upstream.listens.append((message["id"], wanted, events))
                return self.stream(events)
            if message["method"] == "resources/subscribe":
                upstream.subscribed.add(session)
            if message["method"] == "resources/unsubscribe":
                upstream.subscribed.discard(session)
            result, news = upstream.server.result(era, message)
            if result is None:
                missing = {"code": -32601, "message": "Method not found"}
                return self.reply(404 if era == "modern" else 200, {**error, "error": missing})
            more = {"Mcp_Session_Id": session} if message["method"] == "initialize" else {}
            upstream.tell(news)
            self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "result": result}, **more)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts")
    parser.add_argument("--initialize", default="take")
    chosen = parser.parse_args()
    if os.path.exists(chosen.initialize):
        with open(chosen.initialize) as file:
            chosen.initialize = file.read().strip()
    server, era = TwoFaced(), ""
    listens: list[tuple[Any, dict[str, Any]]] = []
    subscribed = False

    def note(line: str) -> None:
        if chosen.starts:
            with open(chosen.starts, "a") as file:
                file.write(f"{line} {os.getpid()}\n")

    def say(message: dict[str, Any]) -> None:
        print(json.dumps(message), flush=True)

    note("start")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        if message["method"] == "initialize":
            note("initialize")
            if chosen.initialize == "die":
                os._exit(3)
            if chosen.initialize in ("slow", "hang"):
                time.sleep(4 if chosen.initialize == "slow" else 600)
        if not era:
            era = "legacy" if message["method"] == "initialize" and chosen.initialize != "refuse" else "modern"
        wanted = "modern" if "io.modelcontextprotocol/protocolVersion" in message.get("params", {}).get("_meta", {}) else "legacy"
        if wanted != era:
            say({"jsonrpc": "2.0", "id": message["id"], "error": REFUSAL})
            continue
        if message["method"] == "subscriptions/listen":
            listens.append((message["id"], message["params"]["notifications"]))
            acknowledged = notification("notifications/subscriptions/acknowledged", **{SUBSCRIPTION: message["id"]})
            say({**acknowledged, "params": {**acknowledged["params"], "notifications": listens[-1][1]}})
            continue
        subscribed = subscribed or message["method"] == "resources/subscribe"
        if message["method"] == "tools/call" and message["params"]["name"] == "die":
            os._exit(4)
        result, news = server.result(era, message)
        if result is None:
            say({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
            continue
        for told, what in news:
            if told != era:
                continue
            if era == "legacy":
                if what.startswith("n") or subscribed:
                    say(notification(what))
                continue
            for number, listen in listens:
                if what.startswith("n") and listen.get("toolsListChanged") or what in listen.get("resourceSubscriptions", []):
                    say(notification(what, **{SUBSCRIPTION: number}))
        say({"jsonrpc": "2.0", "id": message["id"], "result": result})


if __name__ == "__main__":
    main()

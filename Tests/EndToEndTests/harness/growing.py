"""A server whose resources grow while it is called, over any transport and in either era, without an SDK.

Its tool `grow` adds a resource, and says so before its answer, after it, or not at all. Run as a program it speaks stdio:

    growing.py ERA [--silent] [--lifetime MS]

With an argument `storm` the tool goes on to add resources, a thousand a second, and says so each time. The text of what it
answers is what it added; `asked` says how often each list was asked for, on stdio.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import uuid
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODERN = "2026-07-28"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
CHANGED = {"jsonrpc": "2.0", "method": "notifications/resources/list_changed"}
Message = dict[str, Any]


class Growing:
    """What it is, whatever it is spoken to over.

    `declares`: it says that it tells of changes. `lifetime`: how long modern clients may keep a list, in milliseconds."""

    def __init__(self, era: str, declares: bool = True, lifetime: int = 0) -> None:
        self.era, self.declares, self.lifetime = era, declares, lifetime
        self.resources = ["ref://0"]
        self.own: dict[str, list[str]] = {}
        """Resources that one session alone has."""
        self.asked: list[tuple[str, str]] = []
        """Each list that was asked for, and in which session."""
        self.called: list[str] = []
        """The session of each call."""
        self.listens: list[Any] = []
        self.gates: dict[str, threading.Event] = {}
        """Lists that are answered only once their event is set."""
        self.faults: dict[str, Any] = {}
        """Lists that are answered with an error."""
        self.says_at_list: list[Message] = []
        """What it says whenever it is asked for a list."""
        self.lock = threading.Lock()

    def count(self, kind: str) -> int:
        return sum(asked == f"{kind}/list" for asked, _ in list(self.asked))

    def counts(self) -> dict[str, int]:
        return {kind: self.count(kind) for kind in ("tools", "prompts", "resources")}

    def grow(self, session: str = "", where: str = "") -> str:
        with self.lock:
            known = self.own.setdefault(session, []) if where == "own" else self.resources
            uri = f"ref://{session if where == 'own' else ''}{len(known)}"
            known.append(uri)
            return uri

    def result(self, message: Message, session: str = "") -> Message | None:
        modern = self.era == "modern"
        kind = message["method"]
        params = message.get("params", {})
        complete = {"resultType": "complete"} if modern else {}
        cacheable = {**complete, "ttlMs": self.lifetime, "cacheScope": "private"} if modern else {}
        capabilities = {"tools": {}, "prompts": {}, "resources": {"listChanged": True} if self.declares else {}}
        if kind.endswith("/list"):
            self.asked.append((kind, session))
            if gate := self.gates.get(kind):
                gate.wait(60)
        if kind == "initialize" and not modern:
            info = {"name": "growing", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info}
        if kind == "server/discover" and modern:
            return {**cacheable, "supportedVersions": [MODERN], "capabilities": capabilities}
        if kind == "ping":
            return complete
        if kind == "tools/list":
            return {**cacheable, "tools": [{"name": "grow", "inputSchema": {"type": "object"}}]}
        if kind == "prompts/list":
            return {**cacheable, "prompts": [{"name": "ask"}]}
        if kind == "resources/list":
            uris = [*self.resources, *self.own.get(session, [])]
            return {**cacheable, "resources": [{"uri": uri, "name": uri} for uri in uris]}
        if kind == "resources/templates/list":
            return {**cacheable, "resourceTemplates": []}
        return None

    def answer(self, message: Message, session: str = "") -> tuple[list[Message], Message | None, list[Message]]:
        """What it says of its lists before the answer, the answer, and what it says after it."""
        before: list[Message] = []
        after: list[Message] = []
        if "id" not in message or "method" not in message:
            return [], None, []
        if message["method"] == "tools/call":
            arguments = message["params"].get("arguments", {})
            self.called.append(session)
            uri = self.grow(session, arguments.get("where", "")) if arguments.get("grows", True) else "nothing"
            if arguments.get("says") == "before":
                before = [CHANGED]
            if arguments.get("says") == "after":
                after = [CHANGED]
            content: Message = {"content": [{"type": "text", "text": uri}], "structuredContent": self.counts()}
            result: Message | None = {**content, **({"resultType": "complete"} if self.era == "modern" else {})}
        else:
            if message["method"].endswith("/list"):
                before = list(self.says_at_list)
            result = self.result(message, session)
        head = {"jsonrpc": "2.0", "id": message["id"]}
        if fault := self.faults.get(message["method"]):
            return before, {**head, "error": fault}, []
        if result is None:
            return [], {**head, "error": {"code": -32601, "message": "Method not found"}}, []
        return before, {**head, "result": result}, after

    def pipe(self, message: Message) -> list[Message]:
        """All that it says to a message where everything goes one way."""
        if message.get("method") == "subscriptions/listen" and self.era == "modern":
            self.listens.append(message["id"])
            return [acknowledged(message)]
        before, answer, after = self.answer(message)
        said = [*before, *([answer] if answer else []), *after]
        return [tagged for each in said for tagged in self.tagged(each)]

    def tagged(self, message: Message) -> list[Message]:
        """A notification goes to those who listen, in the modern era."""
        if self.era == "legacy" or "id" in message:
            return [message]
        return [{**message, "params": {"_meta": {SUBSCRIPTION: number}}} for number in self.listens]


def acknowledged(message: Message) -> Message:
    params = {"notifications": message["params"]["notifications"], "_meta": {SUBSCRIPTION: message["id"]}}
    return {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params}


class GrowingHTTP(Growing):
    """The same over Streamable HTTP, with sessions in the legacy era. What it says of its lists goes out on the streams on
    which nothing is asked: on those of all (`streams`), or of the session that calls, or of none."""

    def __init__(self, era: str, declares: bool = True, lifetime: int = 0, streams: str = "all") -> None:
        super().__init__(era, declares, lifetime)
        self.streams = streams
        self.handlers: list[tuple[str, Message, Any]] = []
        ThreadingHTTPServer.daemon_threads = True
        ThreadingHTTPServer.request_queue_size = 256
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def entry(self) -> Message:
        return {"url": f"http://127.0.0.1:{self.http.server_address[1]}/mcp", "type": "http"}

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def say(self, message: Message, session: str = "") -> None:
        """Written when this returns, so that what is said afterwards comes later."""
        with self.lock:
            for whose, listening, stream in list(self.handlers):
                if self.streams == "own" and whose != session and self.era == "legacy":
                    continue
                text = message
                if self.era == "modern":
                    if not listening["params"]["notifications"].get("resourcesListChanged"):
                        continue
                    text = {**message, "params": {"_meta": {SUBSCRIPTION: listening["id"]}}}
                with suppress(OSError):
                    stream.write(f"data: {json.dumps(text)}\n\n".encode())


def handler_for(server: GrowingHTTP) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

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

        def do_DELETE(self) -> None:
            self.reply(200)

        def do_GET(self) -> None:
            if server.era == "modern" or server.streams == "none":
                return self.reply(405)
            self.hold({})

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            session = self.headers.get("Mcp-Session-Id", "")
            if (self.headers.get("MCP-Protocol-Version") == MODERN) != (server.era == "modern"):
                return self.reply(400)
            if message.get("method") == "subscriptions/listen" and server.era == "modern":
                return self.hold(message)
            if message.get("method") == "initialize":
                return self.reply(200, server.answer(message)[1], Mcp_Session_Id=uuid.uuid4().hex)
            before, answer, after = server.answer(message, session)
            if answer is None:
                return self.reply(202)
            for each in before:
                server.say(each, session)
            self.reply(200, answer)
            for each in after:
                server.say(each, session)

        def hold(self, listening: Message) -> None:
            entry = (self.headers.get("Mcp-Session-Id", ""), listening, self.wfile)
            # Who has seen the head hears of everything from then on.
            with server.lock:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                if listening:
                    self.wfile.write(f"data: {json.dumps(acknowledged(listening))}\n\n".encode())
                server.handlers.append(entry)
            # Until the peer has had enough of it.
            with suppress(OSError):
                self.connection.recv(1)
            with server.lock:
                server.handlers.remove(entry)
            self.close_connection = True

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("era", choices=["legacy", "modern"])
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--lifetime", type=int, default=0)
    chosen = parser.parse_args()
    server = Growing(chosen.era, not chosen.silent, chosen.lifetime)
    writing = threading.Lock()

    def write(message: Message) -> None:
        with writing:
            sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
            sys.stdout.buffer.flush()

    def storm(changes: int) -> None:
        for _ in range(changes):
            server.grow()
            write(CHANGED)
            time.sleep(0.001)

    for line in sys.stdin.buffer:
        message = json.loads(line)
        for said in server.pipe(message):
            write(said)
        if storms := message.get("params", {}).get("arguments", {}).get("storm"):
            threading.Thread(target=storm, args=(storms,), daemon=True).start()


if __name__ == "__main__":
    main()

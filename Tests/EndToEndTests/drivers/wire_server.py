"""An upstream without an SDK: it keeps what it received byte for byte and answers with bytes of its own choosing.

SDK servers parse and print JSON again, so they cannot tell whether a number, a duplicate key or an escape survived the
way. This one serves one era over stdio or HTTP. What a call does is the tool's name:

    raw       answers at once; the result carries the request as it came and members that a JSON printer would change
    late      answers after 1.5 s
    note      sends a progress notification, then answers
    hang      never answers
    garbage   prints lines that are no JSON before it answers (stdio)
    fragments answers in small pieces
    tail      puts the id behind a long result
    forget    forgets every session, then answers (HTTP, legacy)
    exit      ends the process in mid-call
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ODD = (
    rb'"price":1.10,"big":9223372036854775808,"huge":123456789012345678901234567890,"tiny":1E-7,"zero":-0.0,'
    rb'"zeta":{"b":1,"a":2},"twice":1,"twice":2,"esc\u0061ped":"\u0041\/\u00e9\ud83c\udf75","empty":{},"none":null'
)
TOOLS = ["raw", "late", "note", "hang", "garbage", "fragments", "tail", "forget", "exit"]
MODERN = "2026-07-28"


class Upstream:
    def __init__(self, era: str, record: str | None) -> None:
        self.era, self.record = era, record
        self.sessions: set[str] = set()
        self.lock = threading.Lock()

    def keep(self, kind: str, raw: bytes, headers: dict[str, str] | None = None) -> None:
        """One JSON line per message that arrived, for the tests to read."""
        if self.record:
            entry = {"kind": kind, "raw": raw.decode("utf-8", "surrogateescape"), "headers": headers or {}}
            with self.lock, open(self.record, "a") as file:
                file.write(json.dumps(entry) + "\n")

    def result(self, raw: bytes, message: dict[str, Any]) -> bytes | None:
        """The bytes of the result member, None for an error -32601."""
        method = message["method"]
        modern = b'"resultType":"complete",' if self.era == "modern" else b""
        if method == "initialize" and self.era == "legacy":
            version = json.dumps(message["params"]["protocolVersion"]).encode()
            return (
                b'{"protocolVersion":'
                + version
                + b',"capabilities":{"tools":{}},"serverInfo":{"name":"wire","version":"1"}}'
            )
        if method == "server/discover" and self.era == "modern":
            return (
                b'{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},'
                b'"ttlMs":0,"cacheScope":"private"}'
            )
        if method == "ping" and self.era == "legacy":
            return b"{}"
        if method == "tools/list":
            tools = b",".join(self.tool(name) for name in TOOLS)
            cache = b'"ttlMs":0,"cacheScope":"private",' if self.era == "modern" else b""
            return b"{" + modern + cache + b'"tools":[' + tools + b"]}"
        if method == "tools/call":
            text = json.dumps(raw.decode("utf-8", "surrogateescape")).encode()
            return b'{"content":[{"type":"text","text":' + text + b"}]," + modern + ODD + b"}"
        return None

    def tool(self, name: str) -> bytes:
        return (
            b'{"name":"' + name.encode() + b'","x-price":1.10,"inputSchema":{"type":"object",'
            b'"properties":{"n":{"type":"number","maximum":9223372036854775808,"multipleOf":0.10}}},"x\\u002dkey":"\\u0041"}'
        )

    def answer(self, raw: bytes, message: dict[str, Any], tail: bool = False) -> bytes:
        number = json.dumps(message["id"]).encode()
        result = self.result(raw, message)
        if result is None:
            error = b'{"code":-32601,"message":"Method not found"}'
            return b'{"jsonrpc":"2.0","id":' + number + b',"error":' + error + b"}"
        if tail:
            padding = b'"padding":"' + b"p" * 100_000 + b'",'
            return b'{"result":{' + padding + result[1:] + b',"id":' + number + b',"jsonrpc":"2.0"}'
        return b'{"jsonrpc":"2.0","id":' + number + b',"result":' + result + b"}"


def progress_of(message: dict[str, Any]) -> bytes:
    token = message.get("params", {}).get("_meta", {}).get("progressToken", "none")
    return (
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'
        + json.dumps(token).encode()
        + b',"progress":1.50,"total":9223372036854775808}}'
    )


def tool_of(message: dict[str, Any]) -> str:
    return message.get("params", {}).get("name", "") if message.get("method") == "tools/call" else ""


def serve_stdio(upstream: Upstream) -> None:
    out = sys.stdout.buffer
    writing = threading.Lock()

    def write(line: bytes) -> None:
        with writing:
            out.write(line + b"\n")
            out.flush()

    def handle(raw: bytes, message: dict[str, Any]) -> None:
        tool = tool_of(message)
        if tool == "hang":
            return
        if tool == "exit":
            os._exit(3)
        if tool == "late":
            time.sleep(1.5)
        if tool == "note":
            write(progress_of(message))
        if tool == "garbage":
            write(b"Starting up... not JSON at all")
            write(b"")
            write(b'{"jsonrpc": "2.0", "id": ')
        answer = upstream.answer(raw, message, tail=tool == "tail")
        if tool == "fragments":
            with writing:
                for start in range(0, len(answer), 7):
                    out.write(answer[start : start + 7])
                    out.flush()
                out.write(b"\r\n")
                out.flush()
            return
        write(answer)

    for line in sys.stdin.buffer:
        raw = line.rstrip(b"\n")
        upstream.keep("line", raw)
        message = json.loads(raw)
        if "id" in message and "method" in message:
            threading.Thread(target=handle, args=(raw, message), daemon=True).start()
    upstream.keep("eof", b"")


def handler_for(upstream: Upstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def reply(self, status: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> None:
            self.send_response(status)
            if body:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def chunk(self, data: bytes) -> None:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def do_GET(self) -> None:
            upstream.keep("GET", b"", dict(self.headers))
            self.reply(405, Allow="POST")

        def do_DELETE(self) -> None:
            upstream.keep("DELETE", b"", dict(self.headers))
            upstream.sessions.discard(self.headers.get("Mcp-Session-Id", ""))
            self.reply(200)

        def do_POST(self) -> None:
            raw = self.body()
            upstream.keep("POST", raw, dict(self.headers))
            message = json.loads(raw)
            if "method" not in message or "id" not in message:
                return self.reply(202)
            modern = self.headers.get("MCP-Protocol-Version") == MODERN
            if modern != (upstream.era == "modern"):
                error = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Bad Request: wrong era"}}'
                return self.reply(400, error)
            if message["method"] == "initialize":
                session = uuid.uuid4().hex
                upstream.sessions.add(session)
                return self.reply(200, upstream.answer(raw, message), Mcp_Session_Id=session)
            if not modern and self.headers.get("Mcp-Session-Id") not in upstream.sessions:
                error = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}'
                return self.reply(404, error)
            self.answer_call(raw, message)

        def answer_call(self, raw: bytes, message: dict[str, Any]) -> None:
            tool = tool_of(message)
            if tool == "exit":
                os._exit(3)
            if tool == "forget":
                upstream.sessions.clear()
            if tool == "late":
                time.sleep(1.5)
            if tool == "hang":
                time.sleep(3600)
            answer = upstream.answer(raw, message, tail=tool == "tail")
            if tool not in ("note", "fragments"):
                return self.reply(200, answer)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if tool == "note":
                self.chunk(b": comment\r\n\r\nevent: message\r\ndata: " + progress_of(message) + b"\r\n\r\n")
            event = b"data: " + answer + b"\n\n"
            step = 7 if tool == "fragments" else len(event)
            for start in range(0, len(event), step):
                self.chunk(event[start : start + step])
            self.wfile.write(b"0\r\n\r\n")

        def body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            raw = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return raw

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=["stdio", "http"], default="stdio")
    parser.add_argument("--era", choices=["legacy", "modern"], default="legacy")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record")
    chosen = parser.parse_args()
    upstream = Upstream(chosen.era, chosen.record)
    if chosen.transport == "stdio":
        serve_stdio(upstream)
    else:
        ThreadingHTTPServer.daemon_threads = True
        ThreadingHTTPServer.request_queue_size = 256
        ThreadingHTTPServer(("127.0.0.1", chosen.port), handler_for(upstream)).serve_forever()


if __name__ == "__main__":
    main()

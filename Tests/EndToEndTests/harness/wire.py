"""HTTP/1.1 and MCP without a library: exactly the bytes a test wants, and a reader that forgives nothing."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
BOTH_TYPES = "application/json, text/event-stream"


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes = b""
    interim: list[int] = field(default_factory=list)
    version: str = "HTTP/1.1"

    @property
    def kind(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip()

    def messages(self) -> list[Any]:
        """The JSON-RPC messages of a JSON or SSE body."""
        if self.kind == "text/event-stream":
            return [json.loads(event["data"]) for event in events(self.body) if event.get("data")]
        return [json.loads(self.body)] if self.body else []

    @property
    def message(self) -> Any:
        """The last message, which answers the request."""
        found = self.messages()
        assert found, f"no message in {self}"
        return found[-1]

    @property
    def code(self) -> int | None:
        """The code of a JSON-RPC error, None for anything else."""
        try:
            return self.message["error"]["code"]
        except (AssertionError, KeyError, TypeError, ValueError):
            return None


def events(body: bytes) -> Iterator[dict[str, str]]:
    """The events of a finished stream."""
    event: dict[str, str] = {}
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(b":"):
            name, _, value = line.decode().partition(":")
            value = value.removeprefix(" ")
            event[name] = event[name] + "\n" + value if name in event else value


class Closed(Exception):
    """The other side closed where an answer was due."""


class Connection:
    """One TCP connection."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 10, source: str | None = None) -> None:
        self.port = port
        self.socket = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            if not self.more():
                raise Closed(self.buffer)
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self.more():
                raise Closed(self.buffer[:200])
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def head(self) -> Response:
        """The next head, interim ones collected."""
        interim: list[int] = []
        while True:
            version, status, *_ = self.line().decode().split(" ", 2)
            headers: dict[str, str] = {}
            while line := self.line():
                name, colon, value = line.decode().partition(":")
                assert colon and name == name.strip(), f"ill-formed header line {line!r}"
                name = name.lower()
                headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
            if not status.startswith("1"):
                return Response(int(status), headers, interim=interim, version=version)
            interim.append(int(status))

    def response(self, to: str = "POST") -> Response:
        """The next whole response."""
        response = self.head()
        both = "transfer-encoding" in response.headers and "content-length" in response.headers
        assert not both, f"a response with both lengths: {response}"
        if to == "HEAD" or response.status in (204, 304):
            return response
        if response.headers.get("transfer-encoding") == "chunked":
            response.body = b"".join(self.chunks())
        elif "content-length" in response.headers:
            response.body = self.exactly(int(response.headers["content-length"]))
        else:
            while self.more():
                pass
            response.body, self.buffer = self.buffer, b""
        return response

    def chunks(self) -> Iterator[bytes]:
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return
            yield self.exactly(size)
            assert self.exactly(2) == b"\r\n", "a chunk without its end"

    def stream(self) -> Iterator[dict[str, str]]:
        """The events of a chunked SSE response whose head has been read, as they come."""
        pending = b""
        for chunk in self.chunks():
            pending += chunk.replace(b"\r\n", b"\n")
            while b"\n\n" in pending:
                raw, _, pending = pending.partition(b"\n\n")
                yield from events(raw + b"\n\n")

    def ended(self, seconds: float = 5) -> bool:
        """Whether the other side closes within that time, sending nothing more."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1)
        except ConnectionResetError:
            return not self.buffer
        except TimeoutError:
            return False
        return not data and not self.buffer

    def exchange(self, data: bytes, to: str = "POST") -> Response:
        self.send(data)
        return self.response(to)


def request(
    method: str = "POST",
    path: str = "/mcp",
    headers: dict[str, str | None] | list[tuple[str, str]] | None = None,
    body: bytes = b"",
    *,
    port: int = 0,
    version: str = "1.1",
) -> bytes:
    """The bytes of a request. With a dict a value of None takes a default header away; a list is all there is."""
    if isinstance(headers, list):
        pairs = headers
    else:
        chosen: dict[str, str | None] = {"Host": f"127.0.0.1:{port}"}
        if method == "POST":
            chosen |= {"Content-Type": "application/json", "Accept": BOTH_TYPES, "Content-Length": str(len(body))}
        chosen |= headers or {}
        pairs = [(name, value) for name, value in chosen.items() if value is not None]
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode("latin-1") + body


def rpc(method: str, params: Any = None, number: Any = 1, **more: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method, **more}
    if params is not None:
        message["params"] = params
    return message


def notification(method: str, params: Any = None) -> dict[str, Any]:
    message = rpc(method, params)
    del message["id"]
    return message


def envelope(version: str = MODERN, capabilities: Any = None, **more: Any) -> dict[str, Any]:
    prefix = "io.modelcontextprotocol/"
    meta = {
        prefix + "protocolVersion": version,
        prefix + "clientCapabilities": capabilities or {},
        prefix + "clientInfo": {"name": "wire", "version": "1"},
    }
    return {key: value for key, value in (meta | more).items() if value is not None}


def modern(method: str, params: dict[str, Any] | None = None, number: Any = 1, meta: Any = None) -> dict[str, Any]:
    return rpc(method, {**(params or {}), "_meta": envelope() if meta is None else meta}, number)


def modern_headers(message: dict[str, Any], version: str = MODERN) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": version, "Mcp-Method": message["method"]}
    params = message.get("params", {})
    if message["method"] in ("tools/call", "prompts/get"):
        headers["Mcp-Name"] = params["name"]
    if message["method"] == "resources/read":
        headers["Mcp-Name"] = params["uri"]
    return headers


def post(
    port: int,
    message: Any,
    headers: dict[str, str | None] | None = None,
    *,
    path: str = "/mcp",
    timeout: float = 10,
) -> Response:
    """One POST on a connection of its own. `message` is JSON to be, or the body's bytes."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    with Connection(port, timeout=timeout) as connection:
        return connection.exchange(request("POST", path, headers, body, port=port))


def post_modern(
    port: int, message: dict[str, Any], headers: dict[str, str | None] | None = None, **more: Any
) -> Response:
    return post(port, message, {**modern_headers(message), **(headers or {})}, **more)


class LegacySession:
    """A legacy session, each request on a connection of its own unless one is given."""

    def __init__(
        self, port: int, version: str = LEGACY, path: str = "/mcp", capabilities: Any = None, initialized: bool = True
    ) -> None:
        self.port, self.path = port, path
        self.numbers = itertools.count(100)
        params = {
            "protocolVersion": version,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "wire", "version": "1"},
        }
        self.opening = post(port, rpc("initialize", params, 0), path=path)
        assert self.opening.status == 200, self.opening
        self.result = self.opening.message["result"]
        self.version = self.result["protocolVersion"]
        self.id = self.opening.headers["mcp-session-id"]
        if initialized:
            assert self.post(notification("notifications/initialized")).status == 202

    @property
    def headers(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {"Mcp-Session-Id": self.id}
        if self.version >= "2025-06-18":
            found["MCP-Protocol-Version"] = self.version
        return found

    def bytes_of(self, message: Any, headers: dict[str, str | None] | None = None) -> bytes:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return request("POST", self.path, {**self.headers, **(headers or {})}, body, port=self.port)

    def post(self, message: Any, headers: dict[str, str | None] | None = None, timeout: float = 10) -> Response:
        return post(self.port, message, {**self.headers, **(headers or {})}, path=self.path, timeout=timeout)

    def call(self, name: str, arguments: Any = None, timeout: float = 10, meta: Any = None) -> Response:
        params: dict[str, Any] = {"name": name, "arguments": arguments or {}}
        if meta:
            params["_meta"] = meta
        return self.post(rpc("tools/call", params, next(self.numbers)), timeout=timeout)

    def get_bytes(self, headers: dict[str, str | None] | None = None) -> bytes:
        own = {"Accept": "text/event-stream", **self.headers, **(headers or {})}
        return request("GET", self.path, own, port=self.port)

    def listen(self, last_event: str | None = None, timeout: float = 10) -> tuple[Connection, Response]:
        """Opens a GET stream; the caller reads events from the connection and closes it."""
        connection = Connection(self.port, timeout=timeout)
        connection.send(self.get_bytes({"Last-Event-ID": last_event} if last_event is not None else None))
        return connection, connection.head()

    def delete(self) -> Response:
        with Connection(self.port) as connection:
            return connection.exchange(request("DELETE", self.path, self.headers, port=self.port), "DELETE")

"""MCP over WebSocket: a client that shows every frame, and an upstream inside the test process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from harness.wire import LEGACY, notification, rpc

CLIENT = {"name": "raw", "version": "1"}


class Socket:
    """One WebSocket of a client."""

    def __init__(self, url: str, **options: Any) -> None:
        self.stack = ExitStack()
        opening = connect(url, **{"max_size": None, "open_timeout": 10, **options})
        self.connection: ClientConnection = self.stack.enter_context(opening)
        self.opened: dict[str, Any] = {}

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stack.close()

    def send(self, message: Any, binary: bool = False) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.connection.send(text.encode() if binary else text)

    def frame(self, seconds: float = 20) -> str | bytes:
        """The next message as it comes."""
        return self.connection.recv(seconds)

    def receive(self, seconds: float = 20) -> Any:
        return json.loads(self.frame(seconds))

    def until(self, wanted: Callable[[Any], bool], seconds: float = 20) -> tuple[Any, list[Any]]:
        """The first message that is wanted, and those before it."""
        before: list[Any] = []
        while True:
            message = self.receive(seconds)
            if wanted(message):
                return message, before
            before.append(message)

    def request(self, message: dict[str, Any], seconds: float = 20) -> Any:
        """Sends a request and waits for its answer."""
        self.send(message)
        return self.until(lambda answer: answer.get("id") == message["id"] and "method" not in answer, seconds)[0]

    def initialize(self, revision: str = LEGACY, capabilities: dict[str, Any] | None = None) -> dict[str, Any]:
        params = {"protocolVersion": revision, "capabilities": capabilities or {}, "clientInfo": CLIENT}
        answer = self.request(rpc("initialize", params))
        assert "result" in answer, answer
        self.send(notification("notifications/initialized"))
        self.opened = answer["result"]
        return self.opened

    def call(self, tool: str, arguments: dict[str, Any] | None = None, seconds: float = 20) -> Any:
        return self.request(rpc("tools/call", {"name": tool, "arguments": arguments or {}}), seconds)

    def ended(self, seconds: float = 20) -> int:
        """Reads to the end; the code with which the other side closed, 1006 without one."""
        try:
            while True:
                self.frame(seconds)
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006


class SocketUpstream:
    """A server over WebSocket in this process. `handle` answers a message with a list of messages, or ends the socket
    by answering None."""

    def __init__(self, handle: Callable[[dict[str, Any]], list[Any] | None], **options: Any) -> None:
        self.requests: list[Any] = []
        self.handle = handle
        self.server = serve(self._serve, "127.0.0.1", 0, **{"subprotocols": ["mcp"], "max_size": None, **options})
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self) -> SocketUpstream:
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/some/where?key=1"

    def _serve(self, connection: ServerConnection) -> None:
        self.requests.append(connection.request)
        for text in connection:
            answers = self.handle(json.loads(text))
            if answers is None:
                return
            for answer in answers:
                connection.send(json.dumps(answer))

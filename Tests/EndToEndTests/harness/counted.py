"""A legacy server that counts its connections exactly: before it takes one it has seen the end of all that the kernel knows
to be closed, so it never counts more at the same time than there are."""

from __future__ import annotations

import heapq
import json
import selectors
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("do", "hold", "sleep")]
INFO = {"capabilities": {"tools": {}}, "serverInfo": {"name": "counted", "version": "1"}}


@dataclass
class Peer:
    """A connection of the gateway's, by its number."""

    number: int
    socket: socket.socket
    received: bytes = b""


@dataclass
class Call:
    tag: str
    """Its argument of that name."""
    peer: Peer
    id: Any

    def answer(self) -> None:
        reply(self.peer, 200, self.id, {"content": [{"type": "text", "text": self.tag}]})


def reply(peer: Peer, status: int, number: Any = None, result: Any = None) -> None:
    body = b"" if result is None else json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()
    head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with suppress(OSError):
        peer.socket.send(head.encode() + body)


class CountedUpstream:
    """Calls of `do` are answered at once, those of `sleep` after `seconds`, those of `hold` when the test says so. What is
    closed may `listen` again on the same port."""

    def __init__(self) -> None:
        self.port = self.open = self.most = self.accepted = 0
        """Connections: open now, at most at the same time, and ever."""
        self.calls: list[Call] = []
        """In the order in which they came."""
        self.listen()

    def __enter__(self) -> CountedUpstream:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def tags(self) -> list[str]:
        return [call.tag for call in list(self.calls)]

    @property
    def peers(self) -> list[int]:
        """The connections of the calls."""
        return [call.peer.number for call in list(self.calls)]

    def listen(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.due: list[tuple[float, int, Call]] = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Its process dies."""
        self.wake.send(b".")
        self.thread.join()

    def run(self) -> None:
        while not self.turn(max(0, self.due[0][0] - time.monotonic()) if self.due else None):
            while self.due and self.due[0][0] <= time.monotonic():
                heapq.heappop(self.due)[2].answer()
        self.selector.unregister(self.woken)
        for key in list(self.selector.get_map().values()):
            if key.data is None:
                self.listener.close()
            else:
                self.end(key.data)
        self.wake.close()
        self.woken.close()

    def turn(self, patience: float | None) -> bool:
        """True once it is closed."""
        ready = [key for key, _ in self.selector.select(patience)]
        if any(key.fileobj is self.woken for key in ready):
            return True
        if any(key.fileobj is self.listener for key in ready):
            peer = Peer(self.accepted + 1, self.listener.accept()[0])
            # It was begun after those were closed which are closed by now.
            ready = [key for key, _ in self.selector.select(0)]
            self.read(ready)
            self.accepted += 1
            self.open += 1
            self.most = max(self.most, self.open)
            self.selector.register(peer.socket, selectors.EVENT_READ, peer)
        else:
            self.read(ready)
        return False

    def read(self, ready: list[selectors.SelectorKey]) -> None:
        for key in ready:
            if key.data is None:
                continue
            peer: Peer = key.data
            try:
                data = peer.socket.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                self.end(peer)
                continue
            peer.received += data
            self.serve(peer)

    def end(self, peer: Peer) -> None:
        self.selector.unregister(peer.socket)
        peer.socket.close()
        self.open -= 1

    def serve(self, peer: Peer) -> None:
        head, found, rest = peer.received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        if not found or len(rest) < length:
            return
        peer.received = rest[length:]
        if not head.startswith(b"POST"):
            return reply(peer, 405)
        message = json.loads(rest[:length])
        params = message.get("params", {})
        match message.get("method"):
            case "initialize":
                reply(peer, 200, message["id"], {"protocolVersion": params["protocolVersion"], **INFO})
            case "tools/list":
                reply(peer, 200, message["id"], {"tools": TOOLS})
            case "tools/call":
                self.called(Call(params["arguments"].get("tag", ""), peer, message["id"]), params)
            case "ping":
                reply(peer, 200, message["id"], {})
            case "server/discover":
                reply(peer, 400)
            case _:
                reply(peer, 202)

    def called(self, call: Call, params: dict[str, Any]) -> None:
        self.calls.append(call)
        if params["name"] == "do":
            call.answer()
        elif params["name"] == "sleep":
            heapq.heappush(self.due, (time.monotonic() + params["arguments"]["seconds"], len(self.calls), call))
        elif params["name"] != "hold":
            reply(call.peer, 404)

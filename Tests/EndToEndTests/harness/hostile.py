"""One anonymous client that does its worst: each attack goes on until it is told to stop, and cares for no answer.

As a program it is one attack: `python -m harness.hostile PORT ATTACK [URI [TOOL]]` from the folder of the suite, until its standard
input ends; then it says how often it got through."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from harness.paths import SUITE
from harness.wire import LEGACY, Connection, modern, modern_headers, request, rpc

MIB = 1 << 20
SOURCE = "127.0.0.66"


class HostileClient:
    """Holds what it gets for as long as it is let, and takes as much as it can."""

    def __init__(self, port: int, *, source: str = SOURCE, uri: str = "demo://", tool: str = "", held: int = 240) -> None:
        self.port, self.source, self.uri, self.tool = port, source, uri, tool
        self.over = threading.Event()
        self.counts: Counter[str] = Counter()
        """How often each attack got through, by its name."""
        self.room = threading.Semaphore(held)
        """Connections that an attack holds at once: an address may have only so many."""

    # What it needs

    def connect(self, receive: int = 0) -> socket.socket:
        made = socket.socket()
        made.settimeout(5)
        if receive:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        made.bind((self.source, 0))
        made.connect(("127.0.0.1", self.port))
        return made

    def exchange(self, data: bytes) -> int:
        """Sends a request on a connection of its own and reads the status."""
        with Connection(self.port, source=self.source, timeout=5) as connection:
            connection.send(data)
            return connection.response().status

    def post(self, message: dict[str, object], headers: dict[str, str | None] | None = None) -> bytes:
        body = json.dumps(message).encode()
        return request("POST", "/mcp", headers or {}, body, port=self.port)

    def hold(self, data: bytes, receive: int = 0) -> None:
        """Sends a request and keeps the connection, without reading, until the end or until it is cut."""
        self.room.acquire()
        try:
            connection = self.connect(receive)
            connection.sendall(data)
        except OSError:
            self.room.release()
            raise
        threading.Thread(target=self.keep, args=(connection,), daemon=True).start()

    def keep(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while not self.over.wait(1):
                # Readable and empty: the other side has ended it.
                connection.setblocking(False)
                with suppress(BlockingIOError):
                    if not connection.recv(1, socket.MSG_PEEK):
                        break
        self.room.release()

    def session(self) -> dict[str, str | None]:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        with Connection(self.port, source=self.source, timeout=5) as connection:
            opening = connection.exchange(self.post(rpc("initialize", params)))
        name = opening.headers.get("mcp-session-id")
        if name is None:
            raise OSError(opening.status)
        return {"Mcp-Session-Id": name, "MCP-Protocol-Version": LEGACY}

    # What it does

    def subscribe(self) -> Iterator[None]:
        """Long URIs and short ones, in ever new sessions."""
        for number in count():
            headers = self.session()
            for size in (100, 7_000, 12 * MIB, *[500] * 40):
                uri = f"{self.uri}{number}/{time.monotonic_ns()}/".ljust(size, "x")
                self.exchange(self.post(rpc("resources/subscribe", {"uri": uri}), headers))
                yield

    def listen(self) -> Iterator[None]:
        """Listens that name as much as a body may hold, each held open."""
        for number in count():
            for size, uris in ((16_000, 1_000), (7_000, 140), (900, 1_000)):
                named = [f"{self.uri}{number}/{place}/".ljust(size, "x") for place in range(uris)]
                message = modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": named}})
                self.hold(self.post(message, dict(modern_headers(message))))
                yield

    def open_sessions(self) -> Iterator[None]:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        message = self.post(rpc("initialize", params))
        while True:
            with Connection(self.port, source=self.source, timeout=5) as connection:
                for _ in range(50):
                    connection.send(message * 20)
                    for _ in range(20):
                        connection.response()
                        yield

    def send_bodies(self) -> Iterator[None]:
        """Bodies that are never whole."""
        piece = b" " * MIB
        while True:
            data = request("POST", "/mcp", {"Content-Length": str(16 * MIB)}, piece * 15, port=self.port)
            self.hold(data)
            yield

    def leave_unread(self) -> Iterator[None]:
        """Large results that it asks for and does not read."""
        for size in (4 * MIB, 12 * MIB) * 1_000_000:
            message = modern("tools/call", {"name": self.tool, "arguments": {"bytes": size}})
            self.hold(self.post(message, dict(modern_headers(message))), receive=4096)
            yield

    def leave_lists_unread(self) -> Iterator[None]:
        message = modern("tools/list")
        while True:
            self.hold(self.post(message, dict(modern_headers(message))) * 50, receive=4096)
            yield

    def open_sockets(self) -> Iterator[None]:
        """WebSockets with messages that have no end."""
        opening = (
            b"GET /mcp/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        part = bytes([0x01, 255]) + struct.pack("!Q", 3 * MIB) + bytes(4) + b" " * (3 * MIB)
        while True:
            self.hold(opening + part)
            yield

    def name_at_length(self) -> Iterator[None]:
        """Ids and progress tokens as large as a body, in calls that take a while."""
        long = "x" * (8 * MIB)
        while True:
            message = modern("tools/call", {"name": self.tool, "arguments": {}}, number=long)
            self.exchange(self.post(message, dict(modern_headers(message))))
            yield

    @property
    def attacks(self) -> list[Callable[[], Iterator[None]]]:
        attacks = [
            self.subscribe, self.listen, self.open_sessions, self.send_bodies, self.leave_lists_unread,
            self.open_sockets,
        ]
        return [*attacks, self.leave_unread, self.name_at_length] if self.tool else attacks

    # Its life

    def go_on(self, attack: Callable[[], Iterator[None]]) -> None:
        while not self.over.is_set():
            try:
                for _ in attack():
                    self.counts[attack.__name__] += 1
                    if self.over.is_set():
                        return
            except Exception:
                # It was refused, cut or ended: it tries again.
                self.counts[attack.__name__ + " failed"] += 1
                self.over.wait(0.02)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Each attack is a process of its own, so that none waits for another."""
        names = [attack.__name__ for attack in self.attacks]
        command = [sys.executable, "-m", "harness.hostile", str(self.port)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [
            subprocess.Popen([*command, name, self.uri, self.tool], cwd=SUITE, **pipes)  # type: ignore[call-overload]
            for name in names
        ]
        try:
            yield
        finally:
            for process in processes:
                process.stdin.close()
            for process in processes:
                with suppress(subprocess.TimeoutExpired, ValueError):
                    process.wait(20)
                    self.counts.update(json.loads(process.stdout.read()))
                process.kill()
                process.wait()


def main() -> None:
    port, name, uri, tool = [*sys.argv[1:], "demo://", ""][:4]
    client = HostileClient(int(port), uri=uri, tool=tool)
    attack = next(attack for attack in client.attacks if attack.__name__ == name)
    thread = threading.Thread(target=client.go_on, args=(attack,), daemon=True)
    thread.start()
    sys.stdin.read()
    print(json.dumps(client.counts), flush=True)
    # With all that it holds, as a client goes that is killed.
    os._exit(0)


if __name__ == "__main__":
    main()

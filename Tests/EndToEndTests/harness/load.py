"""Clients that call without a pause and forgive nothing: no call is ever repeated."""

from __future__ import annotations

import json
import select
import threading
from typing import Any

from harness.wire import Connection, Response, modern, modern_headers, request


class Load:
    """Threads that call one tool, some over connections that they keep, some over a new one for each call."""

    def __init__(
        self, port: int, tool: str, arguments: dict[str, Any], *, kept: int = 3, fresh: int = 3, path: str = "/mcp"
    ) -> None:
        self.port = port
        message = modern("tools/call", {"name": tool, "arguments": arguments})
        body = json.dumps(message).encode()
        self.bytes = request("POST", path, dict(modern_headers(message)), body, port=port)
        self.calls = 0
        self.failures: list[str] = []
        self.over = threading.Event()
        self.lock = threading.Lock()
        threads = [(self.keep, number) for number in range(kept)] + [(self.renew, number) for number in range(fresh)]
        self.threads = [threading.Thread(target=self.guard, args=entry) for entry in threads]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def guard(self, body: Any, number: int) -> None:
        while not self.over.is_set():
            try:
                body()
            except Exception as error:
                with self.lock:
                    self.failures.append(f"{body.__name__} {number}: {error!r}")

    def count(self, response: Response) -> None:
        message = response.message
        assert response.status == 200 and "result" in message, f"{response.status} {response.body[:500]!r}"
        with self.lock:
            self.calls += 1

    def keep(self) -> None:
        """As every client library does: a connection that the other side has closed is seen before it is used again."""
        with Connection(self.port, timeout=30) as connection:
            while not self.over.is_set():
                if select.select([connection.socket], [], [], 0)[0]:
                    return
                response = connection.exchange(self.bytes)
                self.count(response)
                if response.headers.get("connection") == "close":
                    return

    def renew(self) -> None:
        with Connection(self.port, timeout=30) as connection:
            self.count(connection.exchange(self.bytes))

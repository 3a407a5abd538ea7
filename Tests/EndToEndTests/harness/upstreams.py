"""The upstream servers: as commands for stdio, as processes of their own for HTTP and HTTP+SSE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.paths import DRIVERS, python
from harness.processes import Child, eventually, free_port, listens

ENVIRONMENTS = {"v1": "mcp-v1", "v2": "mcp-v2"}


def reference_command(generation: str, *arguments: str) -> list[str]:
    return [python(ENVIRONMENTS[generation]), str(DRIVERS / f"server_{generation}.py"), *arguments]


def wire_command(*arguments: str) -> list[str]:
    return [python("harness"), str(DRIVERS / "wire_server.py"), *arguments]


def stdio_entry(command: list[str], **more: Any) -> dict[str, Any]:
    """The entry of a client file for a command."""
    return {"command": command[0], "args": command[1:], **more}


class HTTPUpstream:
    """An upstream that listens on a port of its own, and keeps that port when started again."""

    def __init__(self, command: list[str], transport: str, folder: Path, name: str, started: bool = True) -> None:
        self.port = free_port()
        self.command = [*command, "--transport", transport, "--port", str(self.port)]
        self.transport, self.log = transport, folder / f"{name}-{self.port}.log"
        self.child: Child | None = None
        if started:
            self.start()

    @property
    def url(self) -> str:
        scheme = "ws" if self.transport == "ws" else "http"
        return f"{scheme}://127.0.0.1:{self.port}/{'sse' if self.transport == 'sse' else 'mcp'}"

    def entry(self, **more: Any) -> dict[str, Any]:
        return {"type": self.transport, "url": self.url, **more}

    def start(self, wait: bool = True) -> None:
        self.child = Child(self.command, self.log)
        if wait:
            self.wait()

    def wait(self) -> None:
        assert self.child is not None
        assert eventually(lambda: listens(self.port), 30), f"{self.command} does not listen:\n{self.child.text()}"

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child = None

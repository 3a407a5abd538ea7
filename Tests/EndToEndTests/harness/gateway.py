"""The gateway under test."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from harness.paths import binary
from harness.processes import Child, alive, descendants, descriptors, eventually, free_port, listens
from harness.wire import modern, modern_headers, post

LONG_LIVED: list[Gateway] = []
"""The gateways that many tests share."""


class Gateway:
    """One `sluice serve` with ports of its own."""

    def __init__(
        self,
        folder: Path,
        servers: dict[str, Any] | None = None,
        *,
        workers: int = 1,
        settings: dict[str, Any] | None = None,
        arguments: tuple[str, ...] = (),
        within: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        self.port, self.websocket_port, self.admin_port = free_port(), free_port(), free_port()
        command = [*within, binary(), "serve", "--port", str(self.port), "--websocket-port", str(self.websocket_port)]
        command += ["--admin-port", str(self.admin_port), "--workers", str(workers), *arguments]
        if settings is not None:
            # JSON is YAML, so the settings need no printer of their own.
            path = folder / f"sluice-{self.port}.yaml"
            path.write_text(json.dumps(settings, indent=2))
            command += ["--config", str(path)]
        if servers is not None:
            command += ["--mcp-json", json.dumps({"mcpServers": servers})]
        self.command, self.env = command, env
        self.held: socket.socket | None = None
        """A socket that listens on its port whether it runs or not."""
        self.log_path = folder / f"sluice-{self.port}.log"
        self.child = Child(command, self.log_path, env=env)
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.kill()
                raise

    def fell_over(self) -> bool:
        """Whether it ended by itself. If so it is started again, so that one crash fails one test."""
        if listens(self.port):
            return False
        # A crash is not over before its backtrace is written.
        eventually(lambda: self.child.process.poll() is not None, 30)
        self.child.kill()
        self.child = Child(self.command, self.log_path, env=self.env)
        self.wait_ready()
        return True

    def wait_ready(self, seconds: float = 20) -> None:
        def ready() -> bool:
            assert self.child.process.poll() is None, f"the gateway ended by itself:\n{self.log[-4000:]}"
            return self.admin_status("/readyz") == 200 and listens(self.port)

        assert eventually(ready, seconds), f"/readyz says {self.admin_status('/readyz')}; log:\n{self.log[-4000:]}"

    def wait_for(self, *aliases: str, seconds: float = 30) -> None:
        """Waits until each of these upstreams has a catalogue; only the first to answer makes the gateway ready."""
        for alias in aliases:
            message = modern("tools/list")

            def listed(alias: str = alias, message: dict[str, Any] = message) -> bool:
                answer = post(self.port, message, dict(modern_headers(message)), path=f"/mcp/{alias}").message
                return bool(answer.get("result", {}).get("tools"))

            assert eventually(listed, seconds, 0.1), f"{alias} did not come up; log:\n{self.log[-3000:]}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def alias_url(self, alias: str) -> str:
        return f"{self.url}/{alias}"

    def socket_url(self, alias: str = "", port: int = 0) -> str:
        return f"ws://127.0.0.1:{port or self.port}/mcp/{alias + '/' if alias else ''}ws"

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def log(self) -> str:
        return self.child.text()

    def says(self, *texts: str, seconds: float = 10) -> bool:
        """Whether it logs all of that, by now or soon: a thread of its own writes the log, later than answers are sent."""
        return bool(eventually(lambda: all(text in self.log for text in texts), seconds))

    def times(self, text: str, expected: int, seconds: float = 10) -> int:
        """How often it has logged that, once it has so often as is expected, or the time is over."""
        eventually(lambda: self.log.count(text) >= expected, seconds)
        return self.log.count(text)

    def crash(self) -> str:
        """What the log says of the last crash."""
        text = self.log
        place = max(text.rfind("Fatal error"), text.rfind("Program crashed"), text.rfind("ERROR: "))
        return text[max(0, place - 200) :][:3000] if place >= 0 else text[-2000:]

    def admin_status(self, path: str) -> int:
        """HTTP status on the admin listener, 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def metric(self, name: str) -> float:
        """What /metrics says under this name, labels included."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name + " "))

    def descriptors(self) -> int:
        return descriptors(self.pid)

    def peers(self) -> set[tuple[str, int]]:
        """The clients whose connections over IPv4 to its first port are open at its end, whatever the kernel has left
        to send on others."""
        found = set()
        for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]:
            _, own, other, *rest = line.split()
            if own.endswith(f":{self.port:04X}") and rest[6] != "0":
                address, _, port = other.partition(":")
                found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
        # It listens there itself.
        return found - {("0.0.0.0", 0)}

    def holds(self, peer: socket.socket) -> bool:
        """Whether its end of this connection is among them."""
        return peer.getsockname() in self.peers()

    def children(self) -> dict[int, str]:
        return descendants(self.pid)

    def stop(self, seconds: float = 40) -> None:
        """Ends it by SIGTERM; it must say goodbye with code 0 and leave no process behind."""
        children = self.children() if self.child.process.poll() is None else {}
        code = self.child.terminate(seconds)
        assert code == 0, f"the gateway ended with {code}; log:\n{self.log[-4000:]}"
        eventually(lambda: not any(alive(pid) for pid in children), 5)
        left = {pid: line for pid, line in children.items() if alive(pid)}
        assert not left, f"orphans: {left}"

    def kill(self) -> None:
        self.child.process.send_signal(signal.SIGKILL)
        self.child.process.wait()

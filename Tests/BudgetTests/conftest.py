"""What the budgets are measured on: the release binary in front of a responder that costs next to nothing."""

from __future__ import annotations

import http.client
import json
import mmap
import os
import random
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".build/benchmarks"
BINARY = os.environ.get("SLUICE_BIN", str(ROOT / ".build/release/sluice"))
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def free_port() -> int:
    """One that no outgoing connection is given either: a server can be stopped and started on it again."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        with socket.socket() as probe:
            try:
                port = random.randrange(10_000, max(first_outgoing, 20_000))
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="take the costs that are measured for those to hold")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the allocation counter, and a binary without the debug information that Debian's valgrind can't
    read."""
    subprocess.run([ROOT / "Benchmarks/build"], check=True)
    folder = tmp_path_factory.mktemp("built")
    compiler = "/opt/swift/usr/bin/clang" if not _has("clang") else "clang"
    source = Path(__file__).parent / "malloc_counter.c"
    subprocess.run([compiler, "-O2", "-fPIC", "-shared", "-o", folder / "malloc_counter.so", source], check=True)
    subprocess.run(["strip", "--strip-debug", "-o", folder / "sluice", BINARY], check=True)
    return folder


def _has(command: str) -> bool:
    return any(os.access(Path(folder) / command, os.X_OK) for folder in os.environ["PATH"].split(":"))


class Gateway:
    """A running gateway with one worker."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, upstreams: list[int], counter: mmap.mmap | None
    ) -> None:
        self.process = process
        self.port = port
        self.upstreams = upstreams
        self._counter = counter

    @property
    def allocations(self) -> int:
        assert self._counter is not None
        return int.from_bytes(self._counter[:8], "little")

    @property
    def resident(self) -> int:
        """Bytes of private memory that the process holds."""
        total = 0
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
        return total


@pytest.fixture
def gateway(built: Path, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(
        servers: dict[str, str], counting: bool = False, extra: list[str] = [], under: list[str] = []
    ) -> Gateway:
        upstreams: dict[str, Any] = {}
        ports: list[int] = []
        for alias, era in servers.items():
            ports.append(free_port())
            running.append(subprocess.Popen([PEERS / "responder", str(ports[-1]), era]))
            upstreams[alias] = {"url": f"http://127.0.0.1:{ports[-1]}/mcp"}
        port, admin = free_port(), free_port()
        environment = dict(os.environ, SWIFT_DETERMINISTIC_HASHING="1", SLUICE_STATE_DIR="off")
        counter = None
        if counting:
            path = tmp_path / "allocations"
            path.write_bytes(bytes(4096))
            file = open(path, "r+b")
            counter = mmap.mmap(file.fileno(), 4096)
            environment |= {"LD_PRELOAD": str(built / "malloc_counter.so"), "MALLOC_COUNT_FILE": str(path)}
        binary = str(built / "sluice") if under else BINARY
        command = [*under, binary, "serve", "--workers", "1", "--port", str(port), "--admin-port", str(admin)]
        command += ["--websocket-port", "0"]
        command += ["--mcp-json", json.dumps({"mcpServers": upstreams}), *extra]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append(process)
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=2)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            assert time.monotonic() < deadline and process.poll() is None, "the gateway did not become ready"
            time.sleep(0.05)
        return Gateway(process, port, ports, counter)

    yield start
    for process in reversed(running):
        process.send_signal(signal.SIGTERM)
    for process in running:
        process.wait(60)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "server.pem", folder / "server.key"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", files[1]]
    names = ["-subj", "/CN=budget", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *key, "-out", files[0], *names], check=True, capture_output=True)
    return files


class Client:
    """One kept-alive connection that makes calls of one shape."""

    def __init__(
        self, port: int, era: str, tool: str, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        where: dict[str, Any] = {"host": "127.0.0.1", "port": port, "timeout": 20, "source_address": (source, 0)}
        self.connection = (
            http.client.HTTPSConnection(**where, context=tls) if tls else http.client.HTTPConnection(**where)
        )
        self.headers = dict(HEADERS)
        params: dict[str, Any] = {"name": tool, "arguments": {"text": "x" * 120}}
        if era == "modern":
            self.headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool}
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        self.body = json.dumps({"jsonrpc": "2.0", "id": 4711, "method": "tools/call", "params": params})

    def initialize(self) -> None:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "budget", "version": "1"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
        self.connection.request("POST", "/mcp", body, HEADERS)
        response = self.connection.getresponse()
        response.read()
        self.headers |= {"Mcp-Session-Id": response.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}

    def call(self) -> None:
        self.connection.request("POST", "/mcp", self.body, self.headers)
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200 and answer["id"] == 4711 and "result" in answer, answer

"""What is measured: servers, how they are started, and how they are spoken to."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from .load import Load

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".build/benchmarks"
SERVER_CPU, LOAD_CPU = "0", "1"

MODERN: list[str] = []
LEGACY = ["--era", "legacy"]
PLAIN = ["--era", "none", "--expect", '"id":{n}']


@dataclass(frozen=True)
class Subject:
    """A server under load. `program` is a script of Peers, or a program of .build/benchmarks without an upstream."""

    name: str
    program: str
    arguments: list[str] = field(default_factory=list)
    path: str = "/mcp"
    load: list[str] = field(default_factory=list)
    upstream: str = "legacy"
    tls: bool = False
    websocket: bool = False
    slow: bool = False
    """It answers hundreds of calls a second, not tens of thousands."""
    callers: int = 16
    """Connections that call at once."""
    patience: int = 60
    """Seconds until it has to be ready."""
    environment: dict[str, str] = field(default_factory=dict)
    trial: str = "call"
    """How far a client has to get for it to be ready: connect, open, call or listen."""

    def url(self, port: int) -> str:
        scheme = ("ws" if self.websocket else "http") + ("s" if self.tls else "")
        return f"{scheme}://127.0.0.1:{port}{self.path}"


class Servers:
    """Runs subjects and their upstreams: the server on one CPU, its upstream and the load on the other."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench"))
        self.next_port = 18400
        self.processes: list[subprocess.Popen[bytes]] = []
        self.upstreams: dict[str, int] = {}
        self.ports: dict[str, int] = {}
        self.pids: dict[str, int] = {}
        self.failures: dict[str, str] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, cpu: str, command: list[str], environment: dict[str, str] | None = None) -> int:
        # Groups of their own, so that the children of a Python gateway end with it.
        process = subprocess.Popen(
            ["taskset", "-c", cpu, *command], cwd=ROOT, env=os.environ | (environment or {}), start_new_session=True
        )
        self.processes.append(process)
        return process.pid

    def take_port(self) -> int:
        """One that is free, and so is the next."""
        while True:
            self.next_port += 10
            with socket.socket() as first, socket.socket() as second:
                try:
                    for offset, probe in enumerate((first, second)):
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind(("127.0.0.1", self.next_port + offset))
                    return self.next_port
                except OSError:
                    continue

    def upstream(self, kind: str) -> int:
        """The port of the responder of that kind; on the port after it messages over WebSocket are echoed."""
        if kind not in self.upstreams:
            port = self.upstreams[kind] = self.take_port()
            self.spawn(LOAD_CPU, [str(BUILT / "responder"), str(port), *kind.split()])
            self.spawn(LOAD_CPU, [str(BUILT / "websocket_echo"), str(port + 1)])
        return self.upstreams[kind]

    def start(self, subject: Subject) -> bool:
        """Starts it and waits until it answers; a failure is noted."""
        port = self.ports[subject.name] = self.take_port()
        folder = self.folder / str(port)
        folder.mkdir()
        # What one run remembers is no other's business.
        environment = {"SLUICE_STATE_DIR": "off"} | subject.environment
        if subject.tls:
            environment |= self.certificate()
        script = ROOT / "Benchmarks/Peers" / subject.program
        if script.exists():
            upstream = self.upstream(subject.upstream)
            command = [str(script), str(port), str(upstream), str(folder), *subject.arguments]
        else:
            command = [str(BUILT / subject.program), str(port), *subject.arguments]
        self.pids[subject.name] = self.spawn(SERVER_CPU, command, environment)
        deadline = time.monotonic() + subject.patience
        reason = ""
        while time.monotonic() < deadline:
            trial = ["idle", subject.url(port), *subject.load, *self.headers(subject), "-c", "1", "-d", "1ms"]
            answered = not Load.run([*trial, "--hold", subject.trial]).errors
            # Looked at last: another server might have answered on that port.
            if self.processes[-1].poll() is not None:
                reason = "it ended"
                break
            if answered:
                return True
            reason = "it did not answer"
            time.sleep(0.2)
        self.failures[subject.name] = reason
        return False

    def headers(self, subject: Subject) -> list[str]:
        """What a server has written into its folder for its clients to send."""
        file = self.folder / str(self.ports[subject.name]) / "headers"
        return [each for line in file.read_text().splitlines() for each in ("--header", line)] if file.exists() else []

    def certificate(self) -> dict[str, str]:
        key, file = self.folder / "key.pem", self.folder / "cert.pem"
        if not file.exists():
            kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
            command = ["openssl", *kind.split(), "-keyout", str(key), "-out", str(file)]
            subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        return {"BENCH_CERT": str(file), "BENCH_KEY": str(key)}

    def measure(self, subject: Subject, mode: str, *arguments: object, path: str | None = None) -> Load:
        """One run of sluice-load against it, with its process measured."""
        url = subject.url(self.ports[subject.name])
        if path is not None:
            url = url.removesuffix(subject.path) + path
        command = [mode, url, *subject.load, *self.headers(subject), *map(str, arguments)]
        return Load.run([*command, "--server-pid", str(self.pids[subject.name]), "--server-tree"], LOAD_CPU)

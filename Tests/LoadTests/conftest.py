"""What the load generator is tested with: servers that answer as they are told to, and what it reports of them."""

from __future__ import annotations

import json
import os
import random
import socket
import socketserver
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".build/benchmarks"


@dataclass
class Outcome:
    status: int
    report: dict[str, Any]
    errors: str

    @property
    def faults(self) -> dict[str, int]:
        """The classes of errors that were seen, with their counts."""
        return {name: count for name, count in self.report["faults"].items() if count}


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    subprocess.run([ROOT / "Benchmarks/build"], check=True)


@pytest.fixture
def load() -> Callable[..., Outcome]:
    def run(*arguments: object) -> Outcome:
        command = [str(BUILT / "sluice-load"), *map(str, arguments), "--json", "-"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return Outcome(ended.returncode, json.loads(ended.stdout or "{}"), ended.stderr)

    return run


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


@pytest.fixture
def peer() -> Iterator[Callable[..., int]]:
    """Starts a program of Benchmarks/Peers and gives its port."""
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> int:
        port = free_port()
        running.append(subprocess.Popen([BUILT / name, str(port), *arguments]))
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return port
            except ConnectionRefusedError:
                assert running[-1].poll() is None, f"{name} did not start"

    yield start
    for process in running:
        process.kill()
        process.wait()


class Request:
    def __init__(self, head: str, body: bytes, number: int) -> None:
        self.head = head
        self.body = body
        self.number = number
        """How many requests this server had before it, on any connection."""

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    def result(self, **members: Any) -> bytes:
        """The right answer to a call, or one with members exchanged."""
        call = self.message
        text = call["params"]["arguments"]["text"]
        result = members.pop("result", {"content": [{"type": "text", "text": text}]})
        return respond(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result} | members))


def respond(body: str, status: str = "200 OK", kind: str = "application/json", extra: str = "") -> bytes:
    payload = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n{extra}\r\n"
    return head.encode() + payload


Answer = Callable[[Request], bytes | None]


@pytest.fixture
def server() -> Iterator[Callable[..., int]]:
    """Starts a server that answers each request with the bytes of a function, or closes the connection for None."""
    running: list[socketserver.ThreadingTCPServer] = []

    def start(answer: Answer, tls: ssl.SSLContext | None = None) -> int:
        lock = threading.Lock()
        count = 0

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                nonlocal count
                try:
                    connection = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                    stream = connection.makefile("rb")
                    while line := stream.readline():
                        head = line.decode()
                        while (line := stream.readline()) not in (b"\r\n", b""):
                            head += line.decode()
                        fields = dict(field.lower().split(": ", 1) for field in head.splitlines()[1:])
                        body = stream.read(int(fields.get("content-length", 0)))
                        with lock:
                            request = Request(head, body, count)
                            count += 1
                        reply = answer(request)
                        if reply is None:
                            return
                        connection.sendall(reply)
                except OSError:
                    return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False
            request_queue_size = 256

        running.append(Server(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, args=(0.01,), daemon=True).start()
        return int(running[-1].server_address[1])

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost that vouches for itself, and a server's context with it."""
    key, file = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(file)]
    subprocess.run(["openssl", *command.split(), *names], check=True, capture_output=True, env=dict(os.environ))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crowd", type=int, default=0, help="so many listen, and how long others wait is looked at")

"""How much memory an idle connection may hold."""

from __future__ import annotations

import functools
import json
import socket
import ssl
from pathlib import Path
from typing import Any, Callable

import pytest

from conftest import Client, Gateway

BUDGET = 1024
TLS_BUDGET = 16_384
"""OpenSSL alone holds 14.5 KB."""
CONNECTIONS = 10_000

Opener = Callable[[Gateway, str], socket.socket]


def keep_alive(running: Gateway, source: str, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A connection that is kept after one answered call."""
    client = Client(running.port, "modern", "echo", source, tls)
    client.call()
    return client.connection.sock


def event_stream(running: Gateway, source: str, tls: ssl.SSLContext | None = None) -> socket.socket:
    """The GET stream of an initialised session, on the connection that opened it."""
    client = Client(running.port, "legacy", "echo", source, tls)
    client.initialize()
    connection = client.connection
    headers = {name: value for name, value in client.headers.items() if name.startswith("M")}
    connection.putrequest("GET", "/mcp")
    for name, value in {"Accept": "text/event-stream", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    stream = connection.sock
    head = b""
    while b"\r\n\r\n" not in head:
        head += stream.recv(4096)
    assert head.startswith(b"HTTP/1.1 200") and b"text/event-stream" in head, head
    return stream


def web_socket(running: Gateway, source: str, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A WebSocket with compression after `initialize`."""
    stream = socket.create_connection(("127.0.0.1", running.port), 20, (source, 0))
    # Two messages in a row would wait for each other.
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        stream = tls.wrap_socket(stream, server_hostname="127.0.0.1")
    stream.sendall(
        b"GET /mcp/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Protocol: mcp\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += stream.recv(4096)
    assert head.startswith(b"HTTP/1.1 101") and b"permessage-deflate" in head, head
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "budget", "version": "1"}}
    stream.sendall(frame({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))
    assert b'"serverInfo"' in stream.recv(65_536)
    initialized = frame({"jsonrpc": "2.0", "method": "notifications/initialized"})
    stream.sendall(initialized + frame({"jsonrpc": "2.0", "id": 2, "method": "ping"}))
    assert b'"result":{}' in stream.recv(65_536)
    return stream


def frame(message: Any) -> bytes:
    """A text frame of a client, with a mask that changes nothing."""
    text = json.dumps(message).encode()
    length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + text


def bytes_per_connection(running: Gateway, kind: str, opened: Opener) -> float:
    # Warm: what the first ones take once is not a connection's.
    for number in range(200):
        opened(running, f"127.0.1.{number % 200 + 1}").close()
    before = running.resident
    # 1,000 connections from one address are the default limit.
    held = [opened(running, f"127.0.0.{2 + number // 900}") for number in range(CONNECTIONS - 1)]
    per_connection = (running.resident - before) / len(held)
    print(f"{per_connection:.0f} bytes per idle {kind} at {len(held)}")
    for stream in held:
        stream.close()
    return per_connection


def test_an_idle_keep_alive_connection_holds_at_most_a_kibibyte(gateway: Callable[..., Any]) -> None:
    assert bytes_per_connection(gateway({"one": "modern"}), "connection", keep_alive) <= BUDGET


def test_an_idle_event_stream_holds_at_most_a_kibibyte(gateway: Callable[..., Any]) -> None:
    assert bytes_per_connection(gateway({"one": "modern"}), "event stream", event_stream) <= BUDGET


def test_an_idle_websocket_holds_at_most_a_kibibyte(gateway: Callable[..., Any]) -> None:
    assert bytes_per_connection(gateway({"one": "modern"}), "WebSocket", web_socket) <= BUDGET


@pytest.mark.parametrize("opened", [keep_alive, event_stream, web_socket])
def test_an_idle_tls_connection_holds_at_most_16_kibibytes(
    gateway: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path, opened: Any
) -> None:
    config = tmp_path / "sluice.yaml"
    tls = {"cert": str(certificate[0]), "key": str(certificate[1])}
    config.write_text(json.dumps({"listeners": {"http": {"tls": tls}}}))
    running = gateway({"one": "modern"}, extra=["--config", str(config)])
    context = ssl.create_default_context(cafile=str(certificate[0]))
    secure = functools.partial(opened, tls=context)
    assert bytes_per_connection(running, f"{opened.__name__} over TLS", secure) <= TLS_BUDGET

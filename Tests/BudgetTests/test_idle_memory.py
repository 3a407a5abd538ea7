"""How much memory an idle connection may hold."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any, Callable

from conftest import Client, Gateway

BUDGET = 1024
TLS_BUDGET = 16_384
"""OpenSSL alone holds 14.5 KB."""
CONNECTIONS = 10_000


def bytes_per_connection(running: Gateway, tls: ssl.SSLContext | None = None) -> float:
    # Warm: what the first calls take once is not a connection's.
    first = Client(running.port, "modern", "echo", tls=tls)
    for _ in range(200):
        first.call()
    before = running.resident
    clients = []
    for number in range(CONNECTIONS - 1):
        # 1,000 connections from one address are the default limit.
        client = Client(running.port, "modern", "echo", f"127.0.0.{2 + number // 900}", tls)
        client.call()
        clients.append(client)
    per_connection = (running.resident - before) / len(clients)
    print(f"{per_connection:.0f} bytes per idle connection at {len(clients) + 1}")
    for client in [first, *clients]:
        client.connection.close()
    return per_connection


def test_an_idle_keep_alive_connection_holds_at_most_a_kibibyte(gateway: Callable[..., Any]) -> None:
    assert bytes_per_connection(gateway({"one": "modern"})) <= BUDGET


def test_an_idle_tls_connection_holds_at_most_16_kibibytes(
    gateway: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    config = tmp_path / "sluice.yaml"
    tls = {"cert": str(certificate[0]), "key": str(certificate[1])}
    config.write_text(json.dumps({"listeners": {"http": {"tls": tls}}}))
    running = gateway({"one": "modern"}, extra=["--config", str(config)])
    context = ssl.create_default_context(cafile=str(certificate[0]))
    assert bytes_per_connection(running, context) <= TLS_BUDGET

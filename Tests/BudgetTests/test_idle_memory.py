"""How much memory an idle connection may hold."""

from __future__ import annotations

from typing import Any, Callable

from conftest import Client

BUDGET = 1024
CONNECTIONS = 10_000


def test_an_idle_keep_alive_connection_holds_at_most_a_kibibyte(
    gateway: Callable[..., Any]
) -> None:
    running = gateway({"one": "modern"})
    # Warm: what the first calls take once is not a connection's.
    first = Client(running.port, "modern", "echo")
    for _ in range(200):
        first.call()
    before = running.resident
    clients = []
    for number in range(CONNECTIONS - 1):
        # 1,000 connections from one address are the default limit.
        client = Client(running.port, "modern", "echo", source=f"127.0.0.{2 + number // 900}")
        client.call()
        clients.append(client)
    per_connection = (running.resident - before) / len(clients)
    print(f"{per_connection:.0f} bytes per idle connection at {len(clients) + 1}")
    for client in clients:
        client.connection.close()
    assert per_connection <= BUDGET

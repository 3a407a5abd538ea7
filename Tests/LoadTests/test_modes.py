"""Connections that are held, that come and go, and events for many."""

from __future__ import annotations

import re
import socket
import threading
from typing import Callable

import pytest
from conftest import Outcome, Request, respond

Load = Callable[..., Outcome]


@pytest.mark.parametrize("hold", ["connect", "open", "call"])
def test_idle_connections_are_brought_as_far_as_they_should(load: Load, server: Callable[..., int], hold: str):
    methods: list[str] = []

    def answer(request: Request) -> bytes:
        if request.head.startswith("DELETE"):
            return respond("")
        methods.append(request.message["method"])
        if "id" not in request.message:
            return respond("", status="202 Accepted")
        if request.message["method"] == "initialize":
            return respond(f'{{"jsonrpc":"2.0","id":{request.message["id"]},"result":{{}}}}')
        return request.result()

    url = f"http://127.0.0.1:{server(answer)}/mcp"
    outcome = load("idle", url, "--era", "legacy", "-c", 5, "-d", "50ms", "--hold", hold)
    assert outcome.status == 0 and outcome.report["connections"] == 5
    per_connection = {"connect": [], "open": ["initialize", "notifications/initialized"]}
    per_connection["call"] = per_connection["open"] + ["tools/call"]
    assert sorted(methods) == sorted(per_connection[hold] * 5)


def test_idle_connections_that_end_are_missed(load: Load, server: Callable[..., int]):
    """Behind its answer the server says that it ends the connection."""
    farewell = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    port = server(lambda request: request.result() + farewell)
    outcome = load("idle", f"http://127.0.0.1:{port}/mcp", "-c", 3, "-d", "50ms")
    assert outcome.status != 0 and outcome.faults == {"status": 3}


def test_churn_opens_a_connection_for_each_round(load: Load, peer: Callable[..., int]):
    outcome = load("churn", f"ws://127.0.0.1:{peer('websocket_echo')}/", "--era", "none", "--each", 0, "-n", 200)
    assert outcome.status == 0 and outcome.report["operations"] == 200
    url = f"http://127.0.0.1:{peer('responder', 'modern')}/mcp"
    outcome = load("churn", url, "--each", 3, "-n", 100)
    assert outcome.status == 0 and outcome.report["operations"] == 100


def test_a_mix_holds_connections_beside_those_that_call(load: Load, peer: Callable[..., int]):
    url = f"http://127.0.0.1:{peer('responder', 'modern')}/mcp"
    outcome = load("mix", url, "-c", 4, "--idle", 300, "--hold", "call", "-n", 500)
    assert outcome.status == 0
    assert outcome.report["connections"] == 304 and outcome.report["operations"] == 500


def test_every_subscriber_gets_every_event(load: Load, peer: Callable[..., int]):
    port = peer("responder", "modern")
    events = ["--publish", f"http://127.0.0.1:{port}/publish", "--publications", 20, "--rate", 200]
    plain = load("fanout", f"http://127.0.0.1:{port}/events", "--era", "none", "-c", 30, *events)
    assert plain.status == 0 and plain.report["operations"] == 600
    listens = load("fanout", f"http://127.0.0.1:{port}/mcp", "-c", 30, *events, "--processes", 2)
    assert listens.status == 0 and listens.report["operations"] == 600


@pytest.mark.parametrize(
    ("copies", "faults"), [(0, {"lost": 1}), (2, {"duplicate": 1})], ids=["left out", "sent twice"]
)
def test_an_event_that_a_broker_drops_or_repeats_is_found(
    load: Load, server: Callable[..., int], copies: int, faults: dict[str, int]
):
    """The broker deals wrongly with its third event."""
    posted: list[bytes] = []
    changed = threading.Condition()

    def take(request: Request) -> bytes:
        match = re.match(rb"event-\d{10}", request.body)
        assert match
        with changed:
            posted.append(match[0])
            changed.notify_all()
        return respond("", status="202 Accepted")

    def stream(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for index in range(5):
                with changed:
                    changed.wait_for(lambda: len(posted) > index)
                event = b"data: " + posted[index] + b"\n\n"
                connection.sendall(event * (copies if index == 2 else 1))
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=stream, args=[listener], daemon=True).start()
        outcome = load(
            *["fanout", f"http://127.0.0.1:{listener.getsockname()[1]}/", "--era", "none", "-c", 1],
            *["--publish", f"http://127.0.0.1:{server(take)}/", "--publications", 5, "--rate", 100],
            *["--timeout", "500ms"],
        )
    assert outcome.status == 1
    assert outcome.faults == faults

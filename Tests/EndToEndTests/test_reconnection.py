"""Event streams say when to take them up again: those of answers with an id as their first event, and all once more when the
gateway closes them before their end (2025-11-25)."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from harness import agreed
from harness.gateway import Gateway
from harness.wire import Connection, LegacySession, notification, request, rpc

Make = Callable[..., Gateway]
SERVERS = {"own": {"command": sys.executable, "args": [agreed.__file__, "legacy"]}}
OLDER = ["2025-06-18", "2025-03-26"]


def begin_call(session: LegacySession) -> Connection:
    connection = Connection(session.port)
    connection.send(session.bytes_of(rpc("vendor/hang", {}, 7)))
    assert connection.head().kind == "text/event-stream"
    return connection


def test_answers_begin_with_an_id_and_the_time_to_come_back(make_gateway: Make) -> None:
    # The call never ends, and the end of the test need not wait for it.
    gateway = make_gateway(settings={"servers": SERVERS, "drain_timeout": "1s"}, workers=3)
    with begin_call(LegacySession(gateway.port)) as connection:
        first = next(connection.stream())
        assert first["data"] == "" and first["id"] and "event" not in first
        assert 750 <= int(first["retry"]) <= 1250


def test_streams_of_a_get_begin_with_the_time_to_come_back(make_gateway: Make) -> None:
    """Without an id, with which a client would come back even when it is forgotten."""
    gateway = make_gateway(settings={"servers": SERVERS}, workers=3)
    stream, _ = LegacySession(gateway.port).listen()
    with stream:
        first = next(stream.stream())
        assert set(first) == {"retry"} and 750 <= int(first["retry"]) <= 1250


@pytest.mark.parametrize("version", OLDER)
def test_clients_that_do_not_know_empty_events_get_none(make_gateway: Make, version: str) -> None:
    gateway = make_gateway(settings={"servers": SERVERS})
    session = LegacySession(gateway.port, version)
    stream, _ = session.listen()
    with stream:
        session.post(notification("vendor/told", {"mark": 1}))
        assert json.loads(next(stream.stream())["data"])["method"] == "notifications/vendor/news"


def test_http_and_sse_names_the_time_with_the_endpoint(make_gateway: Make) -> None:
    gateway = make_gateway(settings={"servers": SERVERS})
    with Connection(gateway.port) as connection:
        connection.send(request("GET", "/mcp/sse", {"Accept": "text/event-stream"}, port=gateway.port))
        connection.head()
        first = next(connection.stream())
        assert first["event"] == "endpoint" and 750 <= int(first["retry"]) <= 1250


@pytest.mark.parametrize("version", ["2025-11-25", *OLDER])
def test_a_drain_says_when_to_come_back(make_gateway: Make, version: str) -> None:
    gateway = make_gateway(settings={"servers": SERVERS, "drain_timeout": "2s"})
    sessions = [LegacySession(gateway.port, version) for _ in range(8)]
    streams = [session.listen()[0] for session in sessions]
    gateway.child.process.send_signal(signal.SIGTERM)
    last: list[dict[str, Any]] = []
    for stream in streams:
        with stream:
            last.append([event for event in stream.stream() if "retry" in event][-1])
    assert all(500 <= int(event["retry"]) <= 5000 for event in last)
    assert len({event["retry"] for event in last}) > 4, "they all come back at the same time"
    assert all(("id" in event) == (version == "2025-11-25") for event in last)
    assert gateway.child.process.wait(20) == 0

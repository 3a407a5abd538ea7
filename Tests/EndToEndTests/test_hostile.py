"""Peers that mean no good: what they may hold is bounded, others are answered meanwhile, and nothing of them is left."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from harness.gateway import Gateway
from harness.processes import eventually, private_bytes
from harness.upstreams import HTTPUpstream, reference_command
from harness.wire import Closed, Connection, LegacySession, Response, modern, modern_headers, request, rpc

MIB = 1 << 20
BYSTANDER = "127.0.0.200"
"""A client that has nothing to do with it, so it comes from elsewhere."""

@contextmanager
def others_are_answered(gateway: Gateway) -> Iterator[list[int]]:
    """A client calls all the while, now on a kept connection and now on a new one; every call must be answered."""
    over = threading.Event()
    statuses: list[int] = []
    failures: list[BaseException] = []
    message = modern("tools/call", {"name": "echo", "arguments": {"text": "still"}})
    body = json.dumps(message).encode()
    data = request("POST", "/mcp", dict(modern_headers(message)), body, port=gateway.port)

    def call() -> None:
        try:
            with Connection(gateway.port, source=BYSTANDER) as kept:
                for number in count():
                    if number % 2:
                        response = kept.exchange(data)
                    else:
                        with Connection(gateway.port, source=BYSTANDER) as fresh:
                            response = fresh.exchange(data)
                    assert "still" in json.dumps(response.message), response
                    statuses.append(response.status)
                    if over.wait(0.02):
                        return
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield statuses
        already = len(statuses)
        assert failures or eventually(lambda: failures or len(statuses) > already, 10), "nobody is answered any more"
    finally:
        over.set()
        thread.join(30)
    assert not failures, f"after {len(statuses)} answers: {failures[0]!r}"
    assert statuses and set(statuses) == {200}


def everything_is_back(gateway: Gateway, descriptors: int, seconds: float = 20) -> None:
    # Each loop opens some of its own when it is first busy.
    same = eventually(lambda: gateway.descriptors() <= descriptors + 16, seconds, 0.2)
    assert same, f"{descriptors} descriptors before, {gateway.descriptors()} after"


def turned_away(connection: Connection) -> bool:
    """Whether it was answered 503 without having asked for anything."""
    try:
        response = connection.response()
    except (TimeoutError, Closed):
        return False
    assert (response.status, response.headers["retry-after"]) == (503, "1")
    assert connection.ended()
    return True


def flood(gateway: Gateway, sources: list[str], each: int) -> list[Connection]:
    return [Connection(gateway.port, timeout=0.1, source=source) for source in sources for _ in range(each)]


# --- connections -----------------------------------------------------------------------------------------------------


def test_a_flood_from_one_address_leaves_room_for_others(make_gateway: Callable[..., Gateway]) -> None:
    """The cap counts over all workers, wherever the kernel puts a connection."""
    settings = {"limits": {"connections_per_address": 40, "head_timeout": "1m"}}
    gateway = make_gateway(settings=settings, workers=3)
    before = gateway.descriptors()
    with others_are_answered(gateway):
        connections = flood(gateway, ["127.0.0.2"], 100)
        assert eventually(lambda: gateway.descriptors() >= before + 40, 10)
        refused = [connection for connection in connections if turned_away(connection)]
        assert len(refused) == 60
    for connection in connections:
        connection.close()
    everything_is_back(gateway, before)
    with Connection(gateway.port, source="127.0.0.2") as again:
        assert not turned_away(again)


def test_a_flood_past_every_limit_is_refused_politely(make_gateway: Callable[..., Gateway]) -> None:
    settings = {
        "listeners": {"http": {"max_connections": 100}},
        "limits": {"connections_per_address": 30, "head_timeout": "1m", "idle_timeout": "1m"},
    }
    gateway = make_gateway(settings=settings, workers=2)
    before = gateway.descriptors()
    session = LegacySession(gateway.port)
    with Connection(gateway.port, source=BYSTANDER) as kept:
        ping = session.bytes_of(rpc("ping"))
        assert kept.exchange(ping).status == 200
        before = max(before, gateway.descriptors())
        connections = flood(gateway, [f"127.0.0.{number}" for number in range(2, 12)], 30)
        refused = [connection for connection in connections if turned_away(connection)]
        assert len(refused) == 300 - 99
        for _ in range(20):
            assert kept.exchange(ping).status == 200
        for connection in connections:
            connection.close()
    everything_is_back(gateway, before)
    assert session.post(rpc("ping")).status == 200
    assert session.delete().status in (200, 202, 204)


def test_without_descriptors_a_client_is_told_and_later_served(make_gateway: Callable[..., Gateway]) -> None:
    """The limit shrinks under the running gateway, as another that leaks would make it."""
    gateway = make_gateway(settings={"limits": {"head_timeout": "1m"}}, workers=1)
    for connection in flood(gateway, ["127.0.0.1"], 40):
        connection.close()
    assert LegacySession(gateway.port).post(rpc("ping")).status == 200
    before = gateway.descriptors()
    old = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (before + 10, old[1]))
    connections = flood(gateway, ["127.0.0.1"], 40)
    refused = [connection for connection in connections if turned_away(connection)]
    assert len(refused) >= 29
    with Connection(gateway.port) as late:
        assert turned_away(late)
    for connection in connections:
        connection.close()
    everything_is_back(gateway, before)
    assert LegacySession(gateway.port).post(rpc("ping")).status == 200


# --- slowness --------------------------------------------------------------------------------------------------------

SLOW = {
    "heads": ("-H", "-i", "1"),
    "bodies": ("-B", "-i", "1", "-s", "8192"),
    "readers": ("-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1", "-k", "3"),
}


@pytest.mark.parametrize("what", SLOW)
@pytest.mark.parametrize("clients", [200, pytest.param(1000, marks=pytest.mark.heavy)])
def test_slow_clients_hold_nobody_up(make_gateway: Callable[..., Gateway], what: str, clients: int) -> None:
    """Debian's slowhttptest: it must find the service available, and others are answered meanwhile."""
    limits = {"head_timeout": "2s", "body_timeout": "2s", "write_timeout": "2s", "idle_timeout": "2s"}
    gateway = make_gateway(settings={"limits": {**limits, "connections_per_address": 2000}}, workers=2)
    before = gateway.descriptors()
    seconds = 12 + clients // 100
    command = ["slowhttptest", *SLOW[what], "-c", str(clients), "-r", "200", "-l", str(seconds), "-p", "3"]
    with others_are_answered(gateway):
        done = subprocess.run(
            [*command, "-u", f"http://127.0.0.1:{gateway.port}/mcp"], capture_output=True, text=True, timeout=120
        )
    output = done.stdout + done.stderr
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output)
    found = re.findall(r"service available: *(YES|NO)", plain)
    assert found and "NO" not in found, plain[-2000:]
    everything_is_back(gateway, before)


def test_a_body_that_trickles_is_refused(make_gateway: Callable[..., Gateway]) -> None:
    settings = {"limits": {"body_timeout": "1s", "body_rate": "1KiB"}}
    gateway = make_gateway(settings=settings)
    with Connection(gateway.port) as connection:
        connection.send(request("POST", "/mcp", {"Content-Length": "100000"}, b"", port=gateway.port))
        connection.socket.settimeout(0.2)
        answer: Response | None = None
        for _ in range(100):
            try:
                connection.send(b" ")
                answer = connection.head()
                break
            except TimeoutError:
                continue
        assert answer is not None and answer.status == 408


def test_a_reader_must_keep_a_least_pace(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream]
) -> None:
    """A few bytes now and then do not hold a large answer for ever."""
    upstream = make_upstream(reference_command("v2"), name="pace")
    limits = {"write_timeout": "1s", "write_rate": "64KiB"}
    gateway = make_gateway(settings={"servers": {"up": upstream.entry()}, "limits": limits})
    gateway.wait_for("up")
    session = LegacySession(gateway.port)
    data = session.bytes_of(rpc("tools/call", {"name": "big", "arguments": {"bytes": 12 * MIB}}, 1))
    with Connection(gateway.port, timeout=60) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        before = gateway.descriptors()
        connection.send(data)
        assert connection.head().status == 200

        def cut_off() -> bool:
            try:
                return not connection.socket.recv(64) or gateway.descriptors() < before
            except ConnectionResetError:
                return True

        assert eventually(cut_off, 30, 0.1)


# --- memory ----------------------------------------------------------------------------------------------------------


def test_bodies_beyond_the_byte_budget_are_refused_and_others_go_on_afterwards(
    make_gateway: Callable[..., Gateway],
) -> None:
    gateway = make_gateway(settings={"limits": {"memory": "4MiB", "body_timeout": "20s"}})
    before, memory = gateway.descriptors(), private_bytes(gateway.pid)
    connections, refused = [], 0
    for _ in range(24):
        connection = Connection(gateway.port, timeout=1)
        connection.send(request("POST", "/mcp", {"Content-Length": str(2 * MIB)}, b" " * MIB, port=gateway.port))
        connections.append(connection)
    for connection in connections:
        try:
            response = connection.response()
            assert (response.status, response.headers["retry-after"]) == (503, "1")
            refused += 1
        except TimeoutError:
            pass
    assert refused >= 18
    assert private_bytes(gateway.pid) < memory + 16 * MIB
    for connection in connections:
        connection.close()
    everything_is_back(gateway, before)
    assert LegacySession(gateway.port).post(rpc("ping")).status == 200

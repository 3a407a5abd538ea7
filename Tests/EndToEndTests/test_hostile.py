"""Peers that mean no good: what they may hold is bounded, others are answered meanwhile, and nothing of them is left."""

from __future__ import annotations

import json
import re
import resource
import select
import socket
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from harness.gateway import Gateway
from harness.processes import eventually, private_bytes
from harness.sockets import Socket
from harness.upstreams import HTTPUpstream, reference_command
from harness.wire import Closed, Connection, LegacySession, Response, modern, modern_headers, request, rpc

pytestmark = pytest.mark.alone

MIB = 1 << 20
BYSTANDER = "127.0.0.200"
"""A client that has nothing to do with it, so it comes from elsewhere."""


def call_of(gateway: Gateway) -> bytes:
    message = modern("tools/call", {"name": "echo", "arguments": {"text": "still"}})
    return request("POST", "/mcp", dict(modern_headers(message)), json.dumps(message).encode(), port=gateway.port)


@contextmanager
def others_are_answered(gateway: Gateway) -> Iterator[list[int]]:
    """A client calls all the while, now on a kept connection and now on a new one; every call must be answered."""
    over = threading.Event()
    statuses: list[int] = []
    failures: list[BaseException] = []
    data = call_of(gateway)

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


def everything_is_back(gateway: Gateway, descriptors: int, own: int = 16) -> None:
    """Waits until it has let go of every client and has at most `own` descriptors more than before: each loop opens
    some when it is first busy."""
    assert eventually(lambda: not gateway.peers(), 20), f"{len(gateway.peers())} clients are still held"
    same = eventually(lambda: gateway.descriptors() <= descriptors + own, 20, 0.2)
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


def is_served(gateway: Gateway, source: str = "127.0.0.1") -> bool:
    """Whether who comes now is answered. Closed connections count until the turn of the loop that closes them is over,
    and nobody outside can see that, so this is waited for."""
    try:
        with Connection(gateway.port, source=source) as late:
            response = late.exchange(call_of(gateway))
    except (Closed, ConnectionError):
        return False
    assert response.status in (200, 503), response
    return response.status == 200


def flood(gateway: Gateway, sources: list[str], each: int) -> list[Connection]:
    return [Connection(gateway.port, source=source) for source in sources for _ in range(each)]


def refused_of(gateway: Gateway, connections: list[Connection], least: int) -> list[Connection]:
    """Those that were turned away, once so many were and each of the others is held."""
    by_descriptor = {connection.socket.fileno(): connection for connection in connections}
    told = select.poll()
    for descriptor in by_descriptor:
        told.register(descriptor, select.POLLIN)
    refused: list[Connection] = []

    def decided() -> bool:
        refused[:] = [by_descriptor[descriptor] for descriptor, _ in told.poll(0)]
        peers = gateway.peers()
        held = [connection for connection in connections if connection.socket.getsockname() in peers]
        each = {*refused}.isdisjoint(held) and len(refused) + len(held) == len(connections)
        return each and len(refused) >= least

    assert eventually(decided, 20), f"{len(refused)} of {len(connections)} were told"
    return [connection for connection in refused if turned_away(connection)]


# --- connections -----------------------------------------------------------------------------------------------------


def test_a_flood_from_one_address_leaves_room_for_others(make_gateway: Callable[..., Gateway]) -> None:
    """The cap counts over all workers, wherever the kernel puts a connection."""
    limits = {"connections_per_address": 40, "head_timeout": "1m"}
    settings = {"limits": limits, "trusted_proxies": []}
    gateway = make_gateway(settings=settings, workers=3)
    before = gateway.descriptors()
    with others_are_answered(gateway):
        connections = flood(gateway, ["127.0.0.2"], 100)
        assert len(refused_of(gateway, connections, 60)) == 60
    for connection in connections:
        connection.close()
    everything_is_back(gateway, before)
    assert eventually(lambda: is_served(gateway, "127.0.0.2"))


def test_a_flood_past_every_limit_is_refused_politely(make_gateway: Callable[..., Gateway]) -> None:
    settings = {
        "listeners": {"http": {"max_connections": 100}},
        "limits": {"connections_per_address": 30, "head_timeout": "1m", "idle_timeout": "1m"},
        "trusted_proxies": [],
    }
    gateway = make_gateway(settings=settings, workers=2)
    before = gateway.descriptors()
    session = LegacySession(gateway.port)
    with Connection(gateway.port, source=BYSTANDER) as kept:
        ping = session.bytes_of(rpc("ping"))
        assert kept.exchange(ping).status == 200
        before = max(before, gateway.descriptors())
        connections = flood(gateway, [f"127.0.0.{number}" for number in range(2, 12)], 30)
        assert len(refused_of(gateway, connections, 300 - 99)) == 300 - 99
        for _ in range(20):
            assert kept.exchange(ping).status == 200
        for connection in connections:
            connection.close()
    everything_is_back(gateway, before)
    assert eventually(lambda: is_served(gateway))
    assert session.post(rpc("ping")).status == 200
    assert session.delete().status in (200, 202, 204)


def test_without_descriptors_a_client_is_told_and_later_served(make_gateway: Callable[..., Gateway]) -> None:
    """The limit shrinks under the running gateway, as another that leaks would make it."""
    gateway = make_gateway(settings={"limits": {"head_timeout": "1m"}}, workers=1)
    for connection in flood(gateway, ["127.0.0.1"], 40):
        connection.close()
    assert LegacySession(gateway.port).post(rpc("ping")).status == 200
    assert eventually(lambda: not gateway.peers(), 20)
    before = gateway.descriptors()
    old = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (before + 10, old[1]))
    connections = flood(gateway, ["127.0.0.1"], 40)
    assert len(refused_of(gateway, connections, 29)) >= 29
    with Connection(gateway.port) as late:
        assert turned_away(late)
    for connection in connections:
        connection.close()
    # Until it has seen that they are gone it has no room; from then on nobody is refused.
    everything_is_back(gateway, before, own=0)
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


@pytest.mark.parametrize("keeps_pace", [False, True], ids=["trickle", "pace"])
def test_a_reader_must_keep_a_least_pace(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream], keeps_pace: bool
) -> None:
    """A few bytes now and then do not hold a large answer for ever; a slow but steady reader gets all of it."""
    upstream = make_upstream(reference_command("v2"), name=f"pace{keeps_pace}")
    limits = {"write_timeout": "1s", "write_rate": "64KiB"}
    gateway = make_gateway(settings={"servers": {"up": upstream.entry()}, "limits": limits})
    gateway.wait_for("up")
    session = LegacySession(gateway.port)
    size = 12 * MIB
    data = session.bytes_of(rpc("tools/call", {"name": "big", "arguments": {"bytes": size}}, 1))
    with Connection(gateway.port, timeout=60) as connection:
        # With less, a window of loopback's large segments opens by the kernel's timers only: 80 KiB a second.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        connection.send(data)
        assert connection.head().status == 200
        got = len(connection.buffer)

        def taken() -> bool:
            nonlocal got
            try:
                piece = len(connection.socket.recv(32 << 10 if keeps_pace else 64))
            except ConnectionResetError:
                return True
            got += piece
            return not piece or got >= size or (not keeps_pace and not gateway.holds(connection.socket))

        assert eventually(taken, 60, 0.02 if keeps_pace else 0.1)
    assert (got >= size) == keeps_pace, f"{got} of {size} bytes"


# --- WebSockets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["listener", "address"])
def test_sockets_beyond_the_limit_are_told_to_come_back(make_gateway: Callable[..., Gateway], limit: str) -> None:
    by_listener = {"listeners": {"websocket": {"max_connections": 3}}}
    by_address = {"limits": {"connections_per_address": 3}, "trusted_proxies": []}
    gateway = make_gateway(settings=by_listener if limit == "listener" else by_address)
    url = gateway.socket_url(port=gateway.websocket_port)
    with ExitStack() as held:
        sockets = [held.enter_context(Socket(url)) for _ in range(3)]
        # Not by a library: it may hear of it before it has asked.
        with Connection(gateway.websocket_port) as refused:
            refused.send(OFFER)
            assert turned_away(refused)
        for client in sockets:
            client.initialize()

    assert eventually(lambda: opens(url), 10)


def opens(url: str) -> bool:
    """Whether a WebSocket that comes now is let in; like `is_served` it is waited for."""
    try:
        with Socket(url) as late:
            return bool(late.initialize())
    except (InvalidStatus, ConnectionClosed):
        return False


OFFER = (
    b"GET /mcp/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


def upgraded(gateway: Gateway) -> Connection:
    """A WebSocket with compression, to send it what no library would."""
    connection = Connection(gateway.port)
    connection.send(OFFER)
    assert b" 101 " in connection.line()
    extensions = [line for line in iter(connection.line, b"") if b"permessage-deflate" in line]
    assert extensions
    return connection


def masked(first: int, payload: bytes) -> bytes:
    """A frame of a client, with a mask that changes nothing."""
    size = struct.pack("!BH", 254, len(payload)) if len(payload) < 65536 else struct.pack("!BQ", 255, len(payload))
    return bytes([first]) + size + bytes(4) + payload


def close_code(connection: Connection) -> int:
    first, length = connection.exactly(2)
    assert first == 0x88
    return int.from_bytes(connection.exactly(length)[:2], "big")


def drop_bombs(gateway: Gateway, number: int) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (packer.compress(bytes(4 * MIB + 1)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(bomb) < 4200
    for _ in range(number):
        with upgraded(gateway) as connection:
            connection.send(masked(0xC1, bomb))
            assert close_code(connection) == 1009


def test_messages_beyond_the_byte_budget_end_their_sockets(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(settings={"limits": {"memory": "4MiB"}})
    with ExitStack() as held:
        sockets = [held.enter_context(upgraded(gateway)) for _ in range(8)]
        # The first part of a message that has no end; alone it would fit.
        for connection in sockets:
            try:
                connection.send(masked(0x01, b" " * (MIB - 8192)))
            except (BrokenPipeError, ConnectionResetError):
                pass
        codes = []
        for connection in sockets:
            connection.socket.settimeout(1)
            try:
                codes.append(close_code(connection))
            except (TimeoutError, Closed):
                pass
        assert codes and set(codes) == {1013}
    assert eventually(lambda: opens(gateway.socket_url()), 10)


# --- memory ----------------------------------------------------------------------------------------------------------


def test_bodies_beyond_the_byte_budget_are_refused_and_others_go_on_afterwards(
    make_gateway: Callable[..., Gateway],
) -> None:
    gateway = make_gateway(settings={"limits": {"memory": "4MiB", "body_timeout": "20s"}})
    before, memory = gateway.descriptors(), private_bytes(gateway.pid)
    connections, refused = [], 0
    for _ in range(24):
        connection = Connection(gateway.port, timeout=1)
        connection.send(request("POST", "/mcp", {"Content-Length": str(MIB - 8192)}, b" " * (MIB - 16384), port=gateway.port))
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
    assert eventually(lambda: is_served(gateway))
    assert LegacySession(gateway.port).post(rpc("ping")).status == 200


def vanish(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def come_and_go(gateway: Gateway, number: int) -> None:
    """Connections that end in all sorts of ways, from many addresses."""
    session = LegacySession(gateway.port)
    whole = session.bytes_of(rpc("ping"))
    for turn in range(number):
        connection = socket.create_connection(("127.0.0.1", gateway.port), 10, (f"127.0.{1 + turn % 50}.1", 0))
        match turn % 5:
            case 1:
                connection.sendall(whole[: turn % len(whole)])
            case 2:
                connection.sendall(whole)
                connection.recv(65536)
            case 3:
                connection.sendall(session.get_bytes())
                connection.recv(64)
            case 4:
                connection.sendall(whole)
        if turn % 2:
            vanish(connection)
        else:
            connection.close()
    session.delete()


def flood_and_vanish(gateway: Gateway, number: int) -> None:
    """More at once than the listener takes, half of them with a request that is not whole."""
    head = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
    connections = []
    for turn in range(number):
        connection = Connection(gateway.port, source=f"127.0.{1 + turn % 50}.1")
        try:
            connection.send(head[:20] if turn % 2 else head + 5000 * b" ")
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused already
        connections.append(connection)
    for connection in connections:
        vanish(connection.socket)


def memory_at_rest(gateway: Gateway, descriptors: int) -> int:
    """Its private memory when nobody has used it for a while, and what is unused went back."""
    everything_is_back(gateway, descriptors)
    seen = [private_bytes(gateway.pid)]

    def rests() -> bool:
        seen.append(private_bytes(gateway.pid))
        return len(seen) > 8 and max(seen[-5:]) == min(seen[-5:])

    eventually(rests, 40, 1)
    return min(seen[-5:])


@pytest.mark.parametrize(
    "number", [2000, pytest.param(100_000, marks=[pytest.mark.heavy, pytest.mark.timeout(900)])]
)
def test_after_floods_memory_is_where_it_was(make_gateway: Callable[..., Gateway], number: int) -> None:
    """Connections that come and go, more at once than there may be, slow ones and bombs, again and again. What a first
    and smaller round has left, code that was never run before included, is where it was; more than 5 % is too much."""
    limits = {"idle_timeout": "2s", "head_timeout": "2s", "body_timeout": "2s", "connections_per_address": 30}
    settings = {
        "listeners": {"http": {"max_connections": 1000}},
        "limits": limits,
        "sessions": {"idle_timeout": "4s", "resume_window": "1s"},
        "trusted_proxies": [],
    }
    gateway = make_gateway(settings=settings, workers=2)
    before = gateway.descriptors()

    def attack(number: int) -> None:
        come_and_go(gateway, number)
        drop_bombs(gateway, 20)

    attack(500)
    flood_and_vanish(gateway, 1400)
    memory = memory_at_rest(gateway, before)
    with others_are_answered(gateway):
        attack(number)
    # Of a full listener others have nothing.
    flood_and_vanish(gateway, 1400)
    # It is so little that what the allocator keeps at the end of each of four heaps, 128 KiB, would be more.
    allowed = max(1.05 * memory, memory + MIB // 2)
    left: list[int] = []

    def is_back() -> bool:
        left.append(memory_at_rest(gateway, before))
        return left[-1] <= allowed

    back = eventually(is_back, 40, 1)
    print(f"{memory / MIB:.2f} MiB before, {left[-1] / MIB:.2f} after")
    assert back, f"{memory / MIB:.2f} MiB before, {[round(size / MIB, 2) for size in left]} after"

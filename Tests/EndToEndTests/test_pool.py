"""Connections to an endpoint: how many there are, who waits for one, which is used, and when they close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.counted import CountedUpstream
from harness.gateway import Gateway
from harness.processes import eventually
from harness.sockets import Socket
from harness.wire import Response, modern, post_modern, rpc

Start = Callable[..., Gateway]


@pytest.fixture
def upstream() -> Iterator[CountedUpstream]:
    with CountedUpstream() as upstream:
        yield upstream


@pytest.fixture
def start(make_gateway: Callable[..., Gateway], upstream: CountedUpstream) -> Start:
    """A gateway before that server with a pool, whose connections are all for calls once it is up: it checks no health, and
    has one conversation."""

    def start(workers: int = 1, **pool: Any) -> Gateway:
        settings = {
            "servers": {"s": {"url": upstream.url, "era": "legacy", "isolation": "shared", "pool": pool}},
            "routing": {"health_check_interval": "10m"},
        }
        gateway = make_gateway(settings=settings, workers=workers)
        gateway.wait_for("s")
        # What the gateway says for itself waits for no connection: until here it may have had one beyond the pool.
        upstream.most = 0
        return gateway

    return start


def call(gateway: Gateway, tool: str, **arguments: Any) -> Response:
    return post_modern(gateway.port, modern("tools/call", {"name": tool, "arguments": arguments}), timeout=20)


def text_of(response: Response) -> str:
    return response.message["result"]["content"][0]["text"]


class Held:
    """Calls that are on their way until they are let go, one after the other."""

    def __init__(self, gateway: Gateway, upstream: CountedUpstream, count: int) -> None:
        self.upstream = upstream
        self.pool = ThreadPoolExecutor(count)
        self.first = len(upstream.calls)
        self.results = []
        for number in range(count):
            self.results.append(self.pool.submit(call, gateway, "hold", tag=f"held {number}"))
            assert eventually(lambda number=number: len(upstream.calls) == self.first + number + 1)

    def let_go(self) -> None:
        for place, result in enumerate(self.results):
            self.upstream.calls[self.first + place].answer()
            assert text_of(result.result(10)) == f"held {place}"
        self.pool.shutdown()


# --- how many --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_there_are_never_more_connections_than_size_and_overflow(
    start: Start, upstream: CountedUpstream, workers: int
) -> None:
    gateway = start(workers, size=4, overflow=2)
    with ThreadPoolExecutor(48) as pool:
        results = [pool.submit(call, gateway, "sleep", seconds=0.02, tag=f"{number}") for number in range(240)]
        assert [text_of(result.result()) for result in results] == [f"{number}" for number in range(240)]
    assert upstream.most == 6
    assert sorted(upstream.tags, key=int) == [f"{number}" for number in range(240)]


@pytest.mark.parametrize("workers", [1, 4])
def test_connections_beyond_the_size_are_closed_when_nobody_needs_them(
    start: Start, upstream: CountedUpstream, workers: int
) -> None:
    gateway = start(workers, size=2, overflow=3)
    Held(gateway, upstream, 5).let_go()
    assert upstream.most == 5
    assert eventually(lambda: upstream.open == 2)
    # And these are used.
    accepted = upstream.accepted
    if workers == 1:
        Held(gateway, upstream, 2).let_go()
        assert upstream.accepted == accepted and upstream.open == 2


# --- who waits -------------------------------------------------------------------------------------------------------


def test_who_waits_is_served_in_the_order_in_which_they_came(start: Start, upstream: CountedUpstream) -> None:
    gateway = start(size=1, overflow=0)
    held = Held(gateway, upstream, 1)
    tags = [f"{number}" for number in range(20)]
    # The messages of one WebSocket come in order, from several the order is that of the first words of each.
    with Socket(gateway.socket_url()) as one, Socket(gateway.socket_url()) as other:
        for socket in (one, other):
            socket.initialize()
        for number, tag in enumerate(tags):
            socket = one if number % 2 else other
            socket.send(rpc("tools/call", {"name": "do", "arguments": {"tag": tag}}, number=f"call {tag}"))
            # What the gateway answers itself comes after what it read before.
            socket.request(rpc("ping", number=f"ping {tag}"))
        held.let_go()
        for number, tag in enumerate(tags):
            socket = one if number % 2 else other
            answer, _ = socket.until(lambda message, tag=tag: message.get("id") == f"call {tag}")
            assert answer["result"]["content"][0]["text"] == tag
    assert upstream.tags == ["held 0", *tags]
    assert upstream.most == 1


def test_who_has_waited_for_too_long_is_told_so(start: Start, upstream: CountedUpstream) -> None:
    gateway = start(size=1, overflow=1, checkout_timeout="200ms")
    held = Held(gateway, upstream, 2)
    response = call(gateway, "do", tag="late")
    error = response.message["error"]
    assert (response.status, error["code"]) == (200, -32603)
    assert (error["data"]["reason"], error["data"]["server"]) == ("pool_timeout", "s")
    assert error["data"]["retry_after_ms"] > 0
    held.let_go()
    assert text_of(call(gateway, "do", tag="next")) == "next"
    assert upstream.tags == ["held 0", "held 1", "next"]


def test_nobody_waits_without_a_checkout_timeout(start: Start, upstream: CountedUpstream) -> None:
    gateway = start(size=1, overflow=0, checkout_timeout="0s")
    # The gateway's own idle connection is given up for the next call.
    assert eventually(lambda: "result" in call(gateway, "do").message)
    before = len(upstream.calls)
    held = Held(gateway, upstream, 1)
    assert call(gateway, "do").message["error"]["data"]["reason"] == "pool_timeout"
    assert len(upstream.calls) == before + 1
    held.let_go()
    assert text_of(call(gateway, "do", tag="next")) == "next"


def test_who_goes_away_is_not_waited_for(start: Start, upstream: CountedUpstream) -> None:
    """A call that its client gives up while it waits takes nobody's turn."""
    gateway = start(size=1, overflow=0)
    held = Held(gateway, upstream, 1)
    with Socket(gateway.socket_url()) as socket:
        socket.initialize()
        for tag in ("given up", "next"):
            socket.send(rpc("tools/call", {"name": "do", "arguments": {"tag": tag}}, number=tag))
        cancelled = {"requestId": "given up", "reason": "enough"}
        socket.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled})
        socket.request(rpc("ping", number="after that"))
        held.let_go()
        assert socket.until(lambda message: message.get("id") == "next")
    assert upstream.tags == ["held 0", "next"]


# --- which one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["fifo", "lifo"])
def test_the_idle_connection_is_the_one_that_the_strategy_says(
    start: Start, upstream: CountedUpstream, strategy: str
) -> None:
    gateway = start(size=3, overflow=0, strategy=strategy)
    held = Held(gateway, upstream, 3)
    idle = upstream.peers[-3:]
    assert len(set(idle)) == 3
    # They become idle in that order.
    held.let_go()
    for number in range(6):
        assert text_of(call(gateway, "do", tag=f"{number}")) == f"{number}"
    assert upstream.peers[-6:] == (idle * 2 if strategy == "fifo" else [idle[-1]] * 6)


# --- when they close -------------------------------------------------------------------------------------------------


def test_a_connection_that_was_idle_for_long_is_closed(start: Start, upstream: CountedUpstream) -> None:
    gateway = start(size=3, overflow=0, idle_timeout="300ms", min_idle=1)
    Held(gateway, upstream, 3).let_go()
    assert eventually(lambda: upstream.open == 1)
    assert text_of(call(gateway, "do", tag="again")) == "again"


def test_a_connection_that_is_old_is_used_no_more(start: Start, upstream: CountedUpstream) -> None:
    gateway = start(size=2, overflow=0, max_age="1s")
    Held(gateway, upstream, 1).let_go()
    first = upstream.peers[-1]
    assert eventually(lambda: text_of(call(gateway, "do", tag="again")) and upstream.peers[-1] != first)
    # Those that nobody uses are closed as well.
    assert eventually(lambda: upstream.open == 0)


@pytest.mark.parametrize("workers", [1, 4])
def test_connections_are_held_ready_also_after_the_server_has_come_back(
    start: Start, upstream: CountedUpstream, workers: int
) -> None:
    gateway = start(workers, size=8, overflow=0, min_idle=5, idle_timeout="200ms")
    assert eventually(lambda: upstream.open == 5)
    opened = upstream.accepted
    assert text_of(call(gateway, "do", tag="warm")) == "warm"
    upstream.close()
    assert upstream.open == 0
    upstream.listen()
    assert eventually(lambda: upstream.open == 5, 20)
    opened = upstream.accepted
    assert text_of(call(gateway, "do", tag="warm again")) == "warm again"
    if workers == 1:
        assert upstream.accepted == opened


# --- what the log says -----------------------------------------------------------------------------------------------


def test_the_log_says_when_most_connections_are_in_use_and_when_they_are_not(
    start: Start, upstream: CountedUpstream
) -> None:
    # One or two of the gateway's own may count as well.
    gateway = start(size=16, overflow=4, idle_timeout="10s")
    first = Held(gateway, upstream, 15)
    assert gateway.says("s: more than 70 % of its 20 connections (pool) are taken")
    assert "more than 90 %" not in gateway.log
    rest = Held(gateway, upstream, 4)
    assert gateway.says("s: more than 90 % of its 20 connections (pool) are taken")
    for held in (first, rest):
        held.let_go()
    # They are idle now, and open.
    assert gateway.says("s: connections are to be had again")
    assert eventually(lambda: upstream.open == 16)

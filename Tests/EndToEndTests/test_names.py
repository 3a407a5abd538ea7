"""`resolve: all`: each address of a name is an endpoint, and the endpoints follow the name."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.names import Hosts
from harness.processes import eventually, free_port
from harness.scripted import ScriptedServer
from harness.wire import LegacySession

NAME = "pods.test"


class Pods:
    """Servers at addresses of their own and one port, and the name that leads to some of them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.hosts = Hosts(folder)
        self.port = free_port()
        self.servers = [ScriptedServer(place=(address(number), self.port)) for number in range(count)]

    def lead(self, *numbers: int) -> None:
        self.hosts.lead(NAME, *[address(number) for number in numbers])

    @property
    def entry(self) -> dict[str, Any]:
        return {"url": f"http://{NAME}:{self.port}/mcp", "resolve": "all", "isolation": "session"}

    def calls(self) -> list[int]:
        return [len(server.requests("tools/call")) for server in self.servers]


def address(number: int) -> str:
    return f"127.0.0.{number + 2}"


@pytest.fixture
def pods(folder: Path) -> Iterator[Pods]:
    made = Pods(folder, 3)
    yield made
    for server in made.servers:
        server.close()


def call(session: LegacySession) -> None:
    answer = session.call("who")
    assert answer.status == 200 and "result" in answer.message, answer


@pytest.mark.parametrize("workers", [1, 2])
def test_sessions_are_spread_over_the_addresses_of_a_name_and_follow_it(
    pods: Pods, make_gateway: Callable[..., Gateway], workers: int
) -> None:
    pods.lead(0, 1)
    gateway = make_gateway(settings={"servers": {"s": pods.entry}}, workers=workers, within=pods.hosts.within)
    gateway.wait_for("s")
    sessions = [LegacySession(gateway.port) for _ in range(24)]
    for session in sessions:
        call(session)
    first, second, third = pods.calls()
    assert first > 0 and second > 0 and third == 0 and first + second == len(sessions)
    # One goes, one comes: a reload has the name looked up at once.
    pods.lead(1, 2)
    gateway.child.process.send_signal(signal.SIGHUP)
    assert gateway.says(f"+{address(2)} -{address(0)}"), gateway.log
    assert eventually(lambda: pods.servers[0].requests("DELETE") != [], 10), "its sessions were not ended"
    for session in sessions:
        call(session)
    now = pods.calls()
    assert now[0] == first, "somebody still goes to an address that is gone"
    assert now[1] >= second + second and now[1] + now[2] == second + len(sessions), (first, second, now)
    # Another dies, and the name leads to what is left: nobody need tell the gateway.
    pods.servers[1].die()
    pods.lead(2)
    for session in sessions:
        call(session)
    assert gateway.says(f"-{address(1)}"), gateway.log


def test_a_name_that_leads_nowhere_yet_is_a_server_that_comes(
    pods: Pods, make_gateway: Callable[..., Gateway]
) -> None:
    gateway = make_gateway(
        settings={"servers": {"s": pods.entry}, "first_list_wait": "100ms"}, within=pods.hosts.within, wait=False
    )
    assert gateway.says(f"{NAME} can't be looked up"), gateway.log
    pods.lead(1)
    gateway.wait_for("s", seconds=40)
    call(LegacySession(gateway.port))
    assert pods.calls() == [0, 1, 0]
    # It keeps what it has when nobody can tell any more.
    pods.lead()
    gateway.child.process.send_signal(signal.SIGHUP)
    assert gateway.times(f"{NAME} can't be looked up", 2) == 2
    call(LegacySession(gateway.port))
    assert pods.calls() == [0, 2, 0]

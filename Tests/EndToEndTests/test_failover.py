"""Servers that die, hang and answer nonsense under load: what their clients see of it, which should be next to nothing.

Each scenario has a short version and a long one; `make chaos` runs the long ones, which print their figures.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.processes import descendants, eventually
from harness.siege import Death, Endpoint, FaultProxy, Siege, Waves, check_repeats, percentile
from harness.upstreams import HTTPUpstream, reference_command, stdio_entry
from harness.wire import LegacySession, modern, post_modern

ROUTING = {"health_check_interval": "1s", "health_check_timeout": "500ms", "restart_grace": "5s"}
SLOW = ("read", "echo", "prompt", "add", "sleep", "complete")
"""With calls that are long under way: most deaths befall some."""

Start = Callable[..., "Field"]


class Field:
    """A gateway before one server with several endpoints, all of which note what they are asked."""

    def __init__(self, folder: Path, make_gateway: Callable[..., Gateway], count: int, generation: str) -> None:
        self.record = folder / f"record-{time.monotonic_ns()}"
        self.make_gateway = make_gateway
        command = reference_command(generation, "--record", str(self.record))
        self.endpoints = [
            Endpoint(HTTPUpstream(command, "http", folder, f"endpoint{number}", started=False))
            for number in range(count)
        ]
        for endpoint in self.endpoints:
            endpoint.upstream.start(wait=False)
        for endpoint in self.endpoints:
            endpoint.upstream.wait()

    def open(self, urls: list[str] | None = None, routing: Any = None, **more: Any) -> Gateway:
        urls = urls or [endpoint.url for endpoint in self.endpoints]
        server = {"url": urls[0], "endpoints": urls[1:], "trust_hints": True, **more}
        settings = {
            "servers": {"s": server}, "routing": {**ROUTING, **(routing or {})}, "pool": {"idle_timeout": "2s"},
            "call_timeout": "15s",
        }  # fmt: skip
        self.gateway = self.make_gateway(settings=settings, workers=2)
        self.gateway.wait_for("s")
        return self.gateway

    @property
    def deaths(self) -> list[Death]:
        return [death for endpoint in self.endpoints for death in endpoint.deaths]

    def close(self) -> None:
        for endpoint in self.endpoints:
            endpoint.go_on()
            endpoint.upstream.kill()

    # What is looked at after every siege

    def check(self, siege: Siege, *, lossy: bool = True) -> None:
        """Nobody's call was lost, mixed up, or begun twice; nothing failed that may be repeated."""
        assert not siege.faults, siege.faults
        assert siege.calls and siege.opened == len(siege.clients)
        assert not siege.failed(repeatable=True), f"{siege.told()}: {siege.failed(repeatable=True)[:5]}"
        expected = {"upstream_closed", "upstream_timeout"} if lossy else set()
        assert set(siege.reasons()) <= expected, f"{siege.told()}: {siege.failures[:5]}"
        check_repeats(siege, self.record, self.deaths)

    def check_in_flight(self, siege: Siege) -> None:
        """What failed was under way when some endpoint died."""
        for call in siege.failures:
            assert any(call.begun <= death.over and death.begun <= call.ended for death in self.deaths), call


@pytest.fixture
def field(folder: Path, make_gateway: Callable[..., Gateway]) -> Iterator[Start]:
    made: list[Field] = []

    def make(count: int = 3, generation: str = "v1") -> Field:
        made.append(Field(folder, make_gateway, count, generation))
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextmanager
def nothing_left(gateway: Gateway) -> Iterator[None]:
    """After what happens within, the gateway holds no more than before, but for what checks each of three endpoints and
    listens to it: no process, no session, no socket."""
    children, descriptors = len(gateway.children()), gateway.descriptors()
    yield
    assert eventually(lambda: not gateway.peers(), 10), "connections of clients that are gone"
    assert eventually(lambda: gateway.metric("sluice_sessions") == 0, 10), gateway.metric("sluice_sessions")
    assert eventually(lambda: len(gateway.children()) <= children, 10), gateway.children()
    assert eventually(lambda: gateway.descriptors() <= descriptors + 9, 20), (descriptors, gateway.descriptors())


# --- one of three ----------------------------------------------------------------------------------------------------


def kill_one_after_the_other(field: Field, seconds: float, **options: Any) -> None:
    gateway = field.open(**options)
    chance = random.Random(1)
    with nothing_left(gateway):
        with Siege(gateway.port, modern=4, legacy=8, kinds=SLOW) as siege:
            time.sleep(1.5)
            with Waves(lambda: chance.choice(field.endpoints).restart(), 1.5) as waves:
                time.sleep(seconds)
            time.sleep(1)
    print(f"\n{len(field.deaths)} deaths of one of three: {siege.told()}")
    assert not waves.faults, waves.faults
    field.check(siege)
    field.check_in_flight(siege)


@pytest.mark.parametrize(
    ("generation", "isolation", "algorithm"),
    [("v1", "shared", "round_robin"), ("v2", "session", "least_request")],
)
def test_killing_endpoints_costs_no_call_but_those_in_flight(
    field: Start, generation: str, isolation: str, algorithm: str
) -> None:
    kill_one_after_the_other(field(3, generation), 6, isolation=isolation, routing={"algorithm": algorithm})


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_killing_endpoints_for_minutes(field: Start, generation: str) -> None:
    kill_one_after_the_other(field(3, generation), 150)


def stop_one(field: Field, turns: int) -> None:
    gateway = field.open()
    with Siege(gateway.port, modern=4, legacy=8, pause=0.01) as siege:
        time.sleep(1)
        for turn in range(turns):
            endpoint = field.endpoints[turn % 3]
            endpoint.stop()
            time.sleep(4)
            endpoint.go_on()
            time.sleep(2)
    print(f"\n{turns} times one of three stopped: {siege.told()}")
    field.check(siege)


def test_a_stopped_endpoint_costs_no_call_that_may_be_repeated(field: Start) -> None:
    stop_one(field(), 1)


@pytest.mark.heavy
def test_endpoints_are_stopped_in_turn(field: Start) -> None:
    stop_one(field(), 9)


@pytest.mark.parametrize("fault", FaultProxy.FAULTS)
def test_an_endpoint_that_answers_nonsense_costs_no_call_that_may_be_repeated(field: Start, fault: str) -> None:
    one = field(3)
    proxy = FaultProxy(one.endpoints[0].upstream.port)
    try:
        gateway = one.open([proxy.url, *(endpoint.url for endpoint in one.endpoints[1:])])
        with Siege(gateway.port, modern=3, legacy=6, pause=0.01) as siege:
            time.sleep(0.5)
            proxy.fault = fault
            time.sleep(1.5)
            proxy.fault = ""
            time.sleep(0.3)
    finally:
        proxy.close()
    print(f"\n{fault}, which befell {proxy.met}: {siege.told()}")
    assert proxy.met
    assert not siege.faults and not siege.failed(repeatable=True), siege.failed(repeatable=True)[:5]
    assert not [call for call in siege.failures if call.failure.startswith(("wrong", "lost", "no answer", "session"))]
    check_repeats(siege, one.record, [])


def restart_all(field: Field, sessions: int) -> None:
    # A thousand handshakes keep three servers busy: that they are slow then is no sign of illness.
    gateway = field.open(routing={"health_check_interval": "10s", "health_check_timeout": "5s"})
    with Siege(gateway.port, modern=0, legacy=sessions, pause=sessions / 100) as siege:
        assert eventually(lambda: siege.opened == sessions, 60), siege.opened
        time.sleep(sessions / 100)
        for endpoint in field.endpoints:
            endpoint.restart()
            siege.await_answers()
            time.sleep(2)
        time.sleep(sessions / 100)
    print(f"\nevery endpoint restarted under {sessions} sessions: {siege.told()}")
    field.check(siege)
    field.check_in_flight(siege)


def test_restarting_every_endpoint_ends_no_session(field: Start) -> None:
    restart_all(field(), 100)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_restarting_every_endpoint_ends_none_of_a_thousand_sessions(field: Start) -> None:
    restart_all(field(), 1000)


# --- the only one ----------------------------------------------------------------------------------------------------


def restart_the_only_one(field: Field, turns: int, isolation: str) -> None:
    gateway = field.open(isolation=isolation)
    (endpoint,) = field.endpoints
    with Siege(gateway.port, modern=10, legacy=40, pause=0.1) as siege:
        time.sleep(2)
        for _ in range(turns):
            endpoint.restart()
            siege.await_answers()
            time.sleep(1.2)
    print(f"\n{turns} restarts of the only endpoint: {siege.told()}")
    field.check(siege)
    field.check_in_flight(siege)


@pytest.mark.parametrize(("generation", "isolation"), [("v1", "session"), ("v2", "session")])
def test_a_server_that_restarts_breaks_no_session(field: Start, generation: str, isolation: str) -> None:
    restart_the_only_one(field(1, generation), 2, isolation)


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("generation", "isolation"), [("v1", "session"), ("v1", "shared"), ("v2", "session")])
def test_a_server_that_restarts_twenty_times_breaks_no_session(field: Start, generation: str, isolation: str) -> None:
    restart_the_only_one(field(1, generation), 20, isolation)


def test_calls_that_wait_for_a_server_are_answered_though_the_gateway_is_to_end(field: Start) -> None:
    one = field(1)
    gateway = one.open()
    (endpoint,) = one.endpoints
    sessions = [LegacySession(gateway.port) for _ in range(4)]
    for session in sessions:
        assert "result" in session.call("echo", {"text": "on"}).message
    time.sleep(1)
    endpoint.kill()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(session.call, "echo", {"text": "on"}) for session in sessions]
        time.sleep(0.3)
        gateway.child.process.send_signal(signal.SIGTERM)
        assert gateway.says("draining")
        endpoint.start()
        assert all("result" in answer.result().message for answer in answers), [answer.result() for answer in answers]
    assert gateway.child.process.wait(20) == 0


# --- how long it takes -----------------------------------------------------------------------------------------------


def time_failover(field: Field, deaths: int) -> list[float]:
    """From each death to the first answer after it to a call that was made after it, in one session after the other."""
    gateway = field.open()
    session = LegacySession(gateway.port)
    times = []
    pids = {endpoint.upstream.child.pid: endpoint for endpoint in field.endpoints if endpoint.upstream.child}
    for _ in range(deaths):
        where = session.call("environment").message["result"]["structuredContent"]["pid"]
        endpoint = pids.pop(where)
        endpoint.kill()
        begun = time.monotonic()
        answer = session.call("echo", {"text": "on"}).message
        times.append(time.monotonic() - begun)
        assert answer["result"]["content"][0]["text"] == "on", answer
        endpoint.start()
        assert endpoint.upstream.child is not None
        pids[endpoint.upstream.child.pid] = endpoint
        assert eventually(lambda: session.call("echo", {"text": "on"}).status == 200)
        time.sleep(0.3)
    return sorted(times)


def test_a_session_goes_on_elsewhere_after_its_endpoint_has_died(field: Start) -> None:
    times = time_failover(field(), 3)
    print(f"\nfrom the death of an endpoint to an answer of another: {[f'{t * 1000:.0f} ms' for t in times]}")


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_going_on_elsewhere_takes_no_time(field: Start) -> None:
    times = time_failover(field(), 50)
    print(
        f"\nfrom the death of an endpoint to an answer of another, of {len(times)}: "
        f"p50 {percentile(times, 50) * 1000:.1f} ms, p99 {percentile(times, 99) * 1000:.1f} ms"
    )


# --- processes -------------------------------------------------------------------------------------------------------


def kill_children(folder: Path, make_gateway: Callable[..., Gateway], replicas: int, deaths: int, generation: str) -> None:
    record = folder / f"record-{time.monotonic_ns()}"
    command = reference_command(generation, "--record", str(record))
    server = stdio_entry(command, replicas=replicas, trust_hints=True, isolation="shared")
    settings = {"servers": {"s": server}, "routing": ROUTING, "call_timeout": "15s"}
    gateway = make_gateway(settings=settings, workers=2)
    gateway.wait_for("s")
    died: list[Death] = []
    chance = random.Random(1)

    def kill() -> None:
        pids = [pid for pid, line in gateway.children().items() if str(record) in line]
        begun = time.monotonic()
        os.kill(chance.choice(pids), signal.SIGKILL)
        died.append(Death(begun, time.monotonic() + 0.2))

    with Siege(gateway.port, modern=4, legacy=4, kinds=SLOW) as siege:
        time.sleep(1.5)
        for _ in range(deaths):
            kill()
            time.sleep(2.5)
    print(f"\n{deaths} deaths among {replicas} processes: {siege.told()}")
    assert not siege.faults and not siege.failed(repeatable=True), siege.failed(repeatable=True)[:5]
    assert set(siege.reasons()) <= {"upstream_closed"}, siege.failures[:5]
    for call in siege.failures:
        assert any(call.begun <= death.over and death.begun <= call.ended for death in died), call
    check_repeats(siege, record, died)


@pytest.mark.parametrize(("replicas", "generation"), [(1, "v1"), (3, "v1"), (3, "v2")])
def test_a_process_that_is_killed_takes_only_what_it_was_doing(
    folder: Path, make_gateway: Callable[..., Gateway], replicas: int, generation: str
) -> None:
    kill_children(folder, make_gateway, replicas, 1, generation)


@pytest.mark.heavy
@pytest.mark.parametrize(("replicas", "generation"), [(1, "v1"), (3, "v1"), (3, "v2")])
def test_processes_that_are_killed_take_only_what_they_were_doing(
    folder: Path, make_gateway: Callable[..., Gateway], replicas: int, generation: str
) -> None:
    kill_children(folder, make_gateway, replicas, 8, generation)

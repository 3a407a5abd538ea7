"""Big messages, many clients, clients and servers that go away; and nothing left behind afterwards."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import features
import pytest

from harness.client import Driver, text_of
from harness.conversation import CLIENTS
from harness.gateway import Gateway
from harness.processes import alive, eventually, resident_bytes
from harness.upstreams import HTTPUpstream, reference_command, stdio_entry, wire_command
from harness.wire import Connection, LegacySession, envelope, modern, modern_headers, notification, post_modern, request, rpc

Drivers = Callable[[str], Driver]
MIB = 1 << 20
clients = pytest.mark.parametrize(("sdk", "mode"), CLIENTS, ids=str)


def digest(size: int) -> str:
    return hashlib.sha256(("0123456789abcdef" * (size // 16)).encode()).hexdigest()


# --- big messages ----------------------------------------------------------------------------------------------------


@clients
@pytest.mark.parametrize("alias", ["v2http", "v2stdio", "v1http", "v1stdio", "v1sse"])
def test_a_4_mib_result_reaches_clients_at_their_defaults(
    shared_gateway: Callable[[int], Gateway], drivers: Drivers, sdk: str, mode: str, alias: str
) -> None:
    url = shared_gateway(3).alias_url(alias)
    trace = drivers(sdk).run(url, ("measured_call", {"name": "big", "arguments": {"bytes": 4 * MIB}}), mode=mode)
    found = trace.value("measured_call")
    assert (found["length"], found["sha256"]) == (4 * MIB, digest(4 * MIB))


@clients
@pytest.mark.parametrize("alias", ["v2http", "v1stdio", "v1http"])
def test_a_4_mib_result_after_progress_reaches_clients_with_a_raised_limit(
    shared_gateway: Callable[[int], Gateway], drivers: Drivers, sdk: str, mode: str, alias: str
) -> None:
    target = {"url": shared_gateway(3).alias_url(alias), "event_limit": 16 * MIB}
    arguments = {"bytes": 4 * MIB, "progress": True}
    trace = drivers(sdk).run(
        target, ("measured_call", {"name": "big", "arguments": arguments, "progress": True}), mode=mode
    )
    found = trace.value("measured_call")
    assert found["progress"] == [[1, 2, "half"]]
    assert (found["length"], found["sha256"]) == (4 * MIB, digest(4 * MIB))


@pytest.mark.parametrize("alias", ["v2http", "v2stdio", "v1stdio"])
def test_a_15_mib_result_passes(shared_gateway: Callable[[int], Gateway], alias: str) -> None:
    session = LegacySession(shared_gateway(3).port, path=f"/mcp/{alias}")
    response = session.call("big", {"bytes": 15 * MIB}, timeout=60)
    text = response.message["result"]["content"][0]["text"]
    assert hashlib.sha256(text.encode()).hexdigest() == digest(15 * MIB)


@clients
@pytest.mark.parametrize("alias", ["v2http", "v2stdio", "v1http", "v1stdio", "v1sse"])
def test_a_1_mib_argument_reaches_the_server(
    shared_gateway: Callable[[int], Gateway], drivers: Drivers, sdk: str, mode: str, alias: str
) -> None:
    trace = drivers(sdk).run(shared_gateway(3).alias_url(alias), "long_argument", mode=mode)
    assert text_of(trace.value("long_argument")) == str(MIB)


def test_big_messages_do_not_hold_up_small_ones(shared_gateway: Callable[[int], Gateway]) -> None:
    """On the same shared child."""
    session = LegacySession(shared_gateway(1).port, path="/mcp/v1stdio")
    done: list[int] = []

    def big() -> None:
        done.append(len(session.call("big", {"bytes": 8 * MIB}, timeout=60).body))

    threads = [threading.Thread(target=big) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        assert session.call("echo", {"text": str(number)}, timeout=30).message["result"]["content"][0]["text"] == str(
            number
        )
    for thread in threads:
        thread.join()
    assert len(done) == 3 and min(done) > 8 * MIB


def test_a_reader_that_stops_is_waited_for_without_buffering_it_all(
    make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream]
) -> None:
    """Twenty 4 MiB results that nobody reads: the upstream is paused, memory is not filled."""
    gateway = make_gateway({"up": references["v2http"].entry()})
    post_modern(gateway.port, modern("tools/call", {"name": "big", "arguments": {"bytes": 4 * MIB}}), timeout=30)
    before = resident_bytes(gateway.pid)
    body = json.dumps(modern("tools/call", {"name": "big", "arguments": {"bytes": 4 * MIB}})).encode()
    headers: dict[str, str | None] = dict(modern_headers(modern("tools/call", {"name": "big"})))
    held = []
    for _ in range(20):
        connection = Connection(gateway.port, timeout=60)
        connection.send(request("POST", "/mcp", headers, body, port=gateway.port))
        connection.socket.recv(1)
        held.append(connection)
    grown = resident_bytes(gateway.pid) - before
    for connection in held:
        connection.close()
    assert grown < 40 * MIB, f"{grown / MIB:.0f} MiB for answers of 80 MiB that nobody reads"


CHATTY = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    answer = {"jsonrpc": "2.0", "id": message.get("id")}
    match message["method"]:
        case "initialize":
            capabilities, info = {"tools": {}}, {"name": "chatty", "version": "1"}
            version = message["params"]["protocolVersion"]
            answer["result"] = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
        case "tools/list":
            answer["result"] = {"tools": [{"name": "talk", "inputSchema": {"type": "object"}}]}
        case "tools/call":
            token = message["params"].get("_meta", {}).get("progressToken")
            said = message["params"]["arguments"]
            for step in range(said.get("steps", 0)):
                params = {"progressToken": token, "progress": step, "message": "." * said["bytes"]}
                print(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}))
            answer["result"] = {"content": []}
        case _:
            answer["error"] = {"code": -32601, "message": "unknown"}
    if "id" in message:
        print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize(("steps", "size"), [(2000, 65536), (1, 16 * MIB)], ids=["many", "large"])
def test_what_a_child_says_to_a_reader_that_stops_does_not_pile_up(
    make_gateway: Callable[..., Gateway], era: str, steps: int, size: int
) -> None:
    """A child has many callers and can't be paused for one: who does not read 128 MiB of progress is let go.

    One large event may wait, and the answer after it finds the connection far behind.
    """
    gateway = make_gateway({"child": {"command": sys.executable, "args": ["-c", CHATTY]}})
    session = LegacySession(gateway.port)
    assert "result" in session.call("talk").message
    before = resident_bytes(gateway.pid)
    params = {"name": "talk", "arguments": {"steps": steps, "bytes": size}}
    if era == "legacy":
        flood = session.bytes_of(rpc("tools/call", {**params, "_meta": {"progressToken": 1}}, 1))
    else:
        message = modern("tools/call", params, meta={**envelope(), "progressToken": 1})
        headers: dict[str, str | None] = dict(modern_headers(message))
        flood = request("POST", "/mcp", headers, json.dumps(message).encode(), port=gateway.port)
    with Connection(gateway.port) as connection:
        connection.send(flood)
        assert connection.head().status == 200
        # The child answers in turn: this comes after all that it had to say.
        assert "result" in session.call("talk", timeout=60).message
        grown = resident_bytes(gateway.pid) - before
    assert grown < 96 * MIB, f"{grown / MIB:.0f} MiB for progress that nobody reads"


# --- many clients ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.heavy)])
def test_200_clients_at_once_on_3_workers(
    make_gateway: Callable[..., Gateway], drivers: Drivers, references: dict[str, HTTPUpstream], rounds: int
) -> None:
    servers = {"modern": references["v2http"].entry(), "shared": stdio_entry(reference_command("v1"))}
    gateway = make_gateway(servers, workers=3)
    gateway.wait_for(*servers)
    scenarios: list[Any] = ["tools"]
    for round_number in range(rounds):
        for alias in servers:
            arguments = {"name": f"{alias}__echo", "arguments": {"text": f"{alias} {{client}} {round_number}"}}
            scenarios.append((f"{alias}{round_number}=call", arguments))
    jobs = []
    for sdk, mode in (("v2", "auto"), ("v1", "legacy")):
        driver = drivers(sdk)
        jobs.append(
            (driver, driver.start(gateway.url, *scenarios, mode=mode, clients=100, timeout=90, opening_timeout=90))
        )
    for driver, box in jobs:
        traces = driver.finish(box, 240)["clients"]
        assert len(traces) == 100
        for number, trace in enumerate(traces):
            assert "failure" not in trace["opened"], trace["opened"]
            assert len(trace["tools"]["value"]["names"]) == 2 * len(features.TOOLS)
            for round_number in range(rounds):
                for alias in servers:
                    outcome = trace[f"{alias}{round_number}"]
                    assert "value" in outcome, (number, outcome)
                    assert text_of(outcome["value"]["result"]) == f"{alias} {number} {round_number}"


def test_200_raw_sessions_with_the_same_ids(shared_gateway: Callable[[int], Gateway]) -> None:
    """All use id 1 at the same moment, on one shared child."""
    gateway = shared_gateway(3)
    sessions = [LegacySession(gateway.port, path="/mcp/v1stdio") for _ in range(200)]
    connections = [Connection(gateway.port, timeout=60) for _ in sessions]
    for number, (session, connection) in enumerate(zip(sessions, connections, strict=True)):
        connection.send(
            session.bytes_of(rpc("tools/call", {"name": "echo", "arguments": {"text": f"mine {number}"}}, 1))
        )
    for number, connection in enumerate(connections):
        message = connection.response().message
        assert (message["id"], message["result"]["content"][0]["text"]) == (1, f"mine {number}")
        connection.close()
    for session in sessions:
        session.delete()


# --- going away ------------------------------------------------------------------------------------------------------


class Leaks:
    """Descriptors, children and memory of a gateway before and after."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.descriptors, self.children = gateway.descriptors(), set(gateway.children())
        self.memory = resident_bytes(gateway.pid)

    def gone(self, descriptors: int = 3, memory: int = 24 * MIB, seconds: float = 12) -> None:
        """Everything is as before; an upstream connection or two may be kept for later."""
        close = eventually(lambda: self.gateway.descriptors() <= self.descriptors + descriptors, seconds, 0.2)
        assert close, f"{self.descriptors} descriptors before, {self.gateway.descriptors()} after"
        same = eventually(lambda: set(self.gateway.children()) == self.children, seconds, 0.2)
        assert same, f"children before {self.children}, after {self.gateway.children()}"
        grown = resident_bytes(self.gateway.pid) - self.memory
        assert grown < memory, f"{grown / MIB:.1f} MiB more"
        assert self.gateway.admin_status("/readyz") == 200


@pytest.fixture
def watched(make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream]) -> Gateway:
    """A gateway of the test's own over a legacy server, a modern one and a shared child, all warmed up."""
    servers = {
        "legacy": make_upstream(reference_command("v1"), name="watchedlegacy").entry(),
        "modern": make_upstream(reference_command("v2"), name="watchedmodern").entry(),
        "child": stdio_entry(reference_command("v1")),
    }
    gateway = make_gateway(settings={"servers": servers, "sessions": {"resume_window": "1s"}}, workers=2)
    gateway.wait_for(*servers)
    for path in servers:
        session = LegacySession(gateway.port, path=f"/mcp/{path}")
        assert "result" in session.call("echo", {"text": "warm"}).message
        session.delete()
    return gateway


def test_sessions_that_end_leave_nothing(watched: Gateway) -> None:
    def some(count: int) -> None:
        for number in range(count):
            for path in ("legacy", "modern", "child"):
                session = LegacySession(watched.port, path=f"/mcp/{path}")
                connection, head = session.listen()
                assert head.status == 200
                assert "result" in session.call("echo", {"text": str(number)}).message
                connection.close()
                assert session.delete().status in (200, 202, 204)

    some(5)
    leaks = Leaks(watched)
    some(40)
    leaks.gone()


def test_clients_that_vanish_in_mid_stream_leave_nothing(watched: Gateway) -> None:
    leaks = Leaks(watched)
    for path in ("legacy", "modern", "child"):
        sessions = [LegacySession(watched.port, path=f"/mcp/{path}") for _ in range(15)]
        for session in sessions:
            params = {"name": "slow", "arguments": {"steps": 200, "pause": 0.01}, "_meta": {"progressToken": 1}}
            with Connection(watched.port) as connection, Connection(watched.port) as listening:
                listening.send(session.get_bytes())
                assert listening.head().status == 200
                connection.send(session.bytes_of(rpc("tools/call", params, 1)))
                assert connection.head().status == 200
                next(connection.stream())
        message = modern("tools/call", {"name": "sleep", "arguments": {"seconds": 60, "tag": "vanish"}})
        for _ in range(15):
            with Connection(watched.port) as connection:
                headers: dict[str, str | None] = dict(modern_headers(message))
                connection.send(
                    request("POST", f"/mcp/{path}", headers, json.dumps(message).encode(), port=watched.port)
                )
        for session in sessions:
            session.delete()
    leaks.gone(descriptors=8, seconds=15)
    for path in ("legacy", "modern", "child"):
        session = LegacySession(watched.port, path=f"/mcp/{path}")
        assert session.call("echo", {"text": "still"}).message["result"]["content"][0]["text"] == "still"


def test_half_requests_leave_nothing(watched: Gateway) -> None:
    leaks = Leaks(watched)
    session = LegacySession(watched.port, path="/mcp/child")
    whole = session.bytes_of(rpc("tools/call", {"name": "echo", "arguments": {"text": "x" * 5000}}, 1))
    for cut in range(1, len(whole), 97):
        with Connection(watched.port) as connection:
            connection.send(whole[:cut])
    assert session.call("echo", {"text": "x"}).status == 200
    session.delete()
    leaks.gone()


def test_listens_that_end_leave_nothing(watched: Gateway) -> None:
    def some(count: int) -> None:
        for path in ("legacy", "modern", "child"):
            for number in range(count):
                wanted = {"toolsListChanged": True, "resourceSubscriptions": [f"ref://clock/{number}"]}
                message = modern("subscriptions/listen", {"notifications": wanted}, f"l{number}")
                headers: dict[str, str | None] = dict(modern_headers(message))
                with Connection(watched.port) as connection:
                    connection.send(
                        request("POST", f"/mcp/{path}", headers, json.dumps(message).encode(), port=watched.port)
                    )
                    assert connection.head().status == 200
                    next(connection.stream())

    some(3)
    leaks = Leaks(watched)
    some(40)
    leaks.gone(descriptors=6)


def test_calls_do_not_leak_memory(watched: Gateway) -> None:
    def some(count: int) -> None:
        session = LegacySession(watched.port, path="/mcp/child")
        with Connection(watched.port, timeout=30) as connection:
            for number in range(count):
                data = session.bytes_of(rpc("tools/call", {"name": "echo", "arguments": {"text": "x" * 2000}}, number))
                assert connection.exchange(data).message["id"] == number
        session.delete()

    some(500)
    leaks = Leaks(watched)
    some(2500)
    leaks.gone(memory=4 * MIB)


@pytest.mark.heavy
def test_an_upstream_session_ends_with_the_clients(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream], folder: Path
) -> None:
    record = folder / "ends.record"
    upstream = make_upstream(wire_command("--era", "legacy", "--record", str(record)), name="ends")
    gateway = make_gateway({"up": upstream.entry()})

    def seen(kind: str) -> list[dict[str, Any]]:
        return [entry for entry in map(json.loads, record.read_text().splitlines()) if entry["kind"] == kind]

    session = LegacySession(gateway.port)
    assert "result" in session.call("raw").message
    used = [entry for entry in seen("POST") if '"tools/call"' in entry["raw"]][-1]["headers"]
    session.delete()
    own = {name.lower(): value for name, value in used.items()}["mcp-session-id"]

    def deleted() -> list[str]:
        return [
            value
            for entry in seen("DELETE")
            for name, value in entry["headers"].items()
            if name.lower() == "mcp-session-id"
        ]

    assert eventually(lambda: own in deleted(), 5), "the upstream session was left open"


@pytest.mark.heavy
def test_idle_sessions_end_by_themselves(make_gateway: Callable[..., Gateway]) -> None:
    servers = {"up": stdio_entry(wire_command())}
    gateway = make_gateway(settings={"servers": servers, "sessions": {"idle_timeout": "1s"}}, workers=2)
    session = LegacySession(gateway.port)
    busy = LegacySession(gateway.port)
    for _ in range(8):
        time.sleep(0.3)
        assert busy.post(rpc("ping")).status == 200
    assert gateway.metric("sluice_sessions") == 1
    # It is made anew for a client that comes back.
    assert session.post(rpc("ping")).status == 200
    assert busy.post(rpc("ping")).status == 200


def test_a_call_without_an_answer_times_out_with_an_error(make_gateway: Callable[..., Gateway]) -> None:
    servers = {"up": stdio_entry(wire_command())}
    gateway = make_gateway(settings={"servers": servers, "call_timeout": "1s"})
    session = LegacySession(gateway.port)
    started = time.monotonic()
    response = session.call("hang", timeout=15)
    assert 0.8 < time.monotonic() - started < 5
    assert response.status == 200
    assert response.message["error"]["code"] == -32603 and "up" in json.dumps(response.message["error"])
    assert "result" in session.call("raw").message


@pytest.mark.heavy
def test_progress_puts_the_time_limit_off(make_gateway: Callable[..., Gateway]) -> None:
    servers = {"up": stdio_entry(reference_command("v1"))}
    gateway = make_gateway(settings={"servers": servers, "call_timeout": "1s"})
    session = LegacySession(gateway.port)
    response = session.call("slow", {"steps": 8, "pause": 0.3}, meta={"progressToken": 1})
    assert response.message["result"]["content"][0]["text"] == "8 steps"


def test_a_replay_buffer_is_bounded(make_gateway: Callable[..., Gateway]) -> None:
    """An event too big for it makes the stream non-resumable, with an error that says so."""
    servers = {"up": stdio_entry(reference_command("v1"))}
    gateway = make_gateway(settings={"servers": servers, "sessions": {"replay": "64KiB"}})
    session = LegacySession(gateway.port)
    params = {"name": "big", "arguments": {"bytes": MIB, "progress": True}, "_meta": {"progressToken": 1}}
    with Connection(gateway.port) as connection:
        connection.send(session.bytes_of(rpc("tools/call", params, 1)))
        assert connection.head().status == 200
        last = None
        for event in connection.stream():
            last = event.get("id") or last
            if "progress" in event.get("data", ""):
                break
    time.sleep(0.5)
    again, head = session.listen(last_event=last)
    with again:
        if head.status == 200:
            found = [json.loads(event["data"]) for event in again.stream() if event.get("data")]
            assert found and "error" in found[-1] and found[-1]["id"] == 1, "neither a replay nor an error"
        else:
            assert 400 <= head.status < 500
    assert session.post(rpc("ping")).status == 200
    assert resident_bytes(gateway.pid) < 400 * MIB


def test_notifications_without_a_listener_do_not_pile_up(watched: Gateway) -> None:
    """List changes while no stream is open: bounded, and the session goes on."""
    session = LegacySession(watched.port, path="/mcp/child")
    session.post(rpc("resources/subscribe", {"uri": "ref://clock"}))
    leaks = Leaks(watched)
    for _ in range(300):
        assert "result" in session.call("touch").message
    leaks.gone(memory=8 * MIB)
    session.post(notification("notifications/roots/list_changed"))
    assert session.delete().status in (200, 202, 204)


def test_every_child_is_reaped(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(wire_command())})
    session = LegacySession(gateway.port)

    def is_settled() -> bool:
        """The reaper and the child; one that only was asked for its era may still be on its way out."""
        return len(gateway.children()) == 2

    assert eventually(is_settled, 15), gateway.children()
    for _ in range(5):
        assert session.call("exit").message["error"]["code"] == -32603
        assert eventually(lambda: "result" in session.call("raw").message, 15, 0.2)
        assert eventually(lambda: all(alive(pid) for pid in gateway.children()), 5), "a zombie is left"
        assert eventually(is_settled, 15), gateway.children()

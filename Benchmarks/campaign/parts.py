"""The parts of a campaign. Each starts its servers, then measures them one after the other, round by round, so that a
machine whose speed changes changes it for all of them."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from .store import Store
from .subjects import LEGACY, MODERN, PLAIN, Servers, Subject


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    crowd: int
    """The larger number of connections: 10,000, or fewer for a trial."""
    only: list[str]
    """Subjects, by the beginnings of their names; all if there are none."""

    def chosen(self, subjects: list[Subject]) -> list[Subject]:
        return [each for each in subjects if not self.only or each.name.startswith(tuple(self.only))]


ENVOY_ROUTER = ["--era", "legacy", "--tool", "one__echo", "--expect", "call {n}"]
SMALL_CALL = '{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{"name":"echo","arguments":{"text":"{padding}"}}}'
RENAMED = ["--era", "legacy", "--tool", "s0__echo", "--expect", "call {n}"]

RELAY = Subject("bare libuv relay", "relay", load=LEGACY)
PROXIES = [
    Subject("nginx", "nginx", load=LEGACY),
    Subject("HAProxy", "haproxy", load=LEGACY, environment={"BENCH_BUFFER": "65536"}),
    Subject("Envoy, plain", "envoy", load=LEGACY),
]
# Each carries the very same requests: what a gateway is spared, a proxy is too.
OURS = Subject("sluice", "sluice", load=LEGACY)
MODERN_CALLS = [replace(each, load=MODERN, upstream="modern") for each in (RELAY, *PROXIES, OURS)]
GATEWAYS = [
    OURS,
    Subject("sluice, two upstreams", "sluice", ["2"], load=RENAMED),
    Subject("Envoy, mcp_router", "envoy", ["mcp_router"], load=ENVOY_ROUTER),
    Subject("mcp-proxy", "mcp-proxy", load=LEGACY, slow=True),
    Subject("FastMCP proxy", "fastmcp", load=LEGACY, slow=True),
    Subject(
        "ContextForge",
        "contextforge",
        load=["--era", "legacy", "--tool", "responder-echo", "--expect", "call {n}"],
        slow=True,
        # It answers more than a few callers with errors.
        callers=4,
        patience=300,
    ),
]
DIRECT = Subject("direct", "responder", ["legacy"], load=LEGACY)


def rounds(
    plan: Plan, store: Store, part: str, subjects: list[Subject], measure: Callable[[Servers, Subject, int], None]
) -> None:
    with Servers() as servers:
        ready = [each for each in plan.chosen(subjects) if servers.start(each)]
        for name, reason in servers.failures.items():
            store.note(part, f"{name} could not be measured: {reason}")
        for number in range(1, plan.rounds + 1):
            for subject in ready:
                print(f"{part}: round {number} of {plan.rounds}, {subject.name}", flush=True)
                measure(servers, subject, number)


def calls(plan: Plan, store: Store) -> None:
    """tools/call of 300 bytes through everything: as fast as answers come over 16 connections, and at 1,000 a second; in a
    session of 2025-11-25, then in 2026-07-28."""

    def measure(servers: Servers, subject: Subject, number: int) -> None:
        era = ", 2026-07-28" if subject.upstream == "modern" else ""
        timed = ["-c", subject.callers, "-d", f"{plan.seconds}s", "--timeout", "30s"]
        store.add("calls", f"saturation{era}", subject.name, number, servers.measure(subject, "call", *timed))
        rate = 20 if subject.slow else 1000
        fixed = servers.measure(subject, "call", "--rate", rate, *timed)
        store.add("calls", f"fixed{era}", subject.name, number, fixed, rate=rate)

    store.forget("calls")
    rounds(plan, store, "calls", [DIRECT, RELAY, *PROXIES, *GATEWAYS], measure)
    rounds(plan, store, "calls", [replace(DIRECT, arguments=["modern"], load=MODERN, upstream="modern"), *MODERN_CALLS], measure)


def websocket(plan: Plan, store: Store) -> None:
    """Echoes: our own server beside a bare one, and proxies in front of the bare one."""
    echo = ["--era", "none", "--body", "{n}{padding}", "--expect", "same"]
    ours = Subject("sluice", "sluice", path="/debug/echo", load=echo, websocket=True)
    subjects = [
        Subject("bare epoll echo", "websocket_echo", path="/", load=echo, websocket=True),
        ours,
        replace(ours, name="sluice, TLS", tls=True),
        *(replace(each, path="/ws", load=echo, websocket=True) for each in PROXIES),
    ]

    def measure(servers: Servers, subject: Subject, number: int) -> None:
        for size in (64, 16384):
            for connections in (100, 1000):
                load = ["-c", connections, "--size", size, "-d", f"{plan.seconds}s"]
                result = servers.measure(subject, "call", *load)
                store.add("websocket", f"{size} bytes, {connections} connections", subject.name, number, result)

    store.forget("websocket")
    rounds(plan, store, "websocket", subjects, measure)


def fanout(plan: Plan, store: Store) -> None:
    """One publisher, many event streams. Each run has a server that was just started: sessions, and what is kept for them,
    outlive the subscribers of the run before."""
    store.forget("fanout")
    raw = ["--era", "none"]
    subjects = [
        Subject("bare epoll writer", "responder", ["modern"], path="/events", load=raw, trial="listen"),
        Subject("nchan", "nchan", path="/events", load=raw, trial="listen"),
        Subject("sluice, subscriptions/listen", "sluice", load=MODERN, upstream="modern"),
        Subject("sluice, GET stream", "sluice", load=LEGACY, upstream="modern"),
    ]

    for number in range(1, plan.rounds + 1):
        for subscribers in (max(plan.crowd // 10, 1), plan.crowd):
            rate = max(1, 20000 // subscribers)
            count = max(5, int(plan.seconds * rate))
            for subject in plan.chosen(subjects):
                print(f"fanout: round {number} of {plan.rounds}, {subscribers} subscribers, {subject.name}", flush=True)
                with Servers() as servers:
                    if not servers.start(subject):
                        store.note("fanout", f"{subject.name} could not be measured: {servers.failures[subject.name]}")
                        continue
                    is_gateway = subject.program == "sluice"
                    port = servers.upstream("modern") if is_gateway else servers.ports[subject.name]
                    publish = ["--publish", f"http://127.0.0.1:{port}/publish", "--timeout", "30s", "--size", 300]
                    load = ["-c", subscribers, "--publications", count, "--rate", rate, *publish]
                    result = servers.measure(subject, "fanout", *load)
                    store.add("fanout", f"{subscribers} subscribers", subject.name, number, result)


def idle(plan: Plan, store: Store) -> None:
    """Memory of connections that do nothing. Each figure is of a server that was just started."""
    store.forget("idle")
    ours = Subject("sluice", "sluice", load=LEGACY)
    nchan = Subject("nchan", "nchan", path="/events", load=["--era", "none"], trial="listen")
    for tls in (False, True):
        mark = ", TLS" if tls else ""
        hold(plan, store, f"keep-alive{mark}", [replace(each, tls=tls) for each in (ours, *PROXIES)])
        streams = [replace(ours, tls=tls, trial="listen"), *([] if tls else [nchan])]
        hold(plan, store, f"event stream{mark}", streams)
        sockets = [replace(each, path="/ws", load=["--era", "none"]) for each in PROXIES]
        sockets = [replace(ours, path="/mcp/ws"), *sockets]
        sockets = [replace(each, tls=tls, websocket=True, trial="open") for each in sockets]
        hold(plan, store, f"WebSocket{mark}", sockets)


def hold(plan: Plan, store: Store, table: str, subjects: list[Subject]) -> None:
    for subject in plan.chosen(subjects):
        print(f"idle: {table}, {subject.name}", flush=True)
        with Servers() as servers:
            if not servers.start(subject):
                store.note("idle", f"{table}, {subject.name}: {servers.failures[subject.name]}")
                continue
            crowd = ["-c", plan.crowd, "-d", "500ms", "--timeout", "60s", "--hold", subject.trial]
            store.add("idle", table, subject.name, 1, servers.measure(subject, "idle", *crowd))


def connects(plan: Plan, store: Store) -> None:
    """Connections that come and go: the WebSocket upgrade, and TLS handshakes with one request each."""
    plain = ["--era", "none"]
    ours = Subject("sluice", "sluice", path="/debug/echo", load=plain, websocket=True)
    sockets = [Subject("bare epoll echo", "websocket_echo", path="/", load=plain, websocket=True), ours]
    secure = [
        Subject("sluice, TLS", "sluice", load=[*MODERN], upstream="modern", tls=True),
        *(replace(each, name=f"{each.name}, TLS", tls=True) for each in PROXIES),
    ]

    def measure(servers: Servers, subject: Subject, number: int) -> None:
        timed = ["-c", 16, "-d", f"{plan.seconds}s", "--sources", 32]
        if subject.websocket:
            result = servers.measure(subject, "churn", "--each", 0, *timed)
            store.add("connects", "WebSocket upgrade", subject.name, number, result)
        else:
            store.add("connects", "TLS handshake and a call", subject.name, number, servers.measure(subject, "churn", *timed))
            resumed = servers.measure(subject, "churn", "--resume", *timed)
            store.add("connects", "TLS resumption and a call", subject.name, number, resumed)

    store.forget("connects")
    rounds(plan, store, "connects", [*sockets, *secure], measure)


def start(plan: Plan, store: Store) -> None:
    """From the start of the process until a call is answered, resident memory then, and the size of the program."""
    store.forget("start")
    for number in range(1, plan.rounds + 1):
        for subject in plan.chosen([OURS, *PROXIES, *GATEWAYS[2:]]):
            print(f"start: round {number} of {plan.rounds}, {subject.name}", flush=True)
            with Servers() as servers:
                servers.upstream(subject.upstream)
                begun = time.monotonic()
                if not servers.start(subject):
                    continue
                seconds = time.monotonic() - begun
                load = servers.measure(subject, "call", "-n", 1, "-c", 1, "--timeout", "30s")
                size = program_size(servers.pids[subject.name])
                store.add("start", "start", subject.name, number, load, start_seconds=seconds, program_bytes=size)


def program_size(pid: int) -> int:
    """Of a native program the file; of an interpreted one the folder of its environment."""
    program = Path(os.readlink(f"/proc/{pid}/exe"))
    if "python" in program.name:
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        environment = next((Path(each).parents[1] for each in command if "/bench-" in each), program)
        listed = subprocess.run(["du", "-sbL", str(environment)], capture_output=True, text=True)
        return int(listed.stdout.split()[0])
    return program.stat().st_size


def scaling(plan: Plan, store: Store) -> None:
    """CPU time per call against the number of connections, the size, the tools and the upstreams. The points of a curve are
    interleaved too."""
    store.forget("scaling")
    base = replace(OURS, load=MODERN, upstream="modern", environment={"SLUICE_LIMITS_BODY": "64MiB"})
    Point = tuple[Subject, list[object]]

    def curve(table: str, points: dict[int, Point]) -> None:
        with Servers() as servers:
            ready = [x for x, (subject, _) in points.items() if subject.name in servers.ports or servers.start(subject)]
            for number in range(1, plan.rounds + 1):
                for x in ready:
                    print(f"scaling: round {number} of {plan.rounds}, {table} {x}", flush=True)
                    subject, load = points[x]
                    result = servers.measure(subject, *load, "-d", f"{plan.seconds}s")
                    store.add("scaling", table, "sluice", number, result, x=x)
            for name, reason in servers.failures.items():
                store.note("scaling", f"{table}, {name}: {reason}")

    def one_server(table: str, loads: dict[int, list[object]]) -> None:
        curve(table, {x: (base, load) for x, load in loads.items()})

    # With a client and an upstream connection each, 20,000 descriptors are enough for so many calls at once.
    busy = min(4000, plan.crowd)
    # Of the descriptors a part is kept for upstreams: beyond 14,900 clients are refused.
    crowd = min(14_000, plan.crowd * 2)
    one_server("busy connections", {x: ["call", "-c", x] for x in (10, 100, 1000, busy)})
    beside = {x: ["mix", "-c", 16, "--idle", x, "--hold", "call"] for x in (10, 100, 1000, plan.crowd, crowd)}
    one_server("idle connections beside 16 busy ones", beside)
    # No call of 2026-07-28 is as small as 100 bytes.
    sized = replace(base, name="sized", upstream="legacy", load=[*LEGACY, "--body", SMALL_CALL, "--expect", '"id":{n}'])
    sizes = (100, 1000, 10_000, 100_000, 1_000_000, 4_000_000)
    curve("bytes of a message", {x: (sized, ["call", "-c", 4, "--size", x]) for x in sizes})

    def tools(count: int) -> Point:
        return replace(base, name=f"{count} tools", upstream=f"modern tools={count}"), ["call", "-c", 16]

    def upstreams(count: int) -> Point:
        tool = ["--tool", "s0__echo", "--expect", "call {n}"] if count > 1 else []
        return replace(base, name=f"{count} upstreams", arguments=[str(count)], load=[*MODERN, *tool]), ["call", "-c", 16]

    curve("tools", {x: tools(x) for x in (10, 100, 1000, 10_000)})
    curve("upstreams", {x: upstreams(x) for x in (1, 10, 50, 200)})


PARTS: dict[str, Callable[[Plan, Store], None]] = {
    "calls": calls,
    "websocket": websocket,
    "fanout": fanout,
    "idle": idle,
    "connects": connects,
    "start": start,
    "scaling": scaling,
}

"""What an operation costs in units that do not depend on how busy the machine is: instructions, references counted,
locked instructions, system calls, allocations. The figures to hold are in costs.json; `scripts/test budgets --bless -k costs` takes new ones."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import pytest
from callgrind import Places, Profile
from conftest import BINARY, PEERS, Gateway

COSTS = Path(__file__).parent / "costs.json"

GROWTH = 1.03
"""Instructions and references may grow by so much: what two runs of one binary differ by is a hundredth of that."""

SLACK = 0.05
"""System calls and allocations of timers and probes that fall into a run, for each operation."""

SUBSCRIBERS = 50


@dataclass(frozen=True)
class Operation:
    name: str
    servers: dict[str, str]
    arguments: list[str]
    """For sluice-load; {port} is the gateway's, {upstream} that of its first upstream, {n} is left for it."""
    count: int = 1000
    unit: int = 1
    """Operations for each that is asked for."""
    extra: list[str] = field(default_factory=list)


ONE_CALL = ["-c", "1", "-n", "<n>"]
EVENTS = ["-c", str(SUBSCRIBERS), "--rate", "200", "--publications", "<n>", "--size", "100"]
ECHO = "ws://127.0.0.1:{port}/debug/echo"
ECHOED = ["--era", "none", "--body", "{n}{padding}", "--size", "64", "--expect", "same"]
PUBLISH = ["--publish", "http://127.0.0.1:{upstream}/publish"]

OPERATIONS = [
    Operation("legacy call", {"one": "legacy"}, ["call", "http://127.0.0.1:{port}/mcp", "--era", "legacy", *ONE_CALL]),
    Operation("modern call", {"one": "modern"}, ["call", "http://127.0.0.1:{port}/mcp", *ONE_CALL]),
    Operation(
        "renamed call",
        {"one": "legacy", "two": "legacy"},
        [
            *["call", "http://127.0.0.1:{port}/mcp", "--era", "legacy", "--tool", "two__echo"],
            *["--arguments", '{"text":"call {n} {padding}"}', "--expect", "call {n}", *ONE_CALL],
        ],
    ),
    Operation("HTTP+SSE call", {"one": "legacy"}, ["call", "http://127.0.0.1:{port}/mcp/sse", "--sse", *ONE_CALL]),
    Operation("WebSocket call", {"one": "modern"}, ["call", "ws://127.0.0.1:{port}/mcp/ws", *ONE_CALL]),
    Operation("WebSocket echo", {"one": "modern"}, ["call", ECHO, *ECHOED, *ONE_CALL], extra=["--debug-echo"]),
    Operation(
        "fan-out event",
        {"one": "modern"},
        ["fanout", "http://127.0.0.1:{port}/mcp", *PUBLISH, *EVENTS],
        count=800,
        unit=SUBSCRIBERS,
    ),
]


def perform(gateway: Gateway, operation: Operation, count: int) -> int:
    """Makes so many operations, which have to be right, and returns their number."""
    places = {"{port}": str(gateway.port), "{upstream}": str(gateway.upstreams[0]), "<n>": str(count)}
    arguments = [re.sub("|".join(places), lambda place: places[place[0]], each) for each in operation.arguments]
    command = [str(PEERS / "sluice-load"), *arguments, "--json", "-"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    assert report["operations"] == count * operation.unit
    return int(report["operations"])


def difference(measure: Callable[[int], dict[str, float]], operation: Operation) -> dict[str, float]:
    """What one operation costs: a long run less a short one, so that opening and closing connections cancel out."""
    short, long = operation.count // 4, operation.count + operation.count // 4
    less, more = measure(short), measure(long)
    made = (long - short) * operation.unit
    return {name: (more.get(name, 0) - less.get(name, 0)) / made for name in sorted(more)}


def kind(name: str) -> str:
    return name if name in ("instructions", "references", "locked", "allocations") else "system calls"


def hold(request: pytest.FixtureRequest, operation: Operation, costs: dict[str, float], exact: bool) -> None:
    """Compares costs with those that are kept, or keeps them."""
    kept: dict[str, dict[str, float]] = json.loads(COSTS.read_text()) if COSTS.exists() else {}
    print(f"{operation.name}: " + ", ".join(f"{name} {value:.2f}" for name, value in costs.items()))
    if request.config.getoption("--bless"):
        # What was measured replaces all of its kind: what is no longer done is no longer allowed.
        kinds = {kind(name) for name in costs}
        mine = {name: value for name, value in kept.get(operation.name, {}).items() if kind(name) not in kinds}
        kept[operation.name] = mine
        mine.update({name: round(value, 0 if value > 1000 else 2) for name, value in costs.items() if value >= SLACK})
        COSTS.write_text(json.dumps(kept, indent=2) + "\n")
        return
    held = kept[operation.name]
    grown = {
        name: f"{held.get(name, 0)} -> {value:.2f}"
        for name, value in costs.items()
        if value > held.get(name, 0) * (1 if exact else GROWTH) + SLACK
    }
    assert not grown, f"a {operation.name} costs more than it did: {grown}"


@pytest.fixture(params=OPERATIONS, ids=lambda operation: operation.name)
def operation(request: pytest.FixtureRequest) -> Operation:
    return request.param


@pytest.fixture(scope="session")
def places(built: Path) -> Places:
    return Places.of(built / "sluice")


def test_instructions_do_not_grow(
    gateway: Callable[..., Gateway],
    operation: Operation,
    places: Places,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Beside instructions: references to objects that are counted or given back, and instructions that lock the memory
    bus, but for those of the counts themselves. Both are what cores that share memory hold each other up by."""
    counts = tmp_path / "counts"
    callgrind = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={counts}", "--instr-atstart=no"]
    callgrind += Profile.options
    running = gateway(operation.servers, under=callgrind, extra=operation.extra)
    pid = str(running.process.pid)
    control(pid, "--instr=on")
    perform(running, operation, operation.count // 4)
    dumps = 0

    def measure(count: int) -> dict[str, float]:
        nonlocal dumps
        control(pid, "--zero")
        perform(running, operation, count)
        control(pid, "--dump")
        dumps += 1
        profile = Profile(Path(f"{counts}.{dumps}"), "sluice", places)
        return {"instructions": profile.instructions, "references": profile.references, "locked": profile.locked}

    costs = difference(measure, operation)
    hold(request, operation, {"locked": costs.pop("locked")}, exact=True)
    hold(request, operation, costs, exact=False)


def control(pid: str, command: str) -> None:
    subprocess.run(["callgrind_control", command, pid], check=True, capture_output=True)


def test_system_calls_do_not_grow(
    gateway: Callable[..., Gateway], operation: Operation, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    running = gateway(operation.servers, extra=operation.extra)
    perform(running, operation, operation.count // 4)

    def measure(count: int) -> dict[str, float]:
        summary = tmp_path / "summary"
        command = ["strace", "-f", "-c", "-o", str(summary), "-p", str(running.process.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr
            while "attached" not in tracer.stderr.readline():
                assert tracer.poll() is None, "strace may not attach here"
            perform(running, operation, count)
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
        calls: dict[str, float] = {}
        for line in summary.read_text().splitlines():
            if found := re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line):
                if found[2] != "total":
                    calls[found[2]] = int(found[1])
        return calls

    hold(request, operation, difference(measure, operation), exact=True)


def test_allocations_do_not_grow(
    gateway: Callable[..., Gateway], operation: Operation, request: pytest.FixtureRequest
) -> None:
    running = gateway(operation.servers, counting=True, extra=operation.extra)
    perform(running, operation, operation.count // 4)

    def measure(count: int) -> dict[str, float]:
        before = running.allocations
        perform(running, operation, count)
        return {"allocations": running.allocations - before}

    hold(request, operation, difference(measure, operation), exact=True)

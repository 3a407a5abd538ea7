"""The stdio bridge: `sluice connect` between a client that speaks stdio and a server that speaks HTTP.

What `test_direct.py` finds right over HTTP has to be right through the bridge too.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.client import Driver, Trace
from harness.conversation import CHECKS, MODERN, Pairing, conversation, options
from harness.gateway import Gateway
from harness.paths import binary
from harness.processes import Child
from harness.upstreams import HTTPUpstream
from harness.wire import rpc

BRIDGED = [
    Pairing("v2", "auto", "v2http", True),
    Pairing("v2", MODERN, "v2http", True),
    Pairing("v2", "legacy", "v2http", False),
    Pairing("v1", "legacy", "v1http", False),
    Pairing("v1", "legacy", "v2http", False),
]


@pytest.fixture(scope="module")
def trace_of(drivers: Callable[[str], Driver], references: dict[str, HTTPUpstream]) -> Callable[[Pairing], Trace]:
    traces: dict[Pairing, Trace] = {}

    def of(pairing: Pairing) -> Trace:
        if pairing not in traces:
            job = conversation(f"bridged{len(traces)}")
            target = {"command": [binary(), "connect", references[pairing.server].url]}
            traces[pairing] = drivers(pairing.client).run(target, *job, **options(pairing))
        return traces[pairing]

    return of


@pytest.mark.parametrize("feature", CHECKS)
@pytest.mark.parametrize("pairing", BRIDGED, ids=str)
def test_feature_over_the_bridge(pairing: Pairing, feature: str, trace_of: Callable[[Pairing], Trace]) -> None:
    CHECKS[feature](trace_of(pairing), pairing)


# --- a gateway that is not there -------------------------------------------------------------------------------------

OPENING = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}}


def bridge(url: str, *flags: str) -> subprocess.Popen[bytes]:
    command = [binary(), "connect", url, *flags]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def say(process: subprocess.Popen[bytes], message: Any) -> None:
    assert process.stdin
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout
    return json.loads(process.stdout.readline())


def test_a_client_may_start_before_its_gateway_and_outlive_it(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(env={"SLUICE_STATE_DIR": str(tmp_path / "state")})
    gateway.stop()
    process = bridge(gateway.url, "--wait", "90")
    try:
        say(process, rpc("initialize", OPENING, 0))
        time.sleep(0.5)
        gateway.child = Child(gateway.command, gateway.log_path.with_suffix(".2.log"), gateway.env)
        assert hear(process)["result"]["protocolVersion"] == "2025-06-18"
        gateway.stop()
        # Nothing of it is sent before somebody is there, so any call can wait.
        say(process, rpc("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}, 1))
        time.sleep(0.5)
        gateway.child = Child(gateway.command, gateway.log_path.with_suffix(".3.log"), gateway.env)
        assert "result" in hear(process)
    finally:
        process.kill()


@pytest.mark.parametrize("ends", [True, False])
def test_nothing_waits_longer_than_it_should(ends: bool, make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    gateway.stop()
    process = bridge(gateway.url, "--wait", "600" if ends else "1")
    try:
        say(process, rpc("initialize", OPENING, 0))
        if ends:
            assert process.stdin
            process.stdin.close()
        assert "no connection" in hear(process)["error"]["message"]
    finally:
        process.kill()

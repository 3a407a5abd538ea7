"""What a command's `limits` hold its children to."""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Callable
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.processes import eventually
from harness.wire import LegacySession

MEBIBYTE = 1 << 20

# A server whose one tool tells what it is held to, and grows by as many MiB as it is asked to.
GREEDY = """
import json, os, resource, sys
held = []
def told(arguments):
    try:
        held.append(bytearray(arguments.get("grow", 0) << 20))
    except MemoryError:
        return {"error": "no memory"}
    limits = {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in ("DATA", "NOFILE", "NPROC")}
    return {**limits, "group": open("/proc/self/cgroup").read(), "pid": os.getpid()}
for line in sys.stdin:
    message = json.loads(line)
    method, result = message["method"], None
    if method == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "greedy", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        result = {"content": [], "structuredContent": told(message["params"].get("arguments") or {})}
    if "id" in message:
        body = {"result": result} if result else {"error": {"code": -32601, "message": "no"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), flush=True)
"""


def server(**more: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-c", GREEDY], "era": "legacy", **more}


def look(session: LegacySession, **arguments: Any) -> dict[str, Any]:
    return session.call("look", arguments).message["result"]["structuredContent"]


def test_a_child_has_what_its_limits_say_and_no_more(make_gateway: Callable[..., Gateway]) -> None:
    limits = {"memory": "200MiB", "descriptors": 50, "processes": 5000}
    gateway = make_gateway(settings={"servers": {"greedy": server(limits=limits)}})
    session = LegacySession(gateway.port)
    found = look(session)
    assert found["NOFILE"] == [50, 50]
    if "memory is held of the data" in gateway.log.replace("`", ""):
        assert found["DATA"] == [200 * MEBIBYTE] * 2
        assert look(session, grow=300) == {"error": "no memory"}
        assert look(session, grow=50)["pid"] == found["pid"]
    else:
        assert found["group"] != open("/proc/self/cgroup").read()
        error = session.call("look", {"grow": 300}).message["error"]
        assert error["data"]["reason"] == "upstream_closed" and "limits.memory" in error["message"]


def test_a_child_without_limits_has_what_the_gateway_was_given(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(settings={"servers": {"greedy": server()}})
    found = look(LegacySession(gateway.port))
    for name in ("DATA", "NPROC"):
        assert found[name] == list(resource.getrlimit(getattr(resource, f"RLIMIT_{name}")))
    assert "limits of greedy" not in gateway.log


def test_what_of_limits_is_not_held_is_said_once(make_gateway: Callable[..., Gateway]) -> None:
    limits = {"memory": "200MiB", "cpu": 0.5}
    gateway = make_gateway(settings={"servers": {"greedy": server(limits=limits, isolation="session")}})
    sessions = [LegacySession(gateway.port) for _ in range(3)]
    assert len({look(session)["pid"] for session in sessions}) == 3
    said = re.findall(r"limits of greedy: (.*)", gateway.log)
    if said:
        assert len(said) == 1 and "`cpu` is not held" in said[0] and ", as " in said[0]
    else:
        assert all(look(session)["DATA"] == [-1, -1] for session in sessions)


def delegated() -> bool:
    """Whether a group of version 2 with a controller for memory can be made below this process's own."""
    (line,) = [line for line in open("/proc/self/cgroup") if line.startswith("0::")] or [""]
    folder = "/sys/fs/cgroup" + line.strip().removeprefix("0::")
    try:
        return "memory" in open(f"{folder}/cgroup.controllers").read() and os.access(folder, os.W_OK)
    except OSError:
        return False


@pytest.mark.skipif(not delegated(), reason="no cgroup is left to this process")
def test_the_groups_of_children_go_with_them(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(settings={"servers": {"greedy": server(limits={"memory": "200MiB"}, isolation="session")}})
    session = LegacySession(gateway.port)
    group = look(session)["group"].split("0::")[1].strip()
    assert os.path.isdir(f"/sys/fs/cgroup{group}")
    session.delete()
    assert eventually(lambda: not os.path.exists(f"/sys/fs/cgroup{group}"), 8)

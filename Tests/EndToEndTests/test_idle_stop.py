"""Children that are stopped while nobody uses them (`idle_stop`)."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.gateway import Gateway
from harness.processes import alive, eventually
from harness.reloadable import Reloadable
from harness.upstreams import reference_command, stdio_entry
from harness.wire import LegacySession, modern, post_modern

# A server that notes each of its starts, takes a while for a call if it is asked to, and exits at its start if a file says so.
SLEEPER = """
import json, os, sys, time
folder = sys.argv[1]
with open(folder + "/starts", "a") as starts:
    starts.write(f"{os.getpid()}\\n")
if os.path.exists(folder + "/fate"):
    sys.exit(7)
for line in sys.stdin:
    message = json.loads(line)
    method, result = message["method"], None
    if method == "initialize":
        capabilities = {"tools": {}, "resources": {"subscribe": True}}
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": capabilities,
                  "serverInfo": {"name": "sleeper", "version": "1"}}
    elif method == "tools/list":
        name = open(folder + "/tool").read() if os.path.exists(folder + "/tool") else "look"
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}}]}
    elif method == "resources/list":
        result = {"resources": [{"uri": "sleep://x", "name": "x"}]}
    elif method == "resources/templates/list":
        result = {"resourceTemplates": []}
    elif method in ("resources/subscribe", "resources/unsubscribe", "ping"):
        result = {}
    elif method == "tools/call":
        time.sleep(message["params"].get("arguments", {}).get("seconds", 0))
        result = {"content": [], "structuredContent": {"pid": os.getpid()}}
    if "id" in message:
        body = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), flush=True)
with open(folder + "/ends", "a") as ends:
    ends.write(f"{os.getpid()}\\n")
"""


def server(folder: Path, **more: Any) -> dict[str, Any]:
    command = {"command": sys.executable, "args": ["-c", SLEEPER, str(folder)], "era": "legacy"}
    return {**command, "idle_stop": "1s", **more}


def starts(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "starts").read_text().split()]


def ends(folder: Path) -> list[int]:
    """Those that went since their input ended."""
    return [int(pid) for pid in (folder / "ends").read_text().split()] if (folder / "ends").exists() else []


def look(session: LegacySession, **arguments: Any) -> int:
    return session.call("look", arguments).message["result"]["structuredContent"]["pid"]


def is_stopped(gateway: Gateway) -> bool:
    return gateway.metric('sluice_upstream_stopped{server="sleeper"}') == 1


def tools(session: LegacySession) -> list[str]:
    answer = session.post({"jsonrpc": "2.0", "id": 900, "method": "tools/list"})
    return [tool["name"] for tool in answer.message["result"]["tools"]]


def test_a_child_without_calls_is_stopped_until_the_next(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    # Checks of its health are no use of it.
    settings = {"servers": {"sleeper": server(tmp_path)}, "routing": {"health_check_interval": "200ms"}}
    gateway = make_gateway(settings=settings, workers=3)
    sessions = [LegacySession(gateway.port) for _ in range(4)]
    first = look(sessions[0])
    for _ in range(2):
        assert eventually(lambda: is_stopped(gateway), 10)
        assert eventually(lambda: not alive(starts(tmp_path)[-1]), 5)
        assert starts(tmp_path) == ends(tmp_path), "its input was closed, and it went"
        assert gateway.metric('sluice_upstream_ready{server="sleeper"}') == 1
        assert gateway.admin_status("/readyz") == 200
        assert tools(sessions[0]) == ["look"]
        assert is_stopped(gateway), "a list does not start it"
        second = look(sessions[1])
        assert second != first and second == starts(tmp_path)[-1]
        assert {look(session) for session in sessions} == {second}
        assert not is_stopped(gateway)
    assert gateway.says("sleeper is stopped: nobody has used it for 1s", "sleeper is started again")
    assert "is not available" not in gateway.log and "sleeper exited" not in gateway.log


def test_all_calls_that_come_while_it_is_stopped_wait_for_one_process(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(settings={"servers": {"sleeper": server(tmp_path)}}, workers=3)
    sessions = [LegacySession(gateway.port) for _ in range(12)]
    assert eventually(lambda: is_stopped(gateway), 10)
    found: list[int] = []
    threads = [threading.Thread(target=lambda one=one: found.append(look(one))) for one in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12 and len(set(found)) == 1
    assert len(starts(tmp_path)) == 2


def test_no_call_is_lost_when_one_comes_as_it_is_stopped(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(settings={"servers": {"sleeper": server(tmp_path)}}, workers=3)
    sessions = [LegacySession(gateway.port) for _ in range(6)]
    # Calls come just as it has been idle for long enough, a little earlier and later.
    failed: list[Any] = []

    def call(session: LegacySession, number: int) -> None:
        for round in range(5):
            time.sleep(1.0 + (number - 3) * 0.002 + round * 0.001)
            answer = session.call("look").message
            if "result" not in answer:
                failed.append(answer)

    threads = [threading.Thread(target=call, args=(one, number)) for number, one in enumerate(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_call_that_takes_long_is_a_use(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(settings={"servers": {"sleeper": server(tmp_path)}})
    session = LegacySession(gateway.port)
    assert look(session, seconds=3) == starts(tmp_path)[-1]
    assert len(starts(tmp_path)) == 1
    assert eventually(lambda: is_stopped(gateway), 10)


def test_a_subscription_is_a_use(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(settings={"servers": {"sleeper": server(tmp_path)}})
    session = LegacySession(gateway.port)
    subscription = {"jsonrpc": "2.0", "id": 901, "params": {"uri": "sleep://x"}}
    assert "result" in session.post({**subscription, "method": "resources/subscribe"}).message
    time.sleep(2.5)
    assert not is_stopped(gateway) and len(starts(tmp_path)) == 1
    assert "result" in session.post({**subscription, "method": "resources/unsubscribe"}).message
    assert eventually(lambda: is_stopped(gateway), 10)
    # What a subscription needs is started for it.
    assert "result" in session.post({**subscription, "method": "resources/subscribe"}).message
    assert len(starts(tmp_path)) == 2


def test_what_is_started_again_may_list_something_else(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(settings={"servers": {"sleeper": server(tmp_path)}})
    session = LegacySession(gateway.port)
    assert tools(session) == ["look"]
    assert eventually(lambda: is_stopped(gateway), 10)
    (tmp_path / "tool").write_text("stare")
    assert tools(session) == ["look"]
    look(session)
    assert eventually(lambda: tools(session) == ["stare"], 5)


def test_what_can_not_be_started_again_is_down(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(settings={"servers": {"sleeper": server(tmp_path)}})
    session = LegacySession(gateway.port)
    assert eventually(lambda: is_stopped(gateway), 10)
    (tmp_path / "fate").write_text("")
    error = session.call("look", timeout=30).message["error"]
    assert error["data"]["reason"] in ("upstream_unreachable", "server_failed"), error
    assert not is_stopped(gateway)
    (tmp_path / "fate").unlink()
    assert eventually(lambda: "result" in session.call("look", timeout=30).message, 20)


def test_a_stopped_server_changes_and_goes_like_any_other(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    settings = {"servers": {"sleeper": server(tmp_path)}}
    reloadable = Reloadable(make_gateway, settings)
    gateway = reloadable.gateway
    session = LegacySession(gateway.port)
    assert eventually(lambda: is_stopped(gateway), 10)
    reloadable.hang_up()
    assert is_stopped(gateway) and len(starts(tmp_path)) == 1, "the same is left as it is"
    settings["servers"]["sleeper"]["idle_stop"] = "off"
    reloadable.hang_up(settings)
    assert eventually(lambda: len(starts(tmp_path)) == 2 and not is_stopped(gateway), 10)
    assert look(session) == starts(tmp_path)[-1]
    assert json.dumps(settings)


def test_a_modern_child_is_stopped_too(make_gateway: Callable[..., Gateway]) -> None:
    entry = {**stdio_entry(reference_command("v2")), "era": "modern", "idle_stop": "1s"}
    gateway = make_gateway(settings={"servers": {"sleeper": entry}}, workers=2)

    def call() -> dict[str, Any]:
        return post_modern(gateway.port, modern("tools/call", {"name": "environment", "arguments": {}})).message["result"]

    first = call()["structuredContent"]["pid"]
    assert eventually(lambda: is_stopped(gateway), 10)
    assert eventually(lambda: not alive(first), 8)
    second = call()["structuredContent"]["pid"]
    assert second != first
    assert eventually(lambda: not is_stopped(gateway), 5)
    assert eventually(lambda: is_stopped(gateway), 10)


def test_replicas_are_stopped_and_started_together(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    settings = {"servers": {"sleeper": server(tmp_path, replicas=2)}, "routing": {"health_check_interval": "200ms"}}
    gateway = make_gateway(settings=settings, workers=2)
    session = LegacySession(gateway.port)
    look(session)
    assert eventually(lambda: is_stopped(gateway), 10)
    assert eventually(lambda: not any(alive(pid) for pid in starts(tmp_path)), 5)
    time.sleep(1)
    assert is_stopped(gateway) and not any(alive(pid) for pid in starts(tmp_path))
    assert alive(look(session))

"""How often a child that dies is started again (`restarts`)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.gateway import Gateway
from harness.processes import eventually
from harness.reloadable import Reloadable
from harness.wire import LegacySession

# A server that notes each of its starts in a file, and exits as another file says: at its start, or when it is called.
MORTAL = """
import json, os, sys
folder = sys.argv[1]
with open(folder + "/starts", "a") as starts:
    starts.write(f"{os.getpid()}\\n")
def fate():
    try:
        return open(folder + "/fate").read().strip()
    except OSError:
        return ""
if fate() == "start":
    sys.exit(7)
for line in sys.stdin:
    message = json.loads(line)
    method, result = message["method"], None
    if method == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "mortal", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        if message["params"].get("arguments", {}).get("die"):
            sys.exit(3)
        result = {"content": [], "structuredContent": {"pid": os.getpid()}}
    if "id" in message:
        body = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), flush=True)
"""


def server(folder: Path, **more: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-c", MORTAL, str(folder)], "era": "legacy", **more}


def starts(folder: Path) -> int:
    return len((folder / "starts").read_text().split())


def test_a_server_that_dies_too_often_has_failed_until_a_reload(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    restarts = {"limit": 3, "window": "1m"}
    reloadable = Reloadable(make_gateway, {"servers": {"mortal": server(tmp_path, restarts=restarts)}})
    gateway = reloadable.gateway
    session = LegacySession(gateway.port)
    assert "result" in session.call("look").message
    (tmp_path / "fate").write_text("start")
    assert session.call("look", {"die": True}).message["error"]["data"]["reason"] == "upstream_closed"
    assert eventually(lambda: "mortal has failed" in gateway.log, 15)
    assert starts(tmp_path) == 4
    error = session.call("look").message["error"]
    assert error["data"] == {"reason": "server_failed", "server": "mortal"}
    assert "died 4 times within 1m" in error["message"] and "exited with status 7" in error["message"]
    assert "a reload (SIGHUP) tries again" in error["message"]
    tools = session.post({"jsonrpc": "2.0", "id": 900, "method": "tools/list"}).message["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["look"]
    assert gateway.metric('sluice_upstream_failed{server="mortal"}') == 1
    assert gateway.metric('sluice_upstream_child_deaths_total{server="mortal"}') == 4
    assert starts(tmp_path) == 4
    # The same configuration is enough.
    (tmp_path / "fate").unlink()
    reloadable.hang_up()
    assert "result" in session.call("look").message, "the call waits for it"
    assert starts(tmp_path) == 5
    assert gateway.metric('sluice_upstream_failed{server="mortal"}') == 0


def test_a_reload_that_is_refused_tries_nothing(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    (tmp_path / "fate").write_text("start")
    settings = {"servers": {"mortal": server(tmp_path, restarts={"limit": 0})}}
    reloadable = Reloadable(make_gateway, settings, wait=False)
    gateway = reloadable.gateway
    assert gateway.says("mortal has failed: it died, and exited with status 7 at last")
    reloadable.hang_up({**settings, "nonsense": 1}, word="unknown key `nonsense`")
    assert starts(tmp_path) == 1
    # Another configuration of it is tried as any other is.
    settings["servers"]["mortal"]["restarts"] = {"limit": 1}
    reloadable.hang_up(settings)
    assert gateway.times("mortal has failed", 2) == 2
    assert starts(tmp_path) == 3


def test_deaths_that_are_far_apart_are_none_too_often(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(settings={"servers": {"mortal": server(tmp_path, restarts={"limit": 1, "window": "1s"})}})
    session = LegacySession(gateway.port)
    for round in range(3):
        assert eventually(lambda: "result" in session.call("look").message, 5)
        if round:
            # The restart before is further back than the window by now.
            time.sleep(1.2)
        session.call("look", {"die": True})
    assert eventually(lambda: "result" in session.call("look").message, 5)
    assert "has failed" not in gateway.log


def test_a_command_that_is_not_there_is_looked_for_again(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    command = tmp_path / "later"
    settings = {"servers": {"late": {"command": str(command), "args": [str(tmp_path)], "restarts": {"limit": 0}}}}
    gateway = make_gateway(settings=settings, wait=False)
    assert gateway.says("late is not available")
    command.write_text(f"#!{sys.executable}\n{MORTAL}")
    command.chmod(0o755)
    assert gateway.says("late is ready", seconds=20)
    session = LegacySession(gateway.port)
    assert "result" in session.call("look").message


def test_a_client_that_ends_its_own_child_takes_nothing_from_others(
    make_gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    gateway = make_gateway(settings={"servers": {"mortal": server(tmp_path, isolation="session")}})
    other, hostile = LegacySession(gateway.port), LegacySession(gateway.port)
    assert eventually(lambda: "result" in other.call("look").message, 5)
    for _ in range(5):
        assert "error" in hostile.call("look", {"die": True}).message
        assert "result" in other.call("look").message

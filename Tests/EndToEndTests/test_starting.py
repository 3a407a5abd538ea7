"""Commands are asked what they speak on the process that is then kept, however long that takes to start."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.paths import python
from harness.processes import eventually
from harness.upstreams import reference_command, wire_command
from harness.wire import LegacySession, modern, post_modern, rpc

Make = Callable[..., Gateway]
FASTMCP = "from fastmcp import FastMCP\ns = FastMCP('f')\n@s.tool\ndef echo(text: str) -> str: return text\ns.run(show_banner=False)"
SERVERS = {
    "v1": (lambda: reference_command("v1"), "2025-11-25"),
    "v2": (lambda: reference_command("v2"), "2026-07-28"),
    "fastmcp": (lambda: [python("fastmcp"), "-c", FASTMCP], "20"),
    "wirelegacy": (lambda: wire_command("--era", "legacy"), "2025-11-25"),
    "wiremodern": (lambda: wire_command("--era", "modern"), "2026-07-28"),
}


def counted(command: list[str], starts: Path, before: str = "true") -> dict[str, Any]:
    """Notes each start, and does something before it becomes the command."""
    script = f"echo >> {shlex.quote(str(starts))}; {before}; exec {shlex.join(command)}"
    return {"command": "sh", "args": ["-c", script]}


def started(starts: Path) -> int:
    return len(starts.read_text().splitlines())


def tool_names(gateway: Gateway, alias: str) -> list[str]:
    listed = post_modern(gateway.port, modern("tools/list"), path=f"/mcp/{alias}").message
    return [tool["name"] for tool in listed["result"]["tools"]]


def revision(gateway: Gateway, alias: str) -> str:
    line = next(line for line in gateway.log.splitlines() if f"{alias} is ready: " in line)
    return line.split("is ready: stdio, ")[1].split()[0]


def begin(
    make_gateway: Make, tmp_path: Path, before: str, count: int = len(SERVERS), **settings: Any
) -> tuple[Gateway, dict[str, Path]]:
    """`count` servers at once, of each kind in turn."""
    kinds = list(itertools.islice(itertools.cycle(SERVERS), count))
    starts = {f"{kind}_{number}": tmp_path / f"{kind}_{number}.starts" for number, kind in enumerate(kinds)}
    servers = {alias: counted(SERVERS[kind_of(alias)][0](), path, before) for alias, path in starts.items()}
    return make_gateway(settings={"servers": servers, **settings}, workers=3, wait=False), starts


def kind_of(alias: str) -> str:
    return alias.partition("_")[0]


def check(gateway: Gateway, starts: dict[str, Path], seconds: float) -> None:
    assert eventually(lambda: gateway.log.count(" is ready: ") == len(starts), seconds), gateway.log
    for alias in starts:
        assert revision(gateway, alias).startswith(SERVERS[kind_of(alias)][1]), gateway.log
        assert tool_names(gateway, alias)

    def counts() -> dict[str, int]:
        return {alias: started(path) for alias, path in starts.items()}

    assert counts() == dict.fromkeys(starts, 1)
    # Those of the modern era are tried in the legacy one as soon as somebody comes for that, and once.
    for _ in range(2):
        session = LegacySession(gateway.port)
        for alias in starts:
            if kind_of(alias).startswith("wire"):
                assert "result" in session.call(f"{alias}__raw", timeout=60).message
    tried = {alias: 2 if revision(gateway, alias) == "2026-07-28" else 1 for alias in starts}
    assert eventually(lambda: counts() == tried, seconds), counts()


def test_each_command_is_started_once(make_gateway: Make, tmp_path: Path) -> None:
    check(*begin(make_gateway, tmp_path, "true"), 60)


def test_commands_that_take_long_to_start_are_started_once_and_found_in_their_eras(
    make_gateway: Make, tmp_path: Path
) -> None:
    """Much longer than the probe waits for an answer."""
    settings = {"limits": {"probe_timeout": "500ms"}, "first_list_wait": "0s"}
    check(*begin(make_gateway, tmp_path, "sleep 5", **settings), 60)


@pytest.mark.heavy
def test_commands_that_take_45_seconds_to_start_are_started_once(make_gateway: Make, tmp_path: Path) -> None:
    check(*begin(make_gateway, tmp_path, "sleep 45", first_list_wait="0s"), 120)


def test_fourteen_commands_that_start_at_once_are_found_in_their_eras(make_gateway: Make, tmp_path: Path) -> None:
    """Each is busy with starting while all the others are."""
    settings = {"limits": {"probe_timeout": "1s"}, "first_list_wait": "0s"}
    check(*begin(make_gateway, tmp_path, "sleep 2", 14, **settings), 150)


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_fourteen_commands_that_take_45_seconds_to_start_are_found_in_their_eras(
    make_gateway: Make, tmp_path: Path
) -> None:
    check(*begin(make_gateway, tmp_path, "sleep 45", 14, first_list_wait="0s"), 300)


PROGRAM = """
import json, sys
def say(message, **members):
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **members}), flush=True)
greeted = locked = False
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize" and not locked:
        greeted = True
        version = message["params"]["protocolVersion"]
        say(message, result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}})
    elif method == "tools/list" and greeted:
        say(message, result={"tools": [{"name": "do", "inputSchema": {"type": "object"}}]})
    elif method == "tools/call" and greeted:
        say(message, result={"content": [{"type": "text", "text": "done"}]})
    elif "id" in message:
"""


@pytest.mark.parametrize(
    ("otherwise", "processes"),
    [
        ("say(message, error={'code': -32601, 'message': 'Method not found'})", 1),
        ("say(message, error={'code': -32602, 'message': 'Invalid request parameters'})", 1),
        ("say(message, error={'code': -32022, 'message': 'no', 'data': {'supported': ['2025-11-25']}})", 1),
        ("pass", 1),
        # It is spoilt by what it does not know, in the one way or the other.
        ("sys.exit(1)", 2),
        ("locked = True; say(message, error={'code': -32022, 'message': 'no', 'data': {'supported': ['2025-11-25']}})", 2),
    ],
)
def test_a_legacy_server_is_known_by_what_it_says_to_a_question_it_does_not_know(
    make_gateway: Make, tmp_path: Path, otherwise: str, processes: int
) -> None:
    starts = tmp_path / "starts"
    command = [python("harness"), "-c", f"{PROGRAM}        {otherwise}\n"]
    settings = {"servers": {"own": counted(command, starts)}, "limits": {"probe_timeout": "500ms"}}
    gateway = make_gateway(settings=settings)
    assert json.dumps(LegacySession(gateway.port).call("do").message).count("done") == 1
    assert started(starts) == processes

"""The gateway and its children as processes: environment, signals, orphans, ports."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.paths import binary
from harness.processes import alive, eventually, free_port, with_argument
from harness.upstreams import HTTPUpstream, reference_command, stdio_entry, wire_command
from harness.wire import Connection, LegacySession, Response, modern, post_modern, rpc


def environment(session: LegacySession) -> dict[str, Any]:
    return session.call("environment").message["result"]["structuredContent"]


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_children_get_a_short_environment_and_their_own(make_gateway: Callable[..., Gateway], generation: str) -> None:
    entry = stdio_entry(reference_command(generation), env={"E2E_OWN": "from the file", "LANG": "C.UTF-8"})
    gateway = make_gateway({"child": entry}, env={"E2E_SECRET": "of the gateway", "OPENAI_API_KEY": "sk-x"})
    found = environment(LegacySession(gateway.port))
    assert found["values"] == {"E2E_OWN": "from the file"}
    allowed = {"PATH", "HOME", "LANG", "LOGNAME", "USER", "SHELL", "TERM", "TMPDIR", "E2E_OWN", "LC_CTYPE", "_SLUICE_CHILD"}
    assert set(found["names"]) <= allowed, set(found["names"]) - allowed
    assert "PATH" in found["names"]
    assert found["group"] != os.getpgid(gateway.pid), "a child in the gateway's process group"


def test_a_shared_child_is_one_process(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(reference_command("v1"))}, workers=3)
    assert len({environment(LegacySession(gateway.port))["pid"] for _ in range(6)}) == 1


def test_a_child_private_to_a_session_ends_with_it(make_gateway: Callable[..., Gateway]) -> None:
    servers = {"child": {**stdio_entry(reference_command("v1")), "isolation": "session"}}
    gateway = make_gateway(settings={"servers": servers}, workers=2)
    one, two = LegacySession(gateway.port), LegacySession(gateway.port)
    first, second = environment(one)["pid"], environment(two)["pid"]
    assert first != second
    one.delete()
    assert eventually(lambda: not alive(first), 8), "the child outlived its session"
    assert alive(second) and environment(two)["pid"] == second


def test_a_reaper_that_was_killed_is_replaced_and_knows_all_children(make_gateway: Callable[..., Gateway]) -> None:
    # A child that leaves a daemon behind, which no group and no parent leads to.
    daemon = "import subprocess as s, sys; p = s.Popen(['sh', '-c', 'sleep 1000 & echo $!'], stdout=s.PIPE, start_new_session=True)"
    script = f"{daemon}; print('daemon', p.stdout.readline().decode(), file=sys.stderr, flush=True); exec(open(sys.argv.pop(1)).read())"
    gateway = make_gateway({"child": {"command": wire_command()[0], "args": ["-c", script, wire_command()[1]]}})
    assert eventually(lambda: re.search(r"daemon (\d+)", gateway.log), 5)
    daemons = [int(number) for number in re.findall(r"daemon (\d+)", gateway.log)]

    def reapers() -> set[int]:
        names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in gateway.children()}
        return {pid for pid, name in names.items() if name == "sluice-reaper"}

    (old,) = reapers()
    os.kill(old, signal.SIGKILL)
    assert eventually(lambda: "there is another one now" in gateway.log, 5)
    assert gateway.metric("sluice_reaper_restarts_total") == 1
    # It takes its name once it runs.
    assert eventually(reapers) and old not in reapers()
    children = [pid for pid in gateway.children() if alive(pid)]
    assert all(alive(pid) for pid in daemons)
    gateway.kill()
    assert eventually(lambda: not any(alive(pid) for pid in children + daemons), 8)


def test_stderr_of_a_child_is_logged(make_gateway: Callable[..., Gateway]) -> None:
    script = "import sys; print('a line on stderr', file=sys.stderr, flush=True); exec(open(sys.argv.pop(1)).read())"
    command = wire_command()
    gateway = make_gateway({"noisy": {"command": command[0], "args": ["-c", script, command[1]]}})
    assert eventually(lambda: "a line on stderr" in gateway.log, 5)
    assert gateway.says("noisy")


CHATTY = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    method, result = message["method"], None
    if method == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "chatty", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        sys.stderr.write("said " + "x" * 1000 + "\\n")
        sys.stderr.flush()
        result = {"content": []}
    if "id" in message:
        body = {"result": result} if result else {"error": {"code": -32601, "message": "no"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), flush=True)
"""


def test_what_a_child_says_too_fast_is_left_out_of_the_log(make_gateway: Callable[..., Gateway]) -> None:
    command = {"command": wire_command()[0], "args": ["-c", CHATTY], "era": "legacy"}
    limits = {"stderr_rate": 1, "stderr_burst": "3KiB"}
    gateway = make_gateway(settings={"servers": {"chatty": command}, "limits": limits})
    session = LegacySession(gateway.port)
    for _ in range(7):
        assert "result" in session.call("say").message
    gateway.stop()
    assert gateway.log.count("chatty: said") == 2
    assert gateway.says("chatty: 5 lines (5030 bytes) of its stderr")


def test_what_is_cut_off_a_line_is_counted_to_the_byte(make_gateway: Callable[..., Gateway]) -> None:
    """Of a line that never ends, too."""
    endless = CHATTY.replace('+ "\\n"', "")
    assert endless != CHATTY
    command = {"command": wire_command()[0], "args": ["-c", endless], "era": "legacy"}
    gateway = make_gateway(settings={"servers": {"chatty": command}, "limits": {"stderr_line": "80"}})
    session = LegacySession(gateway.port)
    for _ in range(3):
        assert "result" in session.call("say").message
    cut = 3 * 1005 - 80
    assert eventually(lambda: gateway.metric('sluice_upstream_log_bytes_dropped_total{server="chatty"}') == cut, 20)
    assert gateway.metric('sluice_upstream_log_lines_dropped_total{server="chatty"}') == 0
    assert gateway.says(f"chatty: {cut} bytes of its stderr were cut off, beyond limits.stderr_line")


def test_a_log_that_nobody_reads_holds_up_no_call_and_no_end(make_gateway: Callable[..., Gateway]) -> None:
    command = {"command": wire_command()[0], "args": ["-c", CHATTY], "era": "legacy"}
    gateway = make_gateway(settings={"servers": {"chatty": command}, "limits": {"stderr_rate": 0}})
    gateway.stop()
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    gateway.child.process = subprocess.Popen(gateway.command, stderr=writing, stdout=subprocess.DEVNULL)
    os.close(writing)
    gateway.wait_ready()
    session = LegacySession(gateway.port)

    def call(count: int) -> None:
        with Connection(gateway.port) as connection:
            for first in range(0, count, 50):
                numbers = range(first, first + 50)
                calls = [rpc("tools/call", {"name": "say", "arguments": {}}, number) for number in numbers]
                connection.send(b"".join(session.bytes_of(message) for message in calls))
                for number in numbers:
                    message = connection.response().message
                    assert message["id"] == number and "result" in message, message

    call(2000)
    dropped = gateway.metric("sluice_log_lines_dropped_total")
    assert 500 < dropped < 1500
    # Somebody reads again: what is there and what is said to be missing are all there was.
    with os.fdopen(os.dup(reading), errors="replace") as log:
        lines = []
        for line in log:
            lines.append(line)
            if "lines of the log were dropped" in line:
                break
    assert f" warning {int(dropped)} lines" in lines[-1]
    assert sum("chatty: said" in line for line in lines) + dropped == 2000
    assert gateway.metric("sluice_log_lines_dropped_total") == dropped
    # Nobody does, and the process ends none the less.
    call(50)
    gateway.child.process.send_signal(signal.SIGTERM)
    assert gateway.child.process.wait(15) == 0
    os.close(reading)


def test_a_relative_directory_and_path_are_found(make_gateway: Callable[..., Gateway], folder: Path) -> None:
    command = wire_command()
    (folder / "tools").mkdir(exist_ok=True)
    (folder / "tools" / "server.py").write_text(Path(command[1]).read_text())
    entry = {"command": command[0], "args": ["server.py"], "cwd": str(folder / "tools")}
    gateway = make_gateway({"here": entry})
    assert "result" in LegacySession(gateway.port).call("raw").message


# --- the end ---------------------------------------------------------------------------------------------------------


def grandchildren(mark: str) -> dict[str, Any]:
    """A command that leaves a grandchild behind, as npx and uvx do."""
    server = " ".join(wire_command())
    return {"command": "/bin/sh", "args": ["-c", f"sleep 4711.{mark} & {server}; wait"]}


@pytest.mark.parametrize("isolation", ["shared", "session"])
def test_no_orphans_after_sigkill(make_gateway: Callable[..., Gateway], isolation: str) -> None:
    mark = f"{os.getpid()}{isolation[0] == 's' and isolation[1] == 'e':d}"
    servers = {"family": {**grandchildren(mark), "isolation": isolation}}
    gateway = make_gateway(settings={"servers": servers}, workers=3)
    sessions = [LegacySession(gateway.port) for _ in range(3)]
    assert all("result" in session.call("raw").message for session in sessions)
    children = gateway.children()
    assert with_argument(f"4711.{mark}"), "the grandchild did not start"
    gateway.kill()
    assert eventually(lambda: not any(alive(pid) for pid in children), 8), {
        pid: line for pid, line in children.items() if alive(pid)
    }
    assert eventually(lambda: not with_argument(f"4711.{mark}"), 8), "a grandchild is left"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_takes_the_family_along(
    make_gateway: Callable[..., Gateway], sign: signal.Signals
) -> None:
    mark = f"{os.getpid()}{int(sign)}9"
    gateway = make_gateway({"family": grandchildren(mark)}, workers=3)
    assert "result" in LegacySession(gateway.port).call("raw").message
    gateway.child.process.send_signal(sign)
    assert gateway.child.process.wait(20) == 0, gateway.log[-2000:]
    assert eventually(lambda: not with_argument(f"4711.{mark}"), 8), "a grandchild is left"


def test_a_child_that_ignores_everything_is_killed(make_gateway: Callable[..., Gateway]) -> None:
    script = (
        "import signal, sys, threading, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "program = open(sys.argv.pop(1)).read()\n"
        "threading.Thread(target=exec, args=(program, {'__name__': '__main__'}), daemon=True).start()\n"
        "time.sleep(600)"
    )
    command = wire_command()
    gateway = make_gateway({"stubborn": {"command": command[0], "args": ["-c", script, command[1]]}})
    assert "result" in LegacySession(gateway.port).call("raw").message
    children = gateway.children()
    started = time.monotonic()
    gateway.stop()
    assert time.monotonic() - started < 12
    assert not any(alive(pid) for pid in children)


def test_what_is_in_flight_is_answered_before_the_end(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(reference_command("v1"))}, workers=2)
    session = LegacySession(gateway.port)
    answers: list[Any] = []

    def call() -> None:
        try:
            answers.append(session.call("sleep", {"seconds": 2, "tag": "drain"}, timeout=20))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.7)
    gateway.child.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: gateway.admin_status("/readyz") in (503, 0), 2)
    thread.join()
    assert isinstance(answers[0], Response), f"the call was cut: {answers[0]!r}"
    assert answers[0].message["result"]["content"][0]["text"] == "woke"
    assert gateway.child.process.wait(10) == 0, gateway.log[-2000:]


def test_open_streams_do_not_hold_the_end_up(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(wire_command())}, workers=2)
    session = LegacySession(gateway.port)
    connection, head = session.listen()
    assert head.status == 200
    idle = Connection(gateway.port)
    started = time.monotonic()
    gateway.stop()
    assert time.monotonic() - started < 8
    connection.close()
    idle.close()


def test_a_drain_that_takes_too_long_is_cut(make_gateway: Callable[..., Gateway]) -> None:
    servers = {"child": stdio_entry(wire_command())}
    gateway = make_gateway(settings={"servers": servers, "drain_timeout": "1s"})
    session = LegacySession(gateway.port)
    with Connection(gateway.port) as connection:
        connection.send(session.bytes_of(rpc("tools/call", {"name": "hang", "arguments": {}}, 1)))
        time.sleep(0.3)
        started = time.monotonic()
        gateway.stop()
        assert time.monotonic() - started < 8


# --- ports -----------------------------------------------------------------------------------------------------------


def test_a_second_instance_says_who_holds_the_port(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(wire_command())}, workers=3)
    second = subprocess.run(
        [binary(), "serve", "--port", str(gateway.port), "--websocket-port", "0", "--admin-port", "0"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert second.returncode != 0
    said = second.stdout + second.stderr
    assert str(gateway.port) in said and "in use" in said and str(gateway.pid) in said, said
    assert "result" in LegacySession(gateway.port).call("raw").message


def test_ports_are_free_again_right_after_the_end(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(wire_command())})
    LegacySession(gateway.port).call("raw")
    gateway.stop()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", gateway.port))


def test_three_workers_share_the_connections(make_gateway: Callable[..., Gateway]) -> None:
    """Each worker has a listener of its own, so a burst must land on all of them and be served."""
    gateway = make_gateway({"child": stdio_entry(wire_command())}, workers=3)
    listeners = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{gateway.port:04X}") and fields[3] == "0A":
            listeners += 1
    assert listeners == 3
    for _ in range(30):
        assert post_modern(gateway.port, modern("server/discover")).status == 200


# --- the command line ------------------------------------------------------------------------------------------------


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30, **more)


def test_version_and_help() -> None:
    version = run("version")
    assert version.returncode == 0 and version.stdout.strip()
    for command in ("serve", "check", "connect", "version", "healthcheck"):
        assert command in run("--help").stdout


def test_connect_without_a_message_says_whether_anybody_listens(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    assert run("connect", f"http://127.0.0.1:{gateway.port}/mcp", input="\n").returncode == 0
    url = f"http://127.0.0.1:{free_port()}/mcp"
    found = run("connect", url, input="")
    assert found.returncode == 1 and f"{url}: no connection" in found.stderr and not found.stdout


def test_a_mistake_in_a_file_is_placed_and_ends_with_2(folder: Path) -> None:
    path = folder / "mistake.yaml"
    path.write_text("servers:\n  files:\n    comand: npx\n")
    for command in (
        ["check", "--config", str(path)],
        ["serve", "--port", "0", "--websocket-port", "0", "--admin-port", "0", "--config", str(path)],
    ):
        result = run(*command)
        said = result.stdout + result.stderr
        assert result.returncode == 2, said
        assert f"{path}:3:5" in said and "command" in said, said


def test_check_prints_what_would_be_served(folder: Path) -> None:
    path = folder / "client.json"
    path.write_text(
        json.dumps(
            {
                "mcpServers": {
                    "My Server": {"command": "npx", "args": ["-y", "x"]},
                    "b": {"url": "http://127.0.0.1:9/mcp"},
                }
            }
        )
    )
    result = run("check", "--mcp-config", str(path))
    assert result.returncode == 0, result.stderr
    assert "my-server" in result.stdout or "my_server" in result.stdout, result.stdout
    assert "My Server" in result.stdout


def test_healthcheck_tells_a_running_gateway_from_none(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(wire_command())})
    up = run("healthcheck", "--admin-port", str(gateway.admin_port))
    assert up.returncode == 0, up.stdout + up.stderr
    gateway.stop()
    assert run("healthcheck", "--admin-port", str(gateway.admin_port)).returncode != 0


def test_settings_come_from_the_environment_too(make_gateway: Callable[..., Gateway]) -> None:
    servers = json.dumps({"mcpServers": {"fromenv": stdio_entry(wire_command())}})
    gateway = make_gateway(env={"SLUICE_MCP_JSON": servers})
    assert "result" in LegacySession(gateway.port, path="/mcp/fromenv").call("raw").message


@pytest.mark.parametrize("transport", ["http", "sse", None], ids=str)
def test_a_client_file_is_taken_as_it_is(
    make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream], folder: Path, transport: str | None
) -> None:
    """Also without a type: HTTP+SSE is found out by the probe."""
    upstream = references["v1sse"] if transport in ("sse", None) else references["v1http"]
    entry: dict[str, Any] = {"url": upstream.url}
    if transport:
        entry["type"] = transport
    path = folder / f"file-{transport}.json"
    path.write_text(json.dumps({"servers": {"remote": entry}, "inputs": []}))
    gateway = make_gateway(arguments=("--mcp-config", str(path)))
    assert LegacySession(gateway.port).call("echo", {"text": "x"}).message["result"]["content"][0]["text"] == "x"

"""Signals, reloads, and one process that takes another's place, while clients call."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from harness import two_faced
from harness.activation import activate
from harness.certificates import Authority
from harness.gateway import Gateway
from harness.load import Load
from harness.processes import Child, eventually, free_port, listens
from harness.reloadable import Reloadable
from harness.sockets import Socket
from harness.upstreams import stdio_entry, wire_command
from harness.wire import Connection, LegacySession, Response, modern, modern_headers, post_modern, request, rpc

Make = Callable[..., Gateway]
ADD = ("add", {"a": 2, "b": 3})


def call(gateway: Gateway, name: str, path: str = "/mcp", timeout: float = 10) -> Response:
    return post_modern(
        gateway.port, modern("tools/call", {"name": name, "arguments": {}}), path=path, timeout=timeout
    )


def tools(gateway: Gateway) -> list[str]:
    answer = post_modern(gateway.port, modern("tools/list")).message
    return sorted(tool["name"] for tool in answer["result"]["tools"])


def wire(*arguments: str, **env: str) -> dict[str, Any]:
    return stdio_entry(wire_command(*arguments), env=env)


def restart(gateway: Gateway, workers: int) -> None:
    """A new process takes the place of the one that runs, which must end by itself, and well."""
    old = gateway.child
    command = [*gateway.command, "--takeover"]
    command[command.index("--workers") + 1] = str(workers)
    path = gateway.log_path.with_suffix(f".{old.pid}.log")
    gateway.child = Child(command, path, env=gateway.env)
    assert eventually(lambda: f"took over from process {old.pid}" in gateway.log, 30), gateway.log + old.text()
    assert eventually(lambda: old.process.poll() is not None, 40), old.text()[-3000:]
    assert old.process.returncode == 0, old.text()[-3000:]


def metric(gateway: Gateway, name: str) -> float:
    return gateway.metric(name)


# --- one process takes another's place ---------------------------------------------------------------------------------


def test_a_rolling_restart_loses_no_call(make_gateway: Make) -> None:
    gateway = make_gateway(workers=2)
    with Load(gateway.port, *ADD) as load:
        for workers in (3, 1, 2):
            before = load.calls
            restart(gateway, workers)
            assert eventually(lambda before=before: load.calls > before + 20, 20)
    assert not load.failures, load.failures[:5]
    assert load.calls > 100


def test_a_call_in_flight_is_answered_by_the_process_that_has_it(make_gateway: Make) -> None:
    gateway = make_gateway({"child": wire()}, workers=2)
    answers: list[Any] = []

    def slow() -> None:
        answers.append(call(gateway, "late"))

    thread = threading.Thread(target=slow)
    thread.start()
    assert eventually(lambda: gateway.children(), 5)
    time.sleep(0.3)
    restart(gateway, 2)
    thread.join()
    assert "result" in answers[0].message


def test_clients_of_the_old_process_are_sent_to_the_new_one(make_gateway: Make) -> None:
    gateway = make_gateway(workers=1)
    session = LegacySession(gateway.port)
    stream, head = session.listen()
    idle = Connection(gateway.port)
    assert idle.exchange(session.bytes_of(rpc("tools/list", {}, 1))).status == 200
    old = gateway.child
    gateway.child = Child([*gateway.command, "--takeover"], gateway.log_path.with_suffix(".new.log"))
    assert eventually(lambda: "has taken over" in old.text(), 20), gateway.log
    # The stream is told when to come back, and ends.
    retries = [int(event["retry"]) for event in stream.stream() if "retry" in event]
    assert retries and 500 <= retries[-1] <= 5000
    # A connection that is still open is answered once more, and told that this was it.
    answer = idle.exchange(session.bytes_of(rpc("tools/list", {}, 2)))
    assert answer.status == 200 and answer.headers["connection"] == "close"
    assert eventually(lambda: old.process.poll() is not None, 20)
    assert session.post(rpc("tools/list", {}, 3)).status == 404, "the old process's secret was nobody else's"
    assert LegacySession(gateway.port).call("add", {"a": 1, "b": 1}).status == 200
    stream.close()
    idle.close()


def test_websockets_are_sent_to_the_new_process(make_gateway: Make) -> None:
    gateway = make_gateway(workers=2)
    url = f"ws://127.0.0.1:{gateway.websocket_port}/"
    with Socket(url, subprotocols=["mcp"]) as client:
        client.initialize()
        restart(gateway, 2)
        with pytest.raises(ConnectionClosed):
            client.receive()
        assert client.connection.close_code == 1001
    with Socket(url, subprotocols=["mcp"]) as client:
        client.initialize()
        answer = client.request(rpc("tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}}, 7))
        assert answer["result"]["structuredContent"]


def test_a_successor_that_fails_leaves_the_old_process_serving(make_gateway: Make, folder: Path) -> None:
    gateway = make_gateway(workers=2)
    with Load(gateway.port, *ADD, kept=1, fresh=1) as load:
        broken = folder / "broken.yaml"
        broken.write_text('servers: {a: {url: "https://127.0.0.1:1/mcp", tls: {ca: /nowhere.pem}}}')
        failed = subprocess.run(
            [*gateway.command, "--takeover", "--config", str(broken)], capture_output=True, text=True, timeout=30
        )
        assert failed.returncode != 0
        # One that is killed before it serves: its only server takes long to answer.
        slow = json.dumps({"mcpServers": {"slow": {"command": "sleep", "args": ["60"]}}})
        child = Child([*gateway.command, "--takeover", "--mcp-json", slow], folder / "killed.log")
        assert eventually(lambda: gateway.log.count("wants to take over") == 1, 20), gateway.log
        child.process.send_signal(signal.SIGKILL)
        child.process.wait()
        assert eventually(lambda: "did not get to serve" in gateway.log, 10)
        before = load.calls
        assert eventually(lambda: load.calls > before + 20, 20)
        assert gateway.child.process.poll() is None
        restart(gateway, 2)
    assert not load.failures, load.failures[:5]


def successor(gateway: Gateway, name: str, *arguments: str) -> Child:
    return Child([*gateway.command, "--takeover", *arguments], gateway.log_path.with_name(f"{name}.log"), env=gateway.env)


def takeover_files(gateway: Gateway) -> list[str]:
    return sorted(path.name for path in Path("/tmp").glob(f"sluice-{os.getuid()}-{gateway.port}.sock*"))


def test_a_killed_successor_leaves_nothing_for_long(make_gateway: Make) -> None:
    gateway = make_gateway(env={"XDG_RUNTIME_DIR": ""})
    slow = json.dumps({"mcpServers": {"slow": {"command": "sleep", "args": ["60"]}}})
    for number in range(3):
        child = successor(gateway, f"killed-{number}", "--mcp-json", slow)
        assert eventually(lambda child=child: f"process {child.pid} wants to take over" in gateway.log, 20)
        assert eventually(lambda child=child: any(str(child.pid) in file for file in takeover_files(gateway)), 10)
        child.process.kill()
        child.process.wait()
    assert len(takeover_files(gateway)) == 2, "the last one's, and the path itself"
    restart(gateway, 1)
    assert takeover_files(gateway) == [f"sluice-{os.getuid()}-{gateway.port}.sock"]
    gateway.stop()
    assert not takeover_files(gateway)


def test_who_takes_over_from_a_process_that_is_killed_meanwhile_starts(make_gateway: Make) -> None:
    gateway = make_gateway()
    old = gateway.child
    old.process.send_signal(signal.SIGSTOP)
    gateway.child = successor(gateway, "heir")
    time.sleep(0.5)
    old.process.kill()
    old.process.wait()
    gateway.wait_ready()


def test_a_successor_whose_servers_do_not_answer_leaves_the_old_process_serving(make_gateway: Make) -> None:
    gateway = make_gateway({"kept": wire(), "left": wire()})
    gateway.wait_for("kept", "left")
    session = LegacySession(gateway.port, path="/mcp/kept")
    stream, _ = session.listen()
    dead = {"mcpServers": {"kept": {"command": "false"}, "new": {"command": "false"}}}
    command = list(gateway.command)
    command[command.index("--mcp-json") + 1] = json.dumps(dead)
    heir = Child([*command, "--takeover", "--takeover-wait", "1"], gateway.log_path.with_name("heir.log"))
    assert heir.process.wait(20) == 1, heir.text()
    assert f"kept: answers in process {gateway.pid}, but not here within 1 s" in heir.text()
    assert eventually(lambda: "did not get to serve" in gateway.log, 5)
    # Nothing was lost, not even what only listens.
    assert gateway.admin_status("/readyz") == 200
    assert session.post(rpc("tools/list", {}, 3)).status == 200
    assert call(gateway, "kept__echo").status == 200
    stream.close()
    # Who wants it all the same can have it.
    old = gateway.child
    gateway.child = Child([*command, "--takeover", "--force"], gateway.log_path.with_name("forced.log"))
    assert eventually(lambda: f"took over from process {old.pid}" in gateway.log, 20), gateway.log
    assert old.process.wait(40) == 0


def test_a_successor_waits_for_no_server_that_is_not_its_own(make_gateway: Make) -> None:
    gateway = make_gateway({"kept": wire(), "left": wire()})
    gateway.wait_for("kept", "left")
    gateway.command[gateway.command.index("--mcp-json") + 1] = json.dumps(
        {"mcpServers": {"kept": wire(), "new": {"command": "false"}}}
    )
    restart(gateway, 1)
    gateway.wait_for("kept")


def test_without_a_predecessor_a_takeover_is_a_start(make_gateway: Make) -> None:
    gateway = make_gateway(arguments=("--takeover",))
    assert gateway.says("there is no gateway")
    assert "result" in post_modern(gateway.port, modern("tools/list")).message


# --- SIGHUP --------------------------------------------------------------------------------------------------------------


def test_ten_reloads_lose_no_call(make_gateway: Make) -> None:
    def settings(version: int) -> dict[str, Any]:
        servers = {"steady": wire(), "changing": wire(VERSION=str(version // 3))}
        if version % 2:
            servers["guest"] = wire()
        return {"servers": servers, "prefix": "always", "call_timeout": f"{60 + version}s"}

    file = Reloadable(make_gateway, settings(0), workers=2)
    gateway = file.gateway
    gateway.wait_for("steady", "changing")
    with Load(gateway.port, "steady__raw", {}, kept=2, fresh=1) as steady:
        with Load(gateway.port, "changing__raw", {}, kept=2, fresh=1) as changing:
            for version in range(1, 11):
                file.hang_up("servers: [" if version == 5 else settings(version), word="SIGHUP: ")
                before = changing.calls
                assert eventually(lambda before=before: changing.calls > before + 5, 20)
    assert not steady.failures, steady.failures[:5]
    assert not changing.failures, changing.failures[:5]
    assert metric(gateway, 'sluice_config_reloads_total{result="success"}') == 9
    assert metric(gateway, 'sluice_config_reloads_total{result="failure"}') == 1


def test_a_file_with_a_mistake_changes_nothing(make_gateway: Make) -> None:
    file = Reloadable(make_gateway, {"servers": {"one": wire()}})
    gateway = file.gateway
    gateway.wait_for("one")
    said = file.hang_up('servers: {two: {comand: "x"}}', word="the old one stays in force")
    assert "comand" in said and file.path.name in said
    assert metric(gateway, "sluice_config_last_reload_successful") == 0
    assert "result" in call(gateway, "raw").message
    said = file.hang_up({"servers": {"one": wire()}})
    assert "the servers are the same" in said
    assert metric(gateway, "sluice_config_last_reload_successful") == 1


def test_a_file_that_is_about_to_be_written_changes_nothing(make_gateway: Make) -> None:
    file = Reloadable(make_gateway, {"servers": {"one": wire()}})
    file.gateway.wait_for("one")
    for text, complaint in [("", "the file is empty"), ("servers: {}", "no server is named, where there were `one`")]:
        said = file.hang_up(text, word="the old one stays in force")
        assert complaint in said and file.path.name in said
        assert "result" in call(file.gateway, "raw").message
    assert "the servers are the same" in file.hang_up({"servers": {"one": wire()}})


def test_a_file_that_became_a_pipe_holds_nothing_up(make_gateway: Make) -> None:
    reloadable = Reloadable(make_gateway, {"log": {"level": "info"}})
    reloadable.path.unlink()
    os.mkfifo(reloadable.path)
    log = reloadable.hang_up(word="the old one stays in force")
    assert "it is a pipe or terminal, which is read once" in log
    reloadable.gateway.stop(20)


def test_servers_come_and_go(make_gateway: Make) -> None:
    one, two = {"one": wire()}, {"one": wire(), "two": wire()}
    file = Reloadable(make_gateway, {"servers": one, "prefix": "always"}, workers=2)
    gateway = file.gateway
    gateway.wait_for("one")
    children = gateway.children()
    session = LegacySession(gateway.port)
    stream, _ = session.listen()
    news = stream.stream()
    assert "added two" in file.hang_up({"servers": two, "prefix": "always"})
    first = next(event for event in news if "data" in event)
    assert json.loads(first["data"])["method"] == "notifications/tools/list_changed"
    gateway.wait_for("two")
    assert {"one__raw", "two__raw"} <= set(tools(gateway))
    # The server that did not change kept its process.
    assert children.items() <= gateway.children().items()

    alone = LegacySession(gateway.port, path="/mcp/two")
    answers: list[Response] = []
    thread = threading.Thread(target=lambda: answers.append(call(gateway, "two__late")))
    thread.start()
    time.sleep(0.5)
    assert "removed two" in file.hang_up({"servers": one, "prefix": "always"})
    assert not any(name.startswith("two__") for name in tools(gateway))
    thread.join()
    assert "result" in answers[0].message, "the call that was on its way was cut"
    assert eventually(lambda: gateway.children().keys() == children.keys(), 10), "the child of the removed server is left"
    assert alone.post(rpc("tools/list", {}, 1)).status == 404
    assert "result" in session.call("one__raw").message
    stream.close()


def test_a_server_that_changed_answers_all_the_time(make_gateway: Make) -> None:
    file = Reloadable(make_gateway, {"servers": {"one": wire(NAME="old")}}, workers=2)
    gateway = file.gateway
    gateway.wait_for("one")
    session = LegacySession(gateway.port)
    (old,) = gateway.children().keys() - reapers(gateway)
    answers: list[Response] = []
    thread = threading.Thread(target=lambda: answers.append(session.call("late")))
    thread.start()
    time.sleep(0.5)
    assert "changed one" in file.hang_up({"servers": {"one": wire(NAME="new")}})
    assert "result" in session.call("raw").message
    thread.join()
    assert "result" in answers[0].message
    assert eventually(lambda: old not in gateway.children(), 15), "the old process is left"
    assert "result" in session.call("raw").message
    (new,) = gateway.children().keys() - reapers(gateway)
    assert b"NAME=new" in Path(f"/proc/{new}/environ").read_bytes()


def reapers(gateway: Gateway) -> set[int]:
    found = set()
    for pid in gateway.children():
        if Path(f"/proc/{pid}/comm").read_text().strip() == "sluice-reaper":
            found.add(pid)
    return found


def test_what_can_change_changes_and_the_rest_is_named(make_gateway: Make) -> None:
    file = Reloadable(make_gateway, {"limits": {"body": "1MiB"}})
    gateway = file.gateway
    large = json.dumps(modern("tools/call", {"name": "echo", "arguments": {"text": "x" * 5000}})).encode()

    def status() -> int:
        head = dict(modern_headers(json.loads(large)))
        with Connection(gateway.port) as connection:
            return connection.exchange(request("POST", "/mcp", head, large, port=gateway.port)).status

    assert status() == 200
    said = file.hang_up({"limits": {"body": "4KiB"}, "log": {"level": "debug"}, "takeover_socket": "/tmp/other.sock"})
    assert "takeover_socket will change with a restart" in said
    assert eventually(lambda: status() == 413, 5)
    file.hang_up({"limits": {"body": "1MiB"}})
    assert eventually(lambda: status() == 200, 5)


def test_certificates_are_read_again(make_gateway: Make, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.issue("first", "/CN=first", "DNS:localhost")
    second = authority.issue("second", "/CN=second", "DNS:localhost")

    def settings(pair: tuple[Path, Path]) -> dict[str, Any]:
        tls = {"cert": str(pair[0]), "key": str(pair[1])}
        return {"listeners": {"http": {"allowed_hosts": ["*"], "tls": tls}}}

    file = Reloadable(make_gateway, settings(first), workers=2)
    port = file.gateway.port

    def connect() -> ssl.SSLSocket:
        context = authority.client_context()
        return context.wrap_socket(socket.create_connection(("localhost", port), 10), server_hostname="localhost")

    def name(connection: ssl.SSLSocket) -> str:
        certificate = connection.getpeercert()
        assert certificate
        return str(dict(pair[0] for pair in certificate["subject"])["commonName"])

    with connect() as open_before:
        assert name(open_before) == "first"
        file.hang_up(settings((first[0], tmp_path / "nowhere.key")), word="stays in force")
        with connect() as connection:
            assert name(connection) == "first"
        file.hang_up(settings(second))
        with connect() as connection:
            assert name(connection) == "second"
        # A connection that was open goes on.
        open_before.sendall(request("GET", "/nowhere", port=port))
        assert open_before.recv(12) == b"HTTP/1.1 404"


# --- the drain -----------------------------------------------------------------------------------------------------------


def test_a_request_in_the_moment_of_the_drain_is_answered(make_gateway: Make) -> None:
    gateway = make_gateway(workers=2)
    message = modern("tools/list")
    head = dict(modern_headers(message))
    data = request("POST", "/mcp", head, json.dumps(message).encode(), port=gateway.port)
    connections = [Connection(gateway.port) for _ in range(20)]
    for connection in connections:
        assert connection.exchange(data).status == 200
    gateway.child.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: "draining" in gateway.log, 5, 0.0002)
    for connection in connections:
        answer = connection.exchange(data)
        assert answer.status == 200 and answer.headers["connection"] == "close"
    assert gateway.child.process.wait(10) == 0
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_an_end_does_not_wait_for_a_command_that_has_not_answered_initialize(
    make_gateway: Make, tmp_path: Path, era: str
) -> None:
    starts = tmp_path / "starts"
    arguments = [two_faced.__file__, "--starts", str(starts), "--initialize", "hang"]
    hanging = {"command": sys.executable, "args": arguments, "era": era}
    settings = {"servers": {"two": hanging}, "drain_timeout": "10m", "first_list_wait": "300ms"}
    gateway = make_gateway(settings=settings, wait=False)
    assert eventually(lambda: listens(gateway.port), 20)
    LegacySession(gateway.port)
    assert eventually(lambda: "initialize" in starts.read_text(), 20)
    gateway.child.process.send_signal(signal.SIGTERM)
    assert gateway.child.process.wait(60) == 0


def test_an_end_waits_for_the_call_that_waits_for_initialize(make_gateway: Make, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    arguments = [two_faced.__file__, "--starts", str(starts), "--initialize", "slow"]
    slow = {"command": sys.executable, "args": arguments, "era": "legacy", "isolation": "session"}
    gateway = make_gateway(settings={"servers": {"two": slow}})
    assert eventually(lambda: "two is ready" in gateway.log, 30), gateway.log
    session = LegacySession(gateway.port)
    with Connection(gateway.port, timeout=60) as connection:
        connection.send(session.bytes_of(rpc("tools/call", {"name": "where", "arguments": {}}, 1)))
        assert eventually(lambda: starts.read_text().count("initialize") == 2, 20), gateway.log
        gateway.child.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: "draining" in gateway.log, 10)
        answer = connection.response()
        assert answer.status == 200 and "result" in answer.message, answer
    assert gateway.child.process.wait(60) == 0


def test_a_second_signal_ends_at_once(make_gateway: Make) -> None:
    gateway = make_gateway({"child": wire()})
    with Connection(gateway.port) as connection:
        session = LegacySession(gateway.port)
        connection.send(session.bytes_of(rpc("tools/call", {"name": "hang", "arguments": {}}, 1)))
        time.sleep(0.3)
        gateway.child.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: gateway.admin_status("/readyz") == 503, 5), gateway.log
        assert gateway.admin_status("/healthz") == 200
        gateway.child.process.send_signal(signal.SIGINT)
        assert gateway.child.process.wait(5) == 1


# --- service managers ----------------------------------------------------------------------------------------------------

@pytest.fixture
def notices(tmp_path: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """A NOTIFY_SOCKET and what came to it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.setblocking(False)
        came: list[str] = []

        def read() -> str:
            try:
                while True:
                    came.append(listener.recv(4096).decode())
            except BlockingIOError:
                return "\n".join(came)

        yield path, read


def test_a_service_manager_hands_over_sockets_and_hears_of_it(
    folder: Path, notices: tuple[str, Callable[[], str]]
) -> None:
    path, heard = notices
    ports = [free_port(), free_port()]
    # The configured addresses of these do not matter: the manager's sockets do.
    arguments = [f"--{name}={free_port()}" for name in ("port", "websocket-port", "admin-port")]
    child = activate(
        folder / "activated.log", {"http": ports[0], "admin": ports[1]}, "--workers", "2", *arguments,
        env={"NOTIFY_SOCKET": path},
    )
    try:
        assert eventually(lambda: "READY=1" in heard(), 20), child.text()
        assert f"MAINPID={child.pid}" in heard()
        with Load(ports[0], *ADD, kept=1, fresh=1) as load:
            assert eventually(lambda: load.calls > 20, 20)
        assert not load.failures, load.failures[:3]
        with Connection(ports[1]) as connection:
            assert connection.exchange(request("GET", "/readyz", port=ports[1]), "GET").status == 200
        child.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "RELOADING=1\nMONOTONIC_USEC=" in heard() and heard().count("READY=1") == 2, 10)
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(20) == 0, child.text()
        assert "STOPPING=1" in heard()
    finally:
        if child.process.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            child.process.wait()

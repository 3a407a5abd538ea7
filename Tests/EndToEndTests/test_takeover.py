"""Successors that wait, hang or mean no good: the process that serves goes on, and the next one can have its place."""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.gateway import Gateway
from harness.load import Load
from harness.processes import Child, descriptors, eventually, is_stopped
from test_operations import Make, call, reapers, restart, successor, wire

# It starts, and never answers.
MUTE = {"command": "sleep", "args": ["1000"]}


@pytest.fixture
def gateway(make_gateway: Make, tmp_path: Path) -> Gateway:
    made = make_gateway({"kept": wire()}, env={"SLUICE_TAKEOVER_SOCKET": str(tmp_path / "takeover")})
    made.wait_for("kept")
    return made


@pytest.fixture
def waiting(gateway: Gateway) -> Iterator[Child]:
    """A successor that waits for a server that answers in the running process."""
    child = Child(with_servers(gateway, {"kept": MUTE}), gateway.log_path.with_name("waiting.log"), env=gateway.env)
    try:
        assert eventually(lambda: f"process {child.pid} wants to take over" in gateway.log, 20), child.text()
        yield child
    finally:
        child.kill()


def with_servers(gateway: Gateway, servers: dict[str, object]) -> list[str]:
    command = [*gateway.command, "--takeover"]
    command[command.index("--mcp-json") + 1] = json.dumps({"mcpServers": servers})
    return command


def path_of(gateway: Gateway) -> str:
    assert gateway.env is not None
    return gateway.env["SLUICE_TAKEOVER_SOCKET"]


def connect(gateway: Gateway) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Without a time-out: it waits for its place in the queue.
    peer.connect(path_of(gateway))
    peer.settimeout(20)
    return peer


def test_a_second_successor_is_told_at_once_who_is_at_it(gateway: Gateway, waiting: Child) -> None:
    second = Child([*gateway.command, "--takeover"], gateway.log_path.with_name("second.log"), env=gateway.env)
    assert second.process.wait(20) == 1
    assert f"process {waiting.pid} is taking over from process {gateway.pid}" in second.text()
    assert f"kill {waiting.pid}" in second.text()
    assert gateway.says(f"process {second.pid} wants to take over and was turned away")
    # It did what it was told.
    waiting.terminate()
    assert eventually(lambda: "did not get to serve" in gateway.log, 10)
    restart(gateway, 1)


def test_a_stopped_successor_is_given_up_and_the_next_one_takes_over(gateway: Gateway, waiting: Child) -> None:
    waiting.process.send_signal(signal.SIGSTOP)
    assert eventually(lambda: is_stopped(waiting.pid))
    with Load(gateway.port, "raw", {}, kept=1, fresh=1) as load:
        old = gateway.child
        given_up = f"process {waiting.pid}, which wants to take over, is given up: it was silent for"
        assert eventually(lambda: given_up in old.text(), 40), old.text()
        restart(gateway, 1)
        before = load.calls
        # It finds out when it goes on, and lets nobody in.
        waiting.process.send_signal(signal.SIGCONT)
        assert waiting.process.wait(40) == 1
        assert f"process {old.pid} gave this one up: it was silent for" in waiting.text()
        assert "took over from" not in waiting.text()
        assert eventually(lambda: load.calls > before + 20, 20)
    assert not load.failures, load.failures[:5]


def test_a_process_that_was_stopped_for_so_long_that_another_serves_drains_when_it_goes_on(gateway: Gateway) -> None:
    old = gateway.child
    new = Child([*gateway.command, "--takeover"], gateway.log_path.with_name("new.log"), env=gateway.env)
    try:
        assert eventually(lambda: f"process {new.pid} wants to take over" in old.text(), 20, 0.002), old.text()
        old.process.send_signal(signal.SIGSTOP)
        assert eventually(lambda: f"took over from process {old.pid}" in new.text(), 60), new.text()
        old.process.send_signal(signal.SIGCONT)
        assert old.process.wait(40) == 0
        assert "another process has taken over: draining" in old.text()
        assert new.process.poll() is None
    finally:
        gateway.child = new
        old.kill()


def test_a_successor_that_waits_for_longer_than_it_may_be_silent_is_not_given_up(
    gateway: Gateway, waiting: Child
) -> None:
    assert not eventually(lambda: "given up" in gateway.log, 13)
    assert waiting.process.poll() is None
    waiting.terminate()


def test_a_reaper_that_dies_while_a_successor_waits_is_replaced(gateway: Gateway, waiting: Child) -> None:
    def reapers_of(pid: int) -> set[int]:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(child) for child in children if Path(f"/proc/{child}/comm").read_text().strip() == "sluice-reaper"}

    for process, said in ((gateway.child, gateway.child.text), (waiting, waiting.text)):
        assert eventually(lambda process=process: reapers_of(process.pid))
        (old,) = reapers_of(process.pid)
        os.kill(old, signal.SIGKILL)
        assert eventually(lambda said=said: "there is another one now" in said(), 10), said()
        assert reapers_of(process.pid) - {old}
    assert reapers(gateway)
    waiting.terminate()


def test_a_reaper_that_dies_during_the_drain_is_replaced(gateway: Gateway) -> None:
    (old,) = reapers(gateway)
    thread = threading.Thread(target=lambda: call(gateway, "late"))
    thread.start()
    time.sleep(0.3)
    gateway.child.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: "draining" in gateway.log, 5)
    os.kill(old, signal.SIGKILL)
    assert eventually(lambda: "there is another one now" in gateway.log, 5)
    thread.join()
    assert gateway.child.process.wait(40) == 0


def test_peers_that_mean_no_good_cost_little_and_keep_nobody_from_taking_over(gateway: Gateway) -> None:
    before = descriptors(gateway.pid)
    silent = [connect(gateway) for _ in range(20)]
    for garbage in (b"x", b"sluice takeover 99", b"\xff" * 10_000, b"sluice takeover 2\n", b"x" * 60_000):
        with connect(gateway) as peer:
            peer.send(garbage)
            assert peer.recv(100) == b"sluice takeover 2 only"
            assert not peer.recv(100)
    # Descriptors that nobody asked for are closed, in whatever state.
    with connect(gateway) as peer:
        gift = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))]
        peer.sendmsg([b"sluice takeover 2"], gift)
        assert peer.recv(20_000).startswith(b"sluice takeover 2 sockets\n")
        assert peer.recv(20_000) == b"serving\nkept"
        for _ in range(5):
            peer.sendmsg([b"waiting"], gift)
        # Before it is told to, nobody serves.
        peer.send(b"serving")
        assert peer.recv(100) == b"given up\nit said what was not expected"
    for _ in range(300):
        connect(gateway).close()
    assert eventually(lambda: descriptors(gateway.pid) <= before + 10), descriptors(gateway.pid)
    assert gateway.log.count("on the takeover socket") < 5
    restart(gateway, 1)
    for peer in silent:
        peer.close()


def test_who_is_told_to_serve_and_hangs_is_given_up(gateway: Gateway) -> None:
    with connect(gateway) as peer:
        peer.send(b"sluice takeover 2")
        assert peer.recv(20_000) and peer.recv(20_000)
        peer.send(b"ready")
        assert peer.recv(100) == b"go"
        assert peer.recv(100).startswith(b"given up\nit may serve and does not after")
    assert gateway.admin_status("/readyz") == 200
    restart(gateway, 1)


def test_a_successor_of_an_older_version_takes_over(gateway: Gateway) -> None:
    with connect(gateway) as peer:
        peer.send(b"sluice takeover 1")
        text, ancillary, _, _ = peer.recvmsg(20_000, socket.CMSG_SPACE(4 * 200))
        listeners = text.decode().split("\n")
        assert listeners[0] == "sluice takeover 1 sockets"
        assert len(ancillary[0][2]) == 4 * len(listeners[1:])
        assert peer.recv(20_000) == b"serving\nkept"
        # Another one is told in its own version.
        with connect(gateway) as other:
            other.send(b"sluice takeover 1")
            assert other.recv(100).startswith(f"sluice takeover 1 busy\n{os.getpid()}\n".encode())
        peer.send(b"ready")
        assert gateway.child.process.wait(40) == 0
        for handle in array.array("i", ancillary[0][2]):
            os.close(handle)


def test_a_process_of_an_older_version_is_taken_over_from(gateway: Gateway, tmp_path: Path) -> None:
    gateway.stop()
    ports = {"http": gateway.port, "websocket": gateway.websocket_port, "admin": gateway.admin_port}
    sockets = [socket.create_server(("127.0.0.1", port)) for port in ports.values()]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path_of(gateway))
        listener.listen()
        listener.settimeout(20)
        gateway.child = successor(gateway, "heir")
        with listener.accept()[0] as peer:
            assert peer.recv(100) == b"sluice takeover 2"
            peer.send(b"sluice takeover 1 only")
        with listener.accept()[0] as peer:
            assert peer.recv(100) == b"sluice takeover 1"
            names = "\n".join(["sluice takeover 1 sockets", *ports])
            socket.send_fds(peer, [names.encode()], [each.fileno() for each in sockets])
            peer.send(b"serving\nkept")
            assert peer.recv(100) == b"ready"
    for each in sockets:
        each.close()
    assert eventually(lambda: f"took over from process {os.getpid()}" in gateway.log, 20), gateway.log
    gateway.wait_for("kept")


def test_a_takeover_that_fails_forgets_no_names(make_gateway: Make, tmp_path: Path) -> None:
    env = {"SLUICE_TAKEOVER_SOCKET": str(tmp_path / "takeover"), "SLUICE_STATE_DIR": str(tmp_path / "state")}
    gateway = make_gateway({"kept": wire(), "left": wire()}, env=env)
    names = tmp_path / "state" / f"names-{gateway.port}"
    assert eventually(lambda: names.exists() and all(f'"{name}"' in names.read_text() for name in ("kept", "left")))
    before = names.read_text()
    # It would forget one server, and learn of another.
    command = with_servers(gateway, {"kept": {"command": "false"}, "new": wire()})
    heir = Child([*command, "--takeover-wait", "3"], gateway.log_path.with_name("heir.log"), env=env)
    assert heir.process.wait(40) == 1, heir.text()
    assert names.read_text() == before
    old = gateway.child
    gateway.child = Child([*command, "--force"], gateway.log_path.with_name("forced.log"), env=env)
    assert eventually(lambda: old.process.poll() == 0, 40), gateway.log
    assert eventually(lambda: '{"server":"left"}' in names.read_text() and '"new"' in names.read_text())


def test_a_successor_of_a_process_that_ends_waits_for_that(gateway: Gateway) -> None:
    thread = threading.Thread(target=lambda: call(gateway, "late"))
    thread.start()
    time.sleep(0.3)
    old = gateway.child
    old.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: "draining" in old.text(), 5)
    gateway.child = successor(gateway, "next")
    told = f"process {old.pid} at {path_of(gateway)} ends and hands nothing over: this one starts once it has ended"
    assert eventually(lambda: told in gateway.log, 10), gateway.log
    assert f"process {gateway.pid} wants to take over: it is told to wait" in old.text()
    # One that is told to end while it waits does so.
    other = successor(gateway, "other")
    assert eventually(lambda: told in other.text(), 10), other.text()
    other.terminate()
    thread.join()
    assert old.process.wait(40) == 0
    gateway.wait_ready()
    gateway.wait_for("kept")
    restart(gateway, 1)

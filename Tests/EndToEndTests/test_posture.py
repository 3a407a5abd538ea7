"""Who may reach a gateway: what it refuses to be, and what it says of itself."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.activation import activate
from harness.certificates import Authority
from harness.gateway import Gateway
from harness.paths import binary
from harness.processes import INHERITED, eventually, free_port
from harness.wire import Connection, request
from test_operations import Make, Reloadable

PORTS = ("port", "websocket-port", "admin-port")


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**INHERITED, **env}
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30, env=environment)


# --- beyond loopback -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("listener", ["", "websocket-", "admin-"], ids=["http", "websocket", "admin"])
def test_nobody_serves_the_world_by_mistake(command: str, listener: str) -> None:
    ports = {name: free_port() for name in PORTS}
    flags = [f"--{name}={port}" for name, port in ports.items()]
    outcome = run(command, f"--{listener}host=0.0.0.0", *flags)
    assert outcome.returncode == 2, outcome.stderr
    assert f"--{listener}host: error: `listeners.{listener[:-1] or 'http'}` would serve others" in outcome.stderr
    assert "--allow-unauthenticated" in outcome.stderr


def test_who_means_it_is_warned() -> None:
    outcome = run("check", "--host=0.0.0.0", SLUICE_ALLOW_UNAUTHENTICATED="true")
    assert outcome.returncode == 0, outcome.stderr
    assert "whoever can reach it can use every server" in outcome.stdout
    # A health check asks a gateway that was told so by a flag.
    outcome = run("healthcheck", f"--admin-port={free_port()}", SLUICE_HOST="0.0.0.0")
    assert outcome.returncode == 1, outcome.stderr


def test_a_reload_does_not_open_it(make_gateway: Make) -> None:
    file = Reloadable(make_gateway, {"limits": {"depth": 100}})
    said = file.hang_up({"listeners": {"http": {"host": "0.0.0.0"}}}, word="the old one stays in force")
    assert "`listeners.http` would serve others than this machine (host 0.0.0.0)" in said


def test_a_socket_that_was_handed_over_is_no_way_around(tmp_path: Path) -> None:
    ports = [f"--{name}={free_port()}" for name in PORTS]
    child = activate(tmp_path / "open.log", {"http": free_port()}, *ports, host="0.0.0.0")
    try:
        assert child.process.wait(20) == 1
    finally:
        child.kill()
    assert "`listeners.http` would serve others than this machine (the socket that it was given)" in child.text()


def test_what_asks_for_certificates_goes_on_asking(tmp_path: Path) -> None:
    """A reload is judged by the sockets that are in use, not by the address in the file."""
    authority = Authority(tmp_path / "ca")
    cert, key = authority.issue("server", "/CN=localhost", "DNS:localhost,IP:127.0.0.1")
    tls = {"cert": str(cert), "key": str(key), "client_ca": str(authority.ca)}
    config, port = tmp_path / "sluice.yaml", free_port()
    config.write_text(json.dumps({"listeners": {"http": {"tls": tls}}}))
    ports = [f"--{name}={free_port()}" for name in PORTS]
    child = activate(
        tmp_path / "closed.log", {"http": port}, "--workers=1", f"--config={config}", *ports, host="0.0.0.0"
    )
    try:
        assert eventually(lambda: "sluice serves" in child.text(), 20), child.text()
        config.write_text("{}")
        child.process.send_signal(1)
        assert eventually(lambda: "the old configuration stays in force" in child.text(), 10), child.text()
        assert "`listeners.http` would serve others" in child.text()
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.sendall(request("GET", "/mcp", port=port))
            assert not plain.recv(1000).startswith(b"HTTP/1.1 405")
    finally:
        assert child.terminate(20) == 0

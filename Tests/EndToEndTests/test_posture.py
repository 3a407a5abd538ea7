"""Who may reach a gateway: what it refuses to be, and what it says of itself."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.activation import activate
from harness.certificates import Authority
from harness.gateway import Gateway
from harness.paths import binary
from harness.processes import INHERITED, eventually, free_port
from harness.wire import Connection, LegacySession, post, request, rpc
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


# --- the admin listener --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    running = Gateway(folder)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:PORT"}, 200),
        # Probes know a container by its address, to which no name can lead a browser.
        ({"Host": "10.1.2.3:PORT"}, 200),
        ({"Host": "[2001:db8::7]"}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:PORT"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:80@evil.com"}, 403),
        ({"Origin": "null"}, 403),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/metrics"])
def test_the_admin_listener_is_no_pages_business(
    gateway: Gateway, path: str, headers: dict[str, str], status: int
) -> None:
    port = gateway.admin_port
    sent: dict[str, str | None] = {name: value.replace("PORT", str(port)) for name, value in headers.items()}
    with Connection(port) as connection:
        response = connection.exchange(request("GET", path, sent, port=port), "GET")
    assert response.status == status
    assert "access-control-allow-origin" not in response.headers
    if status != 200:
        assert b"listeners.http.allowed_" in response.body


# --- what is said of it --------------------------------------------------------------------------------------------------


def test_a_check_for_programs_ends_with_2_for_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    config, bad = tmp_path / "sluice.yaml", tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for file, said in ((tmp_path / "nowhere.pem", "there is no file"), (bad, "it has none in PEM form")):
        config.write_text(json.dumps({"listeners": {"http": {"tls": {"cert": str(file), "key": str(file)}}}}))
        outcome = run("check", "--json", f"--config={config}")
        report = json.loads(outcome.stdout)
        assert outcome.returncode == 2 and report["ok"] is False
        assert any(said in remark["message"] for remark in report["diagnostics"]), report


def test_a_check_prints_no_key(tmp_path: Path) -> None:
    config = tmp_path / "sluice.yaml"
    servers: dict[str, Any] = {
        "query": {"url": "https://h.example/mcp?key=hidden1"},
        "path": {"url": "https://h.example/s/hidden2/mcp"},
        "variable": {"url": "https://h.example/${HIDDEN}/mcp", "endpoints": ["https://h.example/s/hidden2/mcp"]},
        "argument": {"command": "true", "args": ["${HIDDEN}", "postgres://u:hidden4@h/db", "https://h/hidden5/mcp"]},
    }
    config.write_text(json.dumps({"servers": servers}))
    for form in ([], ["--json"]):
        outcome = run("check", f"--config={config}", *form, HIDDEN="hidden")
        assert outcome.returncode == 0, outcome.stdout
        assert "hidden" not in outcome.stdout + outcome.stderr
        assert "https://h.example/s/***/mcp" in outcome.stdout and "${HIDDEN}" in outcome.stdout


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"takeover_socket": "/"}, "the path of a directory"),
        ({"takeover_socket": "FOLDER"}, "`takeover_socket` is the path of a directory"),
        ({"takeover_socket": "sluice.sock"}, "not absolute"),
        ({"takeover_socket": "/" + 100 * "x"}, "has 101 bytes and can have 96"),
        ({"listeners": {"http": {"tls": {"cert": "FOLDER", "key": "FOLDER"}}}}, "is a directory, not a file"),
        ({"listeners": {"http": {"allowed_origins": ["null"]}}}, "sandboxed frame"),
        ({"listeners": {"http": {"allowed_origins": ["https://a.example/"]}}}, "did you mean `https://a.example`?"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_what_can_not_be_meant_is_a_mistake(
    command: str, settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    config = tmp_path / "sluice.yaml"
    config.write_text(json.dumps(settings).replace("FOLDER", str(tmp_path)))
    outcome = run(command, f"--config={config}", *(f"--{name}={free_port()}" for name in PORTS))
    assert outcome.returncode == 2, outcome.stderr
    assert said in outcome.stderr, outcome.stderr


@pytest.mark.parametrize("command", ["serve", "check"])
def test_what_is_kept_goes_into_no_file(command: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ports = [f"--{name}={free_port()}" for name in PORTS]
    outcome = run(command, *ports, SLUICE_STATE_DIR=f"{file}/deeper")
    assert outcome.returncode == 2, outcome.stderr
    assert f"SLUICE_STATE_DIR: error: `state_dir` leads to {file}, which is no directory" in outcome.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"takeover_socket": "/nowhere/sluice.sock"}, "there is no directory /nowhere"),
        ({"listeners": {"http": {"allowed_origins": ["*"]}}}, "takes any page"),
        ({"servers": {"a": {"command": "/usr", "cwd": "/nowhere"}}}, "there is no directory /nowhere for `a`"),
        ({"servers": {"a": {"command": "/usr"}}}, "the command `/usr` of `a` is not there"),
    ],
    ids=str,
)
def test_what_is_hardly_meant_is_worth_a_word(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    config = tmp_path / "sluice.yaml"
    config.write_text(json.dumps(settings))
    outcome = run("check", f"--config={config}")
    assert outcome.returncode == 0, outcome.stderr
    assert said in outcome.stdout, outcome.stdout


def test_an_origin_of_ipv6_is_let_in_however_it_was_written(make_gateway: Make) -> None:
    http = {"allowed_origins": ["https://[2001:DB8:0:0::7]:443"], "allowed_hosts": ["[2001:DB8:0::7]"]}
    gateway = make_gateway(settings={"listeners": {"http": http}})
    headers = {"Host": "[2001:db8::7]", "Origin": "https://[2001:db8::7]"}
    with Connection(gateway.port) as connection:
        assert connection.exchange(request("OPTIONS", "/mcp", headers, port=gateway.port), "OPTIONS").status == 204


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_mistake_in_a_reload_can_be_read(make_gateway: Make, form: str) -> None:
    """Text has a record for each of its lines; an object holds them all."""
    file = Reloadable(make_gateway, {"log": {"format": form}})
    said = file.hang_up({"log": {"format": form}, "trusted_proxies": ["10.1.2.3/8"]}, word="the old one stays in force")
    if form == "json":
        records = [json.loads(line) for line in said.splitlines()]
        assert any("\n    did you mean `10.0.0.0/8`?" in record["message"] for record in records), said
        return
    assert "\\n" not in said
    lines = [line.split(" ", 2)[1:] for line in said.splitlines()]
    assert ["error", "    did you mean `10.0.0.0/8`?"] in lines, said
    assert sum(level == "error" for level, _ in lines) == 5, said


def test_a_log_for_programs_has_objects_alone(make_gateway: Make) -> None:
    gateway = make_gateway(settings={"log": {"format": "json"}, "trusted_proxies": ["0.0.0.0/0"]})
    records = [json.loads(line) for line in gateway.log.splitlines() if line.startswith("{")]
    assert any("`trusted_proxies` has 0.0.0.0/0" in record["message"] for record in records), gateway.log
    assert not [line for line in gateway.log.splitlines() if "warning:" in line and not line.startswith("{")]


def test_who_is_refused_for_a_while_hears_how_long(make_gateway: Make) -> None:
    """The gateway's own 503, not that of its sockets."""
    gateway = make_gateway(settings={"sessions": {"max": 1}})
    session = LegacySession(gateway.port)
    stream, _ = session.listen()
    try:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        response = post(gateway.port, rpc("initialize", params, 1))
        assert response.status == 503
        assert response.message["error"]["data"]["reason"] == "session_limit"
        assert int(response.headers["retry-after"]) >= 1
    finally:
        stream.close()

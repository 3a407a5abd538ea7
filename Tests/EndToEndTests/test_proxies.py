"""Clients behind a reverse proxy: whose a connection is, and what each may take."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.gateway import Gateway
from harness.processes import Child, eventually, free_port, listens
from harness.wire import Connection, Response, modern, modern_headers, post_modern, request
from test_posture import PORTS, run

Make = Callable[..., Gateway]


def ask(connection: Connection, client: str | None = None, field: str = "X-Forwarded-For") -> Response:
    """A request over a kept connection, as a proxy sends it for that client."""
    message = modern("tools/list")
    headers: dict[str, str | None] = dict(modern_headers(message))
    if client is not None:
        headers[field] = client
    return connection.exchange(post_bytes(message, headers, connection.port))


def post_bytes(message: object, headers: dict[str, str | None], port: int) -> bytes:
    return request("POST", "/mcp", headers, json.dumps(message).encode(), port=port)


def test_a_client_behind_a_proxy_has_its_own_share(make_gateway: Make) -> None:
    gateway = make_gateway(settings={"limits": {"connections_per_address": 3}}, workers=2)
    with ExitStack() as held:
        # As many connections as a proxy likes, and a client has as many of them as it may.
        proxy = [held.enter_context(Connection(gateway.port)) for _ in range(20)]
        statuses = [ask(connection, "203.0.113.66, 192.0.2.1").status for connection in proxy[:10]]
        assert statuses == [200] * 3 + [429] * 7
        for connection in proxy[10:13]:
            assert ask(connection, 'for="[2001:db8::1]:4711"', "Forwarded").status == 200
        refused = ask(proxy[13], "2001:db8::2")
        assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1
        assert b"connections_per_address" in refused.body
        # A program of this machine is nobody's client, and one that is no proxy is believed nothing.
        assert all(ask(connection).status == 200 for connection in proxy[14:])
        # What carries another's request is free for others.
        assert ask(proxy[0], "192.0.2.9").status == 200
        assert ask(proxy[14], "192.0.2.1").status == 200


def test_without_a_trusted_proxy_nobody_is_believed(make_gateway: Make) -> None:
    settings = {"limits": {"connections_per_address": 3}, "trusted_proxies": ["192.0.2.0/24"]}
    gateway = make_gateway(settings=settings)
    with ExitStack() as held:
        # From an address of their own: the fixture's first connections may still count.
        clients = [held.enter_context(Connection(gateway.port, source="127.0.0.5")) for _ in range(3)]
        assert all(ask(client, f"192.0.2.{number}").status == 200 for number, client in enumerate(clients))
        with Connection(gateway.port, source="127.0.0.5") as another:
            assert ask(another, "192.0.2.99").status == 503


def test_the_proxy_protocol_is_required_where_it_is_on(make_gateway: Make) -> None:
    settings = {"listeners": {"http": {"proxy_protocol": True}}, "limits": {"connections_per_address": 2}}
    gateway = make_gateway(settings=settings)
    with ExitStack() as held:

        def through(header: bytes) -> int:
            connection = held.enter_context(Connection(gateway.port))
            connection.send(header)
            return ask(connection).status

        line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
        assert [through(line) for _ in range(4)] == [200, 200, 429, 429]
        local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
        assert [through(local) for _ in range(3)] == [200] * 3
        with Connection(gateway.port) as plain:
            refused = ask(plain)
            assert refused.status == 400 and b"proxy_protocol" in refused.body
    # The other listener has its own setting.
    with Connection(gateway.websocket_port) as plain:
        assert plain.exchange(request("GET", "/", port=gateway.websocket_port), "GET").status == 426


def test_who_is_no_trusted_proxy_is_sent_away_from_such_a_listener(make_gateway: Make) -> None:
    settings = {"listeners": {"http": {"proxy_protocol": True}}, "trusted_proxies": ["10.0.0.0/8"]}
    gateway = make_gateway(settings=settings)
    with Connection(gateway.port) as stranger:
        stranger.send(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n" + request("GET", "/mcp", port=gateway.port))
        response = stranger.response("GET")
    assert response.status == 403 and b"trusted_proxies" in response.body


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_listener_that_lets_nobody_in_is_a_mistake(command: str, tmp_path: Path) -> None:
    config = tmp_path / "sluice.yaml"
    config.write_text(json.dumps({"listeners": {"http": {"proxy_protocol": True}}, "trusted_proxies": []}))
    outcome = run(command, f"--config={config}", *(f"--{name}={free_port()}" for name in PORTS))
    assert outcome.returncode == 2, outcome.stderr
    assert "everybody would be refused" in outcome.stderr and "the addresses of your proxies" in outcome.stderr


def test_a_network_with_bits_too_many_is_told_with_the_one_that_was_meant() -> None:
    outcome = run("check", SLUICE_TRUSTED_PROXIES="10.1.2.3/8")
    assert outcome.returncode == 2
    assert "SLUICE_TRUSTED_PROXIES: error: " in outcome.stderr and "did you mean `10.0.0.0/8`?" in outcome.stderr


def test_who_believes_anybody_is_warned_at_each_start(make_gateway: Make) -> None:
    settings = {"trusted_proxies": ["0.0.0.0/0", "::/0"]}
    gateway = make_gateway(settings=settings)
    for network in settings["trusted_proxies"]:
        assert gateway.says(f"warning: `trusted_proxies` has {network}: whoever comes from there")
    outcome = run("check", SLUICE_TRUSTED_PROXIES="0.0.0.0/0")
    assert outcome.returncode == 0 and "`trusted_proxies` has 0.0.0.0/0" in outcome.stdout


# --- real ones -----------------------------------------------------------------------------------------------------------

HAPROXY = """
defaults
  mode {mode}
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  {front}
  default_backend back
backend back
  server sluice 127.0.0.1:{gateway} {server}
"""

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream sluice {{ server 127.0.0.1:{gateway}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://sluice; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Host $host;
      proxy_buffering off;
    }}
  }}
}}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[list[str], int], None]]:
    children: list[Child] = []

    def begin(command: list[str], port: int) -> None:
        children.append(Child(command, tmp_path / "proxy.log"))
        assert eventually(lambda: listens(port), 10), children[-1].text()

    yield begin
    for child in children:
        child.kill()


@pytest.mark.parametrize("kind", ["send-proxy", "send-proxy-v2", "forwardfor", "nginx"])
def test_a_real_proxy_brings_each_client_its_own_share(
    make_gateway: Make, tmp_path: Path, start: Callable[[list[str], int], None], kind: str
) -> None:
    """Clients are told apart by their loopback addresses, of which only 127.0.0.1 is the proxy's."""
    program = shutil.which("nginx" if kind == "nginx" else "haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "scripts/bootstrap test installs it"
    by_protocol = kind.startswith("send")
    gateway = make_gateway(
        settings={
            "listeners": {"http": {"proxy_protocol": by_protocol}},
            "limits": {"connections_per_address": 3},
            "trusted_proxies": ["127.0.0.1"],
        },
        workers=2,
    )
    port, config = free_port(), tmp_path / "proxy.conf"
    values = {"port": port, "gateway": gateway.port, "folder": tmp_path}
    if kind == "nginx":
        config.write_text(NGINX.format(**values))
        start([program, "-c", str(config), "-e", "stderr"], port)
    else:
        mode = "tcp" if by_protocol else "http"
        front, server = ("", kind) if by_protocol else ("option forwardfor", "")
        config.write_text(HAPROXY.format(mode=mode, front=front, server=server, **values))
        start([program, "-f", str(config)], port)
    with ExitStack() as held:

        def statuses(source: str) -> list[int]:
            """What each of six connections is answered that wait for events at once."""
            found = []
            for _ in range(6):
                connection = held.enter_context(Connection(port, source=source))
                message = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                headers: dict[str, str | None] = dict(modern_headers(message))
                connection.send(post_bytes(message, headers, port))
                found.append(connection.head().status)
            return found

        assert statuses("127.0.0.2") == [200] * 3 + [429] * 3
        assert statuses("127.0.0.3") == [200] * 3 + [429] * 3
    assert eventually(lambda: post_modern(port, modern("tools/list")).status == 200, 5)


# --- under a prefix ---------------------------------------------------------------------------------------------------


def endpoint(port: int, prefix: str | None) -> str:
    """Where a client of HTTP+SSE is told to POST, without the session."""
    with Connection(port) as connection:
        headers = {"Accept": "text/event-stream", "X-Forwarded-Prefix": prefix}
        connection.send(request("GET", "/mcp/sse", headers, port=port))
        assert connection.head().status == 200
        return next(event["data"] for event in connection.stream() if event.get("data")).partition("?")[0]


def test_a_client_behind_a_prefix_is_told_of_it(make_gateway: Callable[..., Gateway]) -> None:
    port = make_gateway().port
    assert endpoint(port, None) == "/mcp/messages"
    assert endpoint(port, "/tools") == "/tools/mcp/messages"
    assert endpoint(port, "/a/b/, /c") == "/a/b/c/mcp/messages"
    for foreign in ("//evil.example", "http://evil.example", "/a?b", "/.."):
        assert endpoint(port, foreign) == "/mcp/messages"


def test_nobody_else_has_a_say_in_the_prefix(make_gateway: Callable[..., Gateway]) -> None:
    assert endpoint(make_gateway(settings={"trusted_proxies": []}).port, "/tools") == "/mcp/messages"

"""https: certificates by name, client certificates as principals, what can't be served, and plain HTTP on the port."""

from __future__ import annotations

import json
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.certificates import Authority
from harness.client import Driver
from harness.gateway import Gateway
from harness.paths import binary, python
from harness.processes import Child, eventually, free_port, private_bytes
from harness.tls_peer import TLSPeer
from harness.upstreams import stdio_entry, wire_command
from harness.wire import BOTH_TYPES, LEGACY, Connection, LegacySession, modern, modern_headers, request, rpc

HEADERS = {"Accept": BOTH_TYPES, "MCP-Protocol-Version": LEGACY}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificates(authority: Authority) -> dict[str, tuple[Path, Path]]:
    return {
        "server": authority.issue("server", "/CN=server", "DNS:localhost,IP:127.0.0.1"),
        "other": authority.issue("other", "/CN=other", "DNS:other.example,DNS:*.wild.example"),
        "ada": authority.issue("ada", "/O=Analytical/CN=Ada"),
        "bob": authority.issue("bob", "/CN=Bob"),
    }


def pair(certificate: tuple[Path, Path]) -> dict[str, str]:
    return {"cert": str(certificate[0]), "key": str(certificate[1])}


def listener(tls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"listeners": {"http": {"allowed_hosts": ["*"], "tls": tls}}, **more}


class SecureSession:
    """A legacy session over https, on one kept-alive connection."""

    def __init__(
        self, port: int, context: ssl.SSLContext, path: str = "/mcp", capabilities: dict[str, Any] | None = None
    ) -> None:
        self.client = httpx.Client(base_url=f"https://localhost:{port}", verify=context, headers=HEADERS)
        self.path = path
        info = {"name": "tls", "version": "1"}
        params = {"protocolVersion": LEGACY, "capabilities": capabilities or {}, "clientInfo": info}
        opened = self.client.post(path, json=rpc("initialize", params))
        assert opened.status_code == 200, opened
        self.id = opened.headers["mcp-session-id"]

    def post(self, message: Any, session: str | None = None) -> httpx.Response:
        return self.client.post(self.path, json=message, headers={"Mcp-Session-Id": session or self.id})

    def tools(self) -> list[str]:
        return [tool["name"] for tool in self.post(rpc("tools/list")).json()["result"]["tools"]]


def test_clients_speak_https(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]]
) -> None:
    gateway = make_gateway(settings=listener(pair(certificates["server"])), workers=2)
    session = SecureSession(gateway.port, authority.client_context())
    assert "echo" in session.tools()
    answers = [session.post(rpc("tools/list", number=number)).json()["id"] for number in range(50)]
    assert answers == list(range(50))
    # Somebody who does not trust the authority is right to refuse.
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"https://localhost:{gateway.port}/mcp")


@pytest.mark.parametrize("sdk", ["v1", "v2"])
def test_sdk_clients_speak_https(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]],
    folder: Path, sdk: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = make_gateway(settings=listener(pair(certificates["server"])))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    driver = Driver(sdk, folder)
    try:
        trace = driver.run(
            f"https://localhost:{gateway.port}/mcp", "tools",
            ("call", {"name": "echo", "arguments": {"text": "x" * 100_000}}),
        )
        assert "echo" in str(trace.value("tools"))
        assert "x" * 100_000 in str(trace.value("call"))
    finally:
        driver.close()


def test_websockets_run_over_tls_on_both_sides(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]]
) -> None:
    """wss on the HTTP listener and on that of WebSockets, and an upstream by wss that asks who we are."""
    tls = {**pair(certificates["server"]), "client_ca": str(authority.ca)}
    inner = make_gateway(settings={"listeners": {"http": {"tls": tls}, "websocket": {"tls": tls}}})
    sockets = inner.websocket_port
    trusted = {"ca": str(authority.ca), **pair(certificates["ada"])}
    outer = make_gateway(
        settings={
            "servers": {
                "one": {"url": f"wss://localhost:{inner.port}/mcp/ws", "tls": trusted},
                "two": {"url": f"wss://localhost:{sockets}/mcp/ws", "tls": trusted},
                "stranger": {"url": f"wss://localhost:{sockets}/mcp/ws", "tls": {"ca": str(authority.ca)}},
            }
        }
    )
    outer.wait_for("one", "two")
    text = "x" * 200_000
    for alias in ("one", "two"):
        answer = LegacySession(outer.port, path=f"/mcp/{alias}").call("echo", {"text": text}).message
        assert text in str(answer["result"]), alias
    refused = LegacySession(outer.port, path="/mcp/stranger").call("echo", {"text": text}).message
    assert "error" in refused, refused


def test_the_name_that_is_asked_for_chooses_the_certificate(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]]
) -> None:
    tls = {**pair(certificates["server"]), "certificates": [pair(certificates["other"])]}
    gateway = make_gateway(settings=listener(tls))
    for name, subject in [
        ("localhost", "server"), ("other.example", "other"), ("a.wild.example", "other"), ("unknown.example", "server"),
    ]:
        context = authority.client_context()
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", gateway.port)) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                shown = dict(entry[0] for entry in secure.getpeercert()["subject"])
                assert shown["commonName"] == subject, name
                assert secure.version() == "TLSv1.3"


def test_client_certificates_name_principals(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]]
) -> None:
    """Without one there is no connection; a session is its principal's alone, and so is a child unless it is shared."""
    tls = {**pair(certificates["server"]), "client_ca": str(authority.ca), "client_auth": "required"}
    child = stdio_entry(wire_command("--era", "legacy"))
    gateway = make_gateway(settings=listener(tls, servers={"files": child}), workers=2)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"https://localhost:{gateway.port}/mcp", verify=authority.client_context())

    ada, bob = (authority.client_context(certificates[name]) for name in ("ada", "bob"))
    first, again, other = (SecureSession(gateway.port, context) for context in (ada, ada, bob))
    assert first.post(rpc("tools/list")).status_code == 200
    assert again.post(rpc("tools/list"), first.id).status_code == 200
    assert other.post(rpc("tools/list"), first.id).status_code == 404
    assert other.client.delete("/mcp", headers={"Mcp-Session-Id": first.id}).status_code == 404

    tool = first.tools()[0]
    counts = []
    for session in (first, again, other):
        answer = session.post(rpc("tools/call", {"name": tool, "arguments": {}})).json()
        assert "result" in answer, answer
        counts.append(len(gateway.children()))
    assert counts[1] == counts[0] and counts[2] == counts[0] + 1, counts


def test_certificates_without_a_subject_are_told_apart(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]]
) -> None:
    """By their alternative names, as SPIFFE has them, which stay when a certificate is renewed."""
    tls = {**pair(certificates["server"]), "client_ca": str(authority.ca), "client_auth": "optional"}
    child = stdio_entry(wire_command("--era", "legacy"))
    gateway = make_gateway(settings=listener(tls, servers={"files": child}))
    issued = [
        authority.issue("one", "/", "critical,URI:spiffe://example/one", "clientAuth"),
        authority.issue("one-renewed", "/", "critical,URI:spiffe://example/one", "clientAuth"),
        authority.issue("two", "/", "critical,URI:spiffe://example/two", "clientAuth"),
        authority.issue("bare", "/"),
        authority.issue("barer", "/"),
    ]
    contexts = [authority.client_context(each) for each in issued] + [authority.client_context()]
    first, renewed, *others = [SecureSession(gateway.port, context) for context in contexts]
    assert renewed.post(rpc("tools/list"), first.id).status_code == 200
    for number, other in enumerate(others):
        for whose in [first, *others[:number], *others[number + 1 :]]:
            assert other.post(rpc("tools/list"), whose.id).status_code == 404
        assert other.post(rpc("tools/list")).status_code == 200


INDISCREET = """
import json, sys
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
names = ["greet"]
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    params = message.get("params", {})
    match message["method"]:
        case "initialize":
            capabilities = {"tools": {"listChanged": True}, "logging": {}}
            info = {"name": "indiscreet", "version": "1"}
            version = params["protocolVersion"]
            result = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
        case "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        case "tools/call":
            result = {"content": []}
        case _:
            say(id=message["id"], error={"code": -32601, "message": "Method not found"})
            continue
    say(id=message["id"], result=result)
    if message["method"] == "tools/call":
        say(method="notifications/message", params={"level": "error", "data": params["arguments"]})
        names.append("more")
        say(method="notifications/tools/list_changed")
"""


def test_what_a_shared_child_says_of_one_principal_reaches_no_other(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]]
) -> None:
    tls = {**pair(certificates["server"]), "client_ca": str(authority.ca), "client_auth": "required"}
    child = {**stdio_entry([python("harness"), "-c", INDISCREET]), "isolation": "shared"}
    gateway = make_gateway(settings=listener(tls, servers={"child": child}), workers=2)
    ada, bob = (SecureSession(gateway.port, authority.client_context(certificates[name])) for name in ("ada", "bob"))
    with bob.client.stream("GET", "/mcp", headers={"Mcp-Session-Id": bob.id}) as listening:
        # Its message comes after the answer, when nobody has a call on its way.
        answer = ada.post(rpc("tools/call", {"name": "greet", "arguments": {"secret": "of ada"}}))
        assert answer.json()["result"] == {"content": []}
        told = next(line for line in listening.iter_lines() if line.startswith("data: {"))
        assert json.loads(told.removeprefix("data: "))["method"] == "notifications/tools/list_changed", told


ASKING = """
import json, sys
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    params = message.get("params", {})
    match message["method"]:
        case "initialize":
            info = {"name": "asking", "version": "1"}
            version = params["protocolVersion"]
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            names = ["ask", "require", "done"]
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        case "tools/call":
            result = {"content": []}
            number = params["arguments"]["number"]
            question = {"mode": "url", "message": "m", "url": "https://example.com/", "elicitationId": number}
            match params["name"]:
                case "ask":
                    say(id="q", method="elicitation/create", params=question)
                case "require":
                    data = {"elicitations": [question]}
                    say(id=message["id"], error={"code": -32042, "message": "go there", "data": data})
                    continue
                case "done":
                    for which in ["of nobody", number]:
                        say(method="notifications/elicitation/complete", params={"elicitationId": which})
        case _:
            say(id=message["id"], error={"code": -32601, "message": "Method not found"})
            continue
    say(id=message["id"], result=result)
"""


@pytest.mark.parametrize("way", ["ask", "require"])
def test_that_a_question_is_done_is_told_to_the_principal_that_was_asked_and_to_no_other(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]], way: str
) -> None:
    tls = {**pair(certificates["server"]), "client_ca": str(authority.ca), "client_auth": "required"}
    child = {**stdio_entry([python("harness"), "-c", ASKING]), "isolation": "shared"}
    gateway = make_gateway(settings=listener(tls, servers={"child": child}), workers=2)
    able = {"elicitation": {"url": {}}}
    ada, bob = (
        SecureSession(gateway.port, authority.client_context(certificates[name]), capabilities=able)
        for name in ("ada", "bob")
    )

    def call(session: SecureSession, name: str) -> str:
        return session.post(rpc("tools/call", {"name": name, "arguments": {"number": "of ada"}}, 7)).text

    with ada.client.stream("GET", "/mcp", headers={"Mcp-Session-Id": ada.id}) as listening:
        asked = call(ada, way)
        assert "of ada" in asked, asked
        # When her call has ended, in the course of another's.
        answer = call(bob, "done")
        assert '"result"' in answer and "elicitation" not in answer, answer
        told = next(line for line in listening.iter_lines() if line.startswith("data: {") and "elicitation" in line)
        assert json.loads(told.removeprefix("data: ")) == {
            "jsonrpc": "2.0",
            "method": "notifications/elicitation/complete",
            "params": {"elicitationId": "of ada"},
        }


def test_a_quick_scan_finds_no_weakness(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    """Against Mozilla's intermediate configuration; `scripts/tls-scan` also asks testssl.sh."""
    authority = Authority(tmp_path)
    gateway = make_gateway(settings=listener(pair(authority.issue("server", "/CN=localhost", "DNS:localhost"))))
    command = [python("sslyze"), "-W", "ignore", "-m", "sslyze", "--mozilla_config=intermediate"]
    command += ["--certinfo_ca_file", str(authority.ca), f"localhost:{gateway.port}"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert outcome.returncode == 0, outcome.stdout[-3000:]
    assert f"localhost:{gateway.port}: OK - Compliant" in outcome.stdout, outcome.stdout[-3000:]


def test_certificates_are_renewed_under_load(
    make_gateway: Callable[..., Gateway], authority: Authority, tmp_path: Path
) -> None:
    """Ten SIGHUPs with new files lose no call; a bad file leaves the old certificate, and the log says why."""
    cert, key = tmp_path / "live.pem", tmp_path / "live.key"

    def install(number: int) -> None:
        for source, target in zip(authority.issue(f"round{number}", f"/CN=round{number}", "DNS:localhost"), (cert, key)):
            shutil.copy(source, target)

    install(0)
    gateway = make_gateway(settings=listener(pair((cert, key))), workers=2)

    def shown() -> str:
        with socket.create_connection(("127.0.0.1", gateway.port)) as plain:
            with authority.client_context().wrap_socket(plain, server_hostname="localhost") as secure:
                return dict(entry[0] for entry in secure.getpeercert()["subject"])["commonName"]

    def hang_up() -> None:
        gateway.child.process.send_signal(signal.SIGHUP)

    done, failures, calls = threading.Event(), [], [0, 0]

    def call(kept: bool) -> None:
        session = SecureSession(gateway.port, authority.client_context())
        while not done.is_set():
            try:
                if not kept:
                    session.client.close()
                    session.client = httpx.Client(
                        base_url=session.client.base_url, verify=authority.client_context(), headers=HEADERS
                    )
                assert session.tools()
                calls[kept] += 1
            except Exception as failure:  # whatever it is, it is a lost call
                failures.append(failure)

    threads = [threading.Thread(target=call, args=(kept,)) for kept in (False, True)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 11):
            install(number)
            hang_up()
            assert eventually(lambda: shown() == f"round{number}", 20), gateway.log[-2000:]
        key.write_text("no key")
        hang_up()
        assert eventually(lambda: "there is no private key in" in gateway.log, 20)
        assert shown() == "round10"
        install(11)
        hang_up()
        assert eventually(lambda: shown() == "round11", 20)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures and min(calls) > 10, (failures[:3], calls)


def test_plain_http_is_told_what_it_met(
    make_gateway: Callable[..., Gateway], certificates: dict[str, tuple[Path, Path]]
) -> None:
    gateway = make_gateway(settings=listener(pair(certificates["server"])))
    with Connection(gateway.port) as connection:
        answer = connection.exchange(request("POST", "/mcp", {}, b"{}", port=gateway.port))
        assert answer.status == 400 and b"HTTPS" in answer.body
        assert connection.socket.recv(1) == b""


def test_commands_speak_https(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]],
    tmp_path: Path,
) -> None:
    """`connect` verifies and shows a certificate; `healthcheck` asks an admin listener with TLS."""
    server = pair(certificates["server"])
    gateway = make_gateway(settings=listener({**server, "client_ca": str(authority.ca)}))
    opening = rpc("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}})
    lines = [json.dumps(message) for message in (opening, rpc("tools/list", number=2))]

    def connect(*arguments: str) -> list[dict[str, Any]]:
        outcome = subprocess.run(
            [binary(), "connect", f"https://localhost:{gateway.port}/mcp", *arguments],
            input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=30,
        )
        return [json.loads(line) for line in outcome.stdout.splitlines()]

    certificate = ("--cert", str(certificates["ada"][0]), "--key", str(certificates["ada"][1]))
    answers = connect("--ca", str(authority.ca), *certificate)
    assert any(tool["name"] == "echo" for answer in answers for tool in answer["result"].get("tools", [])), answers
    assert all("certificate was refused" in answer["error"]["message"] for answer in connect(*certificate))
    assert all("error" in answer for answer in connect("--ca", str(authority.ca)))

    config = tmp_path / "sluice.yaml"
    ports = {name: {"port": free_port()} for name in ("http", "websocket")}
    admin = {"port": free_port(), "tls": server}
    config.write_text(json.dumps({"listeners": {**ports, "admin": admin}}))
    child = Child([binary(), "serve", "--config", str(config)], tmp_path / "serve.log")
    try:
        check = [binary(), "healthcheck", "--ready", "--config", str(config)]
        assert eventually(lambda: subprocess.run(check, capture_output=True).returncode == 0, 20)
    finally:
        assert child.terminate(20) == 0


def encrypt(key: Path, *form: str) -> None:
    secret = ["-aes128", "-passout", "pass:secret"]
    clear = key.read_bytes()
    subprocess.run(["openssl", "pkey", *form, *secret, "-out", str(key)], input=clear, check=True, capture_output=True)


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda cert, key: key.write_text("no key"), "there is no private key in"),
        (lambda cert, key: cert.write_text("no certificate"), "it has none in PEM form"),
        (lambda cert, key: key.unlink(), "there is no file"),
        (lambda cert, key: encrypt(key, "-traditional"), "is encrypted; give one that is not"),
        (lambda cert, key: encrypt(key), "is encrypted; give one that is not"),
    ],
    ids=["key", "certificate", "missing", "encrypted", "encrypted PKCS #8"],
)
def test_a_certificate_that_cannot_be_served_is_named(
    certificates: dict[str, tuple[Path, Path]], tmp_path: Path, command: str, spoil: Callable[[Path, Path], None],
    said: str,
) -> None:
    cert, key = (Path(shutil.copy(file, tmp_path)) for file in certificates["server"])
    spoil(cert, key)
    config = tmp_path / "sluice.yaml"
    config.write_text(json.dumps(listener(pair((cert, key)))))
    outcome = subprocess.run(
        [binary(), command, "--config", str(config)], capture_output=True, text=True, timeout=20
    )
    assert outcome.returncode == 2, outcome.stderr
    assert f"{config}:1:" in outcome.stderr and said in outcome.stderr


@pytest.mark.parametrize("command", ["serve", "check"])
def test_files_of_an_upstream_that_cannot_be_used_are_named(tmp_path: Path, command: str) -> None:
    roots, config = tmp_path / "roots.pem", tmp_path / "sluice.yaml"
    roots.write_text("no roots")
    config.write_text(json.dumps({"servers": {"far": {"url": "https://127.0.0.1:1/", "tls": {"ca": str(roots)}}}}))
    outcome = subprocess.run(
        [binary(), command, "--config", str(config)], capture_output=True, text=True, timeout=20
    )
    assert outcome.returncode == 2, outcome.stderr
    assert f"{config}:1:" in outcome.stderr and f"cannot read root certificates from '{roots}'" in outcome.stderr


# Clients that do not read, or slowly.


def echo_request(text: str) -> bytes:
    call = modern("tools/call", {"name": "echo", "arguments": {"text": text}})
    headers = {"Accept": BOTH_TYPES, "Content-Type": "application/json", **modern_headers(call)}
    return request("POST", "/mcp", headers, json.dumps(call).encode())


CANARY = b"canary-of-somebody-else"


def send_secrets(port: int, context: ssl.SSLContext, over: threading.Event) -> None:
    """What others must not learn, in heads that the gateway keeps until they are whole."""
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    fields = b"".join(b"X-%d: Bearer %s\r\n" % (number, CANARY) for number in range(48))
    while not over.is_set():
        with socket.create_connection(("127.0.0.1", port), 20) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                for _ in range(20):
                    secure.sendall(head + fields)
                    time.sleep(0.001)
                    secure.sendall(b"\r\n")
                    assert secure.recv(65536)


@pytest.mark.parametrize("rounds", [1, pytest.param(50, marks=[pytest.mark.heavy, pytest.mark.timeout(900)])])
@pytest.mark.parametrize("version", [12, 13])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_client_that_pesters_and_does_not_read_learns_nothing_and_takes_little(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]],
    workers: int, version: int, rounds: int,
) -> None:
    """4,200 key updates that ask for one, or questions for another handshake, behind a request with a long answer."""
    gateway = make_gateway(settings=listener(pair(certificates["server"])), workers=workers)
    # More than the kernel takes, so that a write is under way all the time.
    text, over = "x" * 3_900_000, threading.Event()
    others = [
        threading.Thread(target=send_secrets, args=(gateway.port, authority.client_context(), over)) for _ in range(2)
    ]
    for thread in others:
        thread.start()

    def pester(times: int) -> tuple[int, int]:
        """Bytes that the gateway holds more when it was pestered, and how many of the answer came."""
        peer = TLSPeer(gateway.port, authority.ca, version, window=2048)
        try:
            peer.send(echo_request(text))
            assert select.select([peer.socket], [], [], 20)[0]
            time.sleep(0.2)
            before = private_bytes(gateway.pid)
            try:
                for _ in range(times // 20):
                    for _ in range(20):
                        peer.pester(version)
                    peer.flush()
            except OSError:
                pass  # it was sent away
            time.sleep(0.1)
            held, came = private_bytes(gateway.pid) - before, 0
            while came < len(text) and not peer.error and select.select([peer.socket], [], [], 3)[0] and peer.receive():
                came += peer.read().count(b"x")
            assert CANARY not in peer.raw
            assert peer.error in ("", "no renegotiation"), "a record that is none of this connection's"
            return held, came
        finally:
            peer.close()

    try:
        # As often as is allowed: the answer is whole, or with TLS 1.2 whole until the client reads that it was refused.
        assert pester(20)[1] > (len(text) if version == 13 else 1000) - 1
        before = private_bytes(gateway.pid)
        assert max(pester(4200)[0] for _ in range(rounds)) < 1 << 20
        assert eventually(lambda: private_bytes(gateway.pid) < before + (1 << 20), 20)
        if version == 13:
            name = "sluice_tls_restless_connections_total"
            cut = sum(gateway.metric(f'{name}{{worker="{worker}"}}') for worker in range(workers))
            assert cut == rounds and gateway.metric(name + '{worker="control"}') == 0
    finally:
        over.set()
        for thread in others:
            thread.join()
    assert "echo" in SecureSession(gateway.port, authority.client_context()).tools()


def unsent(peer: TLSPeer) -> int:
    """Bytes that the kernel has taken from the gateway for this peer, and that have not arrived."""
    here = f"{peer.socket.getsockname()[1]:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return next(int(line.split()[4].split(":")[0], 16) for line in lines if line.split()[2].endswith(":" + here))


@pytest.mark.parametrize("end", ["drain", "half-close", "last"])
@pytest.mark.parametrize("pause", [0, pytest.param(0.1, marks=[pytest.mark.heavy, pytest.mark.timeout(300)])])
@pytest.mark.parametrize("version", [13, pytest.param(12, marks=pytest.mark.heavy)])
def test_answers_that_were_given_arrive_whole_whatever_ends_the_connection(
    make_gateway: Callable[..., Gateway], authority: Authority, certificates: dict[str, tuple[Path, Path]],
    version: int, pause: float, end: str,
) -> None:
    """To a client that reads nothing before the end begins: of the last answer the kernel has taken only a part."""
    gateway = make_gateway(settings=listener(pair(certificates["server"])))
    text = "x" * 40_000
    peer = TLSPeer(gateway.port, authority.ca, version, window=4096)
    try:
        answers, taken = 0, 0
        while True:
            peer.send(echo_request(text))
            answers += 1
            if not eventually(lambda: unsent(peer) >= taken + 30_000, 0.3, 0.001):
                break
            taken = unsent(peer)
        if end == "last":
            peer.send(b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        elif end == "half-close":
            peer.part()
        else:
            gateway.child.process.send_signal(signal.SIGTERM)
            assert eventually(lambda: "draining" in gateway.log, 20)
            time.sleep(1)  # so that the time of grace is over
        for _ in range(200 if pause else 0):
            assert peer.receive(1024)
            time.sleep(pause)
        got = b""
        while peer.receive():
            got += peer.read()
        assert (got.count(text.encode()), peer.error) == (answers, "")
        assert peer.was_told_goodbye
    finally:
        peer.close()
    if end == "drain":
        assert gateway.child.process.wait(20) == 0

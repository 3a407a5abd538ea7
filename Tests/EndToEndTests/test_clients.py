"""Other ways in: fastmcp's clients, the stdio bridge, the built-in demonstration; and https upstreams."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import features
import pytest

from harness.client import ANSWERS, Driver, text_of
from harness.conversation import CLIENTS, MODERN
from harness.gateway import Gateway
from harness.paths import binary, python
from harness.processes import eventually
from harness.upstreams import HTTPUpstream, reference_command
from harness.wire import LegacySession, rpc

Drivers = Callable[[str], Driver]


@pytest.mark.parametrize("mode", ["auto", "legacy", MODERN])
@pytest.mark.parametrize("alias", ["v2http", "v2stdio", "v1http", "v1stdio"])
def test_fastmcp_clients_work(
    shared_gateway: Callable[[int], Gateway], drivers: Drivers, mode: str, alias: str
) -> None:
    trace = drivers("fastmcp").run(
        shared_gateway(3).alias_url(alias),
        "lists",
        ("call", {"name": "add", "arguments": {"a": 20, "b": 22}}),
        ("structured=call", {"name": "structured"}),
        "progress",
        ("read", {"uri": "ref://notes/welcome"}),
        ("prompt", {"name": "haiku", "arguments": {"topic": "ice"}}),
        ("complete", {"ref": {"type": "ref/prompt", "name": "haiku"}, "argument": "topic", "value": "ti"}),
        ("elicit=ask", {"name": "elicit_form"}),
        ("error_result=call", {"name": "error_result"}),
        mode=mode,
        answers=ANSWERS,
    )
    modern = mode != "legacy"
    assert trace.opened["protocolVersion"] == (MODERN if modern else "2025-11-25")
    assert [tool["name"] for tool in trace.value("lists")["tools"]["entries"]] == [
        tool["name"] for tool in features.TOOLS
    ]
    assert text_of(trace.value("call")["result"]) == "42"
    assert trace.value("structured")["result"]["structuredContent"]["city"] == "Ōsaka"
    assert [report[0] for report in trace.value("progress")["reports"]] == [1, 2, 3]
    assert trace.value("read")["contents"][0]["text"].startswith("Welcome")
    assert "ice" in trace.value("prompt")["messages"][0]["content"]["text"]
    assert trace.value("complete")["completion"]["values"] == ["tide"]
    assert trace.value("error_result")["result"]["isError"]
    if not modern or alias.startswith("v2"):
        assert trace.value("elicit")["result"]["structuredContent"]["content"]["name"] == "Ada"
    assert "closing" not in trace.raw, trace.raw


@pytest.mark.parametrize(("sdk", "mode"), CLIENTS, ids=str)
def test_connect_is_a_bridge_for_clients_that_speak_stdio(
    shared_gateway: Callable[[int], Gateway], drivers: Drivers, sdk: str, mode: str
) -> None:
    target = {"command": [binary(), "connect", shared_gateway(3).alias_url("v1http")]}
    trace = drivers(sdk).run(
        target,
        "tools",
        ("call", {"name": "echo", "arguments": {"text": "over the bridge"}}),
        "progress",
        ("long_argument", {}),
        ("list_change", {"name": f"bridged_{sdk}_{mode}".replace("-", "")}),
        mode=mode,
    )
    assert trace.value("tools")["names"] == [tool["name"] for tool in features.TOOLS]
    assert text_of(trace.value("call")["result"]) == "over the bridge"
    assert [report[0] for report in trace.value("progress")["reports"]] == [1, 2, 3]
    assert text_of(trace.value("long_argument")) == str(1 << 20)
    assert trace.value("list_change")["told"]


def test_connect_to_nobody_ends_with_a_word(folder: Path) -> None:
    message = json.dumps(rpc("ping")) + "\n"
    result = subprocess.run(
        [binary(), "connect", "http://127.0.0.1:9/mcp"], input=message, capture_output=True, text=True, timeout=30
    )
    assert "127.0.0.1:9" in result.stderr or '"error"' in result.stdout, result


@pytest.mark.parametrize(("sdk", "mode"), CLIENTS, ids=str)
def test_without_a_configuration_the_demonstration_is_served(
    make_gateway: Callable[..., Gateway], drivers: Drivers, sdk: str, mode: str
) -> None:
    gateway = make_gateway()
    trace = drivers(sdk).run(gateway.url, "lists", mode=mode, answers=ANSWERS)
    found = trace.value("lists")
    names = [tool["name"] for tool in found["tools"]["entries"]]
    assert {"echo", "add"} <= set(names), names
    assert len(names) >= 8 and len(found["resources"]["entries"]) >= 2 and len(found["prompts"]["entries"]) >= 1
    for tool in found["tools"]["entries"]:
        assert tool["description"] and tool["inputSchema"]["type"] == "object", tool
    prompt = found["prompts"]["entries"][0]
    calls: list[Any] = [("add=call", {"name": "add", "arguments": {"a": 2, "b": 3}})]
    calls += [(f"{entry['uri']}=read", {"uri": entry["uri"]}) for entry in found["resources"]["entries"]]
    calls += [
        (
            "prompt",
            {"name": prompt["name"], "arguments": {argument["name"]: "x" for argument in prompt.get("arguments", [])}},
        )
    ]
    again = drivers(sdk).run(gateway.url, *calls, mode=mode, answers=ANSWERS)
    assert "5" in text_of(again.value("add")["result"])
    for entry in found["resources"]["entries"]:
        assert again.value(entry["uri"])["contents"]
    assert again.value("prompt")["messages"]


def test_the_start_says_where_it_serves(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    assert gateway.says(f"127.0.0.1:{gateway.port}/mcp")


# --- https upstreams -------------------------------------------------------------------------------------------------

MAKE_CERTIFICATES = """
import datetime, ipaddress, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

def name(text): return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
def key(): return ec.generate_private_key(ec.SECP256R1())
def write(path, data):
    with open(sys.argv[1] + '/' + path, 'wb') as file: file.write(data)

now = datetime.datetime.now(datetime.timezone.utc)
authority = key()
def certificate(subject, public, names=None):
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name('e2e authority'))
        .public_key(public).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True))
    if names: builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

write('ca.pem', certificate('e2e authority', authority.public_key()))
for host, names in (('right', [x509.DNSName('localhost'), x509.IPAddress(ipaddress.ip_address('127.0.0.1'))]), ('wrong', [x509.DNSName('elsewhere.example')])):
    own = key()
    write(host + '.pem', certificate(host, own.public_key(), names))
    write(host + '.key', own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
"""


@pytest.fixture(scope="module")
def certificates(folder: Path) -> Path:
    path = folder / "certificates"
    path.mkdir()
    subprocess.run([python("mcp-v1"), "-c", MAKE_CERTIFICATES, str(path)], check=True)
    return path


@pytest.mark.parametrize("generation", ["v1", "v2"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_https_upstreams_are_verified_against_the_given_authority(
    make_gateway: Callable[..., Gateway],
    make_upstream: Callable[..., HTTPUpstream],
    certificates: Path,
    generation: str,
    host: str,
) -> None:
    command = reference_command(
        generation, "--cert", str(certificates / "right.pem"), "--key", str(certificates / "right.key")
    )
    upstream = make_upstream(command, name="tls")
    url = f"https://{host}:{upstream.port}/mcp"
    servers = {"secure": {"url": url, "tls": {"ca": str(certificates / "ca.pem")}}}
    gateway = make_gateway(settings={"servers": servers}, workers=2)
    session = LegacySession(gateway.port)
    for number in range(5):
        assert session.call("echo", {"text": str(number)}).message["result"]["content"][0]["text"] == str(number)
    big = session.call("big", {"bytes": 2 << 20}, timeout=30).message["result"]["content"][0]["text"]
    assert len(big) == 2 << 20
    reports = session.call("slow", {"steps": 3}, meta={"progressToken": 1}).messages()
    assert len(reports) == 4


@pytest.mark.parametrize(
    ("certificate", "authority"), [("right", None), ("wrong", "ca.pem")], ids=["unknown-authority", "wrong-host"]
)
def test_https_upstreams_that_cannot_be_verified_are_refused(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream], references: dict[str, HTTPUpstream],
    certificates: Path, certificate: str, authority: str | None,
) -> None:  # fmt: skip
    command = reference_command(
        "v1", "--cert", str(certificates / f"{certificate}.pem"), "--key", str(certificates / f"{certificate}.key")
    )
    upstream = make_upstream(command, name="badtls")
    entry: dict[str, Any] = {"url": f"https://localhost:{upstream.port}/mcp"}
    if authority:
        entry["tls"] = {"ca": str(certificates / authority)}
    gateway = make_gateway(settings={"servers": {"secure": entry, "plain": references["v1http"].entry()}})
    error = LegacySession(gateway.port).call("secure__echo", {"text": "x"}).message["error"]
    assert error["code"] == -32603 and "secure" in json.dumps(error)
    assert eventually(lambda: "certificate" in gateway.log.lower()), "the log does not say why"

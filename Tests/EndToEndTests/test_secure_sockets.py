"""The conversation of the matrix by `wss`: the SDK's WebSocket client, over TLS.

What is below WebSocket differs from the matrix, so a modern server and a legacy one are enough; the others with `-m heavy`.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from harness.certificates import Authority
from harness.client import Driver, Trace
from harness.conversation import CHECKS, SOCKET_PAIRINGS, Pairing, conversation, options
from harness.gateway import Gateway
from harness.wire import rpc

ORDINARY = {"v2stdio", "v1ws"}
PAIRINGS = [
    pytest.param(pairing, id=str(pairing), marks=() if pairing.server in ORDINARY else pytest.mark.heavy)
    for pairing in SOCKET_PAIRINGS
    if pairing.over_socket
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def gateway(entries: dict[str, Any], authority: Authority, folder: Path) -> Iterator[Gateway]:
    cert, key = authority.issue("server", "/CN=server", "DNS:localhost,IP:127.0.0.1")
    settings = {"listeners": {"websocket": {"tls": {"cert": str(cert), "key": str(key)}}}}
    gateway = Gateway(folder, entries, workers=3, settings=settings)
    gateway.wait_for(*entries)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def trace_of(gateway: Gateway, authority: Authority, folder: Path) -> Iterator[Callable[[Pairing], Trace]]:
    traces: dict[Pairing, Trace] = {}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(authority.ca))
        driver = Driver("v1", folder)

    def of(pairing: Pairing) -> Trace:
        if pairing not in traces:
            target = {"ws": f"wss://localhost:{gateway.websocket_port}/mcp/{pairing.server}/ws"}
            traces[pairing] = driver.run(target, *conversation(f"wss{len(traces)}"), **options(pairing))
        return traces[pairing]

    yield of
    driver.close()


@pytest.mark.parametrize("feature", CHECKS)
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_feature(pairing: Pairing, feature: str, trace_of: Callable[[Pairing], Trace]) -> None:
    CHECKS[feature](trace_of(pairing), pairing)


def test_a_large_result_comes_whole(gateway: Gateway, authority: Authority) -> None:
    url = f"wss://localhost:{gateway.websocket_port}/mcp/v2http/ws"
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}}
    with connect(url, ssl=ssl.create_default_context(cafile=authority.ca), max_size=None, subprotocols=["mcp"]) as web:
        web.send(json.dumps(rpc("initialize", hello, 0)))
        assert json.loads(web.recv())["id"] == 0
        web.send(json.dumps(rpc("tools/call", {"name": "big", "arguments": {"bytes": 4 << 20}})))
        answer = json.loads(web.recv())
    assert answer["id"] == 1
    assert len(answer["result"]["content"][0]["text"]) == 4 << 20

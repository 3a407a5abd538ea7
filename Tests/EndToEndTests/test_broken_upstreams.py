"""200 upstreams of which 20 hang and 20 refuse connections: the others' lists are whole and wait for none of these. How long
lists and a start take is measured by `Benchmarks/broken-upstreams`."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import pytest

from harness.gateway import Gateway
from harness.handled import HandledUpstream
from harness.wire import Connection, LegacySession, modern, modern_headers, post_modern, request, rpc

WELL = [f"w{number:03}" for number in range(160)]
NAMES = [f"{alias}__do" for alias in WELL]


@pytest.fixture
def well() -> Iterator[HandledUpstream]:
    """All servers that are well: one that is reached by many paths."""
    with HandledUpstream() as upstream:
        yield upstream


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway], well: HandledUpstream) -> Iterator[Gateway]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        hanging, refusing = silent.getsockname()[1], closed.getsockname()[1]
        servers = {alias: {"url": f"{well.url()}/{alias}"} for alias in WELL}
        servers |= {f"h{number}": {"url": f"http://127.0.0.1:{hanging}/{number}"} for number in range(20)}
        servers |= {f"r{number}": {"url": f"http://127.0.0.1:{refusing}/{number}"} for number in range(20)}
        # Those that hang are known as such only when this test is over, and a start that waited for them would not end before.
        settings = {"servers": servers, "first_list_wait": "20s", "limits": {"probe_timeout": "10m"}}
        yield make_gateway(settings=settings, workers=2, wait=False)


def names(message: dict) -> list[str]:
    return [tool["name"] for tool in message["result"]["tools"]]


def test_lists_are_whole_and_wait_for_no_server_that_is_broken(gateway: Gateway, well: HandledUpstream) -> None:
    gateway.wait_ready(15)
    assert names(post_modern(gateway.port, modern("tools/list")).message) == NAMES
    asked = well.methods.count("tools/list")
    assert asked == len(WELL)
    session = LegacySession(gateway.port)
    message = modern("tools/list")
    ask = request("POST", "/mcp", {**modern_headers(message)}, json.dumps(message).encode(), port=gateway.port)
    with Connection(gateway.port) as one, Connection(gateway.port) as other:
        for _ in range(50):
            assert names(one.exchange(ask).message) == NAMES
            assert names(other.exchange(session.bytes_of(rpc("tools/list"))).message) == NAMES
    assert well.methods.count("tools/list") == asked, "lists are not fetched because somebody asks for them"
    # And calls find their way.
    assert session.call(NAMES[0]).message["result"]["content"][0]["text"] == "done"

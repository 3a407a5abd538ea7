"""Which of a server's endpoints calls go to: each has its share, and what belongs together stays together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.certificates import Authority
from harness.counted import CountedUpstream
from harness.gateway import Gateway
from harness.processes import eventually
from harness.wire import BOTH_TYPES, Connection, LegacySession, modern, modern_headers, post_modern, request

Start = Callable[..., Gateway]
WEIGHTS = (1, 2, 3)


@pytest.fixture
def endpoints() -> Iterator[list[CountedUpstream]]:
    with ExitStack() as stack:
        yield [stack.enter_context(CountedUpstream()) for _ in WEIGHTS]


@pytest.fixture
def start(make_gateway: Callable[..., Gateway], endpoints: list[CountedUpstream]) -> Start:
    """A gateway before these endpoints, where each call is for itself: everybody shares the conversation with each."""

    def start(weights: tuple[int, ...] = (1, 1, 1), workers: int = 1, more: Any = None, **routing: Any) -> Gateway:
        urls = [{"url": endpoint.url, "weight": weight} for endpoint, weight in zip(endpoints, weights)]
        server = {"endpoints": urls, "era": "legacy", "isolation": "shared"}
        routing = {"outliers": {"slow_start": "0s"}, "health_check_interval": "10m", **routing}
        gateway = make_gateway(settings={"servers": {"s": server}, "routing": routing, **(more or {})}, workers=workers)
        gateway.wait_for("s") if more is None else gateway.wait_ready()
        return gateway

    return start


def do(gateway: Gateway, tag: str, headers: dict[str, str | None] | None = None, tool: str = "do") -> None:
    message = modern("tools/call", {"name": tool, "arguments": {"tag": tag}})
    answer = post_modern(gateway.port, message, headers, timeout=30).message
    assert answer["result"]["content"][0]["text"] == tag


def places(endpoints: list[CountedUpstream]) -> dict[str, set[int]]:
    """Where the calls of each tag went."""
    found: dict[str, set[int]] = {}
    for place, endpoint in enumerate(endpoints):
        for tag in endpoint.tags:
            found.setdefault(tag, set()).add(place)
    return found


# --- shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(1, 1, 1), WEIGHTS])
def test_in_turn_each_gets_as_many_as_its_weight_says(
    start: Start, endpoints: list[CountedUpstream], weights: tuple[int, ...]
) -> None:
    gateway = start(weights, algorithm="round_robin")
    turns = 12
    for number in range(turns * sum(weights)):
        do(gateway, f"{number}")
    assert [len(endpoint.calls) for endpoint in endpoints] == [turns * weight for weight in weights]


@pytest.mark.parametrize("weights", [(1, 1, 1), WEIGHTS])
def test_by_load_each_has_as_many_under_way_as_its_weight_says(
    start: Start, endpoints: list[CountedUpstream], weights: tuple[int, ...]
) -> None:
    gateway = start(weights, algorithm="least_request")

    def under_way() -> int:
        return sum(len(endpoint.calls) for endpoint in endpoints)

    count = 4 * sum(weights)
    with ThreadPoolExecutor(count + 1) as pool:
        calls = []
        for number in range(count):
            calls.append(pool.submit(do, gateway, f"{number}", None, "hold"))
            assert eventually(lambda number=number: under_way() == number + 1)
        assert [len(endpoint.calls) for endpoint in endpoints] == [4 * weight for weight in weights]
        # Who has none any more gets the next ones.
        for call in list(endpoints[0].calls):
            call.answer()
        assert eventually(lambda: sum(call.done() for call in calls) == 4 * weights[0])
        before = len(endpoints[0].calls)
        do(gateway, "next")
        assert len(endpoints[0].calls) == before + 1
        for endpoint in endpoints[1:]:
            for call in list(endpoint.calls):
                call.answer()
        for call in calls:
            call.result(10)


# --- affinity --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_one_session_stays_at_one_endpoint(start: Start, endpoints: list[CountedUpstream], workers: int) -> None:
    gateway = start(workers=workers)
    sessions = [LegacySession(gateway.port) for _ in range(40)]
    for _ in range(3):
        for session in sessions:
            assert "result" in session.call("do", {"tag": session.id}).message
    found = places(endpoints)
    assert len(found) == 40 and all(len(where) == 1 for where in found.values())
    assert set.union(*found.values()) == {0, 1, 2}


def check_keys(endpoints: list[CountedUpstream], keys: list[str]) -> None:
    """Calls of one key met one endpoint, and not all keys the same."""
    found = places(endpoints)
    assert sorted(found) == sorted(keys)
    assert all(len(where) == 1 for where in found.values()), found
    assert len(set.union(*found.values())) > 1, found


KEYS = [f"key {number}" for number in range(24)]


def test_what_has_one_header_stays_at_one_endpoint(start: Start, endpoints: list[CountedUpstream]) -> None:
    gateway = start(workers=3, key="header:x-tenant")
    for _ in range(3):
        for key in KEYS:
            do(gateway, key, {"X-Tenant": key})
    check_keys(endpoints, KEYS)


def test_what_has_one_argument_stays_at_one_endpoint(start: Start, endpoints: list[CountedUpstream]) -> None:
    gateway = start(workers=3, key="argument:tag")
    for _ in range(3):
        for key in KEYS:
            do(gateway, key)
    check_keys(endpoints, KEYS)


def test_a_client_stays_at_one_endpoint(start: Start, endpoints: list[CountedUpstream]) -> None:
    gateway = start(workers=3, key="client")
    addresses = [f"127.0.0.{number}" for number in range(2, 26)]
    for _ in range(3):
        for address in addresses:
            message = modern("tools/call", {"name": "do", "arguments": {"tag": address}})
            body = json.dumps(message).encode()
            with Connection(gateway.port, source=address) as connection:
                ask = request("POST", "/mcp", dict(modern_headers(message)), body, port=gateway.port)
                assert "result" in connection.exchange(ask).message
    check_keys(endpoints, addresses)


def test_a_principal_stays_at_one_endpoint(start: Start, endpoints: list[CountedUpstream], tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    cert, key = authority.issue("server", "/CN=server", "DNS:localhost")
    tls = {"cert": str(cert), "key": str(key), "client_ca": str(authority.ca), "client_auth": "required"}
    listeners = {"http": {"allowed_hosts": ["*"], "tls": tls}}
    gateway = start(workers=3, key="principal", more={"listeners": listeners})
    names = [f"P{number}" for number in range(12)]
    contexts = {name: authority.client_context(authority.issue(name, f"/CN={name}")) for name in names}
    for _ in range(3):
        for name, context in contexts.items():
            message = modern("tools/call", {"name": "do", "arguments": {"tag": name}})
            headers = {"Accept": BOTH_TYPES, **modern_headers(message)}
            answer = httpx.post(f"https://localhost:{gateway.port}/mcp", json=message, headers=headers, verify=context)
            assert "result" in answer.json(), answer.text
    check_keys(endpoints, names)


def test_a_key_that_is_hot_meets_the_others_rather_than_waiting(start: Start, endpoints: list[CountedUpstream]) -> None:
    """No endpoint has more than 1.25 times the mean under way while others are well."""
    gateway = start(key="argument:tag")
    with ThreadPoolExecutor(13) as pool:
        calls = []
        for number in range(12):
            calls.append(pool.submit(do, gateway, "hot", None, "hold"))
            assert eventually(lambda number=number: sum(len(one.calls) for one in endpoints) == number + 1)
        counts = Counter({place: len(endpoint.calls) for place, endpoint in enumerate(endpoints)})
        assert max(counts.values()) <= 5 and min(counts.values()) >= 2, counts
        for endpoint in endpoints:
            for call in list(endpoint.calls):
                call.answer()
        for call in calls:
            call.result(10)

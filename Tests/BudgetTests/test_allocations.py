"""How often a proxied call may ask the allocator for memory, once the gateway is warm."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from conftest import Client

BUDGET = 2.0
CALLS = 2000


@pytest.mark.parametrize(
    ("era", "servers", "tool"),
    [
        ("legacy", {"one": "legacy"}, "echo"),
        ("modern", {"one": "modern"}, "echo"),
        ("legacy", {"one": "legacy", "two": "legacy"}, "two__echo"),
    ],
    ids=["legacy session", "modern", "renamed tool of two upstreams"],
)
def test_a_call_in_the_steady_state_stays_within_two_allocations(
    gateway: Callable[..., Any], era: str, servers: dict[str, str], tool: str
) -> None:
    running = gateway(servers, counting=True)
    client = Client(running.port, era, tool)
    if era == "legacy":
        client.initialize()
    for _ in range(300):
        client.call()
    before = running.allocations
    for _ in range(CALLS):
        client.call()
    per_call = (running.allocations - before) / CALLS
    print(f"{per_call:.3f} allocations per call")
    assert per_call <= BUDGET

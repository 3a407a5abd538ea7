"""The baseline: clients and reference servers without a gateway between them. It tells what an SDK does, not what Sluice does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.client import Driver, Trace
from harness.conversation import CHECKS, MODERN, Pairing, conversation, options
from harness.upstreams import HTTPUpstream, reference_command

pytestmark = pytest.mark.heavy

# Without a gateway an era is what both sides speak; a pinned modern client needs a modern server.
DIRECT = [
    Pairing("v2", "auto", "v2stdio", True),
    Pairing("v2", "auto", "v2http", True),
    Pairing("v2", MODERN, "v2http", True),
    Pairing("v2", "legacy", "v2http", False),
    Pairing("v2", "legacy", "v2sse", False),
    Pairing("v2", "legacy", "v1http", False),
    Pairing("v1", "legacy", "v1stdio", False),
    Pairing("v1", "legacy", "v1http", False),
    Pairing("v1", "legacy", "v1sse", False),
    Pairing("v1", "legacy", "v2http", False),
]


@pytest.fixture(scope="module")
def trace_of(drivers: Callable[[str], Driver], references: dict[str, HTTPUpstream]) -> Callable[[Pairing], Trace]:
    traces: dict[Pairing, Trace] = {}

    def target(server: str) -> dict[str, Any]:
        if server.endswith("stdio"):
            return {"command": reference_command(server[:2])}
        return {"sse" if server.endswith("sse") else "url": references[server].url}

    def of(pairing: Pairing) -> Trace:
        if pairing not in traces:
            tag = f"direct{len(traces)}"
            job = conversation(tag)
            traces[pairing] = drivers(pairing.client).run(target(pairing.server), *job, **options(pairing))
        return traces[pairing]

    return of


@pytest.mark.parametrize("feature", CHECKS)
@pytest.mark.parametrize("pairing", DIRECT, ids=str)
def test_feature_without_a_gateway(pairing: Pairing, feature: str, trace_of: Callable[[Pairing], Trace]) -> None:
    CHECKS[feature](trace_of(pairing), pairing)

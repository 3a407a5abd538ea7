"""The stdio bridge: `sluice connect` between a client that speaks stdio and a server that speaks HTTP.

What `test_direct.py` finds right over HTTP has to be right through the bridge too.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.client import Driver, Trace
from harness.conversation import CHECKS, MODERN, Pairing, conversation, options
from harness.paths import binary
from harness.upstreams import HTTPUpstream

BRIDGED = [
    Pairing("v2", "auto", "v2http", True),
    Pairing("v2", MODERN, "v2http", True),
    Pairing("v2", "legacy", "v2http", False),
    Pairing("v1", "legacy", "v1http", False),
    Pairing("v1", "legacy", "v2http", False),
]


@pytest.fixture(scope="module")
def trace_of(drivers: Callable[[str], Driver], references: dict[str, HTTPUpstream]) -> Callable[[Pairing], Trace]:
    traces: dict[Pairing, Trace] = {}

    def of(pairing: Pairing) -> Trace:
        if pairing not in traces:
            job = conversation(f"bridged{len(traces)}")
            target = {"command": [binary(), "connect", references[pairing.server].url]}
            traces[pairing] = drivers(pairing.client).run(target, *job, **options(pairing))
        return traces[pairing]

    return of


@pytest.mark.parametrize("feature", CHECKS)
@pytest.mark.parametrize("pairing", BRIDGED, ids=str)
def test_feature_over_the_bridge(pairing: Pairing, feature: str, trace_of: Callable[[Pairing], Trace]) -> None:
    CHECKS[feature](trace_of(pairing), pairing)

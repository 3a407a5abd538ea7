"""Every client against every server through the gateway: each era, each transport, one worker and three."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.client import Driver, Trace
from harness.conversation import CHECKS, PAIRINGS, SOCKET_PAIRINGS, Pairing, conversation, options
from harness.gateway import Gateway


@pytest.fixture(scope="module")
def trace_of(
    drivers: Callable[[str], Driver], shared_gateway: Callable[[int], Gateway]
) -> Callable[[Pairing, int], Trace]:
    traces: dict[tuple[Pairing, int], Trace] = {}

    def of(pairing: Pairing, workers: int) -> Trace:
        if (pairing, workers) not in traces:
            job = conversation(f"matrix{len(traces)}")
            gateway = shared_gateway(workers)
            target = {"ws": gateway.socket_url(pairing.server)}
            if not pairing.over_socket:
                target = {"url": gateway.alias_url(pairing.server)}
            traces[pairing, workers] = drivers(pairing.client).run(target, *job, **options(pairing))
        return traces[pairing, workers]

    return of


@pytest.mark.parametrize("feature", CHECKS)
@pytest.mark.parametrize("pairing", PAIRINGS + SOCKET_PAIRINGS, ids=str)
@pytest.mark.parametrize("workers", [1, 3], ids=["1worker", "3workers"])
def test_feature(workers: int, pairing: Pairing, feature: str, trace_of: Callable[[Pairing, int], Trace]) -> None:
    CHECKS[feature](trace_of(pairing, workers), pairing)

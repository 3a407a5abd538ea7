"""Every client against every server through the gateway: each era, each transport, one worker and three.

One pairing of each kind is always tried, the others with `-m heavy`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.client import Driver, Trace
from harness.conversation import CHECKS, ORDINARY, ORDINARY_ALONE, PAIRINGS, SOCKET_PAIRINGS, Pairing, conversation, options
from harness.gateway import Gateway


def case(workers: int, pairing: Pairing) -> object:
    is_ordinary = str(pairing) in {1: ORDINARY_ALONE, 3: ORDINARY}[workers]
    name = f"{workers}worker{'s' if workers > 1 else ''}-{pairing}"
    return pytest.param(workers, pairing, id=name, marks=() if is_ordinary else pytest.mark.heavy)


CASES = [case(workers, pairing) for workers in (1, 3) for pairing in PAIRINGS + SOCKET_PAIRINGS]


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
@pytest.mark.parametrize(("workers", "pairing"), CASES)
def test_feature(workers: int, pairing: Pairing, feature: str, trace_of: Callable[[Pairing, int], Trace]) -> None:
    CHECKS[feature](trace_of(pairing, workers), pairing)

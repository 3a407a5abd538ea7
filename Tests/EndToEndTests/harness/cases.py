"""Which cases of a test are always tried."""

from __future__ import annotations

from typing import Any

import pytest


def heavy(*cases: Any) -> list[Any]:
    """Further cases of a rule that the Swift tests hold for each of them, on whole workers without a socket: tried with
    `-m heavy`. A case of several arguments is a tuple."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.heavy) for case in cases]

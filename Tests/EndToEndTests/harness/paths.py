"""Where things are."""

from __future__ import annotations

import os
from pathlib import Path

SUITE = Path(__file__).resolve().parent.parent
ROOT = SUITE.parent.parent
DRIVERS = SUITE / "drivers"
VENVS = Path(os.environ.get("SLUICE_VENVS", ROOT / ".build" / "venvs"))


def python(environment: str) -> str:
    """The interpreter of one of the environments made from `requirements/`."""
    path = VENVS / environment / "bin" / "python"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; see {SUITE / 'README.md'}")
    return str(path)


def binary() -> str:
    """The gateway under test: SLUICE_BIN, else the release build, else the debug build."""
    chosen = os.environ.get("SLUICE_BIN")
    candidates = [Path(chosen)] if chosen else [ROOT / ".build" / kind / "sluice" for kind in ("release", "debug")]
    for path in candidates:
        if path.exists():
            return str(path.resolve())
    raise FileNotFoundError(f"no gateway at {' or '.join(map(str, candidates))}; build it or set SLUICE_BIN")

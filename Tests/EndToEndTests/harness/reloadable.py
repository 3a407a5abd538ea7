"""A gateway that is told to read its configuration again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.gateway import Gateway
from harness.processes import eventually


class Reloadable:
    """A gateway whose file is written anew."""

    def __init__(self, make: Callable[..., Gateway], settings: dict[str, Any], **options: Any) -> None:
        self.gateway = make(settings=settings, **options)
        self.path = Path(self.gateway.command[self.gateway.command.index("--config") + 1])
        self.loads = 0

    def hang_up(self, settings: dict[str, Any] | str | None = None, *, word: str = "configuration loaded") -> str:
        """SIGHUP with that file; the log since then, once it holds the word."""
        if settings is not None:
            self.path.write_text(settings if isinstance(settings, str) else json.dumps(settings))
        before = len(self.gateway.log)
        self.gateway.child.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: word in self.gateway.log[before:], 15), self.gateway.log[-3000:]
        return self.gateway.log[before:]

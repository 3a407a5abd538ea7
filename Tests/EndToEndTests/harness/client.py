"""Client drivers: one long-lived process per SDK, fed with jobs."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from harness.paths import DRIVERS, python

DRIVER_ENVIRONMENTS = {"v1": "mcp-v1", "v2": "mcp-v2", "fastmcp": "fastmcp"}
ANSWERS = {
    "elicitation": {"action": "accept", "content": {"name": "Ada", "age": 36, "size": "m"}},
    "sampling": {"role": "assistant", "content": {"type": "text", "text": "the model says hi"}, "model": "e2e-model"},
    "roots": {"roots": [{"uri": "file:///tmp/work", "name": "work"}]},
}
Scenario = str | tuple[str, dict[str, Any]]


class Driver:
    """A driver process. Jobs may overlap; each is answered once."""

    def __init__(self, sdk: str, folder: Path) -> None:
        self.sdk, self.log = sdk, folder / f"client-{sdk}.log"
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                [python(DRIVER_ENVIRONMENTS[sdk]), str(DRIVERS / f"client_{sdk}.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.numbers = itertools.count(1)
        self.waiting: dict[int, queue.Queue[Any]] = {}
        self.lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            self.waiting.pop(answer["id"]).put(answer["trace"])
        for box in list(self.waiting.values()):
            box.put(None)

    def start(self, target: dict[str, Any] | str, *scenarios: Scenario, **options: Any) -> queue.Queue[Any]:
        """Hands a job over; the trace comes out of the queue."""
        number = next(self.numbers)
        pairs = [(entry, {}) if isinstance(entry, str) else entry for entry in scenarios]
        where = {"url": target} if isinstance(target, str) else target
        job = {"id": number, "target": where, "scenarios": pairs, **options}
        box: queue.Queue[Any] = queue.Queue()
        self.waiting[number] = box
        assert self.process.stdin is not None
        with self.lock:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        return box

    def run(self, target: dict[str, Any] | str, *scenarios: Scenario, seconds: float = 120, **options: Any) -> Trace:
        return Trace(self.finish(self.start(target, *scenarios, **options), seconds))

    def finish(self, box: queue.Queue[Any], seconds: float = 120) -> Any:
        answer = box.get(timeout=seconds)
        assert answer is not None, f"the {self.sdk} driver ended:\n{self.log.read_text(errors='replace')[-3000:]}"
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Trace:
    """What one conversation brought, scenario by scenario."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    @property
    def opened(self) -> dict[str, Any]:
        assert "failure" not in self.raw["opened"], f"the session did not open: {self.raw['opened']}"
        return self.raw["opened"]

    def value(self, name: str) -> Any:
        """The scenario's value; anything else fails the test."""
        _ = self.opened
        outcome = self.raw[name]
        assert "value" in outcome, f"{name}: {outcome}"
        return outcome["value"]

    def error(self, name: str) -> dict[str, Any]:
        """The JSON-RPC error that ended the scenario."""
        _ = self.opened
        outcome = self.raw[name]
        assert "error" in outcome, f"{name} was no JSON-RPC error: {outcome}"
        return outcome["error"]

    @property
    def clients(self) -> list[Trace]:
        return [Trace(raw) for raw in self.raw["clients"]]


def text_of(result: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in result["content"])

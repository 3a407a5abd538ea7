"""Runs of the load generator."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parents[2] / ".build/benchmarks/sluice-load"


@dataclass
class Load:
    command: list[str]
    report: dict[str, Any]
    errors: int
    """Operations that went wrong; 1 if the run itself did."""

    @staticmethod
    def run(arguments: list[str], cpu: str | None = None) -> Load:
        """The command is kept for the report; a token in it is nobody's business."""
        pinned = ["taskset", "-c", cpu] if cpu else []
        command = [*pinned, str(PROGRAM), *arguments, "--quiet", "--json", "-"]
        ended = subprocess.run(command, capture_output=True, text=True)
        report = json.loads(ended.stdout) if ended.stdout else {}
        errors = max(int(report.get("errors", 1)), 1 if ended.returncode else 0)
        shown = [re.sub(r"^(Authorization: \w+ ).*", r"\1…", each) for each in arguments]
        return Load(["sluice-load", *shown], report, errors)

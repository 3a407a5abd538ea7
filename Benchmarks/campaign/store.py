"""The raw numbers of a campaign, kept after each run, so that it can go on where it was stopped."""

from __future__ import annotations

import json
import shlex
import statistics
from pathlib import Path
from typing import Any, Callable, Iterable

from .load import Load

Record = dict[str, Any]


class Store:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.data: dict[str, Any] = {"machine": {}, "notes": [], "records": []}
        if file.exists():
            self.data = json.loads(file.read_text())

    @property
    def records(self) -> list[Record]:
        return self.data["records"]

    def forget(self, part: str) -> None:
        """Drops what an earlier run of a part has left."""
        self.data["records"] = [each for each in self.records if each["part"] != part]
        self.data["notes"] = [each for each in self.data["notes"] if each["part"] != part]

    def note(self, part: str, text: str) -> None:
        self.data["notes"].append({"part": part, "text": text})
        self.save()

    def add(self, part: str, table: str, subject: str, round: int, load: Load, **more: Any) -> None:
        record = {"part": part, "table": table, "subject": subject, "round": round, "errors": load.errors}
        self.records.append(record | {"command": shlex.join(load.command), "report": load.report} | more)
        self.save()

    def save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.data, indent=1) + "\n")

    def of(self, part: str, table: str) -> list[Record]:
        return [each for each in self.records if each["part"] == part and each["table"] == table]


def names(records: Iterable[Record]) -> list[str]:
    """Subjects in the order in which they came."""
    return list(dict.fromkeys(each["subject"] for each in records))


def median(records: Iterable[Record], subject: str, value: Callable[[Record], float]) -> float | None:
    """Over the rounds without an error, in which something was done or held."""
    good = [each for each in records if each["subject"] == subject and not each["errors"]]
    values = [value(each) for each in good if each["report"]["operations"] or each["report"]["mode"] == "idle"]
    return statistics.median(values) if values else None


def cpu(record: Record) -> float:
    return record["report"]["server"]["cpu_us_per_operation"]


def latency(quantile: str) -> Callable[[Record], float]:
    return lambda record: record["report"]["latency_us"][quantile]


def bytes_per_connection(record: Record) -> float:
    return record["report"]["server"]["pss_per_connection"]


def rate(record: Record) -> float:
    return record["report"]["rate"]

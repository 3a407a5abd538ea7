"""Tables and charts of a campaign."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable

from . import charts
from .store import Record, Store, bytes_per_connection, cpu, latency, median, names, rate

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "Benchmarks/Results"
Column = tuple[str, Callable[[Record], float]]


def show(value: float | None) -> str:
    return "–" if value is None else charts.number(value)


def table(records: list[Record], columns: list[Column], base: str | None = None) -> list[str]:
    """A row for each subject: medians, and the ratio of the first column to that of `base`, the median of each round's own:
    what slows the machine down slows both."""
    head = ["", *(name for name, _ in columns), *([f"of {base}"] if base else []), "rounds", "errors"]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    against = {each["round"]: columns[0][1](each) for each in records if each["subject"] == base and not each["errors"]}
    for name in names(records):
        values = [median(records, name, value) for _, value in columns]
        mine = [each for each in records if each["subject"] == name]
        cells = [name, *map(show, values)]
        if base:
            shared = [each for each in records if each["round"] in against]
            ratio = median(shared, name, lambda each: columns[0][1](each) / against[each["round"]])
            cells.append(f"{ratio:.2f}" if ratio is not None else "–")
        cells += [str(len(mine)), str(sum(each["errors"] for each in mine))]
        rows.append("| " + " | ".join(cells) + " |")
    return [*rows, ""]


def raw(records: list[Record], column: Column) -> list[str]:
    """Every single round."""
    lines = [f"{column[0]} by round: "]
    for name in names(records):
        values = [show(column[1](each)) if not each["errors"] else "wrong" for each in records if each["subject"] == name]
        lines.append(f"- {name}: {', '.join(values)}")
    return [*lines, ""]


def commands(records: list[Record]) -> list[str]:
    shown = {each["subject"]: each["command"] for each in records}
    return ["<details><summary>commands</summary>", "", *(f"    {each}" for each in shown.values()), "", "</details>", ""]


def chart(store: Store, name: str, svg: str) -> list[str]:
    file = store.file.with_name(f"{store.file.stem}-{name}.svg")
    file.write_text(svg)
    return [f"![{name}]({file.name})", ""]


def compared(store: Store, part: str, name: str, title: str, columns: list[Column], base: str | None) -> list[str]:
    """One table of a part with its raw rounds, a chart of its first column, and its commands."""
    records = store.of(part, name)
    if not records:
        return []
    bars = [(each, median(records, each, columns[0][1])) for each in names(records)]
    known = [(each, value) for each, value in bars if value is not None]
    lines = [f"### {title}", "", *table(records, columns, base if base in names(records) else None)]
    if known:
        slug = re.sub(r"[^a-z0-9]+", "-", f"{part} {name}".lower()).strip("-")
        lines += chart(store, slug, charts.bars(title, columns[0][0], known))
    return [*lines, *raw(records, columns[0]), *commands(records)]


CPU: Column = ("CPU µs per operation", cpu)
RATE: Column = ("operations per second", rate)
P50: Column = ("p50 µs", latency("p50"))
P99: Column = ("p99 µs", latency("p99"))


def calls(store: Store) -> list[str]:
    return [*era_of_calls(store, "", "a session of 2025-11-25"), *era_of_calls(store, ", 2026-07-28", "2026-07-28")]


def era_of_calls(store: Store, mark: str, era: str) -> list[str]:
    title = f"CPU per proxied tools/call, saturation, {era}"
    lines = compared(store, "calls", f"saturation{mark}", title, [CPU, RATE, P50, P99], "HAProxy")
    fixed = store.of("calls", f"fixed{mark}")
    direct = {quantile: median(fixed, "direct", latency(quantile)) or 0 for quantile in ("p50", "p99")}

    def added(quantile: str) -> Column:
        return (f"added {quantile} µs", lambda record: latency(quantile)(record) - direct[quantile])

    title = f"At 1,000 calls a second (20 for the Python gateways), latency from when each was due, {era}"
    return lines + compared(store, "calls", f"fixed{mark}", title, [CPU, added("p50"), added("p99"), P50, P99], "HAProxy")


def each_table(store: Store, part: str, columns: list[Column], base: str | None, title: str) -> list[str]:
    found = dict.fromkeys(each["table"] for each in store.records if each["part"] == part)
    return [line for name in found for line in compared(store, part, name, f"{title}: {name}", columns, base)]


def start(store: Store) -> list[str]:
    columns: list[Column] = [
        ("seconds until the first call is answered", lambda record: record["start_seconds"]),
        ("resident MiB then", lambda record: record["report"]["server"]["pss_during"] / 1048576),
        ("program MiB", lambda record: record["program_bytes"] / 1048576),
    ]
    return compared(store, "start", "start", "Start", columns, None)


# Why a curve bends where it does.
BENDS = {
    "busy connections": "Up to a hundred the cost is that of a call. Each call in flight has a connection to the upstream, of which a "
    "worker keeps a hundred for the next calls: with a thousand callers most calls open one of their own and close it. Beyond 4,096 "
    "calls in flight to one upstream (limits.in_flight) the rest is refused with -32603.",
    "idle connections beside 16 busy ones": "An idle connection is a timer entry that is looked at once a minute and nothing in epoll's "
    "ready list: it should cost nothing, and a slope here is a defect. Where the descriptors that are not kept for upstreams end, "
    "clients get 503.",
    "bytes of a message": "Flat while a message fits one read (64 KiB). From there every further read, write and copy of the kernel's, "
    "and the scan in each direction, make it linear; above 2 MB the buffers' pages are given back to the "
    "system after each call and faulted in again: 1,000 page faults for a call of 4 MB, 96 for one of 2 MB.",
    "tools": "A name is looked up in a hash table that is made when the catalogue changes: flat, but for what the table takes of the caches.",
    "upstreams": "A call touches its own upstream alone; the others cost probes, which do not depend on calls.",
}


def scaling(store: Store) -> list[str]:
    lines: list[str] = []
    for name in dict.fromkeys(each["table"] for each in store.records if each["part"] == "scaling"):
        records = store.of("scaling", name)
        points = {each["x"] for each in records}
        medians = [(x, median([r for r in records if r["x"] == x], "sluice", cpu)) for x in sorted(points)]
        known = [(float(x), value) for x, value in medians if value is not None]
        lines += [f"### CPU per call against {name}", ""]
        if known:
            slug = "scaling-" + name.split(" ")[0]
            lines += chart(store, slug, charts.lines(f"CPU per call against {name}", name, "µs", {"sluice": known}))
        lines += [f"| {name} | CPU µs per call | rounds | errors |", "|---|---|---|---|"]
        for x, value in medians:
            mine = [each for each in records if each["x"] == x]
            lines.append(f"| {x:,} | {show(value)} | {len(mine)} | {sum(each['errors'] for each in mine)} |")
        lines += ["", BENDS[name], ""]
    return lines


def render(store: Store) -> Path:
    """Writes the page beside the raw numbers."""
    lines = [f"# {store.file.stem}", "", f"    make bench    # or Benchmarks/bench; every run is in {store.file.name}", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in store.data["machine"].items()), ""]
    lines += [
        "The server runs on one CPU, the load and the upstream on the other. Runs are interleaved; figures are medians of rounds. What "
        "counts is CPU time per operation, and the ratio to a peer in the same campaign; rates depend on what shares the machine.",
        "",
    ]
    sections: list[tuple[str, str, list[str]]] = [
        ("calls", "Proxied tools/call", calls(store)),
        ("websocket", "WebSocket", each_table(store, "websocket", [CPU, RATE, P99], "bare epoll echo", "Echo")),
        ("fanout", "Fan-out", each_table(store, "fanout", [CPU, P50, P99], "bare epoll writer", "Event to a subscriber")),
        ("idle", "Idle connections", each_table(store, "idle", [("bytes", bytes_per_connection)], None, "Memory of one")),
        ("connects", "New connections", each_table(store, "connects", [CPU, RATE], "bare epoll echo", "One connection")),
        ("start", "Start", start(store)),
        ("scaling", "Scaling", scaling(store)),
    ]
    for part, title, body in sections:
        notes = [f"- {each['text']}" for each in store.data["notes"] if each["part"] == part]
        loads = store.data.get("load", {}).get(part)
        if body or notes:
            about = [f"Load average of the machine: {loads}.", ""] if loads else []
            lines += [f"## {title}", "", *about, *body, *notes, *([""] if notes else [])]
    page = store.file.with_suffix(".md")
    page.write_text("\n".join(lines).rstrip() + "\n")
    show_latest(store)
    return page


def show_latest(store: Store) -> None:
    """The README has the chart of the latest campaign, which is named by its date."""
    readme, chart = ROOT / "README.md", f"{store.file.stem}-calls-saturation.svg"
    if not re.match(r"\d{4}-\d\d-\d\d", store.file.stem) or not store.of("calls", "saturation"):
        return
    text = readme.read_text()
    newer = re.sub(r"(?<=Results/)[\w-]+(?=-calls-saturation\.svg)", store.file.stem, text)
    newer = re.sub(r"(?<=\[every round\]\(Benchmarks/Results/)[\w-]+(?=\.md\))", store.file.stem, newer)
    assert chart in newer, "the README does not show the chart"
    readme.write_text(newer)

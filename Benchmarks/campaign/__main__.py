"""Benchmarks/bench: see --help."""

from __future__ import annotations

import argparse
import datetime
import signal
import sys

from . import machine, report
from .parts import PARTS, Plan
from .store import Store


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="Benchmarks/bench",
        description="Measures the gateway beside its peers and writes Benchmarks/Results/<name>.md with charts.",
        epilog="A campaign can be made in parts, on one day or several: what other parts have found under the same name stays.",
    )
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, with commas: {', '.join(PARTS)}")
    parser.add_argument("--subjects", default="", help="only those whose names begin so, with commas between them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    parser.add_argument("--crowd", type=int, default=10_000, help="connections where many are held")
    parser.add_argument("--name", default=datetime.date.today().isoformat(), help="of the campaign (default: the date)")
    parser.add_argument("--render", action="store_true", help="write the page anew and measure nothing")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [part for part in chosen if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}")

    # Whoever stops a campaign means its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    store = Store(report.RESULTS / f"{options.name}.json")
    if not options.render:
        store.data["machine"] = machine.describe()
        plan = Plan(options.rounds, options.seconds, options.crowd, [each for each in options.subjects.split(",") if each])
        for part in chosen:
            before = machine.load_average()
            PARTS[part](plan, store)
            store.data.setdefault("load", {})[part] = f"{before} before, {machine.load_average()} after"
            store.save()
    print(report.render(store))
    return 0


sys.exit(main())

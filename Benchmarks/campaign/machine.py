"""What the figures were measured on, and with what."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def output(*command: str) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except FileNotFoundError:
        return "not installed"
    return (ended.stdout + ended.stderr).strip()


def describe() -> dict[str, str]:
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    requirements = sorted((ROOT / "Benchmarks/Peers/requirements").glob("*.txt"))
    return {
        "processor": f"{processor[1] if processor else 'unknown'}, {os.cpu_count()} CPUs",
        "memory": f"{int(memory[1]) // 1048576 if memory else 0} GiB",
        "system": f"{system[1] if system else ''}, Linux {platform.release()} {platform.machine()}",
        "sluice": f"commit {output('git', 'rev-parse', '--short', 'HEAD')}, release build, "
        + output("swift", "--version").splitlines()[0],
        "nginx": output("nginx", "-v").removeprefix("nginx version: "),
        "nchan": output("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"),
        "HAProxy": output("haproxy", "-v").splitlines()[0],
        "from PyPI": ", ".join(each.read_text().strip().replace("==", " ") for each in requirements),
        "libraries": ", ".join(f"{each} {output('pkg-config', '--modversion', each)}" for each in ("libuv", "openssl", "zlib")),
    }


def load_average() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())

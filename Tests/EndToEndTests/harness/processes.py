"""Child processes of the tests, and what /proc knows about them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What tells the tests where things are would be settings to a gateway, and unknown ones.
INHERITED = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
# What one test's gateway remembers is no other's business; those that test it name a directory here.
INHERITED["SLUICE_STATE_DIR"] = "off"


_promised: deque[int] = deque(maxlen=1000)
"""Ports that somebody was given lately and may not have bound yet."""


def free_port() -> int:
    """One that no outgoing connection is given either, so that a server can be stopped and started on it again, and that
    no test beside this one is given."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    runners = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    runner = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = random.randrange(10_000 // runners, max(first_outgoing, 20_000) // runners) * runners + runner
        if port in _promised:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _promised.append(port)
        return port


def eventually(condition: Callable[[], Any], seconds: float = 10, pause: float = 0.05) -> Any:
    """The first truthy value of `condition`, or its last value when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(pause)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_stopped(pid: int) -> bool:
    """Whether a SIGSTOP has reached every thread: until then some may go on."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`, with its command line."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found: dict[int, str] = {}
    level = [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found.update({child: command_line(child) for child in level})
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def zombies(pid: int) -> list[int]:
    return [child for child in descendants(pid) if not alive(child)]


def with_argument(argument: str) -> list[int]:
    """Running processes whose command line holds `argument`, whoever their parent is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and argument in command_line(int(entry.name)) and alive(int(entry.name)):
            found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no VmRSS for {pid}")


def private_bytes(pid: int) -> int:
    """What it has written and nobody else holds: what would come back if it ended."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Private_Dirty for {pid}")


class Child:
    """A process with its output in a file."""

    def __init__(
        self, command: list[str], log: Path, env: dict[str, str] | None = None, cwd: Path | None = None,
        descriptors: tuple[int, ...] = (),
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**INHERITED, **(env or {})},
                cwd=cwd,
                start_new_session=True,
                pass_fds=descriptors,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def terminate(self, seconds: float = 15) -> int:
        """SIGTERM; SIGKILL and an exception when that does not end it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"pid {self.pid} outlived SIGTERM by {seconds} s; log:\n{self.text()[-4000:]}"
            ) from None

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

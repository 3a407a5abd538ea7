"""A cgroup of its own for what a test starts, where this machine lets one be made."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """A group with so many bytes; `version` says how it is spoken to."""

    def __init__(self, folder: Path, version: int, limit: int) -> None:
        self.folder, self.version = folder, version
        (folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(str(limit))
        if version == 2:
            with suppress(OSError):
                (folder / "memory.swap.max").write_text("0")

    @property
    def used(self) -> int:
        file = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        return int((self.folder / file).read_text())

    @property
    def peak(self) -> int:
        file = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        path = self.folder / file
        return int(path.read_text()) if path.exists() else 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Whatever this thread starts is in the group. Version 2 knows whole processes alone."""
        if self.version == 1:
            line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line)
            back, name, who = ROOT / "memory" / line.split(":", 2)[2].lstrip("/"), "tasks", threading.get_native_id()
        else:
            line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
            back, name, who = ROOT / line[3:].lstrip("/"), "cgroup.procs", os.getpid()
        (self.folder / name).write_text(str(who))
        try:
            yield
        finally:
            (back / name).write_text(str(who))


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup | None]:
    """None where no group can be made: without the right to, or without the controller."""
    name = f"sluice-test-{os.getpid()}"
    for version, parent in ((2, ROOT), (1, ROOT / "memory")):
        folder = parent / name
        try:
            if version == 2 and "memory" not in (parent / "cgroup.subtree_control").read_text():
                continue
            folder.mkdir()
            group = MemoryGroup(folder, version, limit)
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            continue
        try:
            yield group
        finally:
            with suppress(OSError):
                folder.rmdir()
        return
    yield None

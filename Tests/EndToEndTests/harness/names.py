"""Names that lead where a test says, for one process: a hosts file in a mount namespace of its own."""

from __future__ import annotations

import os
from pathlib import Path


class Hosts:
    """The hosts file of whoever is started within it. The system's resolver reads it at each look-up."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hosts"
        self.names: dict[str, list[str]] = {}
        self.lead("localhost", "127.0.0.1")

    def lead(self, name: str, *addresses: str) -> None:
        self.names[name] = list(addresses)
        lines = [f"{address} {name}\n" for name, all_of_it in self.names.items() for address in all_of_it]
        # The same file, as it is mounted.
        self.path.write_text("".join(lines))

    @property
    def within(self) -> tuple[str, ...]:
        """What a command line begins with that is to see it; the process stays the same one."""
        mapped = () if os.geteuid() == 0 else ("--map-root-user",)
        script = f"mount --bind '{self.path}' /etc/hosts && exec \"$@\""
        return ("unshare", "--mount", *mapped, "sh", "-c", script, "sh")

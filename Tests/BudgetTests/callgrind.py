"""What callgrind counts, read from what it dumps."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

COUNTING = re.compile(r"_?swift_(nonatomic_)?(retain|release|bridgeObject|unknownObject|unowned|weak)")
"""Functions of the Swift runtime that count a reference, or give one back."""


@dataclass(frozen=True)
class Places:
    """Addresses of instructions that tell more than that they were executed."""

    locked: frozenset[int]
    """Of the binary: those that no other core's may come between."""
    pauses: dict[str, frozenset[int]]
    """By file, those with which a thread waits for another."""

    @classmethod
    def of(cls, binary: Path) -> Places:
        linked = subprocess.run(["ldd", str(binary)], check=True, capture_output=True, text=True).stdout
        libraries = [Path(path).resolve() for path in re.findall(r"=> (/\S+libuv\S+)", linked)]
        pauses = {str(each): addresses(each, r"pause") for each in libraries}
        return cls(locked=addresses(binary, r"lock|xchg .*\("), pauses=pauses)


def addresses(binary: Path, instruction: str) -> frozenset[int]:
    command = ["objdump", "-d", "--no-show-raw-insn", str(binary)]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.findall(rf"^ *([0-9a-f]+):\t(?:{instruction})", listing, re.MULTILINE)
    return frozenset(int(address, 16) for address in found)


class Profile:
    """One dump."""

    options = ["--dump-instr=yes", "--compress-strings=no", "--compress-pos=no"]
    """For callgrind, to write what is read here."""

    def __init__(self, dump: Path, binary: str, places: Places) -> None:
        self.references = 0
        self.locked = 0
        costs: dict[tuple[str, str], int] = defaultdict(int)
        waiting: set[tuple[str, str]] = set()
        function = ("", "")
        total = 0
        pauses: frozenset[int] = frozenset()
        is_ours = is_count = is_call = calls_count = False
        for line in dump.open():
            if line.startswith("0x"):
                # The line after `calls=` is what was called altogether.
                if is_call:
                    is_call = False
                    continue
                address, _, count = line.split()
                costs[function] += int(count)
                if is_ours and int(address, 16) in places.locked:
                    self.locked += int(count)
                elif pauses and int(address, 16) in pauses:
                    waiting.add(function)
            elif line.startswith("calls="):
                is_call = True
                # One that calls another counts once.
                if calls_count and not is_count:
                    self.references += int(line[6:].split()[0])
            elif line.startswith("cfn="):
                calls_count = COUNTING.match(line[4:]) is not None
            elif line.startswith("fn="):
                function = (function[0], line[3:].strip())
                is_count = COUNTING.match(line[3:]) is not None
            elif line.startswith("ob="):
                file = Path(line[3:].strip())
                function = (str(file), function[1])
                is_ours = file.name == binary
                pauses = places.pauses.get(str(file.resolve()), frozenset())
            elif line.startswith("totals:"):
                total = int(line.split()[1])
        assert total
        # How long a thread spins until the one that woke it has gone on depends on how busy the machine is.
        self.instructions = total - sum(costs[each] for each in waiting)

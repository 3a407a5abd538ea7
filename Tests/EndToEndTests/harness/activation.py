"""A gateway with sockets that a service manager made for it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from harness.paths import binary
from harness.processes import Child

LAUNCHER = """
import os, socket, sys
names, command, listeners = sys.argv[1], sys.argv[2:], []
for port in map(int, os.environ.pop("PORTS").split(",")):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((os.environ["HOST"], port))
    listener.listen(128)
    os.set_inheritable(listener.fileno(), True)
    listeners.append(listener.detach())
for place, descriptor in enumerate([os.dup(descriptor) for descriptor in listeners]):
    os.dup2(descriptor, 3 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(listeners)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


def activate(
    log: Path, sockets: dict[str, int], *arguments: str, host: str = "127.0.0.1", env: dict[str, str] | None = None
) -> Child:
    """`sluice serve` with a socket at `host` for each listener that is named with its port."""
    command = [sys.executable, "-c", LAUNCHER, ":".join(sockets), binary(), "serve", *arguments]
    ports = ",".join(map(str, sockets.values()))
    return Child(command, log, env={**(env or {}), "PORTS": ports, "HOST": host})


HEIR = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="http")
os.execv(sys.argv[2], sys.argv[2:])
"""


def hand_over(listener: socket.socket, command: list[str], log: Path, env: dict[str, str] | None = None) -> Child:
    """`sluice serve` with a socket that goes on listening when it has ended."""
    descriptor = listener.fileno()
    return Child([sys.executable, "-c", HEIR, str(descriptor), *command], log, env=env, descriptors=(descriptor,))

"""Clients that open a session each and listen to it, and read nothing before they are asked how much has come, so that they
take no time from whoever is measured beside them.

    crowd.py PORT COUNT

Says `open` once all listen. For each line `heard WORD TIMES` it waits until everybody has heard the word so often, and says
how often each has as a JSON list of counts; `end` ends it.
"""

from __future__ import annotations

import json
import re
import resource
import socket
import sys
import time

PER_ADDRESS = 900
"""1,000 connections from one address are the default limit."""
PATIENCE = 60

SETUP = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "crowd", "version": "1"},
}


def request(stream: socket.socket, method: str, fields: str, body: str = "") -> bytes:
    """Sends a request and returns what has come by the end of the answer's head, and of its body if that has a length."""
    head = f"{method} /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\n{fields}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    stream.sendall(f"{head}\r\n{body}".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += more(stream)
    head_bytes, _, rest = answer.partition(b"\r\n\r\n")
    if length := re.search(rb"(?i)content-length: (\d+)", head_bytes):
        while len(rest) < int(length[1]):
            rest += more(stream)
    return head_bytes + b"\r\n\r\n" + rest


def more(stream: socket.socket) -> bytes:
    piece = stream.recv(65536)
    assert piece, "the gateway ended a connection"
    return piece


def listener(port: int, number: int) -> socket.socket:
    source = f"127.0.0.{2 + number // PER_ADDRESS}"
    stream = socket.create_connection(("127.0.0.1", port), 30, (source, 0))
    opening = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": SETUP})
    answer = request(stream, "POST", "", opening)
    session = re.search(rb"(?i)mcp-session-id: (\S+)", answer)
    assert session, answer
    fields = f"Mcp-Session-Id: {session[1].decode()}\r\nMCP-Protocol-Version: 2025-11-25\r\n"
    request(stream, "POST", fields, json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    answer = request(stream, "GET", fields)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    stream.setblocking(False)
    return stream


class Crowd:
    def __init__(self, port: int, count: int) -> None:
        self.streams = [listener(port, number) for number in range(count)]
        self.heard = [b""] * count

    def read(self) -> None:
        for place, stream in enumerate(self.streams):
            try:
                while piece := stream.recv(65536):
                    self.heard[place] += piece
            except BlockingIOError:
                pass

    def count(self, word: str, times: int) -> list[int]:
        deadline = time.monotonic() + PATIENCE
        while True:
            self.read()
            counts = [heard.count(word.encode()) for heard in self.heard]
            if min(counts) >= times or time.monotonic() > deadline:
                return counts
            time.sleep(0.1)


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(int(sys.argv[1]), int(sys.argv[2]))
    print("open", flush=True)
    for line in sys.stdin:
        if line.startswith("end"):
            break
        _, word, times = line.split()
        print(json.dumps(crowd.count(word, int(times))), flush=True)


if __name__ == "__main__":
    main()

"""Clients that call without a pause while servers die, and what became of each of their calls."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.processes import eventually
from harness.upstreams import HTTPUpstream
from harness.wire import LEGACY, envelope, modern_headers, notification, request, rpc

REUSE_RACE = 0.25
"""Seconds in which a connection that was used before may end under a request and the request go out again, whatever it is:
an HTTP server may have closed it just then. As RFC 9112 section 9.3.1 has it, and as the gateway documents it."""


@dataclass
class Call:
    """One call of a client, from its first byte to the last of its answer."""

    text: str
    kind: str
    begun: float
    ended: float = 0
    failure: str = ""
    """Empty for one that was answered as it should be."""

    @property
    def may_be_repeated(self) -> bool:
        return self.kind not in ("echo", "sleep")

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


def asked(kind: str, text: str, prefix: str = "") -> tuple[str, dict[str, Any]]:
    """The method and params of a call; the answer holds `text`."""
    match kind:
        case "read":
            return "resources/read", {"uri": f"ref://topics/{text}"}
        case "prompt":
            return "prompts/get", {"name": prefix + "haiku", "arguments": {"topic": text}}
        case "complete":
            argument = {"name": "topic", "value": "tea"}
            return "completion/complete", {"ref": {"type": "ref/prompt", "name": prefix + "haiku"}, "argument": argument}
        case "add":
            return "tools/call", {"name": prefix + "add", "arguments": {"a": 0, "b": int(text)}}
        case "sleep":
            return "tools/call", {"name": prefix + "sleep", "arguments": {"seconds": 0.6, "tag": text}}
        case _:
            return "tools/call", {"name": prefix + kind, "arguments": {"text": text}}


def is_right(kind: str, text: str, result: dict[str, Any]) -> bool:
    """Whether a result is that of this call and no other."""
    match kind:
        case "read":
            return result["contents"][0]["text"] == f"about {text}"
        case "prompt":
            return result["messages"][0]["content"]["text"] == f"A haiku about {text}, calm"
        case "complete":
            return result["completion"]["values"] == ["tea", "teapot"]
        case "sleep":
            return result["content"][0]["text"] == "woke"
        case _:
            return result["content"][0]["text"] == text


class Lost(Exception):
    """The gateway did not answer a request as HTTP has it."""


class Wire:
    """One connection on an asyncio loop, kept for one request after the other."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def exchange(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        for attempt in range(2):
            fresh = self.writer is None
            if self.writer is None or self.reader is None:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
            try:
                self.writer.write(data)
                return await self.response(self.reader)
            except (asyncio.IncompleteReadError, OSError) as error:
                self.close()
                if fresh or attempt or getattr(error, "partial", b""):
                    raise Lost(repr(error)) from error
        raise AssertionError("unreachable")

    async def response(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {}
        for line in head[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return status, headers, body

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


def message_of(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    if headers.get("content-type", "").startswith("text/event-stream"):
        data = [line[5:] for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data:")]
        return json.loads([line for line in data if line.strip()][-1])
    return json.loads(body)


class Client:
    """One client of the gateway, in either era, over a connection that it keeps."""

    def __init__(self, siege: Siege, number: int, is_legacy: bool) -> None:
        self.siege, self.number, self.is_legacy = siege, number, is_legacy
        self.wire = Wire(siege.port)
        self.session = ""
        self.turns = itertools.count()
        self.ids = itertools.count(1)

    def bytes_of(self, message: dict[str, Any]) -> bytes:
        headers: dict[str, str | None] = {}
        if not self.is_legacy:
            headers |= modern_headers(message)
        elif self.session:
            headers |= {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": LEGACY}
        body = json.dumps(message).encode()
        return request("POST", self.siege.path, headers, body, port=self.siege.port)

    async def open(self) -> None:
        """A session, in the legacy era."""
        if not self.is_legacy:
            return
        info = {"name": "siege", "version": "1"}
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info}
        status, headers, body = await self.wire.exchange(self.bytes_of(rpc("initialize", params, 0)))
        assert status == 200, (status, body)
        self.session = headers["mcp-session-id"]
        status, _, body = await self.wire.exchange(self.bytes_of(notification("notifications/initialized")))
        assert status == 202, (status, body)

    async def close(self) -> None:
        """Ends its session, as a client does that has no more to ask."""
        if self.session:
            headers: dict[str, str | None] = {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": LEGACY}
            head = request("DELETE", self.siege.path, headers, b"", port=self.siege.port)
            status, _, body = await self.wire.exchange(head)
            assert status in (200, 204), (status, body)

    async def ask(self, kind: str, seconds: float = 60) -> Call:
        """One call with a text that no other has."""
        text = str(next(self.siege.texts))
        call = Call(text, kind, time.monotonic())
        method, params = asked(kind, text, self.siege.prefix)
        if not self.is_legacy:
            params["_meta"] = envelope()
        number = next(self.ids)
        try:
            exchange = self.wire.exchange(self.bytes_of(rpc(method, params, number)))
            status, headers, body = await asyncio.wait_for(exchange, seconds)
            call.failure = self.failure(call, number, status, headers, body)
        except TimeoutError:
            self.wire.close()
            call.failure = "no answer"
        except Lost as error:
            call.failure = f"lost: {error}"
        call.ended = time.monotonic()
        self.siege.calls.append(call)
        return call

    def failure(self, call: Call, number: int, status: int, headers: dict[str, str], body: bytes) -> str:
        try:
            message = message_of(headers, body)
        except (ValueError, IndexError):
            return f"HTTP {status} {body[:200]!r}"
        if status == 404 and self.is_legacy:
            return f"session lost: {message}"
        if "error" in message:
            error = message["error"]
            return f"{error.get('data', {}).get('reason', error['code'])}: {error['message']}"
        if message.get("id") != number or not is_right(call.kind, call.text, message["result"]):
            return f"wrong: asked {call.kind} {call.text} as {number}, heard {json.dumps(message)[:300]}"
        return ""

    async def go_on(self) -> None:
        """Calls one thing after the other until the siege is over."""
        try:
            # All at once nobody comes.
            await asyncio.sleep(self.siege.pause * self.number / len(self.siege.clients))
            await self.open()
            self.siege.opened += 1
            while not self.siege.over.is_set():
                turn = next(self.turns) + self.number
                await self.ask(self.siege.kinds[turn % len(self.siege.kinds)])
                if self.siege.pause:
                    await asyncio.sleep(self.siege.pause)
            await self.close()
        except Exception as error:
            self.siege.faults.append(f"client {self.number}: {error!r}")
        finally:
            self.wire.close()


KINDS = ("read", "echo", "prompt", "add", "echo", "complete")
"""Two of three may be repeated."""


class Siege:
    """Clients on a loop of their own, in a thread of their own, for as long as the `with` lasts."""

    def __init__(
        self, port: int, *, modern: int = 4, legacy: int = 4, kinds: Iterable[str] = KINDS, path: str = "/mcp",
        prefix: str = "", pause: float = 0,
    ) -> None:  # fmt: skip
        self.port, self.path, self.prefix, self.pause = port, path, prefix, pause
        self.kinds = list(kinds)
        self.texts = itertools.count(1_000_000)
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.opened = 0
        self.over = threading.Event()
        self.clients = [Client(self, number, is_legacy=number >= modern) for number in range(modern + legacy)]
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))

    async def run(self) -> None:
        await asyncio.gather(*(client.go_on() for client in self.clients))

    def __enter__(self) -> Siege:
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.thread.join()

    def await_answers(self, within: float = 30) -> None:
        """Returns when a call that begins from now on has been answered as it should be."""
        now = time.monotonic()
        assert eventually(lambda: any(call.begun >= now and not call.failure for call in self.calls[-100:]), within)

    # What became of it

    @property
    def failures(self) -> list[Call]:
        return [call for call in self.calls if call.failure]

    def failed(self, *, repeatable: bool) -> list[Call]:
        return [call for call in self.failures if call.may_be_repeated == repeatable]

    def reasons(self) -> Counter[str]:
        return Counter(call.failure.partition(":")[0] for call in self.failures)

    def told(self) -> str:
        """In one line."""
        times = sorted(call.seconds for call in self.calls if not call.failure and call.kind != "sleep") or [0.0]
        return (
            f"{len(self.calls)} calls, {len(self.failures)} failed {dict(self.reasons())}; "
            f"p50 {percentile(times, 50) * 1000:.1f} ms, p99 {percentile(times, 99) * 1000:.1f} ms, "
            f"longest {times[-1] * 1000:.0f} ms"
        )


def percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


# --- what servers saw ------------------------------------------------------------------------------------------------


def begun(record: Path) -> dict[str, list[float]]:
    """When servers began each call of a tool, by its text."""
    found: dict[str, list[float]] = {}
    for line in record.read_text().splitlines() if record.exists() else []:
        entry = json.loads(line)
        arguments = entry["arguments"]
        if entry["tool"] in ("echo", "sleep"):
            found.setdefault(arguments.get("text") or arguments["tag"], []).append(entry["at"])
    return found


def check_repeats(siege: Siege, record: Path, deaths: list[Death]) -> int:
    """Nothing that may not be repeated was begun twice, except what had been under way for a moment on a connection that
    ended. Returns how much that was."""
    seen = begun(record)
    races = 0
    for call in siege.calls:
        if call.may_be_repeated:
            continue
        times = sorted(seen.get(call.text, []))
        assert times or call.failure, f"answered, and no server ever had it: {call}"
        for former, _ in itertools.pairwise(times):
            near = [death for death in deaths if death.begun - REUSE_RACE <= former <= death.over]
            assert near, f"repeated: {call}, begun at {times}, deaths {[d for d in deaths if abs(d.begun - former) < 5]}"
            races += 1
    return races


# --- faults ----------------------------------------------------------------------------------------------------------


@dataclass
class Death:
    """When a process was killed, and when nothing was left of it."""

    begun: float
    over: float


class Endpoint:
    """A server process that is killed, stopped and started again on its port."""

    def __init__(self, upstream: HTTPUpstream) -> None:
        self.upstream = upstream
        self.deaths: list[Death] = []

    @property
    def url(self) -> str:
        return self.upstream.url

    def kill(self) -> None:
        begun = time.monotonic()
        self.upstream.kill()
        self.deaths.append(Death(begun, time.monotonic()))

    def start(self) -> None:
        self.upstream.start()

    def restart(self, pause: float = 0.5) -> None:
        self.kill()
        time.sleep(pause)
        self.start()

    def stop(self) -> None:
        assert self.upstream.child is not None
        self.upstream.child.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        if self.upstream.child is not None:
            self.upstream.child.process.send_signal(signal.SIGCONT)


class FaultProxy:
    """A relay before a server that passes everything on, until it is told to do otherwise with what is asked from then on."""

    FAULTS = ("refusal", "hang", "reset", "garbage", "half", "other id", "large")

    def __init__(self, port: int) -> None:
        self.behind = port
        self.fault = ""
        self.met = 0
        """How many requests a fault befell."""
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.relay, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back = None
        try:
            behind, ahead = await asyncio.open_connection("127.0.0.1", self.behind)
            back = asyncio.ensure_future(self.pass_back(behind, writer))
            while data := await reader.read(65536):
                if self.fault:
                    self.met += 1
                    back.cancel()
                    ahead.close()
                    await self.befall(self.fault, reader, writer, data)
                    return
                ahead.write(data)
        except OSError:
            pass
        finally:
            if back is not None:
                back.cancel()
                ahead.close()
            writer.close()

    async def pass_back(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await behind.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def befall(
        self, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
    ) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        match fault:
            case "refusal":
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops")
            case "hang":
                while await reader.read(65536):
                    pass
            case "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case "garbage":
                writer.write(os.urandom(3000))
            case "half":
                writer.write(head + b'Content-Length: 900\r\n\r\n{"jsonrpc":"2.0","id":1,"resu')
            case "other id":
                body = b'{"jsonrpc":"2.0","id":987654321,"result":{"content":[{"type":"text","text":"not yours"}]}}'
                writer.write(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            case "large":
                writer.write(head + b"Content-Length: %d\r\n\r\n" % (100 << 20) + b'{"jsonrpc":"2.0","result":"')
                for _ in range(1600):
                    writer.write(b"x" * 65536)
                    await writer.drain()
        try:
            await writer.drain()
        except OSError:
            pass


class Waves(threading.Thread):
    """Does something every few seconds, in a thread of its own, for as long as the `with` lasts."""

    def __init__(self, act: Callable[[], Any], every: float) -> None:
        super().__init__()
        self.act, self.every = act, every
        self.over = threading.Event()
        self.faults: list[str] = []

    def run(self) -> None:
        while not self.over.wait(self.every):
            try:
                self.act()
            except Exception as error:
                self.faults.append(repr(error))

    def __enter__(self) -> Waves:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.join()

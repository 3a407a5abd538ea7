"""What a client does in one conversation, written once for every SDK.

A scenario gets a `Peer` and returns something that can be written as JSON; pytest judges it, not this file.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import anyio


class PeerError(Exception):
    """A JSON-RPC error as the SDK reports it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


class Peer(Protocol):
    """One open client session. Results are wire dictionaries."""

    modern: bool
    opened: dict[str, Any]
    events: Events
    answers: dict[str, Any]

    async def page(self, kind: str, cursor: str | None) -> dict[str, Any]: ...
    async def call(
        self, name: str, arguments: dict[str, Any] | None = None, progress: list[Any] | None = None
    ) -> dict[str, Any]: ...
    async def call_then_cancel(
        self, name: str, arguments: dict[str, Any], began: Callable[[], Awaitable[None]]
    ) -> Any: ...
    async def read(self, uri: str) -> dict[str, Any]: ...
    async def prompt(self, name: str, arguments: dict[str, str] | None = None) -> dict[str, Any]: ...
    async def complete(
        self, ref: dict[str, str], name: str, value: str, context: dict[str, str] | None = None
    ) -> dict[str, Any]: ...
    async def ping(self) -> dict[str, Any]: ...
    async def set_level(self, level: str) -> None: ...
    def watch(self, uris: list[str], lists: bool) -> contextlib.AbstractAsyncContextManager[None]: ...


class Events:
    """Notifications in the order of arrival, and what the server asked."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self._more = anyio.Event()

    def add(self, method: str, params: dict[str, Any] | None = None) -> None:
        self.seen.append({"method": method, "params": params or {}})
        self._more.set()
        self._more = anyio.Event()

    async def wait(self, method: str, since: int = 0, count: int = 1, seconds: float = 8) -> list[dict[str, Any]]:
        """The `count` first notifications `method` after index `since`, or fewer when the time is over."""
        with anyio.move_on_after(seconds):
            while len(self.of(method, since)) < count:
                await self._more.wait()
        return self.of(method, since)

    def of(self, method: str, since: int = 0) -> list[dict[str, Any]]:
        return [event["params"] for event in self.seen[since:] if event["method"] == method]


SCENARIOS: dict[str, Callable[..., Awaitable[Any]]] = {}


def scenario(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    SCENARIOS[function.__name__] = function
    return function


async def pages(peer: Peer, kind: str) -> dict[str, Any]:
    """Every page of a list."""
    entries: list[Any] = []
    cursor, count = None, 0
    while True:
        page = await peer.page(kind, cursor)
        entries += page[kind]
        count += 1
        cursor = page.get("nextCursor")
        if cursor is None:
            return {"entries": entries, "pages": count}


@scenario
async def lists(peer: Peer) -> Any:
    return {kind: await pages(peer, kind) for kind in ("tools", "resources", "resourceTemplates", "prompts")}


@scenario
async def tools(peer: Peer, names_only: bool = True) -> Any:
    found = await pages(peer, "tools")
    return {"names": [tool["name"] for tool in found["entries"]], "pages": found["pages"]} if names_only else found


@scenario
async def call(peer: Peer, name: str, arguments: dict[str, Any] | None = None) -> Any:
    started = time.monotonic()
    result = await peer.call(name, arguments)
    return {"result": result, "seconds": time.monotonic() - started}


@scenario
async def calls_until(
    peer: Peer, name: str, stop: str, arguments: dict[str, Any] | None = None, each: float = 5
) -> Any:
    """One call after the other until a file of that name appears, and one more; none while there is one that is called
    `.pause`. The first answer is noted in one that is called `.began`."""
    answered, failed, last = 0, [], ""
    while True:
        while Path(f"{stop}.pause").exists():
            await anyio.sleep(0.05)
        over = Path(stop).exists()
        try:
            with anyio.fail_after(each):
                await peer.call(name, arguments)
            answered, last = answered + 1, ""
            if answered == 1:
                with Path(f"{stop}.began").open("a") as began:
                    began.write("x")
        except Exception as error:
            last = describe(error) or "no answer"
            failed.append(last)
        if over:
            return {"answered": answered, "failed": failed[:20], "last": last}
        await anyio.sleep(0.05)


@scenario
async def updates_until(peer: Peer, stop: str, uri: str = "ref://clock", touch: str = "touch") -> Any:
    """Changes a resource again and again, each time to be told of it, until a file of that name appears. The first time is
    noted in one that is called `.began`."""
    told, missed = 0, []
    async with peer.watch([uri], lists=False):
        while not Path(stop).exists():
            since = len(peer.events.seen)
            await peer.call(touch, {"uri": uri})
            # A stream that was sent away comes back within seconds.
            if await peer.events.wait("notifications/resources/updated", since, seconds=30):
                told += 1
            else:
                missed.append(told)
            if told + len(missed) == 1:
                with Path(f"{stop}.began").open("a") as began:
                    began.write("x")
            await anyio.sleep(0.05)
    return {"told": told, "missed": missed}


@scenario
async def measured_call(peer: Peer, name: str, arguments: dict[str, Any] | None = None, progress: bool = False) -> Any:
    """A call whose result is too long to carry about: only its shape and a digest."""
    import hashlib

    reports: list[Any] = []
    result = await peer.call(name, arguments, progress=reports if progress else None)
    text = "".join(block.get("text", "") for block in result["content"])
    return {"length": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest(), "progress": reports}


@scenario
async def long_argument(peer: Peer, name: str = "length", size: int = 1 << 20) -> Any:
    return await peer.call(name, {"text": "x" * size})


@scenario
async def concurrent(peer: Peer, count: int = 20, name: str = "echo") -> Any:
    answers: dict[int, str] = {}

    async def one(n: int) -> None:
        result = await peer.call(name, {"text": f"message {n}"})
        answers[n] = result["content"][0]["text"]

    async with anyio.create_task_group() as group:
        for n in range(count):
            group.start_soon(one, n)
    return [answers[n] for n in range(count)]


@scenario
async def progress(peer: Peer, name: str = "slow", steps: int = 3) -> Any:
    reports: list[Any] = []
    result = await peer.call(name, {"steps": steps}, progress=reports)
    return {"reports": reports, "text": result["content"][0]["text"]}


@scenario
async def progress_side_by_side(peer: Peer, name: str = "slow") -> Any:
    """Two calls at once: no report may land at the other."""
    found: dict[str, Any] = {}

    async def one(steps: int) -> None:
        reports: list[Any] = []
        await peer.call(name, {"steps": steps}, progress=reports)
        found[str(steps)] = reports

    async with anyio.create_task_group() as group:
        group.start_soon(one, 4)
        group.start_soon(one, 6)
    return found


@scenario
async def logging(peer: Peer, name: str = "log", level: str = "info") -> Any:
    await peer.set_level(level)
    since = len(peer.events.seen)
    await peer.call(name, {"text": "hello log"})
    await peer.events.wait("notifications/message", since, count=2 if peer.modern else 3, seconds=3)
    return peer.events.of("notifications/message", since)


@scenario
async def ask(peer: Peer, name: str, arguments: dict[str, Any] | None = None) -> Any:
    """Calls a tool that asks the client something; `asked` is what arrived here."""
    since = len(peer.events.seen)
    started = time.monotonic()
    outcome = await settle(peer.call(name, arguments))
    asked = [event for event in peer.events.seen[since:] if event["method"].startswith("asked ")]
    return {"asked": asked, "seconds": time.monotonic() - started, **outcome}


@scenario
async def read(peer: Peer, uri: str) -> Any:
    return await peer.read(uri)


@scenario
async def prompt(peer: Peer, name: str, arguments: dict[str, str] | None = None) -> Any:
    return await peer.prompt(name, arguments)


@scenario
async def complete(
    peer: Peer, ref: dict[str, str], argument: str, value: str, context: dict[str, str] | None = None
) -> Any:
    return await peer.complete(ref, argument, value, context)


@scenario
async def ping(peer: Peer) -> Any:
    return await peer.ping()


@scenario
async def cancel(peer: Peer, tag: str, sleep: str = "sleep", journal: str = "journal") -> Any:
    """Cancels a sleeping call, then asks the server's journal until it knows."""

    async def recorded(list_name: str) -> bool:
        entries = (await peer.call(journal))["structuredContent"][list_name]
        return tag in entries

    async def until(list_name: str) -> bool:
        with anyio.move_on_after(6):
            while not await recorded(list_name):
                await anyio.sleep(0.05)
            return True
        return False

    async def began() -> None:
        await until("begun")

    started = time.monotonic()
    outcome = await peer.call_then_cancel(sleep, {"seconds": 20, "tag": tag}, began)
    return {"outcome": outcome, "cancelled": await until("cancelled"), "seconds": time.monotonic() - started}


@scenario
async def list_change(
    peer: Peer, name: str, add: str = "add_tool", remove: str = "remove_tool", prefix: str = ""
) -> Any:
    """Adds a tool at run time and waits to be told; then the list and a call must know it."""
    async with peer.watch([], lists=True):
        before = [tool["name"] for tool in (await pages(peer, "tools"))["entries"]]
        since = len(peer.events.seen)
        await peer.call(add, {"name": name})
        told = await peer.events.wait("notifications/tools/list_changed", since)
        during = [tool["name"] for tool in (await pages(peer, "tools"))["entries"]]
        called = await settle(peer.call(prefix + name))
        since = len(peer.events.seen)
        await peer.call(remove, {"name": name})
        told_again = await peer.events.wait("notifications/tools/list_changed", since)
        after = [tool["name"] for tool in (await pages(peer, "tools"))["entries"]]
    full = prefix + name
    return {
        "told": len(told) > 0,
        "told_again": len(told_again) > 0,
        "listed": [full in before, full in during, full in after],
        "called": called,
    }


@scenario
async def subscription(peer: Peer, uri: str = "ref://clock", touch: str = "touch") -> Any:
    async with peer.watch([uri], lists=False):
        since = len(peer.events.seen)
        await peer.call(touch, {"uri": uri})
        during = await peer.events.wait("notifications/resources/updated", since)
        contents = await peer.read(uri)
    # Nobody answers the end of a subscription, so a change right after it may still be told; a later one may not.
    quiet = False
    for _ in range(10):
        since = len(peer.events.seen)
        await peer.call(touch, {"uri": uri})
        if not await peer.events.wait("notifications/resources/updated", since, seconds=0.3):
            quiet = True
            break
    return {"during": during, "quiet_after": quiet, "contents": contents}


@scenario
async def unknown(
    peer: Peer, tool: str = "no_such_tool", resource: str = "ref://no/such", prompt: str = "no_such_prompt"
) -> Any:
    return {
        "tool": await settle(peer.call(tool, {})),
        "resource": await settle(peer.read(resource)),
        "prompt": await settle(peer.prompt(prompt)),
    }


@scenario
async def refused(peer: Peer, name: str = "refuse", code: int = -32050, message: str = "refused") -> Any:
    return await settle(peer.call(name, {"code": code, "message": message}))


@scenario
async def events(peer: Peer, method: str, count: int = 1, seconds: float = 8) -> Any:
    return await peer.events.wait(method, count=count, seconds=seconds)


@scenario
async def until_listed(peer: Peer, name: str, seconds: float = 20) -> Any:
    """Lists again and again until the tool is there."""
    started = time.monotonic()
    with anyio.move_on_after(seconds):
        while True:
            names = [tool["name"] for tool in (await pages(peer, "tools"))["entries"]]
            if name in names:
                return {"names": names, "seconds": time.monotonic() - started}
            await anyio.sleep(0.1)
    return {"names": None, "seconds": seconds}


@scenario
async def until_answered(peer: Peer, name: str, arguments: dict[str, Any] | None = None, seconds: float = 20) -> Any:
    """Calls again and again until there is a result without isError."""
    started = time.monotonic()
    last: Any = None
    with anyio.move_on_after(seconds):
        while True:
            last = await settle(peer.call(name, arguments))
            if "result" in last and not last["result"].get("isError"):
                break
            await anyio.sleep(0.1)
    return {**(last or {}), "seconds": time.monotonic() - started}


async def settle(awaitable: Awaitable[Any]) -> dict[str, Any]:
    """The result or the error of an operation, as JSON."""
    try:
        return {"result": await awaitable}
    except PeerError as error:
        return {"error": {"code": error.code, "message": error.message, "data": error.data}}


Open = Callable[[dict[str, Any]], contextlib.AbstractAsyncContextManager[Peer]]


async def run_job(open_peer: Open, job: dict[str, Any]) -> dict[str, Any]:
    """Opens one session, or `clients` of them at once, and runs the job's scenarios in order."""
    clients = job.get("clients")
    if clients is None:
        return await converse(open_peer, job, 0)
    answers: list[Any] = [None] * clients
    gate = anyio.Semaphore(job.get("opening", 50))

    async def one(n: int) -> None:
        answers[n] = await converse(open_peer, job, n, gate)

    async with anyio.create_task_group() as group:
        for n in range(clients):
            group.start_soon(one, n)
    return {"clients": answers}


async def converse(open_peer: Open, job: dict[str, Any], number: int, gate: Any = None) -> dict[str, Any]:
    trace: dict[str, Any] = {}
    if gate is not None:
        await gate.acquire()
    started = time.monotonic()
    # One scope around everything: the SDK's own scopes stay open between opening and closing, so none may end inside.
    scope = anyio.CancelScope(deadline=anyio.current_time() + job.get("opening_timeout", 20))
    try:
        with scope:
            async with open_peer(job) as peer:
                scope.deadline = float("inf")
                trace["opened"] = {**peer.opened, "seconds": time.monotonic() - started}
                if gate is not None:
                    gate.release()
                for name, arguments in job["scenarios"]:
                    label, _, kind = name.rpartition("=")
                    arguments = {key: fill(value, number) for key, value in arguments.items()}
                    trace[label or kind] = await outcome(SCENARIOS[kind], peer, arguments, job.get("timeout", 20))
                scope.deadline = anyio.current_time() + 10
    except Exception as error:
        trace["closing"] = describe(error)
    if scope.cancelled_caught:
        trace["closing"] = "gave up waiting"
    if "opened" not in trace:
        trace["opened"] = {"failure": trace["closing"], "seconds": time.monotonic() - started}
        if gate is not None:
            gate.release()
    return trace


def fill(value: Any, number: int) -> Any:
    """`{client}` in an argument is the client's number among those of the job."""
    if isinstance(value, str):
        return value.replace("{client}", str(number))
    if isinstance(value, dict):
        return {key: fill(inner, number) for key, inner in value.items()}
    return value


async def outcome(run: Callable[..., Awaitable[Any]], peer: Peer, arguments: dict[str, Any], seconds: float) -> Any:
    try:
        with anyio.fail_after(seconds):
            return {"value": await run(peer, **arguments)}
    except PeerError as error:
        return {"error": {"code": error.code, "message": error.message, "data": error.data}}
    except TimeoutError:
        return {"failure": f"no answer within {seconds} s"}
    except Exception as error:
        return {"failure": describe(error)}


def describe(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def serve(open_peer: Open) -> None:
    """One JSON job per line on stdin, one JSON trace per line on stdout; jobs run side by side."""
    lock = anyio.Lock()

    async def handle(job: dict[str, Any]) -> None:
        trace = await run_job(open_peer, job)
        line = json.dumps({"id": job["id"], "trace": trace})
        async with lock:
            await anyio.to_thread.run_sync(write_line, line)

    async with anyio.create_task_group() as group:
        async for job in jobs():
            group.start_soon(handle, job)


def write_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def jobs() -> AsyncIterator[dict[str, Any]]:
    async with await anyio.open_file(sys.stdin.fileno(), closefd=False) as lines:
        async for line in lines:
            yield json.loads(line)

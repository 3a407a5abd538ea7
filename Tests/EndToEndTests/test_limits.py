"""What one client, or one server, may have of the gateway: others go on, and what was taken comes back."""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from harness.gateway import Gateway
from harness.groups import memory_group
from harness.hostile import SOURCE, HostileClient
from harness.paths import DRIVERS
from harness.processes import eventually, private_bytes, resident_bytes
from harness.scripted import ScriptedServer, handler_for
from harness.scripted_modern import ModernServer
from harness.sockets import Socket
from harness.upstreams import stdio_entry
from harness.wire import Closed, Connection, LegacySession, modern, modern_headers, post, post_modern, request, rpc

MIB = 1 << 20
BYSTANDER = "127.0.0.200"
LARGE = stdio_entry([sys.executable, str(DRIVERS / "large_server.py")])


@contextmanager
def scripted(server: ScriptedServer) -> Iterator[ScriptedServer]:
    try:
        yield server
    finally:
        server.close()


# --- subscriptions and listens ---------------------------------------------------------------------------------------


class Choosy(ScriptedServer):
    """It takes no subscription to what it does not know."""

    def result(self, session: str, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["method"] == "resources/subscribe" and not message["params"]["uri"].startswith("ref://clock"):
            return None
        return super().result(session, message)


def test_a_subscription_that_its_server_refuses_is_forgotten(make_gateway: Callable[..., Gateway]) -> None:
    """Those that came to nothing do not count among what a session may have."""
    with scripted(Choosy()) as server:
        settings = {"servers": {"up": {"url": server.url}}, "limits": {"subscriptions": "1KiB"}}
        gateway = make_gateway(settings=settings)
        gateway.wait_for("up")
        session = LegacySession(gateway.port)
        with Connection(gateway.port) as connection:
            for number in range(5):
                message = rpc("resources/subscribe", {"uri": f"ref://unknown/{number}".ljust(400, "x")}, number)
                answer = connection.exchange(session.bytes_of(message)).message
                assert answer["error"]["code"] == -32601, answer
        assert "result" in session.post(rpc("resources/subscribe", {"uri": "ref://clock"})).message
        assert session.delete().status == 200


def test_uris_are_bounded_each_and_together(make_gateway: Callable[..., Gateway]) -> None:
    server = ModernServer()
    limits = {"uri": "1KiB", "subscriptions": "4KiB"}
    gateway = make_gateway(settings={"servers": {"up": {"url": server.url, "era": "modern"}}, "limits": limits})
    gateway.wait_for("up")
    session = LegacySession(gateway.port)

    def subscribe(uri: str) -> Any:
        return session.post(rpc("resources/subscribe", {"uri": uri})).message

    def listen(*uris: str) -> Any:
        return post_modern(
            gateway.port, modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": list(uris)}})
        )

    try:
        assert "1024 bytes" in subscribe("ref://".ljust(1025, "x"))["error"]["message"]
        for number in range(4):
            assert "result" in subscribe(f"ref://{number}".ljust(1024, "x"))
        assert "4096 bytes" in subscribe("ref://a")["error"]["message"]
        assert "result" in session.post(rpc("resources/unsubscribe", {"uri": "ref://0".ljust(1024, "x")})).message
        assert "result" in subscribe("ref://a")
        assert (listen("ref://".ljust(1025, "x")).status, listen("ref://".ljust(1025, "x")).code) == (400, -32602)
        assert listen(*(f"ref://{number}".ljust(1000, "x") for number in range(5))).code == -32602
    finally:
        server.close()


def test_a_client_holds_no_more_than_its_share_of_the_memory(make_gateway: Callable[..., Gateway]) -> None:
    """Listens are kept as long as their connections: another client still gets what it asks for."""
    server = ModernServer()
    limits = {"memory": "4MiB", "uri": "8KiB", "subscriptions": "1MiB"}
    gateway = make_gateway(settings={"servers": {"up": {"url": server.url, "era": "modern"}}, "limits": limits})
    gateway.wait_for("up")
    before = private_bytes(gateway.pid)
    with ExitStack() as held:

        def listen(number: int, source: str) -> int:
            uris = [f"ref://{number}/{place}".ljust(500, "x") for place in range(200)]
            message = modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}})
            body = json.dumps(message).encode()
            connection = held.enter_context(Connection(gateway.port, source=source))
            connection.send(request("POST", "/mcp", dict(modern_headers(message)), body, port=gateway.port))
            return connection.head().status

        statuses = [listen(number, SOURCE) for number in range(12)]
        assert statuses.count(200) in range(1, 6) and set(statuses) == {200, 503}, statuses
        assert listen(100, BYSTANDER) == 200
        assert private_bytes(gateway.pid) < before + 12 * MIB
    assert eventually(lambda: not server.listens or all(not each.resources for each in server.listens), 10)
    with ExitStack() as held:
        assert listen(200, SOURCE) == 200
    server.close()


class Hesitant(ScriptedServer):
    """It opens no conversation before it is let."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        super().__init__()

    def result(self, session: str, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["method"] == "initialize":
            self.gate.wait(30)
        return super().result(session, message)


def test_calls_that_wait_for_a_conversation_count(make_gateway: Callable[..., Gateway]) -> None:
    """A client has no more kept for it than its share, and gets it back."""
    with scripted(Hesitant()) as server, ExitStack() as held:
        servers = {"up": {"url": server.url, "isolation": "session"}}
        gateway = make_gateway(settings={"servers": servers, "limits": {"memory": "8MiB"}}, workers=1)
        gateway.wait_for("up")
        session = LegacySession(gateway.port)
        for _ in range(2):
            server.gate.clear()
            connections = [held.enter_context(Connection(gateway.port, timeout=20)) for _ in range(4)]
            for number, connection in enumerate(connections):
                arguments = {"x": "x" * 900_000}
                connection.send(session.bytes_of(rpc("tools/call", {"name": "who", "arguments": arguments}, number)))

            def answered() -> list[Connection]:
                ready = select.select([each.socket for each in connections], [], [], 0.1)[0]
                return [each for each in connections if each.socket in ready]

            assert eventually(lambda: len(answered()) == 2, 10), "two may wait and two may not"
            for connection in answered():
                answer = connection.response()
                assert (answer.status, answer.message["error"]["data"]["reason"]) == (503, "overloaded"), answer
                connections.remove(connection)
            server.gate.set()
            for connection in connections:
                assert "result" in connection.response().messages()[0]
            session = LegacySession(gateway.port)


def test_what_never_fits_into_the_memory_is_too_large(make_gateway: Callable[..., Gateway]) -> None:
    """It is of no use to try that again, as 503 would have it."""
    with scripted(ScriptedServer()) as server:
        settings = {"servers": {"up": {"url": server.url}}, "limits": {"memory": "2MiB"}}
        gateway = make_gateway(settings=settings, workers=1)
        gateway.wait_for("up")
        assert gateway.says("limits.body is 508 KiB instead of 16384")
        assert gateway.says("listeners.websocket.max_message_size is 508 KiB instead of 4096")
        session = LegacySession(gateway.port)
        for size, status in ((900_000, 413), (400_000, 200), (600_000, 413)):
            answer = session.call("who", {"x": "x" * size})
            assert answer.status == status, answer
        with Connection(gateway.port) as connection:
            body = session.bytes_of(b"x" * 900_000)
            head, _, rest = body.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(rest) // 3, rest[: len(rest) // 3]) for _ in range(3))
            connection.send(b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n" + chunks)
            assert connection.response().status == 413
        with Socket(gateway.socket_url()) as socket:
            socket.initialize()
            socket.send(rpc("tools/call", {"name": "who", "arguments": {"x": "x" * 600_000}}))
            with pytest.raises(ConnectionClosed):
                socket.until(lambda _: False)
            assert socket.connection.protocol.close_code == 1009
        # An answer that must be whole, and never can be.
        old = LegacySession(gateway.port, version="2025-03-26")
        answer = old.call("who", {"padding": 700_000})
        assert answer.message["error"]["data"]["reason"] == "result_too_large", answer
        assert "result" in old.call("who", {"padding": 300_000}).message


class Dribbling(ScriptedServer):
    """Its answers to calls stop before their end until it is let."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        super().__init__()
        self.http.RequestHandlerClass = dribbling(self)


def dribbling(server: Dribbling) -> type:
    class Handler(handler_for(server)):  # type: ignore[misc]
        def reply(self, status: int, message: Any = None, **headers: str) -> None:
            if not isinstance(message, dict) or "content" not in message.get("result", {}):
                return super().reply(status, message, **headers)
            body = json.dumps(message).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body[:-10])
                server.gate.wait(30)
                self.wfile.write(body[-10:])
            return None

    return Handler


def test_answers_that_are_not_whole_count(make_gateway: Callable[..., Gateway]) -> None:
    """Whoever has as many of them under way as may be is refused more, others are not, and all of it comes back."""
    with scripted(Dribbling()) as server, ExitStack() as held:
        settings = {"servers": {"up": {"url": server.url}}, "limits": {"memory": "8MiB"}}
        gateway = make_gateway(settings=settings, workers=1)
        gateway.wait_for("up")

        def call(source: str) -> Connection:
            # What goes to a batch must be whole.
            connection = held.enter_context(Connection(gateway.port, timeout=20, source=source))
            params = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
            opening = request("POST", "/mcp", {}, json.dumps(rpc("initialize", params)).encode(), port=gateway.port)
            headers = {"Mcp-Session-Id": connection.exchange(opening).headers["mcp-session-id"]}
            calls = [rpc("tools/call", {"name": "who", "arguments": {"padding": 900_000}})]
            connection.send(request("POST", "/mcp", headers, json.dumps(calls).encode(), port=gateway.port))
            return connection

        def outcome(connection: Connection) -> Any:
            answer = connection.response().messages()[0]
            return answer[0] if isinstance(answer, list) else answer

        for _ in range(2):
            server.gate.clear()
            connections = [call(SOURCE) for _ in range(4)] + [call(BYSTANDER)]

            def answered() -> list[Connection]:
                ready = select.select([each.socket for each in connections], [], [], 0.1)[0]
                return [each for each in connections if each.socket in ready]

            assert eventually(lambda: len(answered()) == 2, 10), "two may wait and two may not"
            assert connections[-1] not in answered()
            for connection in answered():
                assert outcome(connection)["error"]["data"]["reason"] == "overloaded"
                connections.remove(connection)
            server.gate.set()
            for connection in connections:
                assert "result" in outcome(connection)


class Eloquent(ScriptedServer):
    """It has a lot to say of how it is to be used."""

    def result(self, session: str, message: dict[str, Any]) -> dict[str, Any] | None:
        result = super().result(session, message)
        if message["method"] == "initialize" and result is not None:
            result["instructions"] = "x" * (50 * MIB)
        return result


def test_instructions_are_bounded(make_gateway: Callable[..., Gateway]) -> None:
    with scripted(Eloquent()) as server:
        gateway = make_gateway({"up": {"url": server.url}})
        gateway.wait_for("up")
        before = private_bytes(gateway.pid)
        for _ in range(3):
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
            answer = post(gateway.port, rpc("initialize", params)).message
            assert 60_000 < len(answer["result"]["instructions"]) <= 65_536
        assert private_bytes(gateway.pid) < before + 8 * MIB
        assert eventually(lambda: private_bytes(gateway.pid) < 60 * MIB, 20)


# --- sessions --------------------------------------------------------------------------------------------------------


def opened(gateway: Gateway, source: str) -> int:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    with Connection(gateway.port, source=source) as connection:
        return connection.exchange(
            request("POST", "/mcp", {}, json.dumps(rpc("initialize", params)).encode(), port=gateway.port)
        ).status


def test_one_client_cannot_open_all_sessions(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(settings={"sessions": {"max": 20}}, workers=2)
    statuses = [opened(gateway, SOURCE) for _ in range(15)]
    assert (statuses.count(200), statuses.count(503)) == (10, 5)
    assert opened(gateway, BYSTANDER) == 200
    assert gateway.metric("sluice_sessions") == 11


@pytest.mark.heavy
def test_sessions_that_were_never_used_make_room(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(settings={"sessions": {"max": 4, "per_client": 3}}, workers=2)
    used = LegacySession(gateway.port)
    assert used.post(rpc("ping")).status == 200
    forgotten = LegacySession(gateway.port)
    assert [opened(gateway, SOURCE) for _ in range(3)] == [200, 200, 503]
    time.sleep(5.2)
    assert opened(gateway, BYSTANDER) == 200
    assert forgotten.post(rpc("ping")).status == 200, "its client comes to use it: another makes room"
    assert used.post(rpc("ping")).status == 200
    assert gateway.metric("sluice_sessions") == 4


# --- lists -----------------------------------------------------------------------------------------------------------


def test_a_server_whose_lists_grow_too_large_keeps_its_former_ones(make_gateway: Callable[..., Gateway]) -> None:
    with scripted(ScriptedServer()) as growing, scripted(ScriptedServer()) as other:
        servers = {"growing": {"url": growing.url}, "other": {"url": other.url}}
        gateway = make_gateway(settings={"servers": servers, "limits": {"list": "64KiB", "list_entries": 500}})
        gateway.wait_for("growing", "other")

        def listed() -> set[str]:
            return {tool["name"] for tool in post_modern(gateway.port, modern("tools/list")).message["result"]["tools"]}

        def told() -> None:
            for session in list(growing.streams):
                growing.push(session, {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})

        excess = 'sluice_upstream_lists_excessive{server="growing"}'
        assert gateway.metric(excess) == 0
        assert eventually(lambda: growing.streams, 10)
        for tools in ([f"t{number}".ljust(1000, "x") for number in range(70)], [f"t{n}" for n in range(501)]):
            growing.tools = tools
            told()
            assert eventually(lambda: gateway.metric(excess) == 1, 10)
            assert listed() == {"growing__who", "other__who"}
            growing.tools = ["who"]
            told()
            assert eventually(lambda: gateway.metric(excess) == 0, 10)
        assert gateway.says("limits.list)", "limits.list_entries)")
        growing.tools = ["who", "more"]
        told()
        assert eventually(lambda: "growing__more" in listed(), 10)


class Endless(ScriptedServer):
    """Its cursors go round in a circle."""

    def result(self, session: str, message: dict[str, Any]) -> dict[str, Any] | None:
        result = super().result(session, message)
        if message["method"] == "tools/list" and result is not None:
            result["nextCursor"] = "b" if message.get("params", {}).get("cursor") == "a" else "a"
        return result


def test_cursors_that_go_round_in_a_circle_are_reported(make_gateway: Callable[..., Gateway]) -> None:
    with scripted(Endless()) as endless, scripted(ScriptedServer()) as other:
        gateway = make_gateway({"endless": {"url": endless.url}, "other": {"url": other.url}})
        gateway.wait_for("other")
        assert eventually(lambda: gateway.metric('sluice_upstream_lists_excessive{server="endless"}') == 1, 10)
        assert gateway.says("go round in a circle")
        assert len(endless.requests("tools/list")) < 10


# --- unread results --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["post", "stream"])
def test_results_that_nobody_reads_are_bounded_together(
    make_gateway: Callable[..., Gateway], transport: str
) -> None:
    """A child speaks to all: it is read on, and who does not read is ended, one who reads is not."""
    gateway = make_gateway({"up": LARGE}, settings={"limits": {"unread": "8MiB"}})
    gateway.wait_for("up")
    before = private_bytes(gateway.pid)
    arguments = {"bytes": 3 * MIB}
    message = modern("tools/call", {"name": "big", "arguments": arguments})
    data = request("POST", "/mcp", dict(modern_headers(message)), json.dumps(message).encode(), port=gateway.port)
    with ExitStack() as held:
        for _ in range(30):
            if transport == "stream":
                session = LegacySession(gateway.port)
                data = session.bytes_of(rpc("tools/call", {"name": "big", "arguments": arguments}))
            connection = held.enter_context(Connection(gateway.port, source=SOURCE))
            connection.socket.setsockopt(1, 8, 4096)
            connection.send(data)
        with Connection(gateway.port, source=BYSTANDER, timeout=30) as bystander:
            for _ in range(5):
                answer = bystander.exchange(data)
                assert answer.status == 200 and len(answer.body) > 3 * MIB
        # What the kernel has taken of each is not ours.
        assert private_bytes(gateway.pid) < before + 40 * MIB


def test_a_batch_is_answered_with_no_more_than_a_result_may_be(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"up": LARGE}, settings={"limits": {"result": "1MiB"}})
    gateway.wait_for("up")
    session = LegacySession(gateway.port, version="2025-03-26")
    calls = [
        rpc("tools/call", {"name": "big", "arguments": {"bytes": 300_000}}, number) for number in range(6)
    ]
    answers = session.post(calls).messages()[0]
    assert sorted(answer["id"] for answer in answers) == list(range(6))
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert len(refused) == 3 and all(error["data"]["reason"] == "result_too_large" for error in refused)


# --- names -----------------------------------------------------------------------------------------------------------


def test_ids_and_tokens_are_not_kept_at_any_length(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    long = post_modern(gateway.port, modern("tools/list", number="i" * 2000))
    assert (long.status, long.code, long.message["id"]) == (400, -32600, None)
    session = LegacySession(gateway.port)
    meta = {"progressToken": "p" * 2000}
    assert session.post(rpc("tools/list", {"_meta": meta}, 7)).message["id"] == 7
    assert session.post(rpc("tools/list", {"_meta": meta}, 7)).code == -32600


# --- all of it -------------------------------------------------------------------------------------------------------


class Bystander:
    """A client that has nothing to do with it, and whose calls are answered all the while."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.answered, self.refused, self.slowest = gateway, 0, 0, 0.0

    def call(self) -> None:
        # Not of the server that the other keeps busy: it answers one call after the other.
        message = modern("tools/call", {"name": "calm__big", "arguments": {"bytes": 10}})
        data = request(
            "POST", "/mcp", dict(modern_headers(message)), json.dumps(message).encode(), port=self.gateway.port
        )
        said: list[Any] = []
        began = time.monotonic()
        for _ in range(4):
            try:
                with Connection(self.gateway.port, source=BYSTANDER, timeout=20) as connection:
                    answer = connection.exchange(data)
            except (Closed, OSError) as error:
                said.append(error)
            else:
                if answer.status == 200 and "result" in answer.message:
                    self.answered += 1
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    return
                said.append(answer)
            self.refused += 1
            time.sleep(0.3)
        raise AssertionError(f"not answered: {said}; log:\n{self.gateway.log[-3000:]}")

    def go_on(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.call()
            time.sleep(0.05)


def survives(gateway: Gateway, seconds: float, bound: int) -> None:
    """One client does its worst for so long: calls of others succeed, and memory comes back."""
    gateway.wait_for("up", "calm")
    bystander = Bystander(gateway)
    bystander.go_on(1)
    before = resident_bytes(gateway.pid)
    hostile = HostileClient(gateway.port, uri="ref://a/", tool="up__big")
    with hostile.at_work():
        bystander.go_on(seconds)
    peak = resident_peak(gateway)
    print(f"{before / MIB:.0f} MiB before, {peak / MIB:.0f} at most; {dict(hostile.counts)};", end=" ")
    print(f"{bystander.answered} calls answered, {bystander.refused} refused first,", end=" ")
    print(f"{bystander.slowest:.1f} s the slowest")
    assert gateway.child.process.poll() is None, gateway.crash()
    assert peak < bound
    assert bystander.answered > seconds / 2
    assert bystander.refused <= bystander.answered / 10
    left: list[int] = []

    def is_back() -> bool:
        left.append(resident_bytes(gateway.pid))
        return left[-1] < before + 48 * MIB

    assert eventually(is_back, 60, 1), f"{before / MIB:.0f} MiB before, {left[-1] / MIB:.0f} after"
    bystander.call()


def resident_peak(gateway: Gateway) -> int:
    with open(f"/proc/{gateway.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


WORST = {"limits": {"connections_per_address": 2000}, "sessions": {"idle_timeout": "20s", "resume_window": "5s"}}


def test_a_client_that_does_its_worst_is_survived(make_gateway: Callable[..., Gateway]) -> None:
    """The short version, by `limits.memory` instead of a cgroup."""
    settings = {**WORST, "limits": {**WORST["limits"], "memory": "48MiB", "unread": "32MiB"}}
    survives(make_gateway({"up": LARGE, "calm": LARGE}, settings=settings, workers=2), 4, 400 * MIB)


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_client_that_does_its_worst_in_a_cgroup_is_survived(make_gateway: Callable[..., Gateway]) -> None:
    with memory_group(600 * MIB) as group:
        if group is None:
            pytest.skip("no cgroup with a memory controller can be made here")
        with group.entered():
            gateway = make_gateway({"up": LARGE, "calm": LARGE}, settings=WORST, workers=2)
        try:
            survives(gateway, 60, 600 * MIB)
            print(f"cgroup version {group.version}: {group.peak / MIB:.0f} MiB at most")
        finally:
            gateway.stop()


# --- what is told of it ----------------------------------------------------------------------------------------------


def test_a_worker_that_makes_room_says_so_once_and_counts_it(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(settings={"limits": {"memory": "4MiB", "body_timeout": "60s"}})
    counted = 'sluice_relieved_connections_total{worker="0"}'
    assert gateway.metric(counted) == 0 and "makes room" not in gateway.log
    head = request("POST", "/mcp", {"Content-Length": str(1000 << 10)}, port=gateway.port)
    with ExitStack() as held:
        # Buffers double: of 1, 1, 1, 0.5 and 0.125 MiB, which is between seven eighths and the whole.
        for size in (600, 600, 600, 300, 100):
            connection = held.enter_context(Connection(gateway.port))
            with suppress(OSError):  # it may be the one that is ended
                connection.send(head + b" " * (size << 10))
        assert eventually(lambda: gateway.metric(counted) >= 1, 10)
        assert eventually(lambda: "worker 0 makes room: it held " in gateway.log, 10)
    assert eventually(lambda: "worker 0 has made room: " in gateway.log, 30)
    ended = int(gateway.metric(counted))
    freed = int(gateway.metric('sluice_relieved_bytes_total{worker="0"}'))
    assert freed >= ended * (MIB // 8)
    assert gateway.says(f"worker 0 has made room: {ended} connections, with {freed} bytes, were ended in all")
    assert gateway.log.count("makes room") == 1
    assert gateway.metric('sluice_relieved_connections_total{worker="control"}') == 0


DEAF = """
import json, sys, time
for line in sys.stdin:
    message = json.loads(line)
    method, result = message["method"], {}
    if method == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "deaf", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        time.sleep(3600)
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def test_a_child_that_does_not_read_is_busy_and_refuses_nothing(make_gateway: Callable[..., Gateway]) -> None:
    command = {"command": sys.executable, "args": ["-c", DEAF], "era": "legacy"}
    # Its calls never end, and the end of the test need not wait for them.
    settings = {"servers": {"deaf": command}, "limits": {"stdio_buffer": "4KiB"}, "drain_timeout": "1s"}
    gateway = make_gateway(settings=settings)
    gateway.wait_for("deaf")
    session = LegacySession(gateway.port)
    calls = [rpc("tools/call", {"name": "say", "arguments": {"x": "x" * 100_000}}, number) for number in range(8)]
    with ExitStack() as held:
        connections = [held.enter_context(Connection(gateway.port)) for _ in calls]
        for connection, call in zip(connections, calls, strict=True):
            connection.send(session.bytes_of(call))
        # Which of them the child has room for is the gateway's affair: they come over connections of their own.
        refused, _, _ = select.select([connection.socket for connection in connections], [], [], 10)
        assert refused, "all wait for a child that does not read"
        error = next(each for each in connections if each.socket is refused[0]).response().message["error"]
    assert error["code"] == -32603 and error["data"]["reason"] == "upstream_busy", error
    assert error["data"]["retry_after_ms"] > 0 and "does not read its input" in error["message"]

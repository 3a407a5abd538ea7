"""What a client has settled and what it has not read, as another process takes the place of the one it speaks to."""

from __future__ import annotations

import contextlib
import io
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from harness.client import Driver, Trace
from harness.gateway import Gateway
from harness.processes import Child, eventually
from harness.scripted import ScriptedServer, handler_for
from harness.tickets import Ticket
from harness.upstreams import HTTPUpstream, reference_command, stdio_entry
from harness.wire import Connection, LegacySession, Response, notification, request, rpc
from test_sessions import SECRET, named
from test_wire_sse import StreamSession

Make = Callable[..., Gateway]
CLOCK = "ref://clock"


class StepServer(ScriptedServer):
    """Its calls of `steps` go on as a test has it: `say` puts an event on the stream of the POST, `finish` answers."""

    def __init__(self) -> None:
        super().__init__()
        self.http.RequestHandlerClass = step_handler_for(self)
        self.tools = ["who", "steps"]
        self.steps: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.begun = threading.Event()

    def say(self, text: str) -> None:
        self.steps.put(news(text))

    def finish(self) -> None:
        self.steps.put(None)

    def newest(self) -> str:
        """The latest session whose stream is open."""
        return list(self.streams)[-1]

    def push_news(self, text: str, session: str | None = None) -> None:
        self.push(session or self.newest(), news(text))


def step_handler_for(server: StepServer) -> type[BaseHTTPRequestHandler]:
    class Handler(handler_for(server)):  # type: ignore[misc]
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = json.loads(body)
            if message.get("method") != "tools/call" or message["params"]["name"] != "steps":
                rest, self.rfile = self.rfile, io.BytesIO(body)
                super().do_POST()
                self.rfile = rest
                return
            server.seen.append(("tools/call", self.session, message))
            self.begin_events()
            self.wfile.flush()
            server.begun.set()
            while (step := server.steps.get()) is not None:
                self.wfile.write(f"data: {json.dumps(step)}\n\n".encode())
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": "done"}]}}
            self.wfile.write(f"data: {json.dumps(answer)}\n\n".encode())
            self.close_connection = True

    return Handler


def news(text: str) -> dict[str, Any]:
    return notification("notifications/message", {"level": "error", "data": text})


@pytest.fixture
def server() -> Iterator[StepServer]:
    server = StepServer()
    yield server
    server.close()


@pytest.fixture
def gateway(make_gateway: Make, server: StepServer) -> Gateway:
    made = make_gateway({"own": {"url": server.url, "type": "http"}}, workers=2, env={"SLUICE_SESSIONS_SECRET": SECRET})
    made.wait_for("own")
    return made


class Takeover:
    """The old process drains for as long as a call runs in it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.old = gateway, gateway.child
        log = gateway.log_path.with_suffix(f".{self.old.pid}.log")
        gateway.child = Child([*gateway.command, "--takeover"], log, gateway.env)
        assert eventually(lambda: f"took over from process {self.old.pid}" in gateway.log, 30), gateway.log
        assert eventually(lambda: "another process has taken over: draining" in self.old.text(), 10)

    def ends(self) -> None:
        assert eventually(lambda: self.old.process.poll() is not None, 40), self.old.text()[-3000:]
        assert self.old.process.returncode == 0, self.old.text()[-3000:]


class Stream:
    """Events of a stream as they come, over as many connections as it takes."""

    def __init__(self, session: LegacySession) -> None:
        self.session = session
        self.ids: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.events: Iterator[dict[str, str]] = iter(())
        self.connection: Connection | None = None

    @property
    def texts(self) -> list[str]:
        return [each["params"]["data"] for each in self.messages if each.get("method") == "notifications/message"]

    def methods(self) -> list[str]:
        return [each.get("method", "answer") for each in self.messages]

    def listen(self, last: str | None = None) -> None:
        connection, head = self.session.listen(last, timeout=20)
        assert head.status == 200, connection.exactly(int(head.headers.get("content-length", 0)))
        self.read(connection)

    def resume(self) -> None:
        self.cut()
        self.listen(self.ids[-1])

    def call(self, tool: str) -> None:
        connection = Connection(self.session.port, timeout=20)
        message = rpc("tools/call", {"name": tool, "arguments": {}}, next(self.session.numbers))
        connection.send(self.session.bytes_of(message))
        self.read(connection, headed=False)

    def read(self, connection: Connection, *, headed: bool = True) -> None:
        self.connection, self.events = connection, events_of(connection, headed)

    def cut(self) -> None:
        if self.connection:
            self.connection.close()

    def next(self) -> dict[str, str] | None:
        event = next(self.events, None)
        if event and "id" in event:
            assert event["id"] not in self.ids, "an event comes twice"
            self.ids.append(event["id"])
        if event and event.get("data"):
            self.messages.append(json.loads(event["data"]))
        return event

    def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            assert self.next() is not None, f"it ended: {self.messages}"

    def rest(self) -> None:
        while self.next() is not None:
            pass


def events_of(connection: Connection, headed: bool) -> Iterator[dict[str, str]]:
    if not headed:
        assert connection.head().status == 200
    yield from connection.stream()


@contextlib.contextmanager
def running(gateway: Gateway, server: StepServer) -> Iterator[Stream]:
    """A call of another session that keeps the process from its end."""
    stream = Stream(LegacySession(gateway.port))
    server.begun.clear()
    stream.call("steps")
    assert server.begun.wait(10)
    yield stream
    stream.cut()


def test_a_call_over_http_and_sse_is_answered_on_its_stream_by_the_process_that_has_it(
    gateway: Gateway, server: StepServer
) -> None:
    with StreamSession(gateway.port) as session:
        assert session.post(rpc("tools/call", {"name": "steps", "arguments": {}}, 1)).status == 202
        assert server.begun.wait(10)
        takeover = Takeover(gateway)
        server.say("later")
        server.finish()
        assert session.message()["params"]["data"] == "later"
        assert session.message()["result"]["content"][0]["text"] == "done"
    takeover.ends()


# --- streams ----------------------------------------------------------------------------------------------------------


def test_an_answer_whose_stream_breaks_is_resumed_in_the_next_process(gateway: Gateway, server: StepServer) -> None:
    with running(gateway, server) as stream:
        server.say("before")
        stream.until(lambda: stream.texts == ["before"])
        takeover = Takeover(gateway)
        server.say("meanwhile")
        stream.until(lambda: stream.texts == ["before", "meanwhile"])
        stream.cut()
        server.say("unread")
        time.sleep(0.5)
        stream.resume()
        stream.until(lambda: stream.texts == ["before", "meanwhile", "unread"])
        server.say("after")
        stream.until(lambda: stream.texts == ["before", "meanwhile", "unread", "after"])
        # Once more, from the start of it: it was all kept.
        again = Stream(stream.session)
        again.listen(stream.ids[0])
        stream.cut()
        server.finish()
        again.rest()
        assert again.texts == ["before", "meanwhile", "unread", "after"]
        assert again.messages[-1]["result"]["content"][0]["text"] == "done"
        takeover.ends()
        # And when the process that made it is gone.
        late = Stream(stream.session)
        late.listen(stream.ids[-1])
        late.rest()
        assert late.methods() == ["answer"]


def test_a_client_may_have_an_event_before_the_next_process_knows_of_it(gateway: Gateway, server: StepServer) -> None:
    with running(gateway, server) as stream:
        server.say("1")
        stream.until(lambda: stream.texts == ["1"])
        takeover = Takeover(gateway)
        stream.cut()
        number, sequence = stream.ids[-1].split("-")
        # As if it had read what comes only now.
        saying = threading.Timer(0.2, lambda: server.say("2"))
        saying.start()
        stream.listen(f"{number}-{int(sequence) + 1}")
        server.say("3")
        server.finish()
        stream.rest()
        assert stream.texts == ["1", "3"] and stream.methods()[-1] == "answer"
        saying.join()
        connection, head = stream.session.listen(f"{number}-{int(sequence) + 100}", timeout=20)
        assert head.status == 400, "one that nobody gave is waited for in vain"
        connection.close()
    takeover.ends()


def test_an_answer_whose_process_is_killed_ends_with_an_error_once(gateway: Gateway, server: StepServer) -> None:
    with running(gateway, server) as stream:
        server.say("before")
        stream.until(lambda: stream.texts == ["before"])
        takeover = Takeover(gateway)
        stream.resume()
        server.say("after")
        stream.until(lambda: stream.texts == ["before", "after"])
        late = Stream(stream.session)
        last = stream.ids[-1]
        takeover.old.kill()
        stream.rest()
        late.listen(last)
        late.rest()
        assert late.methods() == ["answer"] and late.messages[-1] == stream.messages[-1]
        assert "its answer is lost" in stream.messages[-1]["error"]["message"]
        # Who did not take that for its answer does not come back for ever.
        connection, head = stream.session.listen(stream.ids[-1])
        assert head.status == 400
        assert b"nothing follows that event" in connection.exactly(int(head.headers["content-length"]))
        connection.close()
    server.finish()


def test_an_answer_that_ended_before_can_be_had_after(gateway: Gateway, server: StepServer) -> None:
    with running(gateway, server) as stream:
        server.say("first")
        stream.until(lambda: stream.texts == ["first"])
        stream.cut()
        server.say("second")
        server.finish()
        time.sleep(1)
    Takeover(gateway).ends()
    stream.resume()
    stream.rest()
    assert stream.texts == ["first", "second"] and stream.methods()[-1] == "answer"


def test_a_stream_goes_on_without_a_gap_and_nothing_comes_twice(gateway: Gateway, server: StepServer) -> None:
    session = LegacySession(gateway.port)
    stream = Stream(session)
    stream.listen()
    assert session.post(rpc("resources/subscribe", {"uri": CLOCK})).status == 200
    assert eventually(lambda: bool(server.streams), 10)
    first = server.newest()
    server.push_news("1", first)
    stream.until(lambda: stream.texts == ["1"])
    stream.cut()
    server.push_news("2", first)
    time.sleep(0.5)
    with running(gateway, server):
        takeover = Takeover(gateway)
        # The old process tells of it, and the client will ask the new one.
        server.push_news("3", first)
        time.sleep(0.5)
        stream.resume()
        stream.until(lambda: stream.texts == ["1", "2", "3"])
        server.push_news("4", first)
        stream.until(lambda: stream.texts == ["1", "2", "3", "4"])
        # What it subscribed to, without a call of its client.
        assert eventually(lambda: len(set(server.sessions_of("resources/subscribe"))) == 2)
        second = server.sessions_of("resources/subscribe")[-1]
        assert second != first
        updated = notification("notifications/resources/updated", {"uri": CLOCK})
        stream.until(lambda: updated in stream.messages)
        server.push_news("5", second)
        stream.until(lambda: stream.texts[-1] == "5")
        server.push(second, updated)
        stream.until(lambda: stream.messages.count(updated) == 2)
        server.finish()
        takeover.ends()
    server.push_news("6", second)
    stream.until(lambda: stream.texts == ["1", "2", "3", "4", "5", "6"])
    stream.cut()


def test_a_client_that_listens_is_told_to_come_back_with_what_it_has(gateway: Gateway, server: StepServer) -> None:
    session = LegacySession(gateway.port)
    stream = Stream(session)
    stream.listen()
    assert session.post(rpc("resources/subscribe", {"uri": CLOCK})).status == 200
    Takeover(gateway).ends()
    stream.rest()
    assert stream.ids, "it has nothing to come back with"
    stream.resume()
    updated = notification("notifications/resources/updated", {"uri": CLOCK})
    stream.until(lambda: updated in stream.messages)
    stream.cut()


# --- what was settled ------------------------------------------------------------------------------------------------


def test_subscriptions_and_the_level_of_logs_go_over(gateway: Gateway, server: StepServer) -> None:
    session = LegacySession(gateway.port)
    assert session.post(rpc("logging/setLevel", {"level": "critical"})).status == 200
    for uri in (CLOCK, "ref://gone"):
        assert "result" in session.post(rpc("resources/subscribe", {"uri": uri})).message
    assert "result" in session.post(rpc("resources/unsubscribe", {"uri": "ref://gone"})).message
    before = len(server.seen)
    Takeover(gateway).ends()
    assert session.post(rpc("ping")).status == 200

    def since(method: str) -> list[Any]:
        return [what["params"] for kind, _, what in server.seen[before:] if kind == method]

    # It is subscribed to as the conversation opens, too.
    assert eventually(lambda: {"uri": CLOCK} in since("resources/subscribe"))
    assert {"uri": "ref://gone"} not in since("resources/subscribe")
    assert eventually(lambda: {"level": "critical"} in since("logging/setLevel"))
    # Nobody listened when that was subscribed to: it is told as soon as somebody does.
    stream = Stream(session)
    stream.listen()
    updated = notification("notifications/resources/updated", {"uri": CLOCK})
    stream.until(lambda: updated in stream.messages)
    server.push_news("too low for it", server.sessions_of("resources/subscribe")[-1])
    assert "result" in session.post(rpc("resources/unsubscribe", {"uri": CLOCK})).message
    assert since("resources/unsubscribe") == [{"uri": CLOCK}]
    stream.cut()


def test_what_is_settled_with_the_old_process_while_it_drains_goes_over(gateway: Gateway, server: StepServer) -> None:
    session = LegacySession(gateway.port)
    with Connection(gateway.port) as kept, running(gateway, server):
        assert kept.exchange(session.bytes_of(rpc("ping"))).status == 200
        takeover = Takeover(gateway)
        answer = kept.exchange(session.bytes_of(rpc("resources/subscribe", {"uri": CLOCK})))
        assert "result" in answer.message, answer
        old = server.sessions_of("resources/subscribe")[-1]
        assert session.post(rpc("ping")).status == 200
        assert eventually(lambda: server.sessions_of("resources/subscribe")[-1] != old)
        server.finish()
        takeover.ends()


def test_a_session_that_is_opened_with_the_old_process_while_it_drains_goes_on(
    gateway: Gateway, server: StepServer
) -> None:
    with Connection(gateway.port) as kept, running(gateway, server):
        assert kept.exchange(LegacySession(gateway.port).bytes_of(rpc("ping"))).status == 200
        takeover = Takeover(gateway)
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}}
        opening = json.dumps(rpc("initialize", params, 0)).encode()
        opened = kept.exchange(request("POST", body=opening, port=gateway.port))
        session = named(gateway, opened.headers["mcp-session-id"])
        # It is told of there, if it listened to the old process at all.
        stream = Stream(session)
        stream.listen()
        assert session.post(rpc("resources/subscribe", {"uri": CLOCK})).status == 200
        stream.until(lambda: "notifications/tools/list_changed" in stream.methods())
        second = server.sessions_of("resources/subscribe")[-1]
        assert eventually(lambda: second in server.streams)
        server.push_news("here", second)
        stream.until(lambda: stream.texts == ["here"])
        stream.cut()
        server.finish()
        takeover.ends()


def test_a_cursor_is_good_in_the_next_process(make_gateway: Make, server: StepServer) -> None:
    settings = {
        "servers": {"own": {"url": server.url, "type": "http"}},
        "sessions": {"secret": SECRET},
        "limits": {"page_entries": 1},
    }
    gateway = make_gateway(settings=settings)
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    first = session.post(rpc("tools/list")).message["result"]
    Takeover(gateway).ends()
    second = session.post(rpc("tools/list", {"cursor": first["nextCursor"]})).message["result"]
    assert sorted(tool["name"] for tool in first["tools"] + second["tools"]) == ["steps", "who"]


# --- what is said to the one and meant for the other -------------------------------------------------------------------


def test_what_a_call_of_the_old_process_asks_is_answered_by_way_of_the_new_one(
    gateway: Gateway, server: StepServer
) -> None:
    stream = Stream(LegacySession(gateway.port, capabilities={"roots": {}}))
    stream.call("steps")
    assert server.begun.wait(10)
    takeover = Takeover(gateway)
    server.steps.put({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
    stream.until(lambda: "roots/list" in stream.methods())
    asked = stream.messages[-1]
    answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}
    assert stream.session.post(answer).status == 202
    assert eventually(lambda: {"jsonrpc": "2.0", "id": "q", "result": {"roots": []}} in server.requests("response"))
    server.finish()
    stream.rest()
    assert stream.methods()[-1] == "answer"
    takeover.ends()


def test_a_call_of_the_old_process_is_cancelled_by_way_of_the_new_one(gateway: Gateway, server: StepServer) -> None:
    stream = Stream(LegacySession(gateway.port))
    stream.call("steps")
    assert server.begun.wait(10)
    server.say("it runs")
    stream.until(lambda: stream.texts == ["it runs"])
    number = next(stream.session.numbers) - 1
    takeover = Takeover(gateway)
    cancelled = notification("notifications/cancelled", {"requestId": number})
    assert stream.session.post(cancelled).status == 202
    stream.rest()
    assert "error" in stream.messages[-1]
    assert eventually(lambda: bool(server.requests("notifications/cancelled")))
    server.finish()
    takeover.ends()


@pytest.mark.parametrize("is_used_between", [False, True])
def test_a_call_goes_on_over_two_takeovers(gateway: Gateway, server: StepServer, is_used_between: bool) -> None:
    stream = Stream(LegacySession(gateway.port, capabilities={"roots": {}}))
    stream.call("steps")
    assert server.begun.wait(10)
    server.say("1")
    stream.until(lambda: stream.texts == ["1"])
    first = Takeover(gateway)
    if is_used_between:
        assert stream.session.post(rpc("ping")).status == 200
    second = Takeover(gateway)
    server.steps.put({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
    stream.until(lambda: "roots/list" in stream.methods())
    answer = {"jsonrpc": "2.0", "id": stream.messages[-1]["id"], "result": {"roots": []}}
    assert stream.session.post(answer).status == 202
    assert eventually(lambda: {"jsonrpc": "2.0", "id": "q", "result": {"roots": []}} in server.requests("response"))
    stream.cut()
    server.say("2")
    stream.listen(stream.ids[-1])
    stream.until(lambda: stream.texts == ["1", "2"])
    assert second.old.process.poll() is None, "it passes on what the first one says"
    server.say("3")
    server.finish()
    stream.rest()
    assert stream.texts == ["1", "2", "3"] and stream.methods()[-1] == "answer"
    first.ends()
    second.ends()


def test_a_session_that_is_ended_after_two_takeovers_ends_in_the_first_process(
    gateway: Gateway, server: StepServer
) -> None:
    with running(gateway, server) as stream:
        server.say("1")
        stream.until(lambda: stream.texts == ["1"])
        first, second = Takeover(gateway), Takeover(gateway)
        assert stream.session.delete().status == 200
        stream.rest()
        assert stream.texts == ["1"] and "result" not in stream.messages[-1]
        server.finish()
    first.ends()
    second.ends()


@pytest.mark.parametrize("where", ["old", "new"])
def test_a_session_that_is_ended_in_one_process_is_not_there_in_the_other(
    gateway: Gateway, server: StepServer, where: str
) -> None:
    sessions = [LegacySession(gateway.port) for _ in range(30)]
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(Connection(gateway.port)) for _ in sessions]
        stack.enter_context(running(gateway, server))
        for connection, session in zip(kept, sessions, strict=True):
            assert connection.exchange(session.bytes_of(rpc("ping"))).status == 200
        takeover = Takeover(gateway)
        seen = []
        for connection, session in zip(kept, sessions, strict=True):
            delete = session.bytes_of(b"").replace(b"POST", b"DELETE", 1)
            if where == "old":
                assert connection.exchange(delete, "DELETE").status == 200
                seen.append(session.post(rpc("ping")).status)
            else:
                assert session.delete().status == 200
                seen.append(connection.exchange(session.bytes_of(rpc("ping"))).status)
        assert seen == [404] * len(sessions)
        server.finish()
        takeover.ends()


def test_sessions_that_ended_before_do_not_come_back_without_a_state_dir(
    make_gateway: Make, server: StepServer
) -> None:
    env = {"SLUICE_SESSIONS_SECRET": SECRET, "SLUICE_STATE_DIR": "off"}
    gateway = make_gateway({"own": {"url": server.url, "type": "http"}}, env=env)
    gateway.wait_for("own")
    sessions = [LegacySession(gateway.port) for _ in range(30)]
    for session in sessions[1:]:
        assert session.delete().status == 200
    # Nor in the process after that.
    for _ in range(2):
        Takeover(gateway).ends()
        assert [session.post(rpc("ping")).status for session in sessions] == [200] + [404] * 29


# --- takeovers that come to nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", [None, b"sluice sessions 2\n", b"sluice sessions 1\n" + b"\xff" * 4096])
def test_a_successor_that_fails_once_it_may_serve_costs_nothing(
    make_gateway: Make, server: StepServer, tmp_path: Any, garbage: bytes | None
) -> None:
    env = {"SLUICE_SESSIONS_SECRET": SECRET, "SLUICE_TAKEOVER_SOCKET": str(tmp_path / "takeover")}
    gateway = make_gateway({"own": {"url": server.url, "type": "http"}}, env=env)
    gateway.wait_for("own")
    session = LegacySession(gateway.port)
    stream = Stream(session)
    stream.listen()
    assert session.post(rpc("resources/subscribe", {"uri": CLOCK})).status == 200
    assert eventually(lambda: bool(server.streams), 10)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(20)
        peer.connect(env["SLUICE_TAKEOVER_SOCKET"])
        peer.send(b"sluice takeover 2")
        assert peer.recv(20_000) and peer.recv(20_000)
        peer.send(b"ready")
        text, handles, _, _ = socket.recv_fds(peer, 100, 4)
        assert text == b"go" and len(handles) == 1
        with socket.socket(fileno=handles[0]) as told:
            told.setblocking(True)
            assert told.recv(18, socket.MSG_WAITALL) == b"sluice sessions 1\n"
            if garbage:
                told.send(garbage)
            server.push_news("meanwhile")
            stream.until(lambda: stream.texts == ["meanwhile"])
            if garbage:
                # Before the other end is gone, with which goes what it has said.
                assert eventually(lambda: "what the next process says of sessions can't be read" in gateway.log, 10)
    assert eventually(lambda: "did not get to serve" in gateway.log, 10), gateway.log
    server.push_news("afterwards")
    stream.until(lambda: stream.texts == ["meanwhile", "afterwards"])
    Takeover(gateway).ends()
    stream.rest()
    stream.resume()
    assert eventually(lambda: len(set(server.sessions_of("resources/subscribe"))) == 2)
    stream.cut()


def test_ten_thousand_sessions_are_told_in_no_time(make_gateway: Make, server: StepServer) -> None:
    env = {"SLUICE_SESSIONS_SECRET": SECRET}
    gateway = make_gateway({"own": {"url": server.url, "type": "http"}}, env=env)
    gateway.wait_for("own")
    texts = [Ticket(SECRET).text for _ in range(2000)]
    with Connection(gateway.port) as connection:
        for text in texts:
            assert connection.exchange(named(gateway, text).bytes_of(rpc("ping"))).status == 200
    Takeover(gateway).ends()
    answers: list[Response] = [named(gateway, text).post(rpc("ping")) for text in texts[::100]]
    assert {answer.status for answer in answers} == {200}
    assert gateway.metric("sluice_sessions") == len(answers), "the others wait for their clients"


# --- clients that know nothing of all this ----------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=[pytest.mark.heavy, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("kind", ["command", "url"])
def test_programs_of_the_sdks_go_on_hearing_of_what_they_subscribed_to(
    make_gateway: Make, make_upstream: Callable[..., HTTPUpstream], drivers: Callable[[str], Driver], tmp_path: Path,
    kind: str, rounds: int,
) -> None:  # fmt: skip
    own: dict[str, Any] = stdio_entry(reference_command("v1"))
    if kind == "url":
        own = {"url": make_upstream(reference_command("v1")).url, "type": "http"}
    gateway = make_gateway({"own": own}, workers=2, env={"SLUICE_SESSIONS_SECRET": SECRET})
    gateway.wait_for("own")
    stop, clients = tmp_path / "stop", 2
    peers = [("v1", "legacy"), ("v2", "legacy"), ("fastmcp", "legacy")]
    boxes = [
        (sdk, drivers(sdk), drivers(sdk).start(gateway.url, ("updates_until", {"stop": str(stop)}), mode=mode,
                                               clients=clients, timeout=1700))
        for sdk, mode in peers
    ]  # fmt: skip
    began = tmp_path / "stop.began"
    assert eventually(lambda: began.exists() and len(began.read_text()) == clients * len(peers), 90)
    for _ in range(rounds):
        Takeover(gateway).ends()
        time.sleep(1)
    stop.write_text("")
    for sdk, driver, box in boxes:
        for trace in Trace(driver.finish(box, 120)).clients:
            assert "updates_until" in trace.raw, (sdk, trace.raw)
            seen = trace.value("updates_until")
            assert not seen["missed"] and seen["told"] > rounds, (sdk, seen)

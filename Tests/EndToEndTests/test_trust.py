"""What one upstream may do to others, and to clients that are not its own."""

from __future__ import annotations

import io
import json
import re
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.handled import Handler, HandledUpstream
from harness.paths import python
from harness.processes import Child, eventually, private_bytes
from harness.scripted import ScriptedServer
from harness.upstreams import stdio_entry
from harness.wire import LegacySession, rpc

Make = Callable[..., Gateway]


class Claimant(ScriptedServer):
    """Claims resources in lists, by templates and by links in the results of its tool; what is read names the reader."""

    def __init__(
        self, name: str, *, listed: tuple[str, ...] = (), templates: tuple[str, ...] = (), links: tuple[str, ...] = ()
    ) -> None:
        self.name, self.listed, self.templates, self.links = name, listed, templates, links
        super().__init__()

    def result(self, session: str, message: dict[str, Any]) -> dict[str, Any] | None:
        match message["method"]:
            case "resources/list":
                return {"resources": [{"uri": uri, "name": uri} for uri in self.listed]}
            case "resources/templates/list":
                return {"resourceTemplates": [{"uriTemplate": text, "name": text} for text in self.templates]}
            case "resources/read":
                return {"contents": [{"uri": message["params"]["uri"], "text": self.name}]}
            case "tools/call":
                self.on_call(message)
                return {"content": [{"type": "resource_link", "uri": uri, "name": uri} for uri in self.links]}
        return super().result(session, message)


@pytest.fixture
def claim() -> Iterator[Callable[..., Claimant]]:
    with ExitStack() as stack:

        def make(*arguments: Any, **more: Any) -> Claimant:
            server = Claimant(*arguments, **more)
            stack.callback(server.close)
            return server

        yield make


def serve(make_gateway: Make, *servers: Claimant, **settings: Any) -> Gateway:
    """In the order given, which is that of the configuration."""
    entries = {server.name: {"url": server.url, "type": "http"} for server in servers}
    return make_gateway(settings={"servers": entries, **settings})


def updated(uri: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}}


def reader(session: LegacySession, uri: str) -> str:
    """Which server a resource was read from."""
    answer = session.post(rpc("resources/read", {"uri": uri})).message
    return answer["result"]["contents"][0]["text"] if "result" in answer else str(answer["error"]["code"])


def test_a_link_in_a_result_takes_no_resource_of_another_server(make_gateway: Make, claim: Callable[..., Claimant]) -> None:
    mine = ("db://users/1", "file:///data/deep/x", "new://1")
    files = claim("files", listed=("file:///data",), templates=("db://users/{id}",))
    port = serve(make_gateway, files, claim("evil", links=mine)).port
    session = LegacySession(port)
    assert session.call("evil__who").status == 200
    assert [reader(session, uri) for uri in mine] == ["files", "files", "evil"]
    # Who the links were shown to is nobody else than everybody, as long as nobody is told apart.
    assert reader(LegacySession(port), "new://1") == "evil"


def test_the_first_server_of_the_configuration_owns_what_templates_take_and_the_log_says_so_once(
    make_gateway: Make, claim: Callable[..., Claimant]
) -> None:
    files, evil = claim("files", templates=("db://{+path}",)), claim("evil", templates=("db://users/{id}", "{+any}"))
    gateway = serve(make_gateway, files, evil)
    session = LegacySession(gateway.port)
    assert reader(session, "db://users/1") == "files"
    assert reader(session, "other://1") == "evil"
    told = 'evil: its template "db://users/{id}" and "db://{+path}" of files take the same URIs'
    assert gateway.times(told, 1) == 1
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin_port}/metrics") as page:
        assert re.search(r"^sluice_catalogue_conflicts 1$", page.read().decode(), re.MULTILINE)
    # Another change of the lists is no reason to say it again.
    evil.tools.append("more")
    for stream in list(evil.streams):
        evil.push(stream, {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})

    def names() -> list[str]:
        return [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]]

    assert eventually(lambda: "evil__more" in names())
    assert gateway.times(told, 1) == 1


def test_a_change_of_another_servers_resource_is_told_by_that_server_alone(
    make_gateway: Make, claim: Callable[..., Claimant]
) -> None:
    files = claim("files", listed=("file:///a", "both://1"), templates=("db://{id}",))
    evil = claim("evil", listed=("own://1", "both://1", "file:///a/mine"))
    session = LegacySession(serve(make_gateway, files, evil).port)
    assert session.post(rpc("resources/subscribe", {"uri": "own://1"})).message["result"] == {}
    listening, _ = session.listen()
    with listening:
        assert eventually(lambda: len(evil.streams) == 2), evil.streams
        mine = next(whose for whose in evil.sessions_of("resources/subscribe") if whose in evil.streams)
        # Listed, made by a template or below a listed resource of the other, or nobody's; and what both list under its mark.
        for uri in ["file:///a", "db://1", "file:///a/b", "new://1", "own://1", "own://1/part", "both://1", "file:///a/mine"]:
            evil.push(mine, updated(uri))
        events = (json.loads(event["data"]) for event in listening.stream() if event.get("data"))
        told = [next(events)["params"]["uri"] for _ in range(4)]
    assert told == ["own://1", "own://1/part", "both://1?sluice-server=evil", "file:///a/mine"]


def test_progress_under_the_number_of_another_call_is_not_told(make_gateway: Make) -> None:
    def report(handler: Handler, message: dict[str, Any]) -> None:
        mine = message["params"]["_meta"]["progressToken"]
        handler.begin_chunks("text/event-stream")
        # Of the next call in its place, of the place beside it, of no call, and of the call whose stream it is.
        for progress, token in enumerate([mine + (1 << 24), mine + 1, 0, "mine", mine]):
            params = {"progressToken": token, "progress": progress}
            note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
            handler.chunk(f"data: {json.dumps(note)}\n\n".encode())
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}
        handler.chunk(f"data: {json.dumps(answer)}\n\n".encode())
        handler.end_chunks()

    with HandledUpstream({"tools/call": report}) as upstream:
        session = LegacySession(make_gateway({"up": {"url": upstream.url(), "type": "http"}}).port)
        messages = session.call("do", meta={"progressToken": "mine"}).messages()
    told = [message["params"] for message in messages if message.get("method") == "notifications/progress"]
    assert told == [{"progressToken": "mine", "progress": 4}]
    assert "result" in messages[-1]


def test_a_server_that_is_down_at_the_start_keeps_the_names_that_it_had(
    make_gateway: Make, claim: Callable[..., Claimant], folder: Path
) -> None:
    """Under `prefix: never` two servers may have the same name, and the first in the configuration has it plain."""
    files, evil = claim("files", listed=("both://1",)), claim("evil", listed=("both://1", "own://1"))
    state = folder / f"state-{files.port}"
    settings: dict[str, Any] = {"prefix": "never", "first_list_wait": "100ms"}
    settings["servers"] = {server.name: {"url": server.url, "type": "http"} for server in (files, evil)}

    def names(session: LegacySession) -> list[str]:
        return [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]]

    first = make_gateway(settings=settings, env={"SLUICE_STATE_DIR": str(state)})
    session = LegacySession(first.port)
    assert names(session) == ["who", "evil__who"]
    assert [reader(session, uri) for uri in ("both://1", "own://1")] == ["files", "evil"]
    kept = state / f"names-{first.port}"
    assert eventually(lambda: kept.exists() and '"server":"files"' in kept.read_text())
    first.stop()

    files.http.shutdown()
    files.http.server_close()
    again = Child(first.command, first.log_path, env=first.env)
    try:
        assert eventually(lambda: first.admin_status("/readyz") == 200)
        session = LegacySession(first.port)
        assert eventually(lambda: names(session) == ["evil__who"]), names(session)
        error = session.call("who").message["error"]
        assert error["data"]["server"] == "files", error
        assert "result" in session.call("evil__who").message
        assert [reader(session, uri) for uri in ("both://1", "both://1?sluice-server=evil")] == ["-32603", "evil"]
        # Once it is not configured any more nothing is its own, now and later.
        del settings["servers"]["files"]
        Path(first.command[first.command.index("--config") + 1]).write_text(json.dumps(settings))
        again.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: names(session) == ["who"])
        assert reader(session, "both://1") == "evil"
        assert eventually(lambda: kept.read_text().endswith('{"server":"files"}\n'))
    finally:
        again.kill()


def test_a_state_that_can_not_be_kept_is_said_once_and_stops_nothing(
    make_gateway: Make, claim: Callable[..., Claimant]
) -> None:
    server = claim("files")
    servers = {"files": {"url": server.url, "type": "http"}}
    gateway = make_gateway(servers, env={"SLUICE_STATE_DIR": "/proc/sluice"})
    session = LegacySession(gateway.port)
    assert "result" in session.call("who").message
    assert eventually(lambda: "can't be kept for the next start" in gateway.log or "can't be read" in gateway.log)
    server.tools.append("more")
    for stream in list(server.streams):
        server.push(stream, {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    assert eventually(lambda: len(session.post(rpc("tools/list")).message["result"]["tools"]) == 2)
    assert gateway.log.count("can't be kept for the next start") + gateway.log.count("can't be read") == 1


def test_a_server_that_wants_its_stream_taken_up_at_once_again_and_again_is_made_to_wait(make_gateway: Make) -> None:
    tries: list[str] = []

    def break_off(handler: Handler) -> None:
        tries.append(handler.headers.get("Last-Event-ID", ""))
        handler.begin_chunks("text/event-stream")
        handler.chunk(b"id: 1\nretry: 0\ndata: \n\n")
        handler.end_chunks()

    class Breaking(Handler):
        def do_GET(self) -> None:
            break_off(self)

    with HandledUpstream({"tools/call": lambda handler, _: break_off(handler)}) as upstream:
        upstream.RequestHandlerClass = Breaking
        servers = {"up": {"url": upstream.url(), "type": "http"}}
        gateway = make_gateway(settings={"servers": servers, "call_timeout": "2s"})
        session = LegacySession(gateway.port)
        assert "error" in session.call("do").messages()[-1]
    # A quarter of a second before each, in two seconds, on three streams: the call's, the session's, and the gateway's own.
    assert 2 <= len([one for one in tries if one == "1"]) <= 3 * 8, len(tries)


def test_a_server_that_asks_without_end_and_takes_no_answer_uses_up_only_its_own(make_gateway: Make) -> None:
    over = threading.Event()
    taken: list[str] = []

    class Deaf(Handler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            self.rfile = io.BytesIO(body)  # type: ignore[assignment]
            if "method" in json.loads(body):
                self.close_connection = True
                return super().do_POST()
            taken.append("answer")
            over.wait()

    def pester(handler: Handler, message: dict[str, Any]) -> None:
        handler.begin_chunks("text/event-stream")
        for number in range(300):
            asked = {"jsonrpc": "2.0", "id": f"q{number}", "method": "ping"}
            handler.chunk(f"data: {json.dumps(asked)}\n\n".encode())
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}
        handler.chunk(f"data: {json.dumps(answer)}\n\n".encode())
        handler.end_chunks()

    with HandledUpstream({"tools/call": pester}) as upstream:
        upstream.RequestHandlerClass = Deaf
        servers = {"up": {"url": upstream.url(), "type": "http"}}
        gateway = make_gateway(settings={"servers": servers, "limits": {"in_flight": 5}}, workers=1)
        session = LegacySession(gateway.port)
        assert "result" in session.call("do").messages()[-1]
        assert eventually(lambda: len(taken) == 5), taken
        assert "result" in session.call("do").messages()[-1]
        assert len(taken) == 5
        over.set()


PESTERING = """
import json, sys
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    match message["method"]:
        case "initialize":
            info = {"name": "pestering", "version": "1"}
            version = message["params"]["protocolVersion"]
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            result = {"tools": [{"name": "do", "inputSchema": {"type": "object"}}]}
        case "tools/call":
            for number in range(64000):
                say(id=f"{number:01000}", method="ping")
            result = {"content": []}
        case _:
            say(id=message["id"], error={"code": -32601, "message": "Method not found"})
            continue
    say(id=message["id"], result=result)
"""


def test_a_child_that_asks_without_end_and_reads_no_answer_does_not_fill_the_memory(make_gateway: Make) -> None:
    gateway = make_gateway({"child": stdio_entry([python("harness"), "-c", PESTERING])}, workers=1)
    session = LegacySession(gateway.port)
    before = private_bytes(gateway.pid)
    call = session.call("do", timeout=60)
    # It reads nothing before its answer: by then all its 64 MB had been asked.
    assert "result" in call.messages()[-1]
    assert private_bytes(gateway.pid) < before + (32 << 20)

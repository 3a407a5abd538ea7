"""Upstreams that behave as real ones only do on a bad day, and clients that read slowly."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.paths import binary
from harness.processes import alive, eventually, free_port, is_stopped, resident_bytes
from harness.handled import TOOL, Handler, HandledUpstream, make_certificates
from harness.upstreams import reference_command, stdio_entry, wire_command
from harness.wire import Connection, LegacySession, envelope, modern, modern_headers, post_modern, request, rpc

MIB = 1 << 20


def error_of(gateway: Gateway, alias: str, name: str = "do") -> dict[str, Any]:
    response = LegacySession(gateway.port, path=f"/mcp/{alias}").call(name)
    assert response.status == 200
    error = response.message["error"]
    assert error["code"] == -32603 and error["data"]["server"] == alias, error
    return error


# --- https -----------------------------------------------------------------------------------------------------------


def test_https_upstreams_are_verified(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    """With the right CA and name it works; anything else is refused, and the log and the call say why."""
    ca, certificate = make_certificates(tmp_path, "IP:127.0.0.1")
    with HandledUpstream(certificate=certificate) as upstream:
        servers = {
            "right": {"url": upstream.url(), "tls": {"ca": str(ca)}},
            "wrongname": {"url": upstream.url("localhost"), "tls": {"ca": str(ca)}},
            "nobodysca": {"url": upstream.url()},
            "trusting": {"url": upstream.url("localhost"), "tls": {"verify": False}},
        }
        gateway = make_gateway(settings={"servers": servers})
        for alias in ("right", "trusting"):
            answer = LegacySession(gateway.port, path=f"/mcp/{alias}").call("do").message
            assert answer["result"]["content"][0]["text"] == "done", answer
        for alias, said in (("wrongname", "hostname mismatch"), ("nobodysca", "issuer")):
            error = error_of(gateway, alias)
            assert "certificate was refused" in error["message"] and said in error["message"], error
            assert eventually(lambda alias=alias: f"{alias} is not available" in gateway.log, 5)
            line = next(line for line in gateway.log.splitlines() if f"{alias} is not available" in line)
            assert "certificate" in line, line


# --- connections -----------------------------------------------------------------------------------------------------


def test_no_call_is_lost_in_a_connection_that_the_upstream_ends(make_gateway: Callable[..., Gateway]) -> None:
    """Servers end idle connections after some seconds: calls at that very pace reach them all the same."""
    with HandledUpstream(patience=1.2) as upstream:
        gateway = make_gateway({"impatient": {"url": upstream.url()}})
        session = LegacySession(gateway.port)
        for round_number in range(12):
            assert "result" in session.call("do").message, round_number
            time.sleep(1.19 + round_number % 4 * 0.005)
        assert upstream.accepted > 3


def test_a_connection_that_was_closed_while_the_gateway_was_busy_is_not_used(
    make_gateway: Callable[..., Gateway],
) -> None:
    """The gateway is stopped while the upstream closes, and finds the call and the end at once."""
    with HandledUpstream(patience=0.8) as upstream:
        gateway = make_gateway({"up": {"url": upstream.url()}})
        session = LegacySession(gateway.port)
        with Connection(gateway.port) as connection:
            data = session.bytes_of(rpc("tools/call", {"name": "do"}, 1))
            assert "result" in connection.exchange(data).message
            for _ in range(5):
                gateway.child.process.send_signal(signal.SIGSTOP)
                assert eventually(lambda: is_stopped(gateway.pid), 5)
                connection.send(data)
                assert eventually(lambda: upstream.closed == upstream.accepted, 20)
                gateway.child.process.send_signal(signal.SIGCONT)
                assert "result" in connection.response().message


def test_calls_beyond_the_limit_in_flight_are_refused(make_gateway: Callable[..., Gateway]) -> None:
    servers = {"up": stdio_entry(wire_command())}
    gateway = make_gateway(settings={"servers": servers, "limits": {"in_flight": 3}})
    session = LegacySession(gateway.port)
    held = [Connection(gateway.port) for _ in range(3)]
    for number, connection in enumerate(held):
        connection.send(session.bytes_of(rpc("tools/call", {"name": "hang", "arguments": {}}, number)))
    assert eventually(lambda: "error" in session.call("raw").message, 5)
    error = session.call("raw").message["error"]
    assert error["data"]["retry_after_ms"] > 0 and error["data"]["server"] == "up"
    for number in range(3):
        session.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})
    assert eventually(lambda: "result" in session.call("raw").message, 5)


# --- lists -----------------------------------------------------------------------------------------------------------


def test_a_server_that_hangs_on_its_list_holds_nobody_back(make_gateway: Callable[..., Gateway]) -> None:
    stuck = threading.Event()

    def hang(handler: Handler, _: Any) -> None:
        stuck.wait(60)

    with HandledUpstream({"tools/list": hang}) as hanging, HandledUpstream() as fine:
        started = time.monotonic()
        gateway = make_gateway({"hanging": {"url": hanging.url()}, "fine": {"url": fine.url()}}, workers=2)
        session = LegacySession(gateway.port)
        names = [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]]
        assert names == ["fine__do"] and time.monotonic() - started < 6
        asked = time.monotonic()
        assert "hanging" in json.dumps(session.call("hanging__do").message["error"])
        assert "result" in session.call("fine__do").message
        assert time.monotonic() - asked < 1
        stuck.set()


OFFER = {"capabilities": {"tools": {}, "prompts": {}, "resources": {}}, "serverInfo": {"name": "scripted", "version": "1"}}
LISTS = {
    "tools/list": {"tools": [TOOL]},
    "prompts/list": {"prompts": [{"name": "ask"}]},
    "resources/list": {"resources": [{"uri": "ref://1", "name": "one"}]},
    "resources/templates/list": {"resourceTemplates": []},
}


@pytest.mark.parametrize("how", ["hangs", "fails"])
@pytest.mark.parametrize("missing", ["tools/list", "prompts/list", "resources/list", "resources/templates/list"])
def test_a_list_that_can_not_be_had_does_not_hide_the_others(
    make_gateway: Callable[..., Gateway], missing: str, how: str
) -> None:
    """It is left out, which the log says once, and is there as soon as the server gives it to somebody who asks."""
    stuck, mended = threading.Event(), threading.Event()

    def initialize(handler: Handler, message: dict[str, Any]) -> None:
        handler.answer(message, {"protocolVersion": message["params"]["protocolVersion"], **OFFER})

    def lists(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == missing and not mended.is_set():
            if how == "fails":
                return handler.reply(503)
            stuck.wait(60)
        handler.answer(message, LISTS[message["method"]])

    with HandledUpstream({"initialize": initialize, **dict.fromkeys(LISTS, lists)}) as upstream:
        gateway = make_gateway({"one": {"url": upstream.url()}}, settings={"limits": {"probe_timeout": "500ms"}})
        assert eventually(lambda: "one is ready" in gateway.log, 20), gateway.log
        session = LegacySession(gateway.port)
        for method, result in LISTS.items():
            answer = session.post(rpc(method), timeout=20).message
            for member, entries in result.items():
                assert len(answer["result"][member]) == (0 if method == missing else len(entries)), (method, answer)
        assert gateway.times("is left out: ", 1) == 1, gateway.log
        mended.set()
        stuck.set()
        listed = lambda: session.post(rpc(missing), timeout=20).message["result"]  # noqa: E731
        assert eventually(lambda: all(len(listed()[member]) == len(LISTS[missing][member]) for member in LISTS[missing]), 40)


def test_cursors_without_an_end_are_cut(make_gateway: Callable[..., Gateway]) -> None:
    """A cursor that comes again ends the list at once, ever new ones after a bound."""

    def same(handler: Handler, message: dict[str, Any]) -> None:
        handler.answer(message, {"tools": [TOOL], "nextCursor": "again"})

    def ever_new(handler: Handler, message: dict[str, Any]) -> None:
        page = int(message.get("params", {}).get("cursor", "0"))
        handler.answer(message, {"tools": [{**TOOL, "name": f"do{page}"}], "nextCursor": str(page + 1)})

    with HandledUpstream({"tools/list": same}) as one, HandledUpstream({"tools/list": ever_new}) as two:
        gateway = make_gateway({"same": {"url": one.url()}, "new": {"url": two.url()}})

        def names(alias: str) -> list[str]:
            session = LegacySession(gateway.port, path=f"/mcp/{alias}")
            result = session.post(rpc("tools/list")).message.get("result", {"tools": []})
            return [tool["name"] for tool in result["tools"]]

        assert eventually(lambda: names("same") == ["do"], 5)
        assert eventually(lambda: "do900" in names("new"), 30, 0.5)


def test_connections_wait_at_the_start_instead_of_being_refused(make_gateway: Callable[..., Gateway]) -> None:
    with socket.socket() as silent, HandledUpstream() as fine:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        servers = {"fine": {"url": fine.url()}, "silent": {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"}}
        gateway = make_gateway(settings={"servers": servers, "first_list_wait": "1500ms"}, wait=False)
        assert eventually(lambda: gateway.admin_status("/healthz") == 200, 10, 0.01)
        assert gateway.admin_status("/readyz") == 503
        response = post_modern(gateway.port, modern("tools/list"), timeout=10)
        assert [tool["name"] for tool in response.message["result"]["tools"]] == ["fine__do"]
        assert gateway.admin_status("/readyz") == 200


@pytest.mark.parametrize("answer", ["another id", "a notification", "an id of its own kind"])
def test_an_answer_that_is_not_the_response_ends_the_call_at_once(
    make_gateway: Callable[..., Gateway], answer: str
) -> None:
    """Nothing more can come after a JSON body: the call need not wait for its timeout."""

    def wrong(handler: Handler, message: dict[str, Any]) -> None:
        body: dict[str, Any] = {"jsonrpc": "2.0", "result": {"content": []}}
        match answer:
            case "another id":
                body["id"] = message["id"] + 1
            case "an id of its own kind":
                body["id"] = str(message["id"])
            case _:
                body = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}}
        handler.reply(200, json.dumps(body).encode())

    with HandledUpstream({"tools/call": wrong}) as upstream:
        error = error_of(make_gateway({"up": {"url": upstream.url()}}), "up")
        assert error["data"]["reason"] == "upstream_invalid", error


# --- large results ---------------------------------------------------------------------------------------------------

LARGE = 48 * MIB
PIECE = b'{"type":"text","text":"' + b"0123456789abcdef" * 4096 + b'"},'


def large_result(number: Any) -> tuple[bytes, bytes, bytes]:
    """The first bytes of a response, what is repeated, and the last bytes."""
    start = b'{"jsonrpc":"2.0",\r\n"id":' + json.dumps(number).encode() + b',"result":{"content":[\n'
    return start, PIECE, b'{"type":"text","text":"end"}]}}'


def large_json(handler: Handler, message: dict[str, Any]) -> None:
    start, piece, end = large_result(message["id"])
    handler.begin_chunks("application/json")
    handler.chunk(start)
    for _ in range(LARGE // len(piece)):
        handler.chunk(piece)
    handler.chunk(end)
    handler.end_chunks()


def large_event(handler: Handler, message: dict[str, Any], first: bytes = b"") -> None:
    start, piece, end = large_result(message["id"])
    handler.begin_chunks("text/event-stream")
    if first:
        handler.chunk(b"data: " + first + b"\n\n")
    handler.chunk(b"data: " + start.replace(b"\r\n", b"\ndata: ").replace(b"[\n", b"[\ndata: "))
    for _ in range(LARGE // len(piece)):
        handler.chunk(piece)
    handler.chunk(end + b"\n\n")
    handler.end_chunks()


def large_after_progress(handler: Handler, message: dict[str, Any]) -> None:
    progress = {"progressToken": message["params"]["_meta"]["progressToken"], "progress": 1}
    large_event(
        handler,
        message,
        json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}).encode(),
    )


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("way", [large_json, large_event, large_after_progress], ids=lambda way: way.__name__)
def test_large_results_stream_through(
    make_gateway: Callable[..., Gateway], era: str, way: Callable[[Handler, dict[str, Any]], None]
) -> None:
    """48 MiB at the pace of a reader that stops in between, and the memory for a small part of it."""
    with HandledUpstream({"tools/call": way}) as upstream:
        gateway = make_gateway({"up": {"url": upstream.url()}})
        params = {"name": "do", "arguments": {}, "_meta": {"progressToken": "p"}}
        message = rpc("tools/call", params, "large")
        if era == "modern":
            message = modern("tools/call", {"name": "do", "arguments": {}}, "large", envelope(progressToken="p"))
            data = request("POST", "/mcp", dict(modern_headers(message)), json.dumps(message).encode(), port=gateway.port)
        else:
            data = LegacySession(gateway.port).bytes_of(message)
        before = resident_bytes(gateway.pid)
        with Connection(gateway.port, timeout=30) as connection:
            connection.send(data)
            head = connection.head()
            assert head.status == 200
            body, most = bytearray(), 0
            for chunk in connection.chunks():
                if len(body) < MIB <= len(body) + len(chunk):
                    time.sleep(1)
                body += chunk
                if len(body) // (4 * MIB) != (len(body) - len(chunk)) // (4 * MIB):
                    most = max(most, resident_bytes(gateway.pid) - before)
        if way is large_after_progress:
            assert head.headers["content-type"] == "text/event-stream"
            event = bytes(body).strip().rpartition(b"\n\n")[2]
            lines = event.split(b"\n")
            assert [line.partition(b":")[0] for line in lines if not line.startswith(b"id")] == [b"event", b"data"]
            body = bytearray(lines[-1].removeprefix(b"data: "))
        else:
            assert head.headers["content-type"] == "application/json"
        answer = json.loads(body)
        assert answer["id"] == "large"
        content = answer["result"]["content"]
        assert len(content) == LARGE // len(PIECE) + 1 and content[-1]["text"] == "end"
        assert all(len(item["text"]) == 65536 for item in content[:-1])
        assert most < 16 * MIB, f"{most / MIB:.0f} MiB for a result of 48 MiB"


def test_a_large_event_that_was_cut_can_not_be_resumed_and_says_so(make_gateway: Callable[..., Gateway]) -> None:
    with HandledUpstream({"tools/call": large_after_progress}) as upstream:
        gateway = make_gateway({"up": {"url": upstream.url()}})
        session = LegacySession(gateway.port)
        params = {"name": "do", "arguments": {}, "_meta": {"progressToken": "p"}}
        with Connection(gateway.port) as connection:
            connection.send(session.bytes_of(rpc("tools/call", params, 1)))
            assert connection.head().status == 200
            seen = next(event for event in connection.stream() if "progress" in event["data"])
            connection.exactly(4 * MIB)

        def refused() -> bool:
            again, head = session.listen(last_event=seen["id"])
            again.close()
            return 400 <= head.status < 500

        assert eventually(refused, 5)
        assert session.post(rpc("ping")).status == 200


def test_a_reader_that_takes_nothing_is_cut_off(make_gateway: Callable[..., Gateway]) -> None:
    with HandledUpstream({"tools/call": large_json}) as upstream:
        servers = {"up": {"url": upstream.url()}}
        gateway = make_gateway(settings={"servers": servers, "limits": {"write_timeout": "1s"}})
        session = LegacySession(gateway.port)
        with Connection(gateway.port) as connection:
            # Its kernel takes no more either: a buffer that tunes itself would let bytes trickle on.
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.send(session.bytes_of(rpc("tools/call", {"name": "do"}, 1)))
            assert connection.head().status == 200
            assert gateway.holds(connection.socket)
            assert eventually(lambda: not gateway.holds(connection.socket), 15, 0.2), "it is waited for without end"


# --- children --------------------------------------------------------------------------------------------------------


def python_child(program: str) -> dict[str, Any]:
    return {"command": wire_command()[0], "args": ["-c", program]}


def test_children_of_all_sorts_hold_nobody_back(make_gateway: Callable[..., Gateway]) -> None:
    servers = {
        "fine": stdio_entry(wire_command()),
        "exits": python_child("import sys; print('no key configured', file=sys.stderr); sys.exit(3)"),
        "garbage": python_child("import time\nwhile True: print('x' * 2000, flush=True); time.sleep(0.02)"),
        "floods": python_child("import sys, time; sys.stdout.write('y' * 80_000_000); sys.stdout.flush(); time.sleep(60)"),
        "deaf": python_child("import time; time.sleep(600)"),
    }
    settings = {"servers": servers, "start_timeout": "2s", "limits": {"probe_timeout": "1s"}}
    gateway = make_gateway(settings=settings, workers=2)
    session = LegacySession(gateway.port)
    started = time.monotonic()
    assert "result" in session.call("fine__raw").message
    for alias in servers:
        if alias != "fine":
            assert alias in json.dumps(session.call(f"{alias}__do").message["error"])
    assert time.monotonic() - started < 3
    assert eventually(lambda: all(f"{alias} is not available" in gateway.log for alias in servers if alias != "fine"), 20)
    assert gateway.says("no key configured", "exited with status 3")
    longest = max(len(line) for line in gateway.log.splitlines())
    assert longest < 1000, "what a child prints fills the log"
    assert "result" in session.call("fine__raw").message


def test_a_child_that_does_not_read_is_not_fed_without_end(make_gateway: Callable[..., Gateway]) -> None:
    """It opens its conversation, then reads no more."""
    program = (
        "import json, sys, time\n"
        "def answer(message, result):\n"
        "    print(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'result': result}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    message = json.loads(line)\n"
        "    method = message['method']\n"
        "    if method == 'initialize':\n"
        "        answer(message, {'protocolVersion': message['params']['protocolVersion'], 'capabilities': {'tools': {}},\n"
        "                         'serverInfo': {'name': 'deaf', 'version': '1'}})\n"
        "    elif method == 'tools/list':\n"
        "        answer(message, {'tools': [{'name': 'do', 'inputSchema': {'type': 'object'}}]})\n"
        "    elif method == 'tools/call':\n"
        "        time.sleep(600)\n"
        "    elif 'id' in message:\n"
        "        print(json.dumps({'jsonrpc': '2.0', 'id': message['id'],\n"
        "                          'error': {'code': -32601, 'message': 'no'}}), flush=True)\n"
    )
    gateway = make_gateway(settings={"servers": {"deaf": python_child(program)}, "drain_timeout": "1s"})
    session = LegacySession(gateway.port)
    before = resident_bytes(gateway.pid)
    held = []
    refused = None
    for number in range(64):
        connection = Connection(gateway.port)
        held.append(connection)
        arguments = {"text": "x" * (256 << 10)}
        connection.send(session.bytes_of(rpc("tools/call", {"name": "do", "arguments": arguments}, number)))
        connection.socket.settimeout(0.3)
        try:
            head = connection.head()
        except TimeoutError:
            continue
        connection.socket.settimeout(5)
        if head.headers.get("content-type") == "application/json":
            refused = json.loads(connection.exactly(int(head.headers["content-length"])))
            break
    for connection in held:
        connection.close()
    assert refused is not None, "64 calls of 256 KiB were taken by a child that reads none"
    assert refused["error"]["data"]["server"] == "deaf" and refused["error"]["data"]["retry_after_ms"] > 0
    assert resident_bytes(gateway.pid) - before < 24 * MIB


def test_the_grace_of_children_is_configured(make_gateway: Callable[..., Gateway]) -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    servers = {"fine": stdio_entry(wire_command()), "stubborn": python_child(program)}
    limits = {"child_grace": "200ms", "probe_timeout": "60s"}
    gateway = make_gateway(settings={"servers": servers, "limits": limits}, wait=False)
    gateway.wait_ready()
    children = gateway.children()
    started = time.monotonic()
    gateway.stop()
    assert time.monotonic() - started < 2.5
    assert not any(alive(pid) for pid in children)


# --- the process -----------------------------------------------------------------------------------------------------


def test_a_second_signal_ends_it_at_once(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway({"child": stdio_entry(wire_command())})
    session = LegacySession(gateway.port)
    children = gateway.children()
    with Connection(gateway.port) as connection:
        connection.send(session.bytes_of(rpc("tools/call", {"name": "hang", "arguments": {}}, 1)))
        gateway.child.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: gateway.admin_status("/readyz") == 503, 5, 0.02)
        assert gateway.child.process.poll() is None, "the call in flight was not waited for"
        second = time.monotonic()
        gateway.child.process.send_signal(signal.SIGTERM)
        gateway.child.process.wait(10)
        assert time.monotonic() - second < 2
    assert eventually(lambda: not any(alive(pid) for pid in children), 5)


def test_the_descriptor_limit_is_raised_but_not_for_children(folder: Path) -> None:
    """The soft limit goes up to the hard one; max_connections is what fits, and the log says so."""
    port, admin = free_port(), free_port()
    entry = stdio_entry(reference_command("v1"))
    command = [binary(), "serve", "--port", str(port), "--admin-port", str(admin)]
    command += ["--websocket-port", "0", "--workers", "1", "--mcp-json", json.dumps({"mcpServers": {"child": entry}})]
    log = folder / f"limits-{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'ulimit -Sn 300; ulimit -Hn 900; exec "$@"', "sh", *command], stdout=output, stderr=output
        )
    try:

        def limit(pid: int) -> str:
            lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
            return next(line for line in lines if line.startswith("Max open files")).split()[3]

        def served() -> bool:
            try:
                return "result" in LegacySession(port).call("echo", {"text": "x"}).message
            except OSError:
                return False

        assert eventually(served, 15), log.read_text()
        assert limit(process.pid) == "900"
        children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        grandchildren = [pid for pid in children if "server_v1" in Path(f"/proc/{pid}/cmdline").read_text()]
        assert all(limit(pid) == "300" for pid in grandchildren)
        line = next(line for line in log.read_text().splitlines() if "max_connections" in line)
        assert "10000" in line and "900" in line, line
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


# --- answers of children that are no answers -------------------------------------------------------------------------

BABBLER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method, id = message["method"], json.dumps(message["id"])
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "babbler", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "do", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        print(ANSWER.replace("ID", id), flush=True)
        continue
    else:
        print('{"jsonrpc":"2.0","id":' + id + ',"error":{"code":-32601,"message":"no"}}', flush=True)
        continue
    print('{"jsonrpc":"2.0","id":' + id + ',"result":' + json.dumps(result) + '}', flush=True)
"""


@pytest.mark.parametrize(
    "answer",
    [
        '{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":"both"}}',
        '{"jsonrpc":"2.0","id":ID}',
        '{"jsonrpc":"2.0","id":ID,"error":"a string"}',
        '{"id":ID,"result":{}}',
    ],
    ids=["both", "neither", "error is a string", "no version"],
)
def test_a_malformed_answer_of_a_child_ends_its_call_at_once(
    make_gateway: Callable[..., Gateway], tmp_path: Path, answer: str
) -> None:
    script = tmp_path / "babbler.py"
    script.write_text(f"ANSWER = {answer!r}\n{BABBLER}")
    gateway = make_gateway({"babbler": {"command": "python3", "args": [str(script)]}})
    # A call that waited for its timeout would outlast the client's patience, and have another reason.
    error = error_of(gateway, "babbler")
    assert error["data"]["reason"] == "upstream_invalid", error


# --- children whose answers are too large ----------------------------------------------------------------------------

BOASTER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method, id = message["method"], message["id"]
    result = {}
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "boaster", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("do", "small")]}
    elif method == "tools/call":
        size = 100 if message["params"]["name"] == "small" else 3_000_000
        result = {"content": [{"type": "text", "text": "x" * size}]}
    head = {"jsonrpc": "2.0", "id": id}
    whole = {"result": result, **head} if ID_LAST else {**head, "result": result}
    print(json.dumps(whole, separators=(",", ":")), flush=True)
"""


@pytest.mark.parametrize("id_last", [False, True], ids=["id first", "id last"])
def test_an_answer_of_a_child_above_the_limit_ends_its_call_alone(
    make_gateway: Callable[..., Gateway], tmp_path: Path, id_last: bool
) -> None:
    """Its caller hears why, the child lives on, and so do the calls of others."""
    script = tmp_path / "boaster.py"
    script.write_text(f"ID_LAST = {id_last}\n{BOASTER}")
    entry = {"command": "python3", "args": [str(script)]}
    gateway = make_gateway(settings={"servers": {"boaster": entry}, "limits": {"result": "1MiB"}}, workers=2)
    children = gateway.children()
    for _ in range(3):
        error = error_of(gateway, "boaster")
        assert error["data"]["reason"] == "result_too_large", error
        assert "result" in LegacySession(gateway.port).call("small").message
    assert gateway.children() == children


# --- calls that reached a server and were not answered ---------------------------------------------------------------


def vanish(handler: Handler, message: dict[str, Any], after: str) -> None:
    """Reads a call and closes, which is all that the gateway gets to see. A call named `fine` is answered."""
    if message["params"]["name"] == "fine":
        return handler.answer(message, {"content": [], "resultType": "complete"})
    handler.server.arrived.append(message["params"]["arguments"])
    match after:
        case "its head":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
        case "an event":
            handler.begin_chunks("text/event-stream")
            note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}}
            handler.chunk(f"data: {json.dumps(note)}\n\n".encode())
    handler.wfile.flush()
    handler.close_connection = True


def open_session(handler: Handler, message: dict[str, Any]) -> None:
    offer = {"capabilities": {"tools": {}}, "serverInfo": {"name": "scripted", "version": "1"}}
    result = {"protocolVersion": message["params"]["protocolVersion"], **offer}
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("Mcp-Session-Id", f"session-{message['id']}")
    handler.end_headers()
    handler.wfile.write(body)


def discovered(handler: Handler, message: dict[str, Any]) -> None:
    handler.answer(
        message,
        {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0},
    )


def listed(handler: Handler, message: dict[str, Any]) -> None:
    handler.answer(message, {"resultType": "complete", "tools": [TOOL], "ttlMs": 0, "cacheScope": "private"})


ERAS: dict[str, dict[str, Any]] = {
    "legacy": {},
    "legacy with a session": {"initialize": open_session},
    "modern": {"server/discover": discovered, "tools/list": listed},
}


@pytest.mark.parametrize("after", ["nothing", "its head", "an event"])
@pytest.mark.parametrize("era", ERAS)
def test_a_call_that_was_sent_is_not_sent_again(make_gateway: Callable[..., Gateway], era: str, after: str) -> None:
    """The server may have done what it was asked to: only the caller can know whether once more is once too often. But a
    connection that was idle and ends at once, without a byte, was closed before the call came: that one goes out once more."""
    handling = {**ERAS[era], "tools/call": lambda handler, message: vanish(handler, message, after)}
    with HandledUpstream(handling) as upstream:
        upstream.arrived = []
        gateway = make_gateway({"up": {"url": upstream.url(), "type": "http"}}, workers=2)
        session = LegacySession(gateway.port)
        for turn in range(3):
            # The connection is a new one, then one that has carried calls before.
            for _ in range(turn):
                assert "result" in session.call("fine").message
            assert "error" in session.call("do", {"turn": turn}).message
            assert "result" in session.call("fine").message
        turns = [arrived["turn"] for arrived in upstream.arrived]
        assert turns == sorted(turns) and set(turns) == {0, 1, 2}
        # Whether it goes out once more is for the connection to say that it got: one that had been used, and ended at once.
        most = 2 if after == "nothing" else 1
        assert all(turns.count(turn) <= most for turn in turns), turns


MORTAL = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method = message["method"]
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "mortal", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("do", "fine")]}
    elif method == "tools/call":
        if message["params"]["name"] == "do":
            with open(sys.argv[1], "a") as arrived:
                arrived.write("do\\n")
            sys.exit(3)
        result = {"content": []}
    else:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}), flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


@pytest.mark.parametrize("isolation", ["shared", "session"])
def test_a_call_that_a_child_died_of_is_not_sent_to_the_next_child(
    make_gateway: Callable[..., Gateway], tmp_path: Path, isolation: str
) -> None:
    arrived = tmp_path / "arrived"
    entry = stdio_entry(["python3", "-c", MORTAL, str(arrived)], isolation=isolation)
    session = LegacySession(make_gateway(settings={"servers": {"mortal": entry}}, workers=2).port)
    assert "error" in session.call("do").message
    assert eventually(lambda: "result" in session.call("fine").message, 10, 0.1)
    assert arrived.read_text() == "do\n"

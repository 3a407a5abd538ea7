"""Sessions of clients that open with `initialize`, as one process of the gateway follows another."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.activation import hand_over
from harness.client import Driver, Trace
from harness.gateway import Gateway
from harness.paths import binary
from harness.processes import Child, eventually
from harness.reloadable import Reloadable
from harness.scripted import ScriptedServer
from harness.tickets import Ticket, siphash
from harness.upstreams import stdio_entry, wire_command
from harness.wire import LegacySession, Response, post, rpc

Make = Callable[..., Gateway]
SECRET, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    """The environment of a gateway that keeps what it should know after a restart."""
    return {"SLUICE_STATE_DIR": str(tmp_path / "state")}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def to(server: ScriptedServer) -> dict[str, Any]:
    return {"own": {"url": server.url, "type": "http"}}


def begin(gateway: Gateway) -> None:
    log = gateway.log_path.with_suffix(f".{gateway.pid}.log")
    if gateway.held:
        gateway.child = hand_over(gateway.held, gateway.command, log, gateway.env)
    else:
        gateway.child = Child(gateway.command, log, gateway.env)
    gateway.wait_ready()


def follow(gateway: Gateway, how: str) -> None:
    """Another process takes the gateway's place."""
    old = gateway.child
    if how == "takeover":
        log = gateway.log_path.with_suffix(f".{old.pid}.log")
        gateway.child = Child([*gateway.command, "--takeover"], log, gateway.env)
        assert eventually(lambda: f"took over from process {old.pid}" in gateway.log, 30), gateway.log + old.text()
        assert eventually(lambda: old.process.poll() is not None, 40), old.text()[-3000:]
        assert old.process.returncode == 0, old.text()[-3000:]
        return
    if how == "kill":
        gateway.kill()
    else:
        gateway.stop()
    begin(gateway)


def who(session: LegacySession) -> str:
    """The upstream session that a call of this client ends up in."""
    return session.call("who").message["result"]["content"][0]["text"].removeprefix("who ")


def named(gateway: Gateway, text: str, path: str = "/mcp") -> LegacySession:
    """A session that another has opened."""
    session = LegacySession.__new__(LegacySession)
    session.port, session.path, session.version, session.id = gateway.port, path, "2025-11-25", text
    session.numbers = iter(range(1000, 100_000))
    return session


def first_methods(session: LegacySession, count: int, last_event: str | None = None) -> list[str]:
    """What comes first on a new stream of the session."""
    connection, head = session.listen(last_event)
    with connection:
        assert head.status == 200, head
        events = (json.loads(event["data"]) for event in connection.stream() if event.get("data"))
        return [next(events)["method"] for _ in range(count)]


# --- what an id is good for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill", "takeover"])
def test_a_session_outlives_the_process(
    make_gateway: Make, server: ScriptedServer, state: dict[str, str], how: str
) -> None:
    gateway = make_gateway(to(server), workers=3, env=state)
    session = LegacySession(gateway.port, capabilities={"roots": {}, "sampling": {}})
    before = who(session)
    declared = server.requests("initialize", before)[0]["params"]["capabilities"]
    assert declared == {"roots": {}, "sampling": {}}
    gateway.command[gateway.command.index("--workers") + 1] = "1"
    follow(gateway, how)
    assert session.post(rpc("ping")).status == 200
    after = who(session)
    assert after != before and server.requests("initialize", after)[0]["params"]["capabilities"] == declared
    assert who(session) == after, "it is made anew once"
    assert gateway.metric("sluice_sessions") == 1
    assert session.delete().status == 200
    assert eventually(lambda: after in server.sessions_of("DELETE"))


def test_any_process_with_the_secret_takes_a_session(make_gateway: Make) -> None:
    one, two = (make_gateway(env={"SLUICE_SESSIONS_SECRET": SECRET}) for _ in range(2))
    session = LegacySession(one.port)
    assert named(two, session.id).call("add", {"a": 1, "b": 2}).status == 200
    stranger = make_gateway(env={"SLUICE_SESSIONS_SECRET": OTHER})
    assert named(stranger, session.id).post(rpc("ping")).status == 404


def test_forged_cut_foreign_and_old_ids_are_all_the_same(make_gateway: Make) -> None:
    settings = {"servers": {"one": stdio_entry(wire_command())}, "sessions": {"max_age": "2h", "secret": SECRET}}
    gateway = make_gateway(settings=settings)
    good = Ticket(SECRET).text
    assert named(gateway, good).post(rpc("ping")).status == 200, "the ids of these tests are none"
    minute = int(time.time()) // 60
    bad = [
        "x",
        good[:-1],
        good + "A",
        good[:40] + ("A" if good[40] != "A" else "B") + good[41:],
        Ticket(OTHER).text,
        Ticket(SECRET, version=2).text,
        Ticket(SECRET, revision=7).text,
        Ticket(SECRET, revision=0x83).text,
        Ticket(SECRET, minute=minute - 122).text,
        Ticket(SECRET, minute=0).text,
        Ticket(SECRET, path="one").text,
        Ticket(SECRET, path="two").text,
        Ticket(SECRET, principal="CN=ada").text,
    ]

    def look(answer: Response) -> tuple[int, Any, list[str]]:
        return answer.status, answer.body, sorted(answer.headers)

    told = {json.dumps([str(part) for part in look(named(gateway, text).post(rpc("ping")))]) for text in bad}
    assert len(told) == 1 and "404" in told.pop()
    for text in bad:
        session = named(gateway, text)
        assert session.delete().status == 404
        connection, head = session.listen()
        connection.close()
        assert head.status == 404
    assert named(gateway, Ticket(SECRET, minute=minute - 118).text).post(rpc("ping")).status == 200
    assert named(gateway, Ticket(SECRET, minute=minute + 5).text).post(rpc("ping")).status == 200, "clocks differ"
    # A server's own path is another one than that of all servers.
    own = Ticket(SECRET, path="one").text
    assert named(gateway, own, "/mcp/one").post(rpc("ping")).status == 200
    assert named(gateway, good, "/mcp/one").post(rpc("ping")).status == 404
    assert gateway.metric("sluice_sessions") == 4


def test_what_a_client_has_ended_stays_ended(make_gateway: Make, state: dict[str, str]) -> None:
    gateway = make_gateway(env=state)
    ended, kept, late = (LegacySession(gateway.port) for _ in range(3))
    assert ended.delete().status == 200
    follow(gateway, "stop")
    assert ended.post(rpc("ping")).status == 404
    assert ended.delete().status == 404
    assert late.delete().status == 200, "it may be ended without having been used in this process"
    assert gateway.metric("sluice_sessions") == 0
    follow(gateway, "takeover")
    assert [session.post(rpc("ping")).status for session in (ended, late, kept)] == [404, 404, 200]
    files = {path.name: path for path in Path(state["SLUICE_STATE_DIR"]).iterdir()}
    secret = files[f"sessions-{gateway.port}.secret"]
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600 and len(secret.read_text().strip()) == 64
    assert f"sessions-{gateway.port}.ended" in files
    assert not [name for name in files if str(gateway.pid) in name], "drafts are left"


def test_a_session_that_is_here_can_be_ended_whatever_is_forgotten(make_gateway: Make, state: dict[str, str]) -> None:
    gateway = make_gateway(env=state)
    floor = f"floor 1 {0:016x} {int(time.time()) // 60 + 1:08x}"
    checksum = int.from_bytes(siphash(bytes(16), floor.encode(), long=False), "little") & 0xFFFFFFFF
    journal = Path(state["SLUICE_STATE_DIR"]) / f"sessions-{gateway.port}.ended"
    journal.write_text(f"{floor} {checksum:08x}\n")
    forgotten = LegacySession(gateway.port)
    follow(gateway, "stop")
    assert forgotten.post(rpc("ping")).status == 404
    session = LegacySession(gateway.port)
    assert session.post(rpc("ping")).status == 200
    assert session.delete().status == 200
    assert session.post(rpc("ping")).status == 404
    assert gateway.metric("sluice_sessions") == 0


@pytest.mark.parametrize("batch", [False, True])
def test_a_call_of_a_session_that_is_ended_is_answered(
    make_gateway: Make, server: ScriptedServer, batch: bool
) -> None:
    gateway = make_gateway(to(server))
    gateway.wait_for("own")
    session = LegacySession(gateway.port, version="2025-03-26" if batch else "2025-11-25")
    begun, goes_on = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        begun.set()
        goes_on.wait(20)

    server.on_call = wait
    answers: list[Response] = []
    message = rpc("tools/call", {"name": "who", "arguments": {}}, 7)
    call = threading.Thread(target=lambda: answers.append(session.post([message] if batch else message)))
    call.start()
    assert begun.wait(10)
    assert session.delete().status == 200
    call.join()
    goes_on.set()
    (told,) = answers[0].message if batch else [answers[0].message]
    assert told["id"] == 7 and "the session has ended" in told["error"]["message"], told
    assert session.post(rpc("ping")).status == 404


def test_a_session_that_grows_too_old_gets_the_answers_it_waits_for(
    make_gateway: Make, server: ScriptedServer
) -> None:
    settings = {"servers": to(server), "sessions": {"max_age": "1h", "secret": SECRET}}
    file = Reloadable(make_gateway, settings)
    session = LegacySession(file.gateway.port)
    session.id = Ticket(SECRET, minute=int(time.time()) // 60 - 5).text
    begun, goes_on = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        begun.set()
        goes_on.wait(20)

    server.on_call = wait
    answers: list[Response] = []
    call = threading.Thread(target=lambda: answers.append(session.call("who")))
    call.start()
    assert begun.wait(10)
    file.hang_up({**settings, "sessions": {"max_age": "2m", "secret": SECRET}})
    assert session.post(rpc("ping")).status == 404
    goes_on.set()
    call.join()
    assert "result" in answers[0].message
    assert session.post(rpc("ping")).status == 404


def test_a_secret_is_replaced_without_ending_a_session(make_gateway: Make, tmp_path: Path) -> None:
    env = {"SLUICE_SESSIONS_SECRET": OTHER}
    gateway = make_gateway(env=env)
    old = LegacySession(gateway.port)
    env["SLUICE_SESSIONS_SECRET"] = f"{SECRET},{OTHER}"
    follow(gateway, "stop")
    assert old.post(rpc("ping")).status == 200
    new = LegacySession(gateway.port)
    # The same by a file.
    del env["SLUICE_SESSIONS_SECRET"]
    (tmp_path / "secret").write_text(SECRET + "\n")
    env["SLUICE_SESSIONS_SECRET_FILE"] = str(tmp_path / "secret")
    follow(gateway, "stop")
    assert (old.post(rpc("ping")).status, new.post(rpc("ping")).status) == (404, 200)


def test_a_path_is_known_by_its_name(make_gateway: Make) -> None:
    one, two = stdio_entry(wire_command()), stdio_entry(wire_command())
    settings: dict[str, Any] = {"servers": {"one": one, "two": two}, "sessions": {"secret": [SECRET]}}
    gateway = make_gateway(settings=settings)
    gateway.wait_for("one", "two")
    session = LegacySession(gateway.port, path="/mcp/two")
    settings["servers"] = {"two": two, "one": one}
    Path(gateway.command[gateway.command.index("--config") + 1]).write_text(json.dumps(settings))
    follow(gateway, "stop")
    assert session.post(rpc("ping")).status == 200
    session.path = "/mcp/one"
    assert session.post(rpc("ping")).status == 404


def test_room_is_needed_for_a_session_that_is_made_anew(make_gateway: Make) -> None:
    gateway = make_gateway(settings={"sessions": {"secret": SECRET, "max": 3, "per_client": 2}})
    sessions = [named(gateway, Ticket(SECRET).text) for _ in range(3)]
    assert [session.call("add", {"a": 1, "b": 1}).status for session in sessions] == [200, 200, 503]
    assert sessions[0].delete().status == 200
    assert sessions[2].post(rpc("ping")).status == 200
    assert gateway.metric("sluice_sessions") == 2


def end_many(gateway: Gateway, state: dict[str, str], share: int, count: int) -> None:
    """Somebody whose share that is has ended so many sessions, opened a minute ago and now."""
    minute = int(time.time()) // 60

    def line(text: str) -> str:
        checksum = int.from_bytes(siphash(bytes(16), text.encode(), long=False), "little") & 0xFFFFFFFF
        return f"{text} {checksum:08x}\n"

    lines = (line(f"ended 2 {number:016x} {share:04x} {minute + number % 2:08x}") for number in range(count))
    journal = Path(state["SLUICE_STATE_DIR"]) / f"sessions-{gateway.port}.ended"
    journal.write_text("".join(lines))


def test_one_who_ends_any_number_of_sessions_voids_its_own_alone(make_gateway: Make, state: dict[str, str]) -> None:
    gateway = make_gateway(env=state)
    mine = LegacySession(gateway.port)
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "other", "version": "1"}}
    answer = post(gateway.port, rpc("initialize", opening), {"X-Forwarded-For": "192.0.2.7"})
    other = named(gateway, answer.headers["mcp-session-id"])
    share = struct.unpack(">H", base64.urlsafe_b64decode(other.id + "==")[37:39])[0]
    assert share != struct.unpack(">H", base64.urlsafe_b64decode(mine.id + "==")[37:39])[0]
    gateway.stop()
    end_many(gateway, state, share, (1 << 18) + 10)
    begin(gateway)
    assert mine.post(rpc("ping")).status == 200
    assert other.post(rpc("ping")).status == 404, "of the share that has too many, what is as old is not made anew"
    assert mine.delete().status == 200
    follow(gateway, "kill")
    assert mine.post(rpc("ping")).status == 404


def test_a_session_whose_end_was_answered_stays_ended_however_soon_the_process_is_killed(
    make_gateway: Make, state: dict[str, str]
) -> None:
    gateway = make_gateway(env=state)
    for _ in range(5):
        session = LegacySession(gateway.port)
        assert session.post(rpc("ping")).status == 200
        assert session.delete().status == 200
        follow(gateway, "kill")
        assert session.post(rpc("ping")).status == 404


def test_the_end_of_a_session_is_noted_by_and_by_where_it_could_not_be(make_gateway: Make, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    env = {"SLUICE_STATE_DIR": str(folder)}
    gateway = make_gateway(env=env)
    session = LegacySession(gateway.port)
    aside = folder.rename(tmp_path / "aside")
    folder.touch()
    assert session.delete().status == 200
    assert eventually(lambda: "which sessions their clients have ended can't be kept" in gateway.log, 30)
    folder.unlink()
    aside.rename(folder)
    assert eventually(lambda: "which sessions their clients have ended is kept again" in gateway.log, 90), gateway.log
    follow(gateway, "kill")
    assert session.post(rpc("ping")).status == 404


def test_a_spoilt_secret_is_set_aside_once(make_gateway: Make, state: dict[str, str]) -> None:
    gateway = make_gateway(env=state)
    lost = LegacySession(gateway.port)
    secret = Path(state["SLUICE_STATE_DIR"]) / f"sessions-{gateway.port}.secret"
    secret.write_text("")
    follow(gateway, "stop")
    assert gateway.says(f"{secret} is empty: it is set aside as {secret}.spoilt")
    assert lost.post(rpc("ping")).status == 404
    kept = LegacySession(gateway.port)
    follow(gateway, "kill")
    assert kept.post(rpc("ping")).status == 200
    assert "set aside" not in gateway.log.split("listening")[-1]


def test_gateways_at_two_addresses_of_one_port_are_told_that_they_share_files(
    make_gateway: Make, state: dict[str, str]
) -> None:
    first = make_gateway(env=state)
    command = [*first.command, "--host", "127.0.0.2", "--websocket-host", "127.0.0.2", "--admin-host", "127.0.0.2"]
    second = Child(command, first.log_path.with_suffix(".second.log"), first.env)
    said = f"process {first.pid}, which listens on port {first.port} of another address, keeps its state in the same files"
    try:
        assert eventually(lambda: said in second.text(), 30), second.text()
    finally:
        second.terminate()
    assert "keeps its state" not in first.log
    follow(first, "takeover")
    assert "keeps its state" not in first.log
    follow(first, "kill")
    assert "keeps its state" not in first.log


@pytest.mark.parametrize(
    ("contents", "mode", "code", "said"),
    [
        (None, 0, 2, "there is no file"),
        ("", 0o600, 2, "is empty"),
        ("short", 0o600, 2, "line 1, is too short for a secret"),
        (f"{SECRET}\n{OTHER} \n", 0o600, 2, "line 2, has a blank in a secret or beside it"),
        (f"{SECRET}\n", 0o604, 0, "every user of this machine may read"),
        (f"{SECRET}\n", 0o620, 0, "others than its owner may write to"),
        (f"{SECRET}\r\n\r\n{OTHER}", 0o600, 0, ""),
    ],
)
def test_check_and_serve_say_the_same_of_a_file_of_secrets(
    make_gateway: Make, tmp_path: Path, contents: str | None, mode: int, code: int, said: str
) -> None:
    file = tmp_path / "secret"
    if contents is not None:
        file.write_bytes(contents.encode())
        file.chmod(mode)
    env = {**os.environ, "SLUICE_SESSIONS_SECRET_FILE": str(file)}
    commands = [[binary(), "check"], [binary(), "check", "--json"]]
    if code:
        commands.append([binary(), "serve", "--port", "0", "--websocket-port", "0", "--admin-port", "0"])
    for command in commands:
        outcome = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert outcome.returncode == code, outcome
        assert said in outcome.stdout + outcome.stderr, outcome
        assert SECRET not in outcome.stdout + outcome.stderr and OTHER not in outcome.stdout + outcome.stderr
    if not code:
        gateway = make_gateway(env={"SLUICE_SESSIONS_SECRET_FILE": str(file)})
        assert gateway.says(said)
        assert ("warning" in gateway.log) == bool(said), gateway.log


# --- what its client knows of it --------------------------------------------------------------------------------------


def test_a_client_is_told_to_look_again_once_it_listens(make_gateway: Make, state: dict[str, str]) -> None:
    gateway = make_gateway({"wire": stdio_entry(wire_command())}, env=state)
    gateway.wait_for("wire")
    session = LegacySession(gateway.port)
    connection, head = session.listen()
    connection.close()
    follow(gateway, "kill")
    gateway.wait_for("wire")
    kinds = [kind for kind in ("tools", "prompts", "resources") if kind in session.result["capabilities"]]
    changed = [f"notifications/{kind}/list_changed" for kind in kinds]
    assert changed and sorted(first_methods(session, len(kinds))) == sorted(changed)
    follow(gateway, "kill")
    gateway.wait_for("wire")
    again = first_methods(session, len(kinds), last_event="1-1")
    assert sorted(again) == sorted(changed), "the former stream begins anew"
    connection, head = session.listen(last_event="2-1")
    connection.close()
    assert head.status == 400, "an answer that the former process has taken with it can't be had"


def test_a_list_goes_on_where_it_was(make_gateway: Make) -> None:
    settings = {
        "servers": {"wire": stdio_entry(wire_command())},
        "sessions": {"secret": SECRET},
        "limits": {"page_entries": 2},
    }
    gateway = make_gateway(settings=settings)
    gateway.wait_for("wire")
    session = LegacySession(gateway.port)
    first = session.post(rpc("tools/list")).message["result"]
    follow(gateway, "kill")
    gateway.wait_for("wire")
    rest = session.post(rpc("tools/list", {"cursor": first["nextCursor"]})).message
    assert rest["result"]["tools"] and rest["result"]["tools"][0] not in first["tools"], rest


def test_where_nothing_can_be_kept_that_is_said(make_gateway: Make, state: dict[str, str]) -> None:
    gateway = make_gateway()
    assert gateway.says("neither sessions.secret nor a state_dir")
    assert "neither" not in make_gateway(env=state).log


# --- clients that know nothing of all this ----------------------------------------------------------------------------

PEERS = [("v1", "legacy"), ("v2", "legacy"), ("v2", "auto"), ("v2", "2026-07-28"), ("fastmcp", "legacy")]


def watch(
    gateway: Gateway, drivers: Callable[[str], Driver], folder: Path, steps: list[str], clients: int = 3
) -> list[tuple[str, Trace]]:
    """Clients of each kind that call all the time while one process follows another."""
    stop, began, pause = (folder / name for name in ("stop", "stop.began", "stop.pause"))
    until = ("calls_until", {"name": "add", "arguments": {"a": 1, "b": 2}, "stop": str(stop)})
    boxes = [
        (f"{sdk}-{mode}", drivers(sdk), drivers(sdk).start(gateway.url, until, mode=mode, clients=clients, timeout=900))
        for sdk, mode in PEERS
    ]
    everybody = clients * len(PEERS)
    assert eventually(lambda: began.exists() and len(began.read_text()) == everybody, 60), "not all have opened"
    for step in steps:
        if step == "kill":
            # What is on its way then is lost.
            pause.write_text("")
            time.sleep(1)
        follow(gateway, step)
        pause.unlink(missing_ok=True)
        time.sleep(1)
    stop.write_text("")
    return [(name, trace) for name, driver, box in boxes for trace in Trace(driver.finish(box, 120)).clients]


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=[pytest.mark.heavy, pytest.mark.timeout(1200)])])
@pytest.mark.parametrize("how", ["takeover", "stop", "kill"])
def test_programs_of_the_sdks_do_not_notice(
    make_gateway: Make, drivers: Callable[[str], Driver], state: dict[str, str], tmp_path: Path, how: str, rounds: int
) -> None:
    gateway = make_gateway(workers=2, env=state)
    gateway.stop()
    # As with a socket unit of systemd: between two processes clients wait.
    with socket.create_server(("127.0.0.1", gateway.port), backlog=128) as held:
        gateway.held = held
        begin(gateway)
        for name, trace in watch(gateway, drivers, tmp_path, [how] * rounds):
            assert "calls_until" in trace.raw, (name, trace.raw)
            seen = trace.value("calls_until")
            assert not seen["failed"] and seen["answered"] > rounds, (name, seen)
        gateway.stop()

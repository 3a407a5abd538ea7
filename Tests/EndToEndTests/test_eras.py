"""Servers of both eras: clients of each era have them in their own, side by side, and a command is started a second time
only when a client of the legacy era has come for it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import two_faced
from harness.client import ANSWERS, Driver, Trace, text_of
from harness.conversation import CHECKS, Pairing, conversation, options
from harness.gateway import Gateway
from harness.processes import alive, eventually, listens
from harness.reloadable import Reloadable
from harness.sockets import Socket
from harness.two_faced import TwoFacedUpstream
from harness.upstreams import HTTPUpstream, reference_command, stdio_entry
from harness.wire import Connection, LegacySession, modern, modern_headers, post_modern, request, rpc

Make = Callable[..., Gateway]
MODERN = "2026-07-28"
LEGACY_ONLY, MODERN_ONLY = "legacy_only", "modern_only"


@pytest.fixture
def upstream() -> Iterator[TwoFacedUpstream]:
    upstream = TwoFacedUpstream()
    yield upstream
    upstream.close()


def command(starts: Path, initialize: str = "take", **more: Any) -> dict[str, Any]:
    return {
        "command": sys.executable,
        "args": [two_faced.__file__, "--starts", str(starts), "--initialize", initialize],
        **more,
    }


def processes(gateway: Gateway) -> list[int]:
    """Those of the server."""
    return [pid for pid, line in gateway.children().items() if ".py" in line and "sluice serve" not in line]


def noted(starts: Path) -> list[str]:
    """What processes have noted, without their ids."""
    return [line.split()[0] for line in starts.read_text().splitlines()]


def modern_result(port: int, method: str, params: dict[str, Any] | None = None, path: str = "/mcp") -> dict[str, Any]:
    answer = post_modern(port, modern(method, params), path=path).message
    assert "result" in answer, answer
    return answer["result"]


def modern_call(port: int, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    return json.loads(text_of(modern_result(port, "tools/call", {"name": name, "arguments": arguments or {}})))


def legacy_call(session: LegacySession, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = session.call(name, arguments).message
    assert "result" in answer, answer
    return json.loads(text_of(answer["result"]))


def legacy_names(session: LegacySession) -> list[str]:
    return [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]]


def modern_names(port: int) -> list[str]:
    return [tool["name"] for tool in modern_result(port, "tools/list")["tools"]]


def listen(port: int, **wanted: Any) -> tuple[Connection, Iterator[dict[str, Any]]]:
    """A modern listen whose acknowledgement has come."""
    message = modern("subscriptions/listen", {"notifications": wanted})
    connection = Connection(port, timeout=30)
    connection.send(request("POST", "/mcp", dict(modern_headers(message)), json.dumps(message).encode(), port=port))
    assert connection.head().status == 200
    messages = (json.loads(event["data"]) for event in connection.stream() if event.get("data"))
    assert next(messages)["method"] == "notifications/subscriptions/acknowledged"
    return connection, messages


def heard(session: LegacySession) -> tuple[Connection, Iterator[dict[str, Any]]]:
    connection, head = session.listen(timeout=30)
    assert head.status == 200
    return connection, (json.loads(event["data"]) for event in connection.stream() if event.get("data"))


def served(make: Make, entry: dict[str, Any], **options: Any) -> Gateway:
    return make(settings={"servers": {"two": entry}, **options.pop("settings", {})}, **options)


# --- what each era offers --------------------------------------------------------------------------------------------


def assert_each_era_has_its_own(gateway: Gateway, session: LegacySession) -> None:
    assert legacy_names(session) == ["where", "grow", "touch", LEGACY_ONLY]
    assert modern_names(gateway.port) == ["where", "grow", "touch", MODERN_ONLY]
    assert {"prompts", "logging", "completions"} <= set(session.result["capabilities"])
    assert session.result["instructions"] == "for legacy clients"
    discovered = modern_result(gateway.port, "server/discover")
    assert "prompts" not in discovered["capabilities"] and discovered["instructions"] == "for modern clients"
    assert legacy_call(session, "where")["era"] == legacy_call(session, LEGACY_ONLY)["era"] == "legacy"
    assert modern_call(gateway.port, "where")["era"] == modern_call(gateway.port, MODERN_ONLY)["era"] == "modern"
    prompts = session.post(rpc("prompts/list")).message["result"]["prompts"]
    assert [prompt["name"] for prompt in prompts] == ["legacy_prompt"]


@pytest.mark.parametrize("workers", [1, 3])
def test_each_era_has_its_own_lists_and_instructions_over_http(
    make_gateway: Make, upstream: TwoFacedUpstream, workers: int
) -> None:
    gateway = served(make_gateway, {"url": upstream.url}, workers=workers)
    assert_each_era_has_its_own(gateway, LegacySession(gateway.port))
    with Socket(gateway.socket_url()) as socket:
        assert socket.initialize()["instructions"] == "for legacy clients"


@pytest.mark.parametrize("workers", [1, 3])
def test_each_era_has_its_own_lists_and_instructions_over_stdio(
    make_gateway: Make, tmp_path: Path, workers: int
) -> None:
    starts = tmp_path / "starts"
    gateway = served(make_gateway, command(starts), workers=workers)
    assert modern_call(gateway.port, "where")["era"] == "modern"
    assert noted(starts) == ["start"] and len(processes(gateway)) == 1
    assert_each_era_has_its_own(gateway, LegacySession(gateway.port))
    assert noted(starts) == ["start", "start", "initialize"]
    # Everybody shares the two.
    for _ in range(3):
        assert legacy_call(LegacySession(gateway.port), "where")["era"] == "legacy"
    assert len(processes(gateway)) == 2 and len(noted(starts)) == 3


@pytest.mark.parametrize("transport", ["ws", "sse"])
def test_clients_on_streams_have_their_era_too(make_gateway: Make, tmp_path: Path, transport: str) -> None:
    gateway = served(make_gateway, command(tmp_path / "starts"))
    if transport == "ws":
        with Socket(gateway.socket_url()) as socket:
            assert socket.initialize()["instructions"] == "for legacy clients"
        return
    with Connection(gateway.port, timeout=30) as connection:
        connection.send(request("GET", "/mcp/sse", {"Accept": "text/event-stream"}, port=gateway.port))
        assert connection.head().status == 200
        events = connection.stream()
        endpoint = next(event["data"] for event in events if event.get("event") == "endpoint")
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        body = json.dumps(rpc("initialize", client)).encode()
        with Connection(gateway.port) as other:
            assert other.exchange(request("POST", endpoint, {}, body, port=gateway.port)).status == 202
        answer = next(json.loads(event["data"]) for event in events if event.get("event") == "message")
        assert answer["result"]["instructions"] == "for legacy clients"


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("kind", ["http", "stdio"])
def test_an_era_that_is_configured_is_the_only_one(
    make_gateway: Make, upstream: TwoFacedUpstream, tmp_path: Path, kind: str, era: str
) -> None:
    starts = tmp_path / "starts"
    entry = {"url": upstream.url, "era": era} if kind == "http" else command(starts, era=era)
    gateway = served(make_gateway, entry)
    session = LegacySession(gateway.port)
    assert legacy_names(session) == modern_names(gateway.port) == ["where", "grow", "touch", f"{era}_only"]
    assert legacy_call(session, "where")["era"] == modern_call(gateway.port, "where")["era"] == era
    if kind == "http":
        assert {entry[0] for entry in upstream.server.asked} == {era}
    else:
        assert noted(starts).count("start") == 1


# --- servers of one era only -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 404, 405])
def test_an_http_server_that_refuses_initialize_is_asked_once(
    make_gateway: Make, upstream: TwoFacedUpstream, status: int
) -> None:
    upstream.refuses_initialize, upstream.initialize_status = True, status
    gateway = served(make_gateway, {"url": upstream.url})
    for _ in range(3):
        session = LegacySession(gateway.port)
        assert legacy_names(session) == ["where", "grow", "touch", MODERN_ONLY]
        assert legacy_call(session, "where")["era"] == "modern"
        assert session.result["instructions"] == "for modern clients"
    assert upstream.server.asked.count(("legacy", "initialize")) == 1
    assert " in the legacy era" not in gateway.log


def test_an_http_server_whose_initialize_fails_is_asked_again(make_gateway: Make, upstream: TwoFacedUpstream) -> None:
    upstream.initialize_status = 503
    gateway = served(make_gateway, {"url": upstream.url})
    session = LegacySession(gateway.port)
    assert legacy_call(session, "where")["era"] == "modern"
    # What it may bring is promised, and told of.
    assert session.result["capabilities"]["prompts"] == {"listChanged": True}
    stream, messages = heard(session)
    with stream:
        upstream.initialize_status = 200
        told = {next(messages)["method"] for _ in range(2)}
    assert told == {"notifications/tools/list_changed", "notifications/prompts/list_changed"}
    assert legacy_names(session)[-1] == LEGACY_ONLY and legacy_call(session, "where")["era"] == "legacy"
    assert gateway.times("two is not available in the legacy era", 1) == 1


def test_clients_are_let_in_when_both_eras_are_known(make_gateway: Make, upstream: TwoFacedUpstream) -> None:
    upstream.initialize_delay = 1.5
    gateway = served(make_gateway, {"url": upstream.url}, settings={"first_list_wait": "30s"})
    assert_each_era_has_its_own(gateway, LegacySession(gateway.port))


def test_modern_clients_are_let_in_though_a_server_is_never_found_out_in_the_legacy_era(
    make_gateway: Make, upstream: TwoFacedUpstream
) -> None:
    upstream.initialize_delay = 600
    settings = {"servers": {"two": {"url": upstream.url}}, "first_list_wait": "10m", "limits": {"probe_timeout": "10m"}}
    gateway = make_gateway(settings=settings, wait=False)
    assert eventually(lambda: listens(gateway.port), 20)
    call = modern("tools/call", {"name": "where", "arguments": {}})
    answer = post_modern(gateway.port, call, timeout=60).message
    assert json.loads(text_of(answer["result"]))["era"] == "modern"


def test_a_server_that_forgets_the_legacy_era_is_served_by_translation(
    make_gateway: Make, upstream: TwoFacedUpstream
) -> None:
    gateway = served(make_gateway, {"url": upstream.url, "isolation": "shared"})
    session = LegacySession(gateway.port)
    assert legacy_call(session, "where")["era"] == "legacy"
    # A refusal alone ends nothing.
    upstream.refuses_calls = 1
    before = set(upstream.sessions)
    assert "error" in session.call("where").message
    assert eventually(lambda: upstream.server.asked.count(("legacy", "initialize")) == 2, 20), upstream.server.asked
    assert legacy_call(session, "where")["era"] == "legacy"
    assert before <= set(upstream.sessions), "what everybody shares was ended"
    upstream.refuses_initialize = True
    upstream.refuses_calls = 1000
    assert eventually(lambda: "result" in session.call("where").message, 30), gateway.log
    assert legacy_call(session, "where")["era"] == "modern"
    assert legacy_names(session)[-1] == MODERN_ONLY


@pytest.mark.parametrize("way", ["refuse", "die"])
def test_a_command_that_does_not_take_initialize_is_not_started_again(
    make_gateway: Make, tmp_path: Path, way: str
) -> None:
    starts = tmp_path / "starts"
    gateway = served(make_gateway, command(starts, way))
    for _ in range(3):
        session = LegacySession(gateway.port)
        assert legacy_names(session) == ["where", "grow", "touch", MODERN_ONLY]
        assert legacy_call(session, "where")["era"] == "modern"
    assert noted(starts) == ["start", "start", "initialize"]
    assert eventually(lambda: len(processes(gateway)) == 1, 10), gateway.children()
    assert not [line for line in gateway.log.splitlines() if " warning two " in line or "legacy era" in line], gateway.log


def test_who_comes_first_waits_for_a_slow_command_and_is_promised_what_it_may_bring(
    make_gateway: Make, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    gateway = served(make_gateway, command(starts, "slow"), settings={"first_list_wait": "500ms"})
    session = LegacySession(gateway.port)
    assert session.result["instructions"] == "for modern clients"
    assert session.result["capabilities"]["prompts"] == {"listChanged": True}
    stream, messages = heard(session)
    with stream:
        assert legacy_call(session, "where")["era"] == "modern"
        told = {next(messages)["method"] for _ in range(2)}
    assert told == {"notifications/tools/list_changed", "notifications/prompts/list_changed"}
    assert legacy_call(session, "where")["era"] == "legacy"
    assert noted(starts) == ["start", "start", "initialize"]


def test_a_client_that_can_be_asked_waits_for_the_process_that_may_ask_it(make_gateway: Make, tmp_path: Path) -> None:
    gateway = served(make_gateway, command(tmp_path / "starts", "slow"), settings={"first_list_wait": "300ms"})
    session = LegacySession(gateway.port, capabilities={"sampling": {}})
    assert session.result["instructions"] == "for modern clients"
    answer = session.call("where", timeout=30).message
    assert json.loads(text_of(answer["result"]))["era"] == "legacy"


def test_a_command_that_never_answers_initialize_does_not_hold_up_its_legacy_clients(
    make_gateway: Make, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    settings = {"first_list_wait": "300ms", "limits": {"probe_timeout": "1s"}}
    gateway = served(make_gateway, command(starts, "hang"), settings=settings)
    for _ in range(3):
        session = LegacySession(gateway.port, capabilities={"sampling": {}})
        for _ in range(3):
            assert legacy_call(session, "where")["era"] == "modern"
    assert noted(starts) == ["start", "start", "initialize"]


@pytest.mark.parametrize("way", ["die", "hang"])
def test_a_command_that_takes_initialize_no_more_after_a_restart_is_served_by_translation(
    make_gateway: Make, tmp_path: Path, way: str
) -> None:
    starts, mode = tmp_path / "starts", tmp_path / "mode"
    mode.write_text("take")
    settings = {"first_list_wait": "300ms", "start_timeout": "3s", "limits": {"probe_timeout": "1s"}}
    gateway = served(make_gateway, command(starts, str(mode)), settings=settings)
    session = LegacySession(gateway.port)

    def era() -> str:
        answer = session.call("where").message
        return json.loads(text_of(answer["result"]))["era"] if "result" in answer else ""

    assert eventually(lambda: era() == "legacy", 20)
    mode.write_text(way)
    for pid in processes(gateway):
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: era() == "modern", 30), gateway.log
    assert legacy_names(session)[-1] == MODERN_ONLY
    # It is tried again, and then no more.
    assert eventually(lambda: "two is of the modern era only" in gateway.log, 60), gateway.log
    assert eventually(lambda: len(processes(gateway)) == 1, 20), gateway.children()
    tried = noted(starts).count("initialize")
    for _ in range(3):
        assert legacy_call(LegacySession(gateway.port), "where")["era"] == "modern"
    assert noted(starts).count("initialize") == tried
    # Another start may be of another version.
    mode.write_text("take")
    os.kill(processes(gateway)[0], signal.SIGKILL)
    assert eventually(lambda: era() == "legacy", 30), gateway.log


def test_clients_have_the_server_by_translation_while_its_legacy_process_takes_long_to_be_back(
    make_gateway: Make, tmp_path: Path
) -> None:
    mode = tmp_path / "mode"
    mode.write_text("take")
    settings = {"first_list_wait": "300ms", "limits": {"probe_timeout": "1s"}}
    gateway = served(make_gateway, command(tmp_path / "starts", str(mode)), settings=settings)
    session = LegacySession(gateway.port)
    assert eventually(lambda: legacy_call(session, "where")["era"] == "legacy", 20)
    stream, told = heard(session)
    with stream:
        mode.write_text("slow")
        os.kill(legacy_call(session, "where")["pid"], signal.SIGKILL)
        # Of either change: the tools and the prompts are others.
        assert {next(told)["method"] for _ in range(2)} == {
            "notifications/tools/list_changed",
            "notifications/prompts/list_changed",
        }
        assert legacy_call(session, "where")["era"] == "modern"
        assert {next(told)["method"] for _ in range(2)} == {
            "notifications/tools/list_changed",
            "notifications/prompts/list_changed",
        }
        assert legacy_call(session, "where")["era"] == "legacy"


# --- news ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "stdio"])
def test_each_client_hears_once_of_what_its_era_sees(
    make_gateway: Make, upstream: TwoFacedUpstream, tmp_path: Path, kind: str
) -> None:
    gateway = served(make_gateway, {"url": upstream.url} if kind == "http" else command(tmp_path / "starts"), workers=3)
    session = LegacySession(gateway.port)
    stream, told = heard(session)
    listening, listened = listen(gateway.port, toolsListChanged=True, resourceSubscriptions=["ref://a"])
    with stream, listening:
        assert "result" in session.post(rpc("resources/subscribe", {"uri": "ref://a"})).message
        legacy_call(session, "grow", {"era": "legacy", "tool": "new_legacy"})
        assert next(told)["method"] == "notifications/tools/list_changed"
        assert legacy_names(session)[-1] == "new_legacy"
        modern_call(gateway.port, "grow", {"era": "modern", "tool": "new_modern"})
        assert next(listened)["method"] == "notifications/tools/list_changed"
        assert modern_names(gateway.port)[-1] == "new_modern"
        # Both processes are told where there are two, each of its own clients.
        legacy_call(session, "touch")
        if kind == "stdio":
            modern_call(gateway.port, "touch")
        assert next(told)["method"] == next(listened)["method"] == "notifications/resources/updated"
        # Nothing came twice: what comes next is what happens next.
        assert "result" in session.post(rpc("resources/unsubscribe", {"uri": "ref://a"})).message
        legacy_call(session, "grow", {"era": "legacy", "tool": "last_legacy"})
        assert next(told)["method"] == "notifications/tools/list_changed"
        modern_call(gateway.port, "grow", {"era": "modern", "tool": "last_modern"})
        assert next(listened)["method"] == "notifications/tools/list_changed"


@pytest.mark.parametrize("kind", ["http", "stdio"])
def test_who_subscribed_before_its_era_was_known_hears_on(
    make_gateway: Make, upstream: TwoFacedUpstream, tmp_path: Path, kind: str
) -> None:
    upstream.initialize_status = 503
    entry = {"url": upstream.url} if kind == "http" else command(tmp_path / "starts", "slow")
    gateway = served(make_gateway, entry, settings={"first_list_wait": "300ms"})
    session = LegacySession(gateway.port)
    stream, told = heard(session)
    with stream:
        assert "result" in session.post(rpc("resources/subscribe", {"uri": "ref://a"})).message
        if kind == "http":
            assert [wanted["resourceSubscriptions"] for _, wanted, _ in upstream.listens if "resourceSubscriptions" in wanted]
        upstream.initialize_status = 200
        assert {next(told)["method"] for _ in range(2)} == {
            "notifications/tools/list_changed",
            "notifications/prompts/list_changed",
        }
        if kind == "http":
            assert eventually(lambda: upstream.subscribed, 20), upstream.server.asked
        legacy_call(session, "touch")
        assert next(told)["method"] == "notifications/resources/updated"
        legacy_call(session, "grow", {"era": "legacy", "tool": "last"})
        assert next(told)["method"] == "notifications/tools/list_changed"


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_name_means_the_same_in_both_eras(make_gateway: Make, upstream: TwoFacedUpstream) -> None:
    """One server has a tool in the legacy era only, and another has one of that name."""
    other = TwoFacedUpstream()
    other.server.tools = {"legacy": [LEGACY_ONLY, "x"], "modern": [LEGACY_ONLY, "x"]}
    servers = {"two": {"url": upstream.url}, "other": {"url": other.url}}
    gateway = make_gateway(settings={"servers": servers, "prefix": "never"})
    gateway.wait_for("two", "other")
    session = LegacySession(gateway.port)
    assert eventually(lambda: LEGACY_ONLY in legacy_names(session), 20)
    assert {f"other__{LEGACY_ONLY}", "x"} <= set(legacy_names(session)) & set(modern_names(gateway.port))
    assert LEGACY_ONLY not in modern_names(gateway.port)
    other.close()


# --- what changes ----------------------------------------------------------------------------------------------------


def test_the_end_of_one_process_is_none_of_the_others(make_gateway: Make, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    gateway = served(make_gateway, command(starts))
    session = LegacySession(gateway.port)
    pids = {"legacy": legacy_call(session, "where")["pid"], "modern": modern_call(gateway.port, "where")["pid"]}
    assert pids["legacy"] != pids["modern"]
    os.kill(pids["legacy"], signal.SIGKILL)
    assert modern_call(gateway.port, "where")["pid"] == pids["modern"]
    assert gateway.admin_status("/readyz") == 200

    def back() -> bool:
        answer = session.call("where").message
        return "result" in answer and json.loads(text_of(answer["result"]))["pid"] not in pids.values()

    assert eventually(back, 20)
    legacy = legacy_call(session, "where")
    assert legacy["era"] == "legacy"
    os.kill(pids["modern"], signal.SIGKILL)
    assert legacy_call(session, "where") == legacy
    assert eventually(lambda: "result" in post_modern(gateway.port, modern("tools/call", {"name": "where"})).message, 20)
    assert legacy_call(session, "where") == legacy
    assert noted(starts).count("start") == 4
    assert not alive(pids["legacy"]) and len(processes(gateway)) == 2


def test_a_server_that_is_started_again_is_back_in_both_eras(
    make_gateway: Make, make_upstream: Callable[..., HTTPUpstream], drivers: Callable[[str], Driver]
) -> None:
    upstream = make_upstream(reference_command("v2"), "http", "both")
    gateway = served(make_gateway, upstream.entry())
    session = LegacySession(gateway.port, capabilities={"roots": {}})
    assert "result" in session.call("echo", {"text": "x"}).message
    upstream.kill()
    assert eventually(lambda: "error" in session.call("echo", {"text": "x"}).message, 20)
    upstream.start()
    assert eventually(lambda: "result" in session.call("echo", {"text": "x"}).message, 40)
    assert eventually(
        lambda: "result" in post_modern(gateway.port, modern("tools/call", {"name": "echo", "arguments": {"text": "x"}})).message, 40
    )
    trace = drivers("v1").run(gateway.url, ("roots=ask", {"name": "roots"}), mode="legacy", answers=ANSWERS)
    assert not trace.value("roots")["result"].get("isError"), trace.value("roots")
    assert gateway.log.count("WARN") + gateway.log.count("warning") <= gateway.log.count("not available") + 2, gateway.log


def test_a_legacy_server_that_learns_the_modern_era_keeps_its_conversations(
    make_gateway: Make, upstream: TwoFacedUpstream
) -> None:
    upstream.forgets_modern = True
    gateway = served(make_gateway, {"url": upstream.url})
    session = LegacySession(gateway.port)
    assert legacy_call(session, "where")["era"] == modern_call(gateway.port, "where")["era"] == "legacy"
    upstream.forgets_modern = False
    conversations = set(upstream.sessions)
    # A refusal that it would not give as a legacy server is what makes the gateway look.
    upstream.refuses_calls = 1
    assert "error" in session.call("where").message
    assert eventually(lambda: modern_call(gateway.port, "where")["era"] == "modern", 30), gateway.log
    assert legacy_call(session, "where")["era"] == "legacy"
    own = session.id and [entry for entry in upstream.sessions if entry in conversations]
    assert len(own) >= 1, "the client's conversation was ended"
    assert_each_era_has_its_own(gateway, LegacySession(gateway.port))


def test_a_reload_leaves_both_or_changes_both(make_gateway: Make, tmp_path: Path) -> None:
    starts, other = tmp_path / "starts", tmp_path / "other"
    reloadable = Reloadable(make_gateway, {"servers": {"two": command(starts)}})
    gateway = reloadable.gateway
    session = LegacySession(gateway.port)
    before = legacy_call(session, "where"), modern_call(gateway.port, "where")
    reloadable.hang_up({"servers": {"two": command(starts)}, "call_timeout": "50s"})
    assert (legacy_call(session, "where"), modern_call(gateway.port, "where")) == before
    reloadable.hang_up({"servers": {"two": command(other)}})

    def changed() -> bool:
        now = legacy_call(session, "where"), modern_call(gateway.port, "where")
        assert [said["era"] for said in now] == ["legacy", "modern"], "the legacy clients were without their era"
        return not {said["pid"] for said in now} & {said["pid"] for said in before}

    assert eventually(changed, 20)
    assert noted(other).count("start") == 2
    assert eventually(lambda: len(processes(gateway)) == 2, 20), gateway.children()
    reloadable.hang_up({"servers": {"one": command(tmp_path / "third")}})
    assert eventually(lambda: len(processes(gateway)) == 1, 20), gateway.children()


def test_each_legacy_session_has_a_process_of_its_own_where_that_is_configured(
    make_gateway: Make, tmp_path: Path
) -> None:
    gateway = served(make_gateway, command(tmp_path / "starts", isolation="session"), workers=3)
    sessions = [LegacySession(gateway.port) for _ in range(2)]
    said = [legacy_call(session, "where") for session in sessions]
    assert [entry["era"] for entry in said] == ["legacy", "legacy"] and said[0]["pid"] != said[1]["pid"]
    assert modern_call(gateway.port, "where")["era"] == "modern"
    for session in sessions:
        session.delete()
    assert eventually(lambda: not any(alive(entry["pid"]) for entry in said), 20)


def test_a_session_from_before_a_restart_has_its_era(make_gateway: Make, tmp_path: Path) -> None:
    """Its client does not open another, so nobody waits for the second process but its first call."""
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef" * 4)
    settings = {"servers": {"two": command(tmp_path / "starts")}, "sessions": {"secret": str(secret)}}
    first, second = (make_gateway(settings=settings) for _ in range(2))
    session = LegacySession(first.port)
    session.port = second.port
    assert legacy_call(session, "where")["era"] == "legacy"


# --- SDKs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("server", ["v2stdio", "v2http"])
def test_clients_of_both_eras_talk_side_by_side(
    drivers: Callable[[str], Driver], shared_gateway: Callable[[int], Gateway], server: str, workers: int
) -> None:
    gateway = shared_gateway(workers)
    # Whose question or log line it is that comes from a process which two clients share can't be told.
    second = [("v2", "legacy")] if server == "v2http" else []
    pairings = [Pairing(client, mode, server, True) for client, mode in [("v1", "legacy"), *second, ("v2", MODERN)]]
    # What changes for all clients of a server is left out: each would see what the others do.
    alone = ["list_change", "subscription"]
    boxes = []
    for pairing in pairings:
        whole = conversation(f"beside-{pairing}-{workers}")
        job = [entry for entry in whole if entry not in alone and entry[0] not in alone]
        driver = drivers(pairing.client)
        boxes.append((pairing, driver, driver.start(gateway.alias_url(server), *job, **options(pairing))))
    for pairing, driver, box in boxes:
        trace = Trace(driver.finish(box))
        for name in CHECKS:
            if name not in ("lists", "list_changes", "subscriptions", "closing"):
                CHECKS[name](trace, pairing)


def test_a_dual_era_sdk_command_is_started_once_for_modern_clients(make_gateway: Make, drivers: Callable[[str], Driver]) -> None:
    gateway = make_gateway({"both": stdio_entry(reference_command("v2"))})
    for _ in range(2):
        trace = drivers("v2").run(gateway.url, ("echo=call", {"name": "echo", "arguments": {"text": "x"}}), mode=MODERN)
        assert text_of(trace.value("echo")["result"]) == "x"
    assert len(processes(gateway)) == 1
    trace = drivers("v1").run(gateway.url, ("sample=ask", {"name": "sample", "arguments": {"text": "x"}}), mode="legacy", answers=ANSWERS)
    assert not trace.value("sample")["result"].get("isError"), trace.value("sample")
    assert len(processes(gateway)) == 2

"""What the gateway says to servers of 2026-07-28, and how it keeps up with them: MCP 2026-07-28,
Streamable HTTP (mirrored headers) and Subscriptions."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import Gateway
from harness.processes import eventually
from harness.scripted_modern import ModernServer, tool
from harness.upstreams import wire_command
from harness.wire import Closed, Connection, LegacySession, Response, modern, modern_headers, post_modern, request, rpc

Make = Callable[..., Gateway]
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


@pytest.fixture
def server() -> Iterator[ModernServer]:
    server = ModernServer()
    yield server
    server.close()


def gateway_to(make_gateway: Make, server: ModernServer, workers: int = 3) -> Gateway:
    return make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}}, workers=workers)


def paint(port: int, arguments: dict[str, Any] | None = None, **headers: str) -> Response:
    message = modern("tools/call", {"name": "paint", "arguments": arguments or {}})
    return post_modern(port, message, {name.replace("_", "-"): value for name, value in headers.items()})


def listen(port: int, notifications: dict[str, Any], number: Any = 1) -> tuple[Connection, Iterator[dict[str, Any]]]:
    """A listen whose acknowledgement has come."""
    message = modern("subscriptions/listen", {"notifications": notifications}, number)
    connection = Connection(port)
    connection.send(request("POST", "/mcp", dict(modern_headers(message)), json.dumps(message).encode(), port=port))
    assert connection.head().status == 200
    messages = (json.loads(event["data"]) for event in connection.stream() if event.get("data"))
    acknowledged = next(messages)
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"]["notifications"] == notifications
    return connection, messages


# --- mirrored headers ------------------------------------------------------------------------------------------------


def test_names_and_arguments_are_mirrored_upstream(make_gateway: Make, server: ModernServer) -> None:
    server.tools = [tool("paint", colour="Colour"), {"name": "t é", "inputSchema": {"type": "object"}}]
    port = gateway_to(make_gateway, server).port
    encoded = "=?base64?" + base64.b64encode("blé".encode()).decode() + "?="
    assert "result" in paint(port, {"colour": "blé"}, Mcp_Param_Colour=encoded).message
    headers, message = server.calls[-1]
    assert headers["mcp-param-colour"] == encoded
    assert (headers["mcp-method"], headers["mcp-name"]) == ("tools/call", "paint")
    assert headers["mcp-protocol-version"] == message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"]
    assert "result" in paint(port, {"colour": None}).message
    assert "mcp-param-colour" not in server.calls[-1][0]
    session = LegacySession(port)
    assert "result" in session.call("paint", {"colour": "red"}).message
    assert server.calls[-1][0]["mcp-param-colour"] == "red"
    assert "result" in session.call("t é").message
    assert server.calls[-1][0]["mcp-name"] == "=?base64?dCDDqQ==?="


def test_mirrored_headers_that_the_gateway_does_not_know_are_handed_on(
    make_gateway: Make, server: ModernServer
) -> None:
    server.tools = [tool("paint", colour="Colour")]
    port = gateway_to(make_gateway, server).port
    headers = {"Mcp-Param-Colour": "red", "Mcp-Param-Brush": "wide"}
    message = modern("tools/call", {"name": "paint", "arguments": {"colour": "red"}})
    assert "result" in post_modern(port, message, headers).message
    assert server.calls[-1][0]["mcp-param-brush"] == "wide"
    assert server.calls[-1][0]["mcp-param-colour"] == "red"
    assert "result" in paint(port).message
    assert "mcp-param-brush" not in server.calls[-1][0]


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"colour": "red"}, {}),
        ({"colour": "red"}, {"Mcp_Param_Colour": "blue"}),
        ({"colour": "red"}, {"Mcp_Param_Colour": "=?base64?!?="}),
        ({}, {"Mcp_Param_Colour": "red"}),
        ({"colour": None}, {"Mcp_Param_Colour": "red"}),
    ],
)
def test_mirrored_headers_that_differ_from_the_arguments_are_refused(
    make_gateway: Make, server: ModernServer, arguments: dict[str, Any], headers: dict[str, str]
) -> None:
    server.tools = [tool("paint", colour="Colour")]
    response = paint(gateway_to(make_gateway, server).port, arguments, **headers)
    assert (response.status, response.code) == (400, -32020)
    assert server.calls == []


def test_tools_with_invalid_annotations_are_hidden(make_gateway: Make, server: ModernServer) -> None:
    server.tools = [tool("paint"), tool("twice", a="Same", b="same")]
    result = post_modern(gateway_to(make_gateway, server).port, modern("tools/list")).message["result"]
    assert [entry["name"] for entry in result["tools"]] == ["paint"]


# --- what changes while the gateway runs -----------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["legacy", "modern"])
def test_a_call_whose_headers_no_longer_fit_is_mended(make_gateway: Make, server: ModernServer, client: str) -> None:
    port = gateway_to(make_gateway, server).port
    assert "result" in paint(port).message
    server.tools = [tool("paint", colour="Colour")]
    server.refusals = [(400, {"code": -32020, "message": "Mcp-Param-Colour is absent"})]
    arguments = {"colour": "red"}
    answer = paint(port, arguments) if client == "modern" else LegacySession(port).call("paint", arguments)
    assert "result" in answer.message, answer
    refused, taken = server.calls[-2:]
    assert "mcp-param-colour" not in refused[0] and taken[0]["mcp-param-colour"] == "red"


def test_a_call_is_mended_once_only(make_gateway: Make, server: ModernServer) -> None:
    port = gateway_to(make_gateway, server).port
    for code in (-32020, -32022):
        server.refusals = [(400, {"code": code, "message": "no", "data": {"supported": []}})] * 2
        answer = paint(port)
        assert (answer.status, answer.code) == (200, -32603), "an error of the other hop must not be passed on"
        assert server.refusals == []
    assert "result" in paint(port).message


def test_a_mended_call_counts_once_among_those_in_flight(make_gateway: Make, server: ModernServer) -> None:
    settings = {"servers": {"own": {"url": server.url, "type": "http"}}, "limits": {"in_flight": 1}}
    port = make_gateway(settings=settings, workers=1).port
    for _ in range(3):
        server.refusals = [(400, {"code": -32022, "message": "no", "data": {"supported": ["2026-07-28"]}})]
        assert "result" in paint(port).message
    assert "result" in paint(port).message


FORGETFUL = """
import json, sys
refusals = 1
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    kept = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    match message["method"]:
        case "server/discover":
            answer["result"] = {**kept, "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        case "tools/list":
            answer["result"] = {**kept, "tools": [{"name": "paint", "inputSchema": {"type": "object"}}]}
        case "tools/call" if refusals > 0:
            refusals -= 1
            answer["error"] = {"code": -32022, "message": "not for now", "data": {"supported": ["2026-07-28"]}}
        case "tools/call":
            answer["result"] = {"resultType": "complete", "content": []}
        case _:
            answer["error"] = {"code": -32601, "message": "Method not found"}
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize("workers", [1, 3])
def test_a_call_to_a_child_is_mended_too(make_gateway: Make, tmp_path: Path, workers: int) -> None:
    script = tmp_path / "forgetful.py"
    script.write_text(FORGETFUL)
    gateway = make_gateway({"own": {"command": sys.executable, "args": [str(script)]}}, workers=workers)
    for _ in range(3):
        assert "result" in paint(gateway.port).message


def test_lists_of_a_server_that_is_gone_are_not_to_be_kept(make_gateway: Make, server: ModernServer) -> None:
    """They stay listed, and a client that is in the midst of them goes on."""
    server.lifetime = 60_000
    server.tools = [tool(f"tool{number}") for number in range(5)]
    own = {"own": {"url": server.url, "type": "http"}}
    port = make_gateway(settings={"servers": own, "limits": {"page_entries": 2}}).port

    def page(cursor: str | None = None) -> dict[str, Any]:
        params = {} if cursor is None else {"cursor": cursor}
        return post_modern(port, modern("tools/list", params)).message["result"]

    first = page()
    assert 0 < first["ttlMs"] <= 60_000
    server.close()
    assert "error" in paint(port).message
    assert eventually(lambda: page()["ttlMs"] == 0)
    names, found = [entry["name"] for entry in first["tools"]], first
    while "nextCursor" in found:
        found = page(found["nextCursor"])
        names += [entry["name"] for entry in found["tools"]]
    assert names == [f"tool{number}" for number in range(5)]


def test_a_call_is_mended_when_the_revision_is_not_known_for_once(make_gateway: Make, server: ModernServer) -> None:
    port = gateway_to(make_gateway, server).port
    server.refusals = [(400, {"code": -32022, "message": "no", "data": {"supported": ["2026-07-28"]}})]
    assert "result" in paint(port).message


@pytest.mark.parametrize("workers", [1, 3])
def test_an_upstream_may_go_back_to_the_legacy_era(make_gateway: Make, server: ModernServer, workers: int) -> None:
    port = gateway_to(make_gateway, server, workers).port
    session = LegacySession(port)
    assert "result" in paint(port).message
    server.is_modern = False
    assert "result" in paint(port).message
    assert "result" in session.call("paint").message
    assert "mcp-protocol-version" in server.calls[-1][0]
    assert server.calls[-1][0]["mcp-protocol-version"] == "2025-11-25"


def test_an_upstream_may_come_to_the_modern_era(make_gateway: Make, server: ModernServer) -> None:
    server.is_modern = False
    port = gateway_to(make_gateway, server).port
    assert "result" in paint(port).message
    server.is_modern = True
    assert eventually(lambda: "result" in paint(port).message)
    assert server.calls[-1][0]["mcp-protocol-version"] == "2026-07-28"


def test_a_child_may_come_to_the_modern_era_when_it_is_started_again(make_gateway: Make, tmp_path: Path) -> None:
    era, record = tmp_path / "era", tmp_path / "record"
    era.write_text("legacy")
    command = wire_command("--record", str(record), "--era")
    script = "import os, sys; era = open(sys.argv[1]).read(); os.execv(sys.argv[2], [*sys.argv[2:], era])"
    entry = {"command": sys.executable, "args": ["-c", script, str(era), *command]}
    port = make_gateway({"own": entry}).port

    def call(name: str) -> dict[str, Any]:
        return post_modern(port, modern("tools/call", {"name": name, "arguments": {}})).message

    def lines() -> str:
        return "\n".join(json.loads(line)["raw"] for line in record.read_text().splitlines())

    assert "result" in call("raw")
    assert "clientCapabilities" not in lines().rpartition("tools/call")[0].rpartition("initialize")[2]
    era.write_text("modern")
    assert "error" in call("exit")

    def is_modern() -> bool:
        return "protocolVersion" in str(call("raw").get("result", {}).get("content"))

    assert eventually(is_modern), lines()


# --- listens ---------------------------------------------------------------------------------------------------------


def subscribed(server: ModernServer) -> list[str]:
    """What open listens name."""
    return sorted(uri for listening in list(server.listens) for uri in listening.resources)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_upstream_is_listened_to_for_what_clients_want(
    make_gateway: Make, server: ModernServer, workers: int
) -> None:
    port = gateway_to(make_gateway, server, workers).port
    assert len(server.listens) == 1 and subscribed(server) == []
    first, told_first = listen(port, {"resourceSubscriptions": ["ref://a"]})
    assert "ref://a" in subscribed(server), "acknowledged before the upstream was"
    second, told_second = listen(port, {"resourceSubscriptions": ["ref://a", "ref://b"]}, "two")
    session = LegacySession(port)
    assert session.post(rpc("resources/subscribe", {"uri": "ref://b"})).message["result"] == {}
    assert eventually(lambda: subscribed(server) == ["ref://a", "ref://b"]), subscribed(server)
    listening, head = session.listen()
    assert head.status == 200
    server.publish("ref://b")
    server.publish("ref://a/below")
    assert next(told_first)["params"] == {"uri": "ref://a/below", "_meta": {SUBSCRIPTION: 1}}
    # The gateway may have asked for the two in listens of their own, which take their own time.
    assert sorted((next(told_second)["params"] for _ in "ab"), key=lambda params: params["uri"]) == [
        {"uri": "ref://a/below", "_meta": {SUBSCRIPTION: "two"}},
        {"uri": "ref://b", "_meta": {SUBSCRIPTION: "two"}},
    ]
    event = next(event for event in listening.stream() if event.get("data"))
    assert json.loads(event["data"])["params"] == {"uri": "ref://b", "_meta": {}}
    second.close()
    assert session.post(rpc("resources/unsubscribe", {"uri": "ref://b"})).message["result"] == {}
    server.publish("ref://b")
    server.publish("ref://a")
    assert next(told_first)["params"]["uri"] == "ref://a"
    first.close()
    assert eventually(lambda: subscribed(server) == []), subscribed(server)
    listening.close()


def test_a_session_that_ends_takes_its_subscriptions_along(make_gateway: Make, server: ModernServer) -> None:
    session = LegacySession(gateway_to(make_gateway, server).port)
    assert session.post(rpc("resources/subscribe", {"uri": "ref://b"})).message["result"] == {}
    assert subscribed(server) == ["ref://b"]
    assert session.delete().status == 200
    assert eventually(lambda: subscribed(server) == []), subscribed(server)


@pytest.mark.parametrize("most", [1024, 300])
def test_no_client_can_name_so_much_that_others_hear_nothing(make_gateway: Make, server: ModernServer, most: int) -> None:
    """Together they want more than an upstream takes in one listen, which is not known before it refuses."""
    server.most_resources = most
    port = gateway_to(make_gateway, server).port
    wanted = [[f"ref://a/{client}/{number}" for number in range(600)] for client in range(2)]
    listening = [listen(port, {"resourceSubscriptions": uris}, number) for number, uris in enumerate(wanted)]
    assert eventually(lambda: subscribed(server) == sorted(wanted[0] + wanted[1]), 10), len(subscribed(server))
    for uris, (_, told) in zip(wanted, listening):
        for uri in (uris[0], uris[-1], f"{uris[300]}/below"):
            server.publish(uri)
            told_of = next(told)["params"]["uri"]
            assert told_of == uri
    for connection, _ in listening:
        connection.close()
    assert eventually(lambda: subscribed(server) == []), len(subscribed(server))


def test_no_change_is_missed_while_others_come_and_go(make_gateway: Make, server: ModernServer) -> None:
    port = gateway_to(make_gateway, server, 2).port
    connection, told = listen(port, {"resourceSubscriptions": ["ref://a"]})
    over = threading.Event()

    def come_and_go(client: int) -> None:
        for number in range(1000):
            if over.is_set():
                break
            listen(port, {"resourceSubscriptions": [f"ref://b/{client}/{number}"]})[0].close()

    others = [threading.Thread(target=come_and_go, args=(client,)) for client in range(4)]
    for other in others:
        other.start()
    for number in range(600):
        server.publish("ref://a/below" if number % 2 else "ref://a", number=number)
        time.sleep(0.002)
    over.set()
    for other in others:
        other.join()
    server.publish("ref://a", number=-1)
    numbers = list(iter(lambda: next(told)["params"]["number"], -1))
    assert sorted(set(numbers)) == list(range(600))
    # What falls into the moment in which one listen takes the place of another may be told twice; that is seldom.
    assert len(numbers) < 620, f"{len(numbers) - 600} were told twice"
    connection.close()


def test_a_swarm_of_list_changes_is_told_once(make_gateway: Make, server: ModernServer) -> None:
    port = gateway_to(make_gateway, server).port
    connection, told = listen(port, {"toolsListChanged": True, "resourceSubscriptions": ["ref://a"]})
    assert eventually(lambda: subscribed(server) == ["ref://a"])
    upstream = server.listens[0]
    server.tools = [tool("paint"), tool("draw")]
    for _ in range(5):
        upstream.tell("notifications/tools/list_changed")
    assert next(told)["method"] == "notifications/tools/list_changed"
    listed = post_modern(port, modern("tools/list")).message["result"]["tools"]
    assert [entry["name"] for entry in listed] == ["paint", "draw"]
    # Nothing is different after this one: it is told with the next.
    upstream.tell("notifications/tools/list_changed")
    server.tools = [tool("paint"), tool("draw"), tool("erase")]
    upstream.tell("notifications/tools/list_changed")
    assert next(told)["method"] == "notifications/tools/list_changed"
    server.publish("ref://a")
    assert next(told)["method"] == "notifications/resources/updated"
    connection.close()


def test_a_broken_listen_is_made_up_for(make_gateway: Make, server: ModernServer) -> None:
    port = gateway_to(make_gateway, server).port
    connection, told = listen(port, {"toolsListChanged": True, "resourceSubscriptions": ["ref://a"]})
    server.tools = [tool("paint"), tool("draw")]
    for listening in list(server.listens):
        listening.events.put(None)
    found = {next(told)["method"] for _ in range(2)}
    assert found == {"notifications/tools/list_changed", "notifications/resources/updated"}
    assert subscribed(server) == ["ref://a"]
    connection.close()


def test_a_draining_gateway_ends_listens_in_order(make_gateway: Make, server: ModernServer) -> None:
    gateway = gateway_to(make_gateway, server)
    connection, told = listen(gateway.port, {"toolsListChanged": True}, "last")
    gateway.child.process.terminate()
    assert next(told) == {
        "jsonrpc": "2.0",
        "id": "last",
        "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: "last"}},
    }
    assert next(told, None) is None
    connection.close()
    gateway.child.process.wait(20)


def test_lists_that_no_server_offers_do_not_exist(make_gateway: Make, server: ModernServer) -> None:
    response = post_modern(gateway_to(make_gateway, server).port, modern("prompts/list"))
    assert (response.status, response.code) == (404, -32601)


# --- results that ask for more ---------------------------------------------------------------------------------------


def test_questions_and_their_state_pass_through_unchanged(make_gateway: Make, server: ModernServer) -> None:
    port = gateway_to(make_gateway, server).port
    asked = {
        "resultType": "input_required",
        "inputRequests": {"k 1": {"method": "elicitation/create", "params": {"mode": "form", "message": "é"}}},
        "requestState": "état / \\ 1",
    }
    server.on_call = lambda _: asked
    found = paint(port).message["result"]
    assert {key: found[key] for key in asked} == asked
    server.on_call = lambda _: {"resultType": "input_required", "inputRequests": asked["inputRequests"]}
    assert "requestState" not in paint(port).message["result"], "a state that the server did not give"
    server.on_call = lambda _: None
    answers = {"inputResponses": {"k 1": {"action": "accept"}}, "requestState": asked["requestState"]}
    message = modern("tools/call", {"name": "paint", "arguments": {}, **answers}, 2)
    assert "result" in post_modern(port, message).message
    assert {key: server.calls[-1][1]["params"][key] for key in answers} == answers


def test_results_of_a_kind_that_nobody_declared_are_not_passed_on(make_gateway: Make, server: ModernServer) -> None:
    port = gateway_to(make_gateway, server).port
    server.on_call = lambda _: {"resultType": "task", "taskId": "7"}
    assert paint(port).code == -32603
    assert LegacySession(port).call("paint").code == -32603


def test_a_large_question_does_not_slip_through_to_a_client_that_can_not_answer(
    make_gateway: Make, server: ModernServer
) -> None:
    """What streams through is looked at too: first the client hears what it is; once bytes went out they just end."""
    port = gateway_to(make_gateway, server).port
    filler = {"content": [{"type": "text", "text": "x" * 1000}] * 1000}
    question = {"inputRequests": {"k": {"method": "roots/list"}}}
    server.on_call = lambda _: {"resultType": "input_required", **question, **filler}
    answer = LegacySession(port).call("paint")
    assert answer.code == -32603 and "roots/list" in answer.message["error"]["message"]
    assert paint(port).message["result"]["resultType"] == "input_required"
    server.on_call = lambda _: {**filler, **question, "resultType": "input_required"}
    with pytest.raises(Closed):
        LegacySession(port).call("paint")
    assert paint(port).message["result"]["resultType"] == "input_required"
    server.on_call = lambda _: {**filler, "resultType": "task"}
    with pytest.raises(Closed):
        paint(port)
    server.on_call = lambda _: {**filler, "resultType": "complete"}
    assert len(LegacySession(port).call("paint").message["result"]["content"]) == 1000

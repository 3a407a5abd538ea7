"""The server that is offered when none is configured, as SDK clients see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.client import Driver, text_of
from harness.conversation import CLIENTS, MODERN
from harness.gateway import Gateway
from harness.wire import Connection, LegacySession, envelope, modern, notification, post_modern, rpc

Drivers = Callable[[str], Driver]
ANSWERS = {"elicitation": {"action": "accept", "content": {"name": "Ada", "drink": "tea"}}}
TOOLS = ["echo", "add", "time", "slow", "ask", "large", "fail", "refuse"]


@pytest.fixture(scope="module", params=[1, 3], ids=lambda workers: f"{workers}workers")
def gateway(request: pytest.FixtureRequest, folder: Path) -> Iterator[Gateway]:
    """`sluice serve` with no server configured."""
    gateway = Gateway(folder, workers=request.param)
    yield gateway
    gateway.stop()


def everything(trace: Any, is_modern: bool) -> None:
    found = trace.value("lists")
    assert [tool["name"] for tool in found["tools"]["entries"]] == TOOLS
    assert [entry["uri"] for entry in found["resources"]["entries"]] == ["demo://welcome", "demo://clock"]
    assert [entry["uriTemplate"] for entry in found["resourceTemplates"]["entries"]] == ["demo://greetings/{name}"]
    assert [entry["name"] for entry in found["prompts"]["entries"]] == ["explain"]

    assert text_of(trace.value("echo")["result"]) == "héllo \U0001f375"
    assert trace.value("add")["result"]["structuredContent"] == {"sum": 5.5}
    assert trace.value("time")["result"]["structuredContent"]["time"].endswith("+05:30")
    assert trace.value("concurrent") == [f"message {n}" for n in range(20)]
    assert trace.value("fail")["result"]["isError"] is True
    refused = trace.value("refuse")["error"]
    assert (refused["code"], refused["message"]) == (4711, "no such customer")

    assert trace.value("progress")["reports"] == [[n, 3, f"step {n} of 3"] for n in (1, 2, 3)]
    pair = trace.value("progress_side_by_side")
    for steps in (4, 6):
        assert pair[str(steps)] == [[n, steps, f"step {n} of {steps}"] for n in range(1, steps + 1)]

    asked = trace.value("ask")
    assert [event["method"] for event in asked["asked"]] == ["asked elicitation/create"]
    assert asked["asked"][0]["params"]["message"] == "Who goes there?"
    assert text_of(asked["result"]) == "Hello, Ada! Here is your tea."

    large = trace.value("large")
    expected = "0123456789abcdef" * (3_000_000 // 16)
    assert (large["length"], large["sha256"]) == (len(expected), hashlib.sha256(expected.encode()).hexdigest())

    assert trace.value("welcome")["contents"][0]["text"].startswith("# Welcome")
    assert json.loads(trace.value("clock")["contents"][0]["text"])["up_seconds"] >= 0
    assert trace.value("greeting")["contents"][0]["text"] == "Hello, Grace!"
    assert "roots" in trace.value("prompt")["messages"][0]["content"]["text"]
    assert trace.value("complete")["completion"]["values"] == ["progress", "prompts"]
    assert trace.value("complete_template")["completion"]["values"] == ["Grace"]

    unknown = trace.value("unknown")
    assert unknown["tool"]["error"]["code"] == -32602
    assert unknown["prompt"]["error"]["code"] == -32602
    assert unknown["resource"]["error"]["code"] == (-32602 if is_modern else -32002)


@pytest.mark.parametrize(("sdk", "mode"), [*CLIENTS, ("fastmcp", "auto")], ids=str)
def test_everything_works_with_every_client(gateway: Gateway, drivers: Drivers, sdk: str, mode: str) -> None:
    trace = drivers(sdk).run(
        gateway.url,
        "lists",
        ("echo=call", {"name": "echo", "arguments": {"text": "héllo \U0001f375"}}),
        ("add=call", {"name": "add", "arguments": {"a": 2, "b": 3.5}}),
        ("time=call", {"name": "time", "arguments": {"utc_offset_minutes": 330}}),
        "concurrent",
        ("fail=call", {"name": "fail"}),
        ("refuse=refused", {"code": 4711, "message": "no such customer"}),
        "progress",
        "progress_side_by_side",
        ("ask", {"name": "ask", "arguments": {"question": "Who goes there?"}}),
        ("large=measured_call", {"name": "large", "arguments": {"size": 3_000_000}}),
        ("welcome=read", {"uri": "demo://welcome"}),
        ("clock=read", {"uri": "demo://clock"}),
        ("greeting=read", {"uri": "demo://greetings/Grace"}),
        ("prompt", {"name": "explain", "arguments": {"topic": "roots"}}),
        ("complete", {"ref": {"type": "ref/prompt", "name": "explain"}, "argument": "topic", "value": "pro"}),
        (
            "complete_template=complete",
            {"ref": {"type": "ref/resource", "uri": "demo://greetings/{name}"}, "argument": "name", "value": "g"},
        ),
        ("unknown", {"resource": "demo://no/such"}),
        mode=mode,
        answers=ANSWERS,
    )
    is_modern = trace.opened["protocolVersion"] == MODERN
    assert is_modern == (sdk != "v1" and mode != "legacy")
    everything(trace, is_modern)


@pytest.mark.parametrize(("action", "said"), [("decline", "prefer not to say"), ("cancel", "without an answer")])
@pytest.mark.parametrize("mode", ["legacy", MODERN])
def test_the_user_may_say_nothing(gateway: Gateway, drivers: Drivers, mode: str, action: str, said: str) -> None:
    answers = {"elicitation": {"action": action}}
    trace = drivers("v2").run(gateway.url, ("ask", {"name": "ask"}), mode=mode, answers=answers)
    assert said in text_of(trace.value("ask")["result"])


@pytest.mark.parametrize("mode", ["legacy", MODERN])
def test_a_client_without_a_user_is_told_what_it_lacks(gateway: Gateway, drivers: Drivers, mode: str) -> None:
    found = drivers("v2").run(gateway.url, ("ask", {"name": "ask"}), mode=mode).value("ask")
    if mode == MODERN:
        assert found["error"]["code"] == -32021
    else:
        assert found["result"]["isError"] is True and "elicitation" in text_of(found["result"])


def test_a_cancelled_call_ends_and_leaves_the_session_usable(gateway: Gateway) -> None:
    session = LegacySession(gateway.port)
    slow = {"name": "slow", "arguments": {"steps": 100, "interval_ms": 50}, "_meta": {"progressToken": "p"}}
    with Connection(gateway.port) as calling:
        calling.send(session.bytes_of(rpc("tools/call", slow, number="long")))
        assert calling.head().kind == "text/event-stream"
        messages = (json.loads(event["data"]) for event in calling.stream() if event.get("data"))
        report = next(messages)
        assert report["method"] == "notifications/progress" and report["params"]["progressToken"] == "p"
        assert session.post(notification("notifications/cancelled", {"requestId": "long"})).status == 202
        rest = list(messages)
        assert len(rest) < 90, "the call was not cancelled"
        assert (rest[-1]["id"], rest[-1]["error"]["code"]) == ("long", -32800)
    assert session.call("echo", {"text": "still here"}).message["result"]["content"][0]["text"] == "still here"
    assert session.delete().status == 200


@pytest.mark.parametrize("sdk", ["v1", "v2"])
def test_it_is_there_over_http_and_sse(gateway: Gateway, drivers: Drivers, sdk: str) -> None:
    trace = drivers(sdk).run(
        {"sse": f"{gateway.url}/sse"},
        ("add=call", {"name": "add", "arguments": {"a": 2, "b": 3}}),
        "progress",
        ("ask", {"name": "ask"}),
        mode="legacy",
        answers=ANSWERS,
    )
    assert text_of(trace.value("add")["result"]) == "5"
    assert [report[0] for report in trace.value("progress")["reports"]] == [1, 2, 3]
    assert text_of(trace.value("ask")["result"]) == "Hello, Ada! Here is your tea."


def test_a_batch_is_answered_whole(gateway: Gateway) -> None:
    session = LegacySession(gateway.port, "2025-03-26")
    calls = [("echo", {"text": "one"}), ("slow", {"steps": 2, "interval_ms": 10}), ("add", {"a": 1, "b": 1})]
    batch = [
        rpc("tools/call", {"name": name, "arguments": arguments}, number=number)
        for number, (name, arguments) in enumerate(calls)
    ]
    answer = session.post(batch)
    assert answer.status == 200
    found = {message["id"]: text_of(message["result"]) for entry in answer.messages() for message in entry}
    assert found == {0: "one", 1: "2 steps", 2: "2"}


def test_it_has_a_path_of_its_own(gateway: Gateway, drivers: Drivers) -> None:
    trace = drivers("v2").run(gateway.alias_url("demo"), "tools", ("ask", {"name": "ask"}), answers=ANSWERS)
    assert trace.value("tools")["names"] == TOOLS
    assert text_of(trace.value("ask")["result"]) == "Hello, Ada! Here is your tea."


def test_a_made_up_state_is_refused(gateway: Gateway) -> None:
    able = envelope(capabilities={"elicitation": {"form": {}}})
    first = post_modern(gateway.port, modern("tools/call", {"name": "ask"}, meta=able)).message["result"]
    assert first["resultType"] == "input_required"
    answers = {"who": ANSWERS["elicitation"]}

    def retry(state: str) -> Any:
        params = {"name": "ask", "inputResponses": answers, "requestState": state}
        return post_modern(gateway.port, modern("tools/call", params, number=2, meta=able))

    state = first["requestState"]
    assert retry(("B" if state[0] == "A" else "A") + state[1:]).code == -32602
    assert text_of(retry(state).message["result"]) == "Hello, Ada! Here is your tea."


def test_the_start_says_where_to_find_it(gateway: Gateway) -> None:
    assert gateway.says(f"http://127.0.0.1:{gateway.port}/mcp")
    assert gateway.says("built-in demonstration")

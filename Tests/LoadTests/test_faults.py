"""Servers that are wrong: each kind is noticed, and counted as what it is."""

from __future__ import annotations

import json
import threading
from typing import Callable

import pytest
from conftest import Outcome, Request, free_port, respond

Load = Callable[..., Outcome]


def with_wrong_id(request: Request) -> bytes:
    return request.result(id=request.message["id"] + 1)


def with_id_as_string(request: Request) -> bytes:
    return request.result(id=str(request.message["id"]))


def with_content_of_another_call(request: Request) -> bytes:
    return request.result(result={"content": [{"type": "text", "text": "call 1000000000 "}]})


def with_an_error(request: Request) -> bytes:
    error = {"code": -32603, "message": "no"}
    return respond(json.dumps({"jsonrpc": "2.0", "id": request.message["id"], "error": error}))


def with_a_tool_error(request: Request) -> bytes:
    text = request.message["params"]["arguments"]["text"]
    return request.result(result={"content": [{"type": "text", "text": text}], "isError": True})


def with_half_a_message(request: Request) -> bytes:
    return respond('{"jsonrpc":"2.0","id":')


def with_no_message(request: Request) -> bytes:
    return respond("")


def with_a_busy_status(request: Request) -> bytes:
    return respond("busy", status="503 Service Unavailable")


def with_what_is_no_http(request: Request) -> bytes:
    return b"HELO example.com\r\n\r\n"


def with_a_stream_that_ends_too_early(request: Request) -> bytes:
    return respond(": nothing\n\n", kind="text/event-stream")


def with_nothing(request: Request) -> None:
    return None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (with_wrong_id, "id"),
        (with_id_as_string, "id"),
        (with_content_of_another_call, "content"),
        (with_an_error, "error"),
        (with_a_tool_error, "error"),
        (with_half_a_message, "json"),
        (with_no_message, "json"),
        (with_a_busy_status, "status"),
        (with_what_is_no_http, "framing"),
        (with_a_stream_that_ends_too_early, "closed"),
        (with_nothing, "closed"),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else "",
)
def test_one_wrong_answer_among_right_ones_is_found(load: Load, server: Callable[..., int], answer, fault: str):
    def sometimes(request: Request) -> bytes | None:
        return answer(request) if request.number == 5 else request.result()

    outcome = load("call", f"http://127.0.0.1:{server(sometimes)}/mcp", "-n", 30, "-c", 1)
    assert outcome.status == 1
    assert outcome.faults == {fault: 1}
    assert outcome.report["operations"] == 29


def test_an_answer_that_does_not_come_is_a_timeout(load: Load, server: Callable[..., int]):
    ended = threading.Event()

    def answer(request: Request) -> bytes:
        if request.number == 3:
            ended.wait()
        return request.result()

    outcome = load("call", f"http://127.0.0.1:{server(answer)}/mcp", "-n", 10, "-c", 1, "--timeout", "300ms")
    ended.set()
    assert outcome.status == 1
    assert outcome.faults == {"timeout": 1}
    assert outcome.report["operations"] == 9


def test_a_server_that_is_not_there_ends_the_run(load: Load):
    outcome = load("call", f"http://127.0.0.1:{free_port()}/mcp", "-n", 10, "-c", 2)
    assert outcome.status == 2
    assert outcome.faults == {"connect": 2}


def test_a_server_that_is_no_websocket_is_noticed(load: Load, server: Callable[..., int]):
    port = server(lambda request: respond("no"))
    assert load("idle", f"ws://127.0.0.1:{port}/", "-c", 1, "-d", "10ms").faults == {"status": 1}


def test_an_echo_that_is_cut_is_noticed(load: Load, server: Callable[..., int]):
    port = server(lambda request: respond(request.body.decode()[:-1]))
    plain = ["--era", "none", "--body", "{n}{padding}", "--size", 40]
    outcome = load("call", f"http://127.0.0.1:{port}/", *plain, "--expect", "same", "-n", 5)
    assert outcome.status == 1 and outcome.faults == {"content": 5}
    assert load("call", f"http://127.0.0.1:{port}/", *plain, "-n", 5).status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["call"],
        ["call", "ftp://127.0.0.1/"],
        ["sing", "http://127.0.0.1/"],
        ["call", "http://127.0.0.1/", "--rate", "many"],
        ["call", "http://127.0.0.1/", "--duration", "1 fortnight"],
        ["call", "ws://127.0.0.1/", "--sse"],
        ["fanout", "http://127.0.0.1/"],
        ["mix", "http://127.0.0.1/"],
        ["call", "http://127.0.0.1/", "--header", "a: b\r\nc: d"],
        ["call", "http://127.0.0.1/", "-c", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(load: Load, arguments: list[str]):
    outcome = load(*arguments)
    assert outcome.status == 2
    assert outcome.errors.startswith("sluice-load: ")

"""Calls that are answered as they should be."""

from __future__ import annotations

import re
import ssl
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest
from conftest import BUILT, Outcome, Request, respond

Load = Callable[..., Outcome]


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("form", [[], ["sse"]], ids=["JSON", "event streams"])
def test_exactly_the_calls_that_were_asked_for_are_made(load: Load, peer: Callable[..., int], era: str, form: list[str]):
    outcome = load("call", f"http://127.0.0.1:{peer('responder', era, *form)}/mcp", "--era", era, "-n", 1000, "-c", 7)
    assert outcome.status == 0, outcome.errors
    assert outcome.report["operations"] == 1000
    assert outcome.report["connections"] == 7
    assert outcome.faults == {}


def test_bodies_have_the_size_that_was_asked_for(load: Load, server: Callable[..., int]):
    sizes: set[int] = set()

    def answer(request: Request) -> bytes:
        sizes.add(len(request.body))
        return request.result()

    outcome = load("call", f"http://127.0.0.1:{server(answer)}/mcp", "-n", 20, "--size", 100_000)
    assert outcome.status == 0 and sizes == {100_000}


def test_modern_calls_carry_what_the_revision_wants(load: Load, server: Callable[..., int]):
    heads: list[str] = []

    def answer(request: Request) -> bytes:
        heads.append(request.head)
        return request.result()

    load("call", f"http://127.0.0.1:{server(answer)}/mcp", "-n", 1, "--header", "Authorization: Bearer x")
    for field in ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: echo", "Authorization: Bearer x"]:
        assert f"\r\n{field}\r\n" in heads[0]


def test_legacy_clients_open_a_session_use_it_and_end_it(load: Load, server: Callable[..., int]):
    seen: list[tuple[str, bool]] = []

    def answer(request: Request) -> bytes:
        verb = request.head.split()[0]
        seen.append((verb if verb == "DELETE" else request.message["method"], "Mcp-Session-Id: s-1\r\n" in request.head))
        if verb == "DELETE" or "id" not in request.message:
            return respond("", status="202 Accepted")
        if request.message["method"] == "initialize":
            return respond(
                f'{{"jsonrpc":"2.0","id":{request.message["id"]},"result":{{"protocolVersion":"2025-11-25"}}}}',
                extra="Mcp-Session-Id: s-1\r\n",
            )
        return request.result()

    outcome = load("call", f"http://127.0.0.1:{server(answer)}/mcp", "--era", "legacy", "-n", 2, "-c", 1)
    assert outcome.status == 0
    assert seen == [
        ("initialize", False),
        ("notifications/initialized", True),
        ("tools/call", True),
        ("tools/call", True),
        ("DELETE", True),
    ]


def test_no_two_calls_have_an_id_in_common_not_even_of_two_processes(load: Load, server: Callable[..., int]):
    ids: list[int] = []

    def answer(request: Request) -> bytes:
        ids.append(request.message["id"])
        return request.result()

    outcome = load("call", f"http://127.0.0.1:{server(answer)}/mcp", "-n", 200, "-c", 4, "--processes", 2)
    assert outcome.status == 0
    assert len(ids) == len(set(ids)) == 200


def test_messages_are_echoed_over_websocket(load: Load, peer: Callable[..., int]):
    url = f"ws://127.0.0.1:{peer('websocket_echo')}/"
    plain = ["--era", "none", "--body", "{n}{padding}", "--expect", "same"]
    for size in [10, 64, 126, 65_536, 1_000_000]:
        outcome = load("call", url, *plain, "-n", 20, "-c", 2, "--size", size)
        assert outcome.status == 0, f"{size}: {outcome.faults}"
        assert outcome.report["operations"] == 20


def test_a_tls_server_is_verified_by_the_authorities_that_are_given(
    load: Load, server: Callable[..., int], certificate: tuple[Path, ssl.SSLContext], tmp_path: Path
):
    file, context = certificate
    url = f"https://localhost:{server(Request.result, context)}/mcp"
    assert load("call", url, "-n", 10, "--ca", file).status == 0
    assert load("churn", url, "-n", 10, "--ca", file, "--resume").status == 0
    assert load("call", url, "-n", 10).status == 0
    wrong = load("call", url.replace("localhost", "127.0.0.1"), "-n", 1, "-c", 1, "--ca", file)
    assert wrong.status == 2 and wrong.faults == {"tls": 1}


def test_an_open_loop_counts_the_time_that_calls_had_to_wait(load: Load, server: Callable[..., int]):
    """20 calls are due in 200 ms, and the server holds the first of them longer: all of them were late."""

    def answer(request: Request) -> bytes:
        if request.number == 0:
            time.sleep(0.5)
        return request.result()

    outcome = load("call", f"http://127.0.0.1:{server(answer)}/mcp", "-n", 20, "-c", 1, "--rate", 100)
    assert outcome.status == 0 and outcome.report["operations"] == 20
    assert outcome.report["latency_us"]["max"] >= 500_000
    assert outcome.report["latency_us"]["p50"] >= 300_000


def test_what_was_due_before_the_end_is_sent_after_it(load: Load, server: Callable[..., int]):
    def answer(request: Request) -> bytes:
        if request.number == 0:
            time.sleep(0.4)
        return request.result()

    url = f"http://127.0.0.1:{server(answer)}/mcp"
    outcome = load("call", url, "-c", 1, "--rate", 100, "--duration", "200ms", "--warmup", "0s")
    assert outcome.status == 0
    assert outcome.report["operations"] >= 20


def test_the_server_is_measured(load: Load, peer: Callable[..., int]):
    port = peer("responder", "modern")
    pid = next(
        int(each.name)
        for each in Path("/proc").iterdir()
        if each.name.isdigit() and f"responder\0{port}\0" in _command(each)
    )
    outcome = load("call", f"http://127.0.0.1:{port}/mcp", "-n", 2000, "--server-pid", pid)
    measured = outcome.report["server"]
    assert measured["cpu_us_per_operation"] > 0
    assert measured["pss_during"] > 0
    assert measured["cpu_us"] == pytest.approx(measured["cpu_us_per_operation"] * 2000, rel=0.01)


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


def test_a_connection_that_the_server_ends_in_order_is_replaced(load: Load, server: Callable[..., int]):
    def answer(request: Request) -> bytes:
        return request.result().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    outcome = load("call", f"http://127.0.0.1:{server(answer)}/mcp", "-n", 50, "-c", 3)
    assert outcome.status == 0 and outcome.report["operations"] == 50


def test_the_table_csv_and_manual_are_printed(peer: Callable[..., int]):
    url = f"http://127.0.0.1:{peer('responder', 'modern')}/mcp"
    program = str(BUILT / "sluice-load")

    def run(*arguments: str) -> str:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout

    table = run("call", url, "-n", "10")
    for line in [r"operations +10 in", r"p99\.9 +[0-9.]+ us", r"errors +0"]:
        assert re.search(line, table), table
    names, values = run("call", url, "-n", "10", "--label", 'a "b"', "--csv", "-").splitlines()
    assert names.startswith("label,mode,") and values.startswith('"a ""b""",call,http,modern,16,')
    manual = run("--help")
    for section in ["NAME", "SYNOPSIS", "LOAD", "MODES", "EXIT STATUS", "EXAMPLES"]:
        assert f"{section}\n" in manual

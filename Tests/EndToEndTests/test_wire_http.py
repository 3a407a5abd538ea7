"""HTTP/1.1 as it is on the wire (RFC 9110, 9112): what is refused, with which status, and what must work."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.gateway import LONG_LIVED, Gateway
from harness.upstreams import stdio_entry, wire_command
from harness.wire import BOTH_TYPES, Closed, Connection, LegacySession, modern, modern_headers, request, rpc

PING = json.dumps(modern("server/discover")).encode()
PING_HEADERS: dict[str, str | None] = dict(modern_headers(modern("server/discover")))
LIMITS = {
    "head": "4KiB",
    "target": 512,
    "headers": 40,
    "body": "64KiB",
    "head_timeout": "1s",
    "body_timeout": "1s",
    "depth": 32,
}


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    """A gateway with limits small enough to reach."""
    settings = {"limits": LIMITS, "servers": {"up": stdio_entry(wire_command("--era", "legacy"))}}
    gateway = Gateway(folder, settings=settings, workers=2)
    LONG_LIVED.append(gateway)
    gateway.wait_for("up")
    yield gateway
    LONG_LIVED.remove(gateway)
    gateway.stop()


def discover(port: int, headers: dict[str, str | None] | None = None, body: bytes = PING, **more: str) -> bytes:
    return request("POST", "/mcp", {**PING_HEADERS, **(headers or {})}, body, port=port, **more)


def works(port: int) -> None:
    with Connection(port) as connection:
        assert connection.exchange(discover(port)).status == 200


@dataclass(frozen=True)
class Refusal:
    """Bytes that must be refused with one of the statuses, the connection closed, and nothing behind them served."""

    name: str
    data: Callable[[int], bytes]
    statuses: tuple[int, ...] = (400,)
    closes: bool = True

    def __str__(self) -> str:
        return self.name


def raw(head: str, body: bytes = b"") -> Callable[[int], bytes]:
    return lambda port: head.replace("PORT", str(port)).encode("latin-1") + body


HOST = "Host: 127.0.0.1:PORT\r\n"
JSON = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
POST = "POST /mcp HTTP/1.1\r\n" + HOST + JSON
CHUNKED = POST + "Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

REFUSALS = [
    # lengths
    Refusal("both lengths", raw(CHUNKED + "Content-Length: 5\r\n\r\n", b"0\r\n\r\n" + SMUGGLED)),
    Refusal(
        "both lengths, the other order",
        raw(POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"),
    ),
    Refusal("two different lengths", raw(POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n", b"{}" + SMUGGLED)),
    Refusal("a list of different lengths", raw(POST + "Content-Length: 2, 3\r\n\r\n", b"{}")),
    Refusal("negative length", raw(POST + "Content-Length: -1\r\n\r\n")),
    Refusal("signed length", raw(POST + "Content-Length: +2\r\n\r\n", b"{}")),
    Refusal("hexadecimal length", raw(POST + "Content-Length: 0x2\r\n\r\n", b"{}")),
    Refusal("empty length", raw(POST + "Content-Length: \r\n\r\n")),
    Refusal("length with letters", raw(POST + "Content-Length: 2a\r\n\r\n", b"{}")),
    Refusal("overflowing length", raw(POST + "Content-Length: 18446744073709551618\r\n\r\n", b"{}"), (400, 413)),
    # transfer codings
    Refusal("unknown coding", raw(POST + "Transfer-Encoding: gzip, chunked\r\n\r\n", b"0\r\n\r\n"), (501,)),
    Refusal("deflate", raw(POST + "Transfer-Encoding: deflate, chunked\r\n\r\n", b"0\r\n\r\n"), (501,)),
    Refusal("only an unknown coding", raw(POST + "Transfer-Encoding: gzip\r\n\r\n"), (501,)),
    Refusal("identity coding", raw(POST + "Transfer-Encoding: identity\r\n\r\n", b"{}"), (501,)),
    Refusal("misspelt coding", raw(POST + "Transfer-Encoding: xchunked\r\n\r\n", b"0\r\n\r\n"), (501,)),
    Refusal("chunked twice", raw(POST + "Transfer-Encoding: chunked, chunked\r\n\r\n", b"0\r\n\r\n")),
    Refusal("chunked in two fields", raw(CHUNKED + "Transfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n")),
    Refusal("coding with a tab before the colon", raw(POST + "Transfer-Encoding\t: chunked\r\n\r\n", b"0\r\n\r\n")),
    Refusal("chunked in HTTP/1.0", raw(CHUNKED.replace("HTTP/1.1", "HTTP/1.0") + "\r\n", b"0\r\n\r\n")),
    # chunks
    Refusal("chunk size is no number", raw(CHUNKED + "\r\n", b"zz\r\n{}\r\n0\r\n\r\n")),
    Refusal("chunk size overflows", raw(CHUNKED + "\r\n", b"10000000000000002\r\n{}\r\n0\r\n\r\n"), (400, 413)),
    Refusal("chunk size with 0x", raw(CHUNKED + "\r\n", b"0x2\r\n{}\r\n0\r\n\r\n")),
    Refusal("signed chunk size", raw(CHUNKED + "\r\n", b"+2\r\n{}\r\n0\r\n\r\n")),
    Refusal("chunk longer than its size", raw(CHUNKED + "\r\n", b"2\r\n{}}\r\n0\r\n\r\n")),
    Refusal("chunk line ends in LF", raw(CHUNKED + "\r\n", b"2\n{}\r\n0\r\n\r\n")),
    Refusal("chunk data ends in LF", raw(CHUNKED + "\r\n", b"2\r\n{}\n0\r\n\r\n")),
    Refusal("bare CR in a chunk extension", raw(CHUNKED + "\r\n", b"2;a=\rb\r\n{}\r\n0\r\n\r\n")),
    Refusal("empty chunk size", raw(CHUNKED + "\r\n", b"\r\n{}\r\n0\r\n\r\n")),
    # heads
    Refusal("folded header", raw("POST /mcp HTTP/1.1\r\n" + HOST + "X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n")),
    Refusal("first header begins with a blank", raw("GET /mcp HTTP/1.1\r\n X-A: b\r\n" + HOST + "\r\n")),
    Refusal("bare LF ends a header", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A: b\nX-B: c\r\n\r\n")),
    Refusal("bare LF ends the request line", raw("GET /mcp HTTP/1.1\n" + HOST + "\r\n")),
    Refusal("bare LF ends the head", raw("GET /mcp HTTP/1.1\r\n" + HOST + "\n")),
    Refusal("bare CR in a header", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A: b\rX-B: c\r\n\r\n")),
    Refusal("space before the colon", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A : b\r\n\r\n")),
    Refusal("space in a header name", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X A: b\r\n\r\n")),
    Refusal("header without a colon", raw("GET /mcp HTTP/1.1\r\n" + HOST + "nonsense\r\n\r\n")),
    Refusal("header without a name", raw("GET /mcp HTTP/1.1\r\n" + HOST + ": b\r\n\r\n")),
    Refusal("NUL in a header", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A: b\0c\r\n\r\n")),
    Refusal("control character in a header", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A: b\x07c\r\n\r\n")),
    Refusal("NUL in the target", raw("GET /m\0cp HTTP/1.1\r\n" + HOST + "\r\n")),
    Refusal("space in the target", raw("GET /m cp HTTP/1.1\r\n" + HOST + "\r\n")),
    Refusal("no target", raw("GET HTTP/1.1\r\n" + HOST + "\r\n")),
    Refusal("target without a slash", raw("GET mcp HTTP/1.1\r\n" + HOST + "\r\n")),
    Refusal("method with a control character", raw("G\x01T /mcp HTTP/1.1\r\n" + HOST + "\r\n")),
    Refusal("lower-case version", raw("GET /mcp http/1.1\r\n" + HOST + "\r\n")),
    Refusal("HTTP/2.0", raw("GET /mcp HTTP/2.0\r\n" + HOST + "\r\n"), (505, 400)),
    Refusal("HTTP/1.10", raw("GET /mcp HTTP/1.10\r\n" + HOST + "\r\n"), (400, 505)),
    Refusal("the HTTP/2 preface", raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (400, 505)),
    Refusal("a TLS hello", lambda port: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32),
    # host
    Refusal("no host", raw("GET /mcp HTTP/1.1\r\nAccept: */*\r\n\r\n")),
    Refusal("two hosts", raw("GET /mcp HTTP/1.1\r\n" + HOST + HOST + "\r\n")),
    Refusal("host with a path", raw("GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:PORT/x\r\n\r\n"), (400, 421)),
    Refusal("host with a user", raw("GET /mcp HTTP/1.1\r\nHost: me@127.0.0.1:PORT\r\n\r\n"), (400, 421)),
    Refusal("host with a blank", raw("GET /mcp HTTP/1.1\r\nHost: 127.0.0.1 evil\r\n\r\n"), (400, 421)),
    Refusal("host with a bad port", raw("GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:99999x\r\n\r\n"), (400, 421)),
    Refusal("empty host", raw("GET /mcp HTTP/1.1\r\nHost: \r\n\r\n"), (400, 421)),
    # sizes
    Refusal("long target", raw("GET /mcp?" + "a" * 600 + " HTTP/1.1\r\n" + HOST + "\r\n"), (414,)),
    Refusal("endless target", raw("GET /mcp?" + "a" * 20000), (414,)),
    Refusal("long header", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A: " + "a" * 5000 + "\r\n\r\n"), (431,)),
    Refusal("many headers", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A: b\r\n" * 60 + "\r\n"), (431,)),
    Refusal("endless header", raw("GET /mcp HTTP/1.1\r\n" + HOST + "X-A: " + "a" * 40000), (431,)),
    Refusal("long body", raw(POST + f"Content-Length: {65537}\r\n\r\n", b"x" * 1000), (413,)),
    Refusal("long chunked body", raw(CHUNKED + "\r\n", b"10001\r\n" + b"x" * 65537 + b"\r\n0\r\n\r\n"), (413,)),
    Refusal(
        "long trailers", raw(CHUNKED + "\r\n", b"2\r\n{}\r\n0\r\n" + b"X-T: " + b"t" * 70_000 + b"\r\n\r\n"), (431, 400)
    ),
    # expectations
    Refusal(
        "unknown expectation", raw(POST + "Expect: 200-ok\r\nContent-Length: 2\r\n\r\n", b"{}"), (417,), closes=False
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_ill_formed_requests_are_refused_and_the_connection_closed(gateway: Gateway, refusal: Refusal) -> None:
    with Connection(gateway.port) as connection:
        connection.send(refusal.data(gateway.port))
        response = connection.response("POST")
        assert response.status in refusal.statuses, response
        if refusal.closes:
            assert connection.ended(), f"open, or more was answered: {connection.buffer[:200]!r}"
    works(gateway.port)


@pytest.mark.parametrize("refusal", [entry for entry in REFUSALS if len(entry.data(1)) < 2000], ids=str)
def test_refusals_do_not_depend_on_how_the_bytes_arrive(gateway: Gateway, refusal: Refusal) -> None:
    """The same, in three pieces."""
    data = refusal.data(gateway.port)
    with Connection(gateway.port) as connection:
        try:
            for part in (data[: len(data) // 3], data[len(data) // 3 : -3], data[-3:]):
                connection.send(part)
                time.sleep(0.005)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert connection.response("POST").status in refusal.statuses


def test_slow_heads_get_408(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        connection.send(b"POST /mcp HTTP/1.1\r\nHost: 127")
        assert connection.response().status == 408
        assert connection.ended()


def test_heads_that_drip_get_408(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        started = time.monotonic()
        connection.socket.settimeout(0.2)
        status = None
        for byte in b"POST /mcp HTTP/1.1\r\nX-Slow: " + b"a" * 40:
            try:
                connection.send(bytes([byte]))
                status = connection.response().status
                break
            except TimeoutError:
                continue
            except (Closed, ConnectionError):
                break
        assert status == 408
        assert time.monotonic() - started < 5


def test_slow_bodies_get_408(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        connection.send(discover(gateway.port)[:-10])
        assert connection.response().status == 408
        assert connection.ended()


def test_requests_on_one_connection_are_answered_in_order(gateway: Gateway) -> None:
    count = 12
    with Connection(gateway.port) as connection:
        data = b""
        for number in range(count):
            message = modern("server/discover", number=number)
            data += discover(gateway.port, body=json.dumps(message).encode())
        connection.send(data)
        assert [connection.response().message["id"] for _ in range(count)] == list(range(count))


def test_a_slow_call_does_not_let_later_answers_pass(gateway: Gateway) -> None:
    session = LegacySession(gateway.port)
    late = session.bytes_of(rpc("tools/call", {"name": "late", "arguments": {}}, "first"))
    quick = session.bytes_of(rpc("ping", None, "second"))
    with Connection(gateway.port) as connection:
        connection.send(late + quick)
        assert connection.response().message["id"] == "first"
        assert connection.response().message["id"] == "second"


def test_an_error_in_a_pipeline_comes_after_the_answers_before_it(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        connection.send(discover(gateway.port) + b"GET /mcp HTTP/1.1\r\nbroken\r\n\r\n" + discover(gateway.port))
        assert connection.response().status == 200
        assert connection.response().status == 400
        assert connection.ended()


def test_connections_are_kept_alive(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        for _ in range(50):
            assert connection.exchange(discover(gateway.port)).status == 200


def test_connection_close_is_honoured(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        response = connection.exchange(discover(gateway.port, {"Connection": "close"}))
        assert response.status == 200
        assert response.headers.get("connection", "").lower() == "close"
        assert connection.ended()


def test_http_1_0_is_answered_with_a_length_and_closed(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        response = connection.exchange(discover(gateway.port, version="1.0"))
        assert response.status == 200 and "transfer-encoding" not in response.headers
        assert response.message["id"] == 1
        assert connection.ended()


def test_http_1_0_keep_alive(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        response = connection.exchange(discover(gateway.port, {"Connection": "keep-alive"}, version="1.0"))
        assert response.status == 200
        if response.headers.get("connection", "").lower() == "keep-alive":
            assert (
                connection.exchange(discover(gateway.port, {"Connection": "keep-alive"}, version="1.0")).status == 200
            )
        else:
            assert connection.ended()


def test_http_1_0_gets_a_stream_without_chunks(gateway: Gateway) -> None:
    session = LegacySession(gateway.port)
    data = session.bytes_of(rpc("tools/call", {"name": "note", "arguments": {}, "_meta": {"progressToken": 1}}, 5))
    with Connection(gateway.port) as connection:
        connection.send(data.replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\n", 1))
        response = connection.response()
        assert response.status == 200 and "transfer-encoding" not in response.headers
        assert response.message["id"] == 5
        assert connection.ended()


def test_head_has_no_body_and_keeps_the_connection_in_step(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        response = connection.exchange(request("HEAD", "/mcp", port=gateway.port), "HEAD")
        assert response.status in (200, 204, 400, 404, 405)
        if response.headers.get("connection", "").lower() != "close":
            assert connection.exchange(discover(gateway.port)).status == 200


def test_options_names_the_methods(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        response = connection.exchange(request("OPTIONS", "/mcp", port=gateway.port), "OPTIONS")
        assert response.status in (200, 204), response
        allowed = response.headers.get("allow", "") + response.headers.get("access-control-allow-methods", "")
        assert "POST" in allowed and "GET" in allowed, response.headers
        assert connection.exchange(discover(gateway.port)).status == 200


def test_other_methods_are_not_allowed(gateway: Gateway) -> None:
    for method in ("PUT", "PATCH", "TRACE"):
        with Connection(gateway.port) as connection:
            response = connection.exchange(request(method, "/mcp", {"Content-Length": "0"}, port=gateway.port), method)
            assert response.status in (405, 501), (method, response)
            if response.status == 405:
                assert "POST" in response.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/nothing", "/mcp/nobody", "/mcpx", "/mcp/../mcp", "/MCP"])
def test_unknown_paths_are_not_found(gateway: Gateway, path: str) -> None:
    with Connection(gateway.port) as connection:
        response = connection.exchange(request("POST", path, PING_HEADERS, PING, port=gateway.port))
        assert response.status == 404, response


def test_a_query_does_not_hide_the_endpoint(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        assert connection.exchange(request("POST", "/mcp?a=b", PING_HEADERS, PING, port=gateway.port)).status == 200


def test_the_absolute_form_is_accepted(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        target = f"http://127.0.0.1:{gateway.port}/mcp"
        assert connection.exchange(request("POST", target, PING_HEADERS, PING, port=gateway.port)).status == 200


def test_expect_100_continue(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        whole = discover(gateway.port, {"Expect": "100-continue"})
        connection.send(whole[: -len(PING)])
        assert connection.line().startswith(b"HTTP/1.1 100 ")
        while connection.line():
            pass
        connection.send(PING)
        assert connection.response().status == 200


def test_expect_100_continue_with_the_body_at_once(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        assert connection.exchange(discover(gateway.port, {"Expect": "100-continue"})).status == 200
        assert connection.exchange(discover(gateway.port)).status == 200


def test_expect_with_a_body_too_long_is_refused_unread(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        headers: dict[str, str | None] = {"Expect": "100-continue", "Content-Length": "70000"}
        connection.send(request("POST", "/mcp", headers, port=gateway.port))
        response = connection.response()
        assert response.status == 413 and response.interim == []


def chunked(port: int, body: bytes, size: int, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    headers: dict[str, str | None] = {**PING_HEADERS, "Content-Length": None, "Transfer-Encoding": "chunked"}
    data = request("POST", "/mcp", headers, port=port)
    for start in range(0, len(body), size):
        part = body[start : start + size]
        data += f"{len(part):X}".encode() + extension + b"\r\n" + part + b"\r\n"
    return data + b"0\r\n" + trailers + b"\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunked_requests(gateway: Gateway, size: int) -> None:
    with Connection(gateway.port) as connection:
        for _ in range(2):
            assert connection.exchange(chunked(gateway.port, PING, size)).status == 200


def test_chunk_extensions_and_trailers_are_dropped(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        data = chunked(gateway.port, PING, 50, b';name="va lue"', b"X-Trailer: yes\r\nContent-Length: 3\r\n")
        assert connection.exchange(data).status == 200
        assert connection.exchange(discover(gateway.port)).status == 200


def test_header_names_in_any_case_and_optional_blanks(gateway: Gateway) -> None:
    names = {"mCP-prOTOCOL-vERSION": "2026-07-28", "MCP-METHOD": " \tserver/discover \t"}
    headers: list[tuple[str, str]] = [
        ("HOST", f"127.0.0.1:{gateway.port}"),
        ("content-TYPE", "application/json; charset=utf-8"),
        ("aCCept", BOTH_TYPES),
        ("CONTENT-length", str(len(PING))),
        *names.items(),
    ]
    with Connection(gateway.port) as connection:
        assert connection.exchange(request("POST", "/mcp", headers, PING)).status == 200


def test_empty_lines_before_a_request_are_passed_over(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        assert connection.exchange(b"\r\n" + discover(gateway.port)).status == 200


def test_responses_carry_what_they_must(gateway: Gateway) -> None:
    with Connection(gateway.port) as connection:
        response = connection.exchange(discover(gateway.port))
        assert response.kind == "application/json"
        assert int(response.headers["content-length"]) == len(response.body)
        assert "date" in response.headers


def test_a_client_that_closes_its_half_still_gets_the_answer(gateway: Gateway) -> None:
    import socket

    session = LegacySession(gateway.port)
    with Connection(gateway.port) as connection:
        connection.send(session.bytes_of(rpc("ping", None, 9), {"Connection": "close"}))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.response().message["id"] == 9


# --- Host and Origin -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:PORT", "localhost", "localhost:PORT", "LocalHost:PORT", "[::1]:PORT"]
)
def test_loopback_hosts_are_taken(gateway: Gateway, host: str) -> None:
    with Connection(gateway.port) as connection:
        headers: dict[str, str | None] = {"Host": host.replace("PORT", str(gateway.port))}
        assert connection.exchange(discover(gateway.port, headers)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:PORT",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "0.0.0.0:PORT",
        "10.0.0.1",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
def test_foreign_hosts_are_misdirected(gateway: Gateway, host: str, method: str) -> None:
    headers: dict[str, str | None] = {"Host": host.replace("PORT", str(gateway.port))}
    data = discover(gateway.port, headers) if method == "POST" else request(method, "/mcp", headers, port=gateway.port)
    with Connection(gateway.port) as connection:
        assert connection.exchange(data, method).status == 421


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:PORT",
        "https://localhost:8443",
        "http://[::1]:5173",
    ],
)
def test_loopback_origins_are_taken(gateway: Gateway, origin: str) -> None:
    with Connection(gateway.port) as connection:
        headers: dict[str, str | None] = {"Origin": origin.replace("PORT", str(gateway.port))}
        assert connection.exchange(discover(gateway.port, headers)).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "file://",
        "http://evil.example:PORT",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_foreign_origins_are_forbidden(gateway: Gateway, origin: str, method: str) -> None:
    headers: dict[str, str | None] = {"Origin": origin.replace("PORT", str(gateway.port))}
    data = discover(gateway.port, headers) if method == "POST" else request(method, "/mcp", headers, port=gateway.port)
    with Connection(gateway.port) as connection:
        response = connection.exchange(data, method)
        assert response.status == 403
        assert "access-control-allow-origin" not in response.headers


def test_two_origins_are_not_a_way_around(gateway: Gateway) -> None:
    headers = [
        ("Host", f"127.0.0.1:{gateway.port}"),
        ("Origin", "http://localhost"),
        ("Origin", "https://evil.example"),
        ("Content-Type", "application/json"),
        ("Accept", BOTH_TYPES),
        ("Content-Length", str(len(PING))),
        *[(name, value or "") for name, value in PING_HEADERS.items()],
    ]
    with Connection(gateway.port) as connection:
        assert connection.exchange(request("POST", "/mcp", headers, PING)).status in (400, 403)


def test_the_default_address_is_loopback_only(gateway: Gateway) -> None:
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, _, port = line.split()[1].partition(":")
            if line.split()[3] == "0A" and int(port, 16) in (gateway.port, gateway.admin_port):
                listening.append((int(port, 16), address))
    assert {port for port, _ in listening} == {gateway.port, gateway.admin_port}
    assert {address for _, address in listening} == {"0100007F"}, listening

"""What a client gets that comes while servers are still starting, and what `/readyz` promises."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import agreed
from harness.gateway import Gateway
from harness.handled import Handler, HandledUpstream, TOOL
from harness.processes import eventually, listens
from harness.sockets import Socket
from harness.wire import LegacySession, modern, post_modern, rpc

Make = Callable[..., Gateway]


def slow(seconds: float, era: str = "legacy", starts: Path | None = None) -> dict[str, Any]:
    """A command that reads nothing for a while."""
    note = f"open({str(starts)!r}, 'a').write('x')\n" if starts else ""
    program = f"import runpy, sys, time\n{note}time.sleep({seconds})\nsys.argv = ['agreed', {era!r}]\n"
    program += f"runpy.run_path({agreed.__file__!r}, run_name='__main__')"
    return {"command": sys.executable, "args": ["-c", program]}


def test_a_client_is_promised_what_a_server_that_still_starts_may_bring(make_gateway: Make) -> None:
    settings = {"servers": {"slow": slow(3)}, "first_list_wait": "200ms"}
    gateway = make_gateway(settings=settings, wait=False)
    assert eventually(lambda: listens(gateway.port), 10)
    session = LegacySession(gateway.port)
    assert gateway.admin_status("/readyz") == 503
    opened = [session.result["capabilities"]]
    with Socket(gateway.socket_url("slow")) as socket:
        opened.append(socket.initialize()["capabilities"])
    opened.append(post_modern(gateway.port, modern("server/discover")).message["result"]["capabilities"])
    for capabilities in opened:
        assert all(capabilities[kind]["listChanged"] for kind in ("tools", "prompts", "resources")), capabilities
    assert session.post(rpc("tools/list")).message["result"]["tools"] == []
    stream, _ = session.listen(timeout=30)
    with stream:
        message = next(json.loads(event["data"]) for event in stream.stream() if event.get("data"))
    assert message["method"] == "notifications/tools/list_changed"
    assert [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]] == ["do"]
    # Who comes now hears what there is.
    assert set(LegacySession(gateway.port).result["capabilities"]) == {"tools"}
    assert gateway.admin_status("/readyz") == 200


def test_ready_means_that_what_has_answered_is_listed(make_gateway: Make) -> None:
    """One server answers when clients have been let in, another never does."""

    def late(handler: Handler, message: dict[str, Any]) -> None:
        time.sleep(1)
        handler.answer(message, {"tools": [TOOL]})

    def never(_: Handler, __: dict[str, Any]) -> None:
        time.sleep(60)

    with HandledUpstream({"tools/list": late}) as upstream, HandledUpstream({"initialize": never}) as silent:
        servers = {"fine": {"url": upstream.url()}, "silent": {"url": silent.url(), "era": "legacy"}}
        settings = {"servers": servers, "first_list_wait": "200ms"}
        for _ in range(3):
            gateway = make_gateway(settings=settings, wait=False, workers=3)
            assert eventually(lambda gateway=gateway: gateway.admin_status("/readyz") == 200, 20, 0.001)
            tools = post_modern(gateway.port, modern("tools/list")).message["result"]["tools"]
            assert [tool["name"] for tool in tools] == ["fine__do"]


def test_nobody_hears_of_changes_that_were_not_promised(make_gateway: Make) -> None:
    """A server joins with prompts, of which a session that is open was not told; one that opens then is."""

    def initialize(handler: Handler, message: dict[str, Any]) -> None:
        offer = {"capabilities": {"tools": {}, "prompts": {}}, "serverInfo": {"name": "p", "version": "1"}}
        handler.answer(message, {"protocolVersion": message["params"]["protocolVersion"], **offer})

    def prompts(handler: Handler, message: dict[str, Any]) -> None:
        handler.answer(message, {"prompts": [{"name": "write"}]})

    handling = {"initialize": initialize, "prompts/list": prompts}
    with HandledUpstream() as first, HandledUpstream(handling) as second:
        servers = {"first": {"url": first.url()}}
        gateway = make_gateway(settings={"servers": servers})
        session = LegacySession(gateway.port)
        assert set(session.result["capabilities"]) == {"tools"}
        stream, _ = session.listen(timeout=30)
        with stream:
            path = Path(gateway.command[gateway.command.index("--config") + 1])
            path.write_text(json.dumps({"servers": {**servers, "second": {"url": second.url()}}}))
            gateway.child.process.send_signal(1)
            gateway.wait_for("second")
            late = LegacySession(gateway.port)
            assert late.post(rpc("prompts/list")).message["result"]["prompts"] and "prompts" in late.result["capabilities"]
            session.delete()
            told = {json.loads(event["data"])["method"] for event in stream.stream() if event.get("data")}
        assert told == {"notifications/tools/list_changed"}


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_command_that_needs_long_to_start_becomes_available(make_gateway: Make, tmp_path: Path, era: str) -> None:
    """Longer than the probe waits, as a package that is downloaded first; one that has just been started is not ended."""
    starts = tmp_path / "starts"
    settings = {"servers": {"slow": slow(2.5, era, starts)}, "limits": {"probe_timeout": "1s"}, "first_list_wait": "0s"}
    gateway = make_gateway(settings=settings, wait=False)
    gateway.wait_ready(30)
    # A client of its own era: for one of the other a modern command is started once more.
    if era == "modern":
        answer = post_modern(gateway.port, modern("vendor/echo", {"x": 1}))
    else:
        answer = LegacySession(gateway.port).post(rpc("vendor/echo", {"x": 1}))
    assert answer.message["result"]["got"]["x"] == 1
    assert len(starts.read_text()) == 1


def test_a_command_that_never_answers_is_given_up(make_gateway: Make) -> None:
    settings = {
        "servers": {"slow": slow(600)},
        "limits": {"probe_timeout": "500ms"},
        "start_timeout": "1s",
        "first_list_wait": "0s",
    }
    gateway = make_gateway(settings=settings, wait=False)
    assert eventually(lambda: "did not answer within 1" in gateway.log, 20), gateway.log

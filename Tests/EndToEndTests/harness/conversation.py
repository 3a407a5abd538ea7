"""The conversation that every pairing of client and server has, and what each part of it must bring.

`test_direct.py` (heavy) proves it without a gateway, `test_matrix.py` with one: what is right there is right here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import features

from harness.client import ANSWERS, Scenario, Trace, text_of

MODERN = "2026-07-28"
APPLICATION_CODE = 4711
EXTRA = {"resultType", "ttlMs", "cacheScope"}


@dataclass(frozen=True)
class Pairing:
    """One client against one server."""

    client: str
    mode: str
    server: str
    server_modern: bool
    over_socket: bool = False

    @property
    def client_modern(self) -> bool:
        """What the client ends up speaking when the other side speaks everything."""
        return self.client != "v1" and self.mode != "legacy"

    @property
    def crossed(self) -> bool:
        """Whether they have no era in common. Servers of the modern era here speak the legacy one as well."""
        return self.client_modern and not self.server_modern

    def __str__(self) -> str:
        return f"{self.client}{'-over-ws' if self.over_socket else ''}-{self.mode}-to-{self.server}"


CLIENTS = [("v2", "auto"), ("v2", "legacy"), ("v2", MODERN), ("v1", "legacy")]
# Whether a server speaks 2026-07-28; HTTP+SSE is legacy whatever the SDK.
SERVERS = {"v2stdio": True, "v2http": True, "v2sse": False, "v1stdio": False, "v1http": False, "v1sse": False}
PAIRINGS = [Pairing(*client, server, modern) for client in CLIENTS for server, modern in SERVERS.items()]
# WebSocket is what the first generation's SDK has on either side. Through a gateway these work too.
SOCKET_SERVER = "v1ws"
SOCKET_PAIRINGS = [Pairing(*client, SOCKET_SERVER, False) for client in CLIENTS]
SOCKET_PAIRINGS += [
    Pairing("v1", "legacy", server, modern, over_socket=True) for server, modern in [*SERVERS.items(), (SOCKET_SERVER, False)]
]
# One of each kind: a client of either era, with either SDK and each way to choose an era, against a server of either era on
# each transport; clients over WebSocket against a modern and a legacy one. The other pairings put the same kinds together anew.
ORDINARY = {
    "v2-auto-to-v2stdio", f"v2-{MODERN}-to-v2http", "v2-auto-to-v1stdio", "v2-auto-to-v1http", f"v2-{MODERN}-to-v2sse",
    "v2-auto-to-v1ws", "v1-legacy-to-v2stdio", "v2-legacy-to-v2http", "v1-legacy-to-v1stdio", "v2-legacy-to-v1http",
    "v1-legacy-to-v1sse", "v2-legacy-to-v1ws", "v1-over-ws-legacy-to-v2http", "v1-over-ws-legacy-to-v1stdio",
}
# With one worker nothing goes from loop to loop: one client on each transport.
ORDINARY_ALONE = {"v2-auto-to-v2http", "v1-legacy-to-v1http", "v1-over-ws-legacy-to-v1http"}


def conversation(tag: str) -> list[Scenario]:
    """The whole job. `tag` keeps the traces of different conversations apart on servers that are shared."""
    return [
        "lists",
        ("echo=call", {"name": "echo", "arguments": {"text": f"héllo \U0001f375 {tag}"}}),
        ("add=call", {"name": "add", "arguments": {"a": 2, "b": 3.5}}),
        ("structured=call", {"name": "structured"}),
        ("image=call", {"name": "image"}),
        ("links=call", {"name": "links"}),
        ("error_result=call", {"name": "error_result"}),
        ("refused", {"code": APPLICATION_CODE, "message": "no such customer"}),
        "unknown",
        ("concurrent", {"count": 20}),
        "progress",
        "progress_side_by_side",
        "logging",
        ("elicit_form=ask", {"name": "elicit_form"}),
        ("elicit_url=ask", {"name": "elicit_url"}),
        ("sample=ask", {"name": "sample", "arguments": {"text": "write a line"}}),
        ("roots=ask", {"name": "roots"}),
        ("read_text=read", {"uri": "ref://notes/welcome"}),
        ("read_bytes=read", {"uri": "ref://notes/bytes"}),
        ("read_template=read", {"uri": "ref://topics/tide"}),
        ("prompt", {"name": "haiku", "arguments": {"topic": "tea", "mood": "grim"}}),
        ("plain_prompt=prompt", {"name": "plain"}),
        ("complete", {"ref": {"type": "ref/prompt", "name": "haiku"}, "argument": "topic", "value": "te"}),
        (
            "complete_template=complete",
            {
                "ref": {"type": "ref/resource", "uri": "ref://topics/{topic}"},
                "argument": "topic",
                "value": "ti",
                "context": {"mood": "grim"},
            },
        ),
        "ping",
        ("ping_back=call", {"name": "ping_back"}),
        ("cancel", {"tag": tag}),
        ("list_change", {"name": f"extra_{tag}"}),
        "subscription",
        ("big=measured_call", {"name": "big", "arguments": {"bytes": 600_000}}),
        ("after=call", {"name": "echo", "arguments": {"text": "still here"}}),
    ]


def options(pairing: Pairing) -> dict[str, Any]:
    return {"mode": pairing.mode, "answers": ANSWERS}


def bare(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what belongs to the hop, and without what SDKs add by default."""
    kept = {key: value for key, value in result.items() if key not in EXTRA and not (key == "isError" and not value)}
    meta = {key: value for key, value in result.get("_meta", {}).items() if "modelcontextprotocol" not in key}
    kept.pop("_meta", None)
    return {**kept, "_meta": meta} if meta else kept


CHECKS: dict[str, Callable[[Trace, Pairing], None]] = {}


def check(function: Callable[[Trace, Pairing], None]) -> Callable[[Trace, Pairing], None]:
    CHECKS[function.__name__] = function
    return function


@check
def opening(trace: Trace, pairing: Pairing) -> None:
    version = trace.opened["protocolVersion"]
    assert version == (MODERN if pairing.client_modern else "2025-11-25")
    if pairing.mode == MODERN:
        return  # a pinned client asks nobody
    capabilities = trace.opened["capabilities"]
    for name in ("tools", "prompts", "resources"):
        assert capabilities[name]["listChanged"] is True, capabilities
    assert "completions" in capabilities


@check
def lists(trace: Trace, pairing: Pairing) -> None:
    found = trace.value("lists")
    names = {tool["name"]: tool for tool in found["tools"]["entries"]}
    assert [tool["name"] for tool in features.TOOLS] == list(names), "other tools, or another order"
    for tool in features.TOOLS:
        assert names[tool["name"]] == tool
    assert found["resources"]["entries"] == features.RESOURCES
    assert found["resourceTemplates"]["entries"] == features.TEMPLATES
    assert found["prompts"]["entries"] == features.PROMPTS


@check
def calls(trace: Trace, pairing: Pairing) -> None:
    assert text_of(trace.value("echo")["result"]).startswith("héllo \U0001f375 ")
    assert text_of(trace.value("add")["result"]) == "5.5"
    assert text_of(trace.value("after")["result"]) == "still here"
    assert trace.value("concurrent") == [f"message {n}" for n in range(20)]


@check
def contents(trace: Trace, pairing: Pairing) -> None:
    structured = bare(trace.value("structured")["result"])
    assert structured["structuredContent"] == {"city": "Ōsaka", "degrees": 21.5}
    assert structured["_meta"] == {"example.com/x": 1}
    image = bare(trace.value("image")["result"])
    assert image == {"content": [{"type": "image", "data": features.PIXEL, "mimeType": "image/png"}]}
    links = trace.value("links")["result"]["content"]
    assert links[0]["resource"]["text"] == "inside"
    assert (links[1]["type"], links[1]["uri"]) == ("resource_link", "ref://topics/tea")


@check
def errors(trace: Trace, pairing: Pairing) -> None:
    failed = trace.value("error_result")["result"]
    assert failed["isError"] is True and text_of(failed) == "it went wrong"
    refused = trace.value("refused")["error"]
    assert (refused["code"], refused["message"]) == (APPLICATION_CODE, "no such customer")
    assert refused["data"] == {"why": "asked to"}
    unknown = trace.value("unknown")
    tool = unknown["tool"]
    assert tool.get("error", {}).get("code") == -32602 or tool.get("result", {}).get("isError"), tool
    assert unknown["resource"]["error"]["code"] in (-32602, -32002), unknown["resource"]
    assert unknown["prompt"]["error"]["code"] in (-32602, -32603), unknown["prompt"]


@check
def progress(trace: Trace, pairing: Pairing) -> None:
    found = trace.value("progress")
    assert found["reports"] == [[1, 3, "step 1"], [2, 3, "step 2"], [3, 3, "step 3"]]
    assert found["text"] == "3 steps"
    pair = trace.value("progress_side_by_side")
    for steps in (4, 6):
        assert pair[str(steps)] == [[n, steps, f"step {n}"] for n in range(1, steps + 1)]


@check
def logging(trace: Trace, pairing: Pairing) -> None:
    found = trace.value("logging")
    levels = [entry["level"] for entry in found]
    assert [level for level in levels if level != "debug"] == ["info", "error"], found
    if pairing.client_modern:
        assert "debug" not in levels
    assert all(entry["data"]["text"] == "hello log" and entry["logger"] == "reference" for entry in found)


ASKED = {
    "elicit_form": ("elicitation", "elicitation/create"),
    "elicit_url": ("elicitation", "elicitation/create"),
    "sample": ("sampling", "sampling/createMessage"),
    "roots": ("roots", "roots/list"),
}


def asking(name: str) -> Callable[[Trace, Pairing], None]:
    capability, method = ASKED[name]

    def one(trace: Trace, pairing: Pairing) -> None:
        if pairing.crossed:
            refused_clearly(trace, name, capability)
            return
        found = trace.value(name)
        assert [event["method"] for event in found["asked"]] == [f"asked {method}"], found
        result = found["result"]
        assert not result.get("isError"), result
        answer = ANSWERS[capability]
        assert result["structuredContent"] | answer == result["structuredContent"], result
        params = found["asked"][0]["params"]
        if name == "elicit_form":
            assert params["message"].endswith("Who are you?")
            assert params["requestedSchema"]["properties"] == features.FORM["properties"]
        if name == "elicit_url":
            assert params["url"] == "https://example.com/sign-in"
        if name == "sample":
            assert params["messages"][0]["content"]["text"] == "write a line"

    one.__name__ = name
    return one


def refused_clearly(trace: Trace, name: str, capability: str) -> None:
    """Across eras: an error, at once, that says what is missing."""
    found = trace.value(name)
    assert found["asked"] == [], f"the client was asked: {found}"
    assert found["seconds"] < 5, f"it took {found['seconds']:.1f} s to refuse"
    if "error" in found:
        assert found["error"]["code"] in (-32603, -32602, -32601, -32021), found["error"]
        said = f"{found['error']['message']} {found['error'].get('data')}"
    else:
        assert found["result"].get("isError") is True, found["result"]
        said = text_of(found["result"])
    assert capability in said.lower(), f"the error does not name {capability}: {said}"


for _name in ASKED:
    CHECKS[_name] = asking(_name)


@check
def resources(trace: Trace, pairing: Pairing) -> None:
    text = trace.value("read_text")["contents"]
    assert text == [{"uri": "ref://notes/welcome", "mimeType": "text/plain", "text": "Welcome, tēa drinker \U0001f375"}]
    blob = trace.value("read_bytes")["contents"][0]
    assert base64.b64decode(blob["blob"]) == features.BINARY
    assert trace.value("read_template")["contents"][0]["text"] == "about tide"


@check
def prompts(trace: Trace, pairing: Pairing) -> None:
    assert trace.value("prompt")["messages"][0]["content"]["text"] == "A haiku about tea, grim"
    assert trace.value("prompt")["description"] == "prompt haiku"
    assert trace.value("plain_prompt")["messages"][0]["content"]["text"] == "Say hello."


@check
def completion(trace: Trace, pairing: Pairing) -> None:
    assert trace.value("complete")["completion"] == {
        "values": ["tea", "teapot", "telescope"],
        "total": 3,
        "hasMore": False,
    }
    assert trace.value("complete_template")["completion"]["values"] == ["grim tide"]


@check
def ping(trace: Trace, pairing: Pairing) -> None:
    if pairing.client_modern:
        assert trace.error("ping")["code"] == -32601
    else:
        assert bare(trace.value("ping")) == {}
    assert text_of(trace.value("ping_back")["result"]) == "pong"


@check
def cancellation(trace: Trace, pairing: Pairing) -> None:
    found = trace.value("cancel")
    assert found["cancelled"] is True, "the server was not told"
    assert found["seconds"] < 10
    # Either side may end the call first; what must not come is a result.
    assert "content" not in (found["outcome"] if isinstance(found["outcome"], dict) else {}), found


@check
def list_changes(trace: Trace, pairing: Pairing) -> None:
    found = trace.value("list_change")
    assert found["told"], "the client was not told of the new tool"
    assert found["listed"] == [False, True, False], f"listed before, during, after: {found['listed']}"
    assert text_of(found["called"]["result"]).startswith("called extra_"), found["called"]
    assert found["told_again"], "the client was not told that the tool went away"


@check
def subscriptions(trace: Trace, pairing: Pairing) -> None:
    found = trace.value("subscription")
    assert [event["uri"] for event in found["during"]] == ["ref://clock"], found
    assert found["quiet_after"], "still told after the subscription ended"
    assert found["contents"]["contents"][0]["text"].startswith("tick ")


@check
def large_result(trace: Trace, pairing: Pairing) -> None:
    found = trace.value("big")
    expected = "0123456789abcdef" * (600_000 // 16)
    assert found["length"] == len(expected)
    assert found["sha256"] == hashlib.sha256(expected.encode()).hexdigest()


@check
def closing(trace: Trace, pairing: Pairing) -> None:
    assert "closing" not in trace.raw, trace.raw["closing"]

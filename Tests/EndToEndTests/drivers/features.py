"""What the reference servers offer, as plain wire dictionaries.

Both SDK servers (`server_v1.py`, `server_v2.py`) serve exactly this, so a difference that a client sees between two
upstreams comes from the SDK or from the gateway, never from the features.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360000002000100ffff03000006000557bfabd40000000049454e44ae426082"
    )
).decode()
BINARY = bytes(range(256))
TOPICS = ["tea", "teapot", "telescope", "tide"]
INSTRUCTIONS = "Reference server of the end-to-end tests."


class Refused(Exception):
    """A JSON-RPC error that the feature wants on the wire as it is."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


class NeedsInput(Exception):
    """Modern era only: the call cannot end before the client has answered `requests`."""

    def __init__(self, requests: dict[str, Any], state: str) -> None:
        super().__init__("input required")
        self.requests, self.state = requests, state


class Caller(Protocol):
    """One request's way back to its client."""

    modern: bool
    answers: dict[str, Any]
    """What the client answered to `NeedsInput`, by key; modern era only."""
    state: str | None
    """What it gave back of `NeedsInput`."""

    async def progress(self, progress: float, total: float | None, message: str | None) -> None: ...
    async def log(self, level: str, data: Any) -> None: ...
    async def ask(self, method: str, params: dict[str, Any], aside: bool = False) -> dict[str, Any]: ...
    def require(self, capability: str) -> None: ...
    async def close_stream(self) -> None: ...
    async def list_changed(self, kind: str) -> None: ...
    async def resource_updated(self, uri: str) -> None: ...
    async def ping(self) -> None: ...


@dataclass
class Options:
    """Command line of a reference server."""

    transport: str
    port: int
    tools: int
    page: int
    name: str
    json: bool
    everything: bool
    record: str | None
    cert: str | None
    key: str | None


def options() -> Options:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=["stdio", "http", "sse", "ws"], default="stdio")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tools", type=int, default=0, help="how many generated tools to list besides the others")
    parser.add_argument("--page", type=int, default=0, help="entries per page of tools/list, 0 for one page")
    parser.add_argument("--name", default="reference")
    parser.add_argument("--json", action="store_true", help="answer POSTs with JSON rather than SSE")
    parser.add_argument("--everything", action="store_true", help="offer what conformance tests want besides")
    parser.add_argument("--record", help="file that gets a line for each call of a tool before it is answered")
    parser.add_argument("--cert", help="PEM file with a certificate, to serve https")
    parser.add_argument("--key", help="PEM file with its key")
    return Options(**vars(parser.parse_args()))


def _schema(properties: dict[str, Any] | None = None, required: list[str] | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties or {}}
    if required:
        schema["required"] = required
    return schema


def _tool(name: str, description: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "inputSchema": schema or _schema(), **more}


TEXT = {"text": {"type": "string"}}
TOOLS = [
    _tool("echo", "returns its text", _schema(TEXT, ["text"])),
    _tool(
        "add",
        "adds two numbers",
        _schema({"a": {"type": "number"}, "b": {"type": "number"}}, ["a", "b"]),
        title="Adder",
        annotations={"title": "Adder", "readOnlyHint": True, "idempotentHint": True},
        _meta={"example.com/shelf": {"row": 7}},
    ),
    _tool("slow", "reports progress in steps", _schema({"steps": {"type": "integer"}, "pause": {"type": "number"}})),
    _tool("log", "logs one message of each of three levels", _schema(TEXT)),
    _tool("elicit_form", "asks the user to fill in a form"),
    _tool("elicit_url", "asks the user to open a page"),
    _tool("sample", "asks the client's model", _schema(TEXT)),
    _tool("roots", "asks the client for its roots"),
    _tool(
        "structured",
        "returns structured content",
        outputSchema=_schema({"city": {"type": "string"}, "degrees": {"type": "number"}}, ["city", "degrees"]),
    ),
    _tool("image", "returns a picture"),
    _tool("links", "returns an embedded resource and a link"),
    _tool(
        "big",
        "returns a text of so many bytes",
        _schema({"bytes": {"type": "integer"}, "progress": {"type": "boolean"}}),
    ),
    _tool("length", "returns the length of its text", _schema(TEXT, ["text"])),
    _tool("error_result", "returns a result with isError"),
    _tool(
        "refuse", "answers with a JSON-RPC error", _schema({"code": {"type": "integer"}, "message": {"type": "string"}})
    ),
    _tool(
        "sleep",
        "sleeps and records being cancelled",
        _schema({"seconds": {"type": "number"}, "tag": {"type": "string"}}),
    ),
    _tool("journal", "tells which sleeps began, ended and were cancelled"),
    _tool("touch", "changes the clock resource", _schema({"uri": {"type": "string"}})),
    _tool("add_tool", "adds a tool at run time", _schema({"name": {"type": "string"}}, ["name"])),
    _tool("remove_tool", "takes such a tool away", _schema({"name": {"type": "string"}}, ["name"])),
    _tool("environment", "returns the names of its environment variables and its process ids"),
    _tool("ping_back", "pings its caller, which only the legacy era has"),
    _tool("exit", "ends the server process in mid-call"),
]
RESOURCES = [
    {
        "uri": "ref://notes/welcome",
        "name": "welcome",
        "title": "Welcome",
        "description": "a text",
        "mimeType": "text/plain",
        "annotations": {"audience": ["user"], "priority": 0.5},
    },
    {"uri": "ref://notes/bytes", "name": "bytes", "mimeType": "application/octet-stream", "size": 256},
    {"uri": "ref://clock", "name": "clock", "mimeType": "text/plain"},
]
TEMPLATES = [
    {"uriTemplate": "ref://topics/{topic}", "name": "topic", "description": "one topic", "mimeType": "text/plain"}
]
PROMPTS = [
    {
        "name": "haiku",
        "title": "Haiku",
        "description": "asks for a haiku",
        "arguments": [
            {"name": "topic", "description": "what about", "required": True},
            {"name": "mood", "required": False},
        ],
    },
    {"name": "plain", "description": "takes nothing"},
]
FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Name"},
        "age": {"type": "integer", "minimum": 0},
        "size": {"type": "string", "enum": ["s", "m", "l"]},
    },
    "required": ["name"],
}


@dataclass
class Reference:
    """The state of one reference server process."""

    options: Options
    extra_tools: list[str] = field(default_factory=list)
    journal: dict[str, list[str]] = field(default_factory=lambda: {"begun": [], "ended": [], "cancelled": []})
    ticks: int = 0

    own_tools = TOOLS
    resources = RESOURCES
    templates = TEMPLATES
    prompts = PROMPTS

    def tools(self) -> list[dict[str, Any]]:
        extra = [_tool(name, "added at run time") for name in self.extra_tools]
        many = [
            _tool(f"bulk_{n:05d}", f"generated tool {n}", _schema({"n": {"type": "integer", "default": n}}))
            for n in range(self.options.tools)
        ]
        return self.own_tools + extra + many

    def tools_page(self, cursor: str | None) -> dict[str, Any]:
        tools = self.tools()
        if not self.options.page:
            return {"tools": tools}
        try:
            start = int(cursor) if cursor is not None else 0
        except ValueError:
            raise Refused(-32602, f"no such cursor: {cursor}") from None
        page: dict[str, Any] = {"tools": tools[start : start + self.options.page]}
        if start + self.options.page < len(tools):
            page["nextCursor"] = str(start + self.options.page)
        return page

    def read(self, uri: str) -> dict[str, Any]:
        if uri == "ref://notes/welcome":
            return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": "Welcome, tēa drinker \U0001f375"}]}
        if uri == "ref://notes/bytes":
            blob = base64.b64encode(BINARY).decode()
            return {"contents": [{"uri": uri, "mimeType": "application/octet-stream", "blob": blob}]}
        if uri == "ref://clock":
            return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": f"tick {self.ticks}"}]}
        if uri.startswith("ref://topics/"):
            return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": f"about {uri.rpartition('/')[2]}"}]}
        raise Refused(-32602, f"Unknown resource: {uri}", {"uri": uri})

    async def prompt(self, name: str, arguments: dict[str, str], caller: Caller) -> dict[str, Any]:
        if name == "haiku":
            text = f"A haiku about {arguments.get('topic', '?')}, {arguments.get('mood', 'calm')}"
        elif name == "plain":
            text = "Say hello."
        else:
            raise Refused(-32602, f"Unknown prompt: {name}")
        return {
            "description": f"prompt {name}",
            "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
        }

    def complete(self, ref: dict[str, Any], argument: dict[str, str], context: dict[str, str]) -> dict[str, Any]:
        known = ref.get("name") == "haiku" or ref.get("uri") == "ref://topics/{topic}"
        values = [topic for topic in TOPICS if topic.startswith(argument["value"])] if known else []
        if context.get("mood"):
            values = [f"{context['mood']} {value}" for value in values]
        return {"completion": {"values": values, "total": len(values), "hasMore": False}}

    async def call(self, name: str, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        if self.options.record:
            self._record(name, arguments)
        if name in self.extra_tools or name.startswith("bulk_"):
            return _text(f"called {name}")
        feature = getattr(self, f"_call_{name}", None)
        if feature is None:
            raise Refused(-32602, f"Unknown tool: {name}")
        return await feature(arguments, caller)

    def _record(self, name: str, arguments: dict[str, Any]) -> None:
        """Several servers may share the file, and a line outlives whoever wrote it."""
        entry = {"at": time.monotonic(), "pid": os.getpid(), "tool": name, "arguments": arguments}
        line = json.dumps(entry).encode() + b"\n"
        kept = os.open(self.options.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(kept, line)
        os.close(kept)

    async def _call_echo(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return _text(arguments["text"])

    async def _call_add(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return _text(str(arguments["a"] + arguments["b"]))

    async def _call_slow(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        steps = arguments.get("steps", 3)
        for step in range(1, steps + 1):
            await caller.progress(step, steps, f"step {step}")
            await anyio.sleep(arguments.get("pause", 0.02))
        return _text(f"{steps} steps")

    async def _call_log(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        for level in ("debug", "info", "error"):
            await caller.log(level, {"text": arguments.get("text", ""), "level": level})
        return _text("logged")

    async def _call_elicit_form(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return await _asked(
            caller, "elicitation/create", {"mode": "form", "message": "Who are you?", "requestedSchema": FORM}
        )

    async def _call_elicit_url(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        params = {"mode": "url", "message": "Please sign in", "url": "https://example.com/sign-in"}
        if not caller.modern:
            params["elicitationId"] = "e-1"
        return await _asked(caller, "elicitation/create", params)

    async def _call_sample(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        content = {"type": "text", "text": arguments.get("text", "hello")}
        params = {"messages": [{"role": "user", "content": content}], "maxTokens": 100, "systemPrompt": "be brief"}
        return await _asked(caller, "sampling/createMessage", params)

    async def _call_roots(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return await _asked(caller, "roots/list", {})

    async def _call_structured(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        value = {"city": "Ōsaka", "degrees": 21.5}
        return {
            **_text('{"city": "Ōsaka", "degrees": 21.5}'),
            "structuredContent": value,
            "_meta": {"example.com/x": 1},
        }

    async def _call_image(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {"content": [{"type": "image", "data": PIXEL, "mimeType": "image/png"}]}

    async def _call_links(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        embedded = {"uri": "ref://notes/welcome", "mimeType": "text/plain", "text": "inside"}
        return {
            "content": [
                {"type": "resource", "resource": embedded},
                {"type": "resource_link", "uri": "ref://topics/tea", "name": "tea", "mimeType": "text/plain"},
            ]
        }

    async def _call_big(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        if arguments.get("progress"):
            await caller.progress(1, 2, "half")
        return _text("0123456789abcdef" * (arguments["bytes"] // 16))

    async def _call_length(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return _text(str(len(arguments["text"])))

    async def _call_error_result(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {**_text("it went wrong"), "isError": True}

    async def _call_refuse(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        raise Refused(arguments.get("code", -32050), arguments.get("message", "refused"), {"why": "asked to"})

    async def _call_sleep(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        tag = arguments.get("tag", "untagged")
        self.journal["begun"].append(tag)
        await caller.progress(1, 2, "sleeping")
        try:
            await anyio.sleep(arguments.get("seconds", 1))
        except anyio.get_cancelled_exc_class():
            self.journal["cancelled"].append(tag)
            raise
        self.journal["ended"].append(tag)
        return _text("woke")

    async def _call_journal(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {**_text("journal"), "structuredContent": {key: list(tags) for key, tags in self.journal.items()}}

    async def _call_touch(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        self.ticks += 1
        await caller.resource_updated(arguments.get("uri", "ref://clock"))
        return _text(f"tick {self.ticks}")

    async def _call_add_tool(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        self.extra_tools.append(arguments["name"])
        await caller.list_changed("tools")
        return _text("added")

    async def _call_remove_tool(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        self.extra_tools.remove(arguments["name"])
        await caller.list_changed("tools")
        return _text("removed")

    async def _call_environment(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        value = {
            "names": sorted(os.environ),
            "values": {key: os.environ[key] for key in os.environ if key.startswith("E2E_")},
            "pid": os.getpid(),
            "group": os.getpgid(0),
        }
        return {**_text("environment"), "structuredContent": value}

    async def _call_ping_back(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        if not caller.modern:
            with anyio.fail_after(5):
                await caller.ping()
        return _text("pong")

    async def _call_exit(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        os._exit(3)


def _text(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


async def _asked(caller: Caller, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The client's answer as structured content; its refusal as a result with isError."""
    try:
        answer = await caller.ask(method, params)
    except Refused as refused:
        return {**_text(f"the client refused ({refused.code}): {refused.message}"), "isError": True}
    return {**_text(f"answered {method}"), "structuredContent": answer}

"""What conformance tests want of a server besides what `features.py` has.

`server_v1.py --everything` and `server_v2.py --everything` serve it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
from features import PIXEL, PROMPTS, TOOLS, Caller, NeedsInput, Reference, _asked, _schema, _text, _tool

SOUND = base64.b64encode(
    b"RIFF\x26\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"
    b"data\x02\x00\x00\x00\x80\x80"
).decode()
DEFAULTS = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "default": "Ōsaka"},
        "floors": {"type": "integer", "default": 7},
        "rating": {"type": "number", "default": 4.5},
        "season": {"type": "string", "enum": ["wet", "dry"], "default": "dry"},
        "open": {"type": "boolean", "default": True},
    },
    "required": [],
}
CHOICES = {
    "type": "object",
    "properties": {
        "bare": {"type": "string", "enum": ["a", "b", "c"]},
        "titled": {"type": "string", "oneOf": [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]},
        "named": {"type": "string", "enum": ["a", "b"], "enumNames": ["First", "Second"]},
        "several": {"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}},
        "titled_several": {
            "type": "array",
            "items": {"anyOf": [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]},
        },
    },
    "required": [],
}
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
# What a printer or a validator of an older draft would lose.
DIALECT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/order",
    "type": "object",
    "$defs": {"place": {"$anchor": "place", "type": "object", "properties": {"street": {"type": "string"}}}},
    "properties": {
        "to": {"$ref": "#/$defs/place"},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        "how": {"oneOf": [{"const": "fast"}, {"const": "slow"}]},
    },
    "dependentRequired": {"how": ["to"]},
    "if": {"properties": {"how": {"const": "fast"}}},
    "then": {"required": ["pair"]},
    "unevaluatedProperties": False,
    "additionalProperties": False,
}
MIRRORED = _schema(
    {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "rest": {"type": "string"},
    },
    ["region"],
)


def _form(message: str, schema: dict[str, Any] = NAME) -> dict[str, Any]:
    return {"mode": "form", "message": message, "requestedSchema": schema}


def _question(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}], "maxTokens": 50}


THREE: dict[str, dict[str, Any]] = {
    "name": {"method": "elicitation/create", "params": _form("Your name?")},
    "greeting": {"method": "sampling/createMessage", "params": _question("Greet them.")},
    "places": {"method": "roots/list"},
}


class Everything(Reference):
    own_tools = TOOLS + [
        _tool("audio", "returns a sound"),
        _tool("embedded", "returns an embedded resource"),
        _tool("mixed", "returns a text, a picture and an embedded resource"),
        _tool("percent", "reports progress to a hundred"),
        _tool("elicit_defaults", "asks with a default in each field"),
        _tool("elicit_choices", "asks with each form of a choice"),
        _tool("order", "has a schema of draft 2020-12", DIALECT),
        _tool("mirrored", "has arguments that are mirrored in headers", MIRRORED),
        _tool("hang_up", "ends the stream of its call before it answers"),
        _tool("ask_aside", "asks what is not related to the call", _schema({"method": {"type": "string"}})),
        _tool("ask_three", "asks three things at once"),
        _tool("ask_twice", "asks one thing after the other"),
        _tool("step_and_ask", "reports progress, then asks"),
        _tool("change", "announces that a list has changed", _schema({"kind": {"type": "string"}})),
    ]
    prompts = [
        *PROMPTS,
        {
            "name": "embedding",
            "description": "embeds a resource",
            "arguments": [{"name": "uri", "description": "which", "required": True}],
        },
        {"name": "picture", "description": "shows a picture"},
        {"name": "asking", "description": "asks whom it is for"},
    ]

    async def prompt(self, name: str, arguments: dict[str, str], caller: Caller) -> dict[str, Any]:
        if name == "embedding":
            resource = {"uri": arguments["uri"], "mimeType": "text/plain", "text": "inside"}
            return _messages({"type": "resource", "resource": resource}, {"type": "text", "text": "Read it."})
        if name == "picture":
            image = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
            return _messages(image, {"type": "text", "text": "Look at it."})
        if name == "asking":
            if not caller.modern:
                answer = await caller.ask("elicitation/create", _form("For whom?"))
            elif "whom" not in caller.answers:
                raise NeedsInput({"whom": {"method": "elicitation/create", "params": _form("For whom?")}}, "whom")
            else:
                answer = caller.answers["whom"]
            return _messages({"type": "text", "text": f"for {answer['content']['name']}"})
        return await super().prompt(name, arguments, caller)

    async def _call_audio(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {"content": [{"type": "audio", "data": SOUND, "mimeType": "audio/wav"}]}

    async def _call_embedded(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {"content": [_inside("ref://inside", "text/plain", "inside")]}

    async def _call_mixed(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        picture = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
        return {
            "content": [{"type": "text", "text": "three"}, picture, _inside("ref://data", "application/json", '{"a":1}')]
        }

    async def _call_percent(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        for done in (0, 50, 100):
            await caller.progress(done, 100, None)
            await anyio.sleep(0.02)
        return _text("done")

    async def _call_elicit_defaults(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return await _asked(caller, "elicitation/create", _form("Which?", DEFAULTS))

    async def _call_elicit_choices(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return await _asked(caller, "elicitation/create", _form("Which?", CHOICES))

    async def _call_order(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return _text("ordered")

    async def _call_mirrored(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return _text(arguments["region"])

    async def _call_hang_up(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        await caller.progress(1, 2, "hanging up")
        await caller.close_stream()
        await anyio.sleep(0.2)
        return _text("called back")

    async def _call_ask_aside(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        method = arguments["method"]
        params = {
            "elicitation/create": _form("Who?"),
            "sampling/createMessage": _question("Say something."),
            "roots/list": {},
        }
        answer = await caller.ask(method, params[method], aside=True)
        return {**_text(f"answered {method}"), "structuredContent": answer}

    async def _call_ask_three(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        for capability in ("elicitation", "sampling", "roots"):
            caller.require(capability)
        answers = dict(caller.answers)
        if not caller.modern:
            for key, question in THREE.items():
                answers[key] = await caller.ask(question["method"], question.get("params", {}))
        missing = {key: question for key, question in THREE.items() if key not in answers}
        if missing:
            raise NeedsInput(missing, "three")
        return {**_text("answered"), "structuredContent": {key: answers[key] for key in THREE}}

    async def _call_ask_twice(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        first, second = _form("Your name?"), _form("Your friend's name?")
        caller.require("elicitation")
        if not caller.modern:
            answers = [await caller.ask("elicitation/create", params) for params in (first, second)]
        elif caller.state is None:
            raise NeedsInput({"first": {"method": "elicitation/create", "params": first}}, "1")
        elif caller.state == "1":
            state = json.dumps(caller.answers["first"])
            raise NeedsInput({"second": {"method": "elicitation/create", "params": second}}, state)
        else:
            answers = [json.loads(caller.state), caller.answers["second"]]
        return _text(" and ".join(answer["content"]["name"] for answer in answers))

    async def _call_step_and_ask(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        await caller.progress(1, 2, "thinking")
        return await _asked(caller, "elicitation/create", _form("Your name?"))

    async def _call_change(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        await caller.list_changed(arguments["kind"])
        return _text("announced")


def _inside(uri: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}}


def _messages(*contents: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents]}

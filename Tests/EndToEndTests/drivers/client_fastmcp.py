"""Client driver on `fastmcp`, whose clients bring their own handlers and result types."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import anyio
import mcp_types as types
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from scenarios import Events, PeerError, serve

warnings.simplefilter("ignore", MCPDeprecationWarning)

LISTS = {
    "tools": "list_tools_mcp",
    "resources": "list_resources_mcp",
    "resourceTemplates": "list_resource_templates_mcp",
    "prompts": "list_prompts_mcp",
}


def wire(model: Any) -> Any:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


async def raised(awaitable: Awaitable[Any]) -> Any:
    try:
        return wire(await awaitable)
    except MCPError as error:
        raise PeerError(error.code, error.message, error.data) from error


class ClientPeer:
    def __init__(self, client: Client[Any], events: Events) -> None:
        self.client, self.events = client, events
        version = client.protocol_version
        self.modern = version in MODERN_PROTOCOL_VERSIONS
        self.opened = {
            "protocolVersion": version,
            "capabilities": wire(client.server_capabilities),
            "serverInfo": wire(client.server_info) if client.server_info else None,
        }

    async def page(self, kind: str, cursor: str | None) -> Any:
        return await raised(getattr(self.client, LISTS[kind])(cursor=cursor))

    async def call(self, name: str, arguments: Any = None, progress: list[Any] | None = None) -> Any:
        report = None
        if progress is not None:

            async def report(done: float, total: float | None, message: str | None) -> None:
                progress.append([done, total, message])

        return await raised(self.client.call_tool_mcp(name, arguments or {}, progress_handler=report))

    async def read(self, uri: str) -> Any:
        return await raised(self.client.read_resource_mcp(uri))

    async def prompt(self, name: str, arguments: Any = None) -> Any:
        return await raised(self.client.get_prompt_mcp(name, arguments))

    async def complete(self, ref: Any, name: str, value: str, context: Any = None) -> Any:
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return await raised(self.client.complete_mcp(kind.model_validate(ref), {"name": name, "value": value}))

    async def ping(self) -> Any:
        return {"answered": await self.client.ping()}

    @contextlib.asynccontextmanager
    async def watch(self, uris: list[str], lists: bool) -> AsyncIterator[None]:
        for uri in uris:
            await raised(self.client.session.subscribe_resource(uri))
        yield
        for uri in uris:
            await raised(self.client.session.unsubscribe_resource(uri))


@contextlib.asynccontextmanager
async def open_peer(job: dict[str, Any]) -> AsyncIterator[ClientPeer]:
    events = Events()
    answers = job.get("answers", {})

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            body = wire(message)
            events.add(body["method"], body.get("params"))

    async def on_elicit(message: str, response_type: Any, params: Any, context: Any) -> Any:
        events.add("asked elicitation/create", wire(params))
        return answers["elicitation"]["content"]

    async def on_sample(messages: Any, params: Any, context: Any) -> str:
        events.add("asked sampling/createMessage", wire(params))
        return str(answers["sampling"]["content"]["text"])

    handlers: dict[str, Any] = {"message_handler": on_message}
    if "elicitation" in answers:
        handlers["elicitation_handler"] = on_elicit
    if "sampling" in answers:
        handlers["sampling_handler"] = on_sample
    if "roots" in answers:
        handlers["roots"] = [root["uri"] for root in answers["roots"]["roots"]]
    transport = StreamableHttpTransport(job["target"]["url"])
    async with Client(transport, mode=job.get("mode", "auto"), **handlers) as client:
        yield ClientPeer(client, events)


if __name__ == "__main__":
    anyio.run(serve, open_peer)

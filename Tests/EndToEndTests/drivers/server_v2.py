"""The reference server on `mcp` 2.x: both eras, over stdio, Streamable HTTP and HTTP+SSE."""

from __future__ import annotations

import contextlib
import warnings
import weakref
from functools import partial
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from event_store import Events
from everything import Everything
from features import INSTRUCTIONS, NeedsInput, Reference, Refused, options
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

warnings.simplefilter("ignore", MCPDeprecationWarning)

ASKS: dict[str, tuple[Any, Any, str]] = {
    "elicitation/create": (types.ElicitRequest, types.ElicitResult, "elicitation"),
    "sampling/createMessage": (types.CreateMessageRequest, types.CreateMessageResult, "sampling"),
    "roots/list": (types.ListRootsRequest, types.ListRootsResult, "roots"),
}

CHANGES: dict[str, Any] = {
    "tools": ToolsListChanged,
    "prompts": PromptsListChanged,
    "resources": ResourcesListChanged,
}


def wire(model: Any) -> dict[str, Any]:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


class Caller:
    """A request's way back to its client, in whichever era it came."""

    def __init__(self, server: ReferenceServer, ctx: ServerRequestContext[Any], params: Any) -> None:
        self.server, self.ctx, self.params = server, ctx, params
        self.modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        given = getattr(params, "input_responses", None) or {}
        self.answers = {key: answer if isinstance(answer, dict) else wire(answer) for key, answer in given.items()}
        self.state = getattr(params, "request_state", None)

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        await self.ctx.session.report_progress(progress, total, message)

    async def log(self, level: Any, data: Any) -> None:
        await self.ctx.session.send_log_message(level, data, "reference", related_request_id=self.ctx.request_id)

    async def close_stream(self) -> None:
        if self.ctx.close_sse_stream:
            await self.ctx.close_sse_stream()

    async def ask(self, method: str, params: dict[str, Any], aside: bool = False) -> dict[str, Any]:
        request, result, capability = ASKS[method]
        if self.modern:
            return self._ask_by_retry(method, params, capability)
        metadata = None if aside else ServerMessageMetadata(related_request_id=self.ctx.request_id)
        message = TypeAdapter(request).validate_python({"method": method, "params": params})
        try:
            return wire(await self.ctx.session.send_request(message, result, metadata=metadata))
        except MCPError as error:
            raise Refused(error.code, error.message, error.data) from error

    def require(self, capability: str) -> None:
        if self.modern and getattr(self.ctx.session.client_capabilities, capability, None) is None:
            message = f"the client did not declare {capability}"
            raise ProtocolRefusal(-32021, message, {"requiredCapabilities": {capability: {}}})

    def _ask_by_retry(self, method: str, params: dict[str, Any], capability: str) -> dict[str, Any]:
        self.require(capability)
        if "k1" not in self.answers:
            request = {"method": method, "params": params} if params else {"method": method}
            raise NeedsInput({"k1": request}, "state é 1")
        if self.state != "state é 1":
            raise ProtocolRefusal(-32602, f"wrong request state: {self.state}", None)
        return self.answers["k1"]

    async def list_changed(self, kind: str) -> None:
        await self.server.bus.publish(CHANGES[kind]())
        for session in self.server.legacy_sessions():
            await self._to(session, getattr(session, f"send_{kind.removesuffix('s')}_list_changed"))

    async def resource_updated(self, uri: str) -> None:
        await self.server.bus.publish(ResourceUpdated(uri=uri))
        for connection, uris in list(self.server.subscriptions.items()):
            session = self.server.sessions.get(connection)
            if uri in uris and session is not None:
                await self._to(session, partial(session.send_resource_updated, uri))

    async def ping(self) -> None:
        metadata = ServerMessageMetadata(related_request_id=self.ctx.request_id)
        await self.ctx.session.send_request(types.PingRequest(), types.EmptyResult, metadata=metadata)

    async def _to(self, session: Any, send: Any) -> None:
        # A session whose client has gone is no reason to fail the call.
        with anyio.move_on_after(1), contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await send()


class ProtocolRefusal(Exception):
    """A JSON-RPC error that must not be turned into a result with isError."""

    def __init__(self, code: int, message: str, data: Any) -> None:
        super().__init__(message)
        self.error = MCPError(code, message, data)


class ReferenceServer:
    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.bus = InMemorySubscriptionBus()
        # Keyed by connection: the SDK makes a session object for each request.
        self.sessions: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self.subscriptions: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
        self.server: Server[Any] = Server(
            reference.options.name,
            version="2.0",
            title="Reference",
            instructions=INSTRUCTIONS,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read_resource,
            on_subscribe_resource=self.subscribe,
            on_unsubscribe_resource=self.unsubscribe,
            on_subscriptions_listen=ListenHandler(self.bus),
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
            on_completion=self.complete,
            on_set_logging_level=self.set_level,
            get_tool_input_schema=self.input_schema,
        )
        self.levels: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def seen(self, ctx: ServerRequestContext[Any]) -> Any:
        connection = ctx.session._connection
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            self.sessions[connection] = ctx.session
        return connection

    def legacy_sessions(self) -> list[Any]:
        return list(self.sessions.values())

    def input_schema(self, name: str) -> Any:
        return next((tool["inputSchema"] for tool in self.reference.tools() if tool["name"] == name), None)

    async def list_tools(self, ctx: Any, params: Any) -> Any:
        self.seen(ctx)
        return types.ListToolsResult.model_validate(refusing(self.reference.tools_page, params and params.cursor))

    async def call_tool(self, ctx: Any, params: Any) -> Any:
        self.seen(ctx)
        caller = Caller(self, ctx, params)
        return await asking(self.reference.call(params.name, params.arguments or {}, caller), types.CallToolResult)

    async def list_resources(self, ctx: Any, params: Any) -> Any:
        self.seen(ctx)
        return types.ListResourcesResult.model_validate({"resources": self.reference.resources})

    async def list_templates(self, ctx: Any, params: Any) -> Any:
        return types.ListResourceTemplatesResult.model_validate({"resourceTemplates": self.reference.templates})

    async def read_resource(self, ctx: Any, params: Any) -> Any:
        return types.ReadResourceResult.model_validate(refusing(self.reference.read, str(params.uri)))

    async def subscribe(self, ctx: Any, params: Any) -> Any:
        self.subscriptions.setdefault(self.seen(ctx), set()).add(str(params.uri))
        return types.EmptyResult()

    async def unsubscribe(self, ctx: Any, params: Any) -> Any:
        self.subscriptions.setdefault(self.seen(ctx), set()).discard(str(params.uri))
        return types.EmptyResult()

    async def list_prompts(self, ctx: Any, params: Any) -> Any:
        return types.ListPromptsResult.model_validate({"prompts": self.reference.prompts})

    async def get_prompt(self, ctx: Any, params: Any) -> Any:
        caller = Caller(self, ctx, params)
        return await asking(self.reference.prompt(params.name, params.arguments or {}, caller), types.GetPromptResult)

    async def complete(self, ctx: Any, params: Any) -> Any:
        context = (params.context.arguments if params.context else None) or {}
        return types.CompleteResult.model_validate(
            self.reference.complete(wire(params.ref), wire(params.argument), context)
        )

    async def set_level(self, ctx: Any, params: Any) -> Any:
        self.levels[self.seen(ctx)] = params.level
        return types.EmptyResult()

    def initialization(self, *_: Any) -> Any:
        changes = NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True)
        return Server.create_initialization_options(self.server, changes)

    async def serve_stdio(self) -> None:
        async with stdio_server() as (read, write):
            await self.server.run(read, write, self.initialization())

    def sse_app(self) -> Starlette:
        transport = SseServerTransport("/messages/")

        async def connect(request: Any) -> Response:
            async with transport.connect_sse(request.scope, request.receive, request._send) as (read, write):
                await self.server.run(read, write, self.initialization())
            return Response()

        return Starlette(
            routes=[
                Route("/sse", endpoint=connect, methods=["GET"]),
                Mount("/messages/", app=transport.handle_post_message),
            ]
        )

    def http_app(self) -> Starlette:
        # The session manager asks the server itself for its options, without list-change flags.
        self.server.create_initialization_options = self.initialization  # type: ignore[method-assign]
        more = {"event_store": Events(), "retry_interval": 100} if self.reference.options.everything else {}
        return self.server.streamable_http_app(json_response=self.reference.options.json, **more)


async def asking(feature: Any, result: Any) -> Any:
    """The result of a feature, or what it needs of its client first."""
    try:
        return result.model_validate(await feature)
    except NeedsInput as needs:
        return types.InputRequiredResult.model_validate(
            {"resultType": "input_required", "inputRequests": needs.requests, "requestState": needs.state}
        )
    except Refused as refused:
        raise MCPError(refused.code, refused.message, refused.data) from refused
    except ProtocolRefusal as refusal:
        raise refusal.error from refusal


def refusing(feature: Any, *arguments: Any) -> Any:
    try:
        return feature(*arguments)
    except Refused as refused:
        raise MCPError(refused.code, refused.message, refused.data) from refused


def main() -> None:
    chosen = options()
    server = ReferenceServer((Everything if chosen.everything else Reference)(chosen))
    if chosen.transport == "stdio":
        anyio.run(server.serve_stdio)
        return
    app = server.http_app() if chosen.transport == "http" else server.sse_app()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=chosen.port,
        log_level="warning",
        timeout_graceful_shutdown=1,
        ssl_certfile=chosen.cert,
        ssl_keyfile=chosen.key,
    )


if __name__ == "__main__":
    main()

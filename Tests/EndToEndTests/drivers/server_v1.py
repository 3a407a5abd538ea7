"""The reference server on `mcp` 1.x: the legacy era, over stdio, Streamable HTTP, HTTP+SSE and WebSocket."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

import anyio
import mcp.types as types
import uvicorn
from event_store import Events
from everything import Everything
from features import INSTRUCTIONS, Reference, Refused, options
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.server.websocket import websocket_server
from mcp.shared.exceptions import McpError
from mcp.shared.message import ServerMessageMetadata
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute

ASKS: dict[str, tuple[Any, Any]] = {
    "elicitation/create": (types.ElicitRequest, types.ElicitResult),
    "sampling/createMessage": (types.CreateMessageRequest, types.CreateMessageResult),
    "roots/list": (types.ListRootsRequest, types.ListRootsResult),
}


def wire(model: Any) -> dict[str, Any]:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


class Caller:
    """A request's way back to its client."""

    modern = False
    answers: dict[str, Any] = {}
    state = None

    def __init__(self, server: ReferenceServer) -> None:
        self.server = server
        self.context = server.server.request_context
        self.session = self.context.session

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        token = self.context.meta.progressToken if self.context.meta else None
        if token is not None:
            related = str(self.context.request_id)
            await self.session.send_progress_notification(token, progress, total, message, related_request_id=related)

    async def log(self, level: Any, data: Any) -> None:
        await self.session.send_log_message(level, data, "reference", related_request_id=self.context.request_id)

    def require(self, capability: str) -> None:
        pass

    async def close_stream(self) -> None:
        if self.context.close_sse_stream:
            await self.context.close_sse_stream()

    async def ask(self, method: str, params: dict[str, Any], aside: bool = False) -> dict[str, Any]:
        request, result = ASKS[method]
        message = types.ServerRequest.model_validate(
            {"method": method, "params": params} if params else {"method": method}
        )
        metadata = None if aside else ServerMessageMetadata(related_request_id=self.context.request_id)
        try:
            return wire(await self.session.send_request(message, result, metadata=metadata))
        except McpError as error:
            raise Refused(error.error.code, error.error.message, error.error.data) from error

    async def list_changed(self, kind: str) -> None:
        for session in list(self.server.sessions):
            await self._to(getattr(session, f"send_{kind.removesuffix('s')}_list_changed")())

    async def resource_updated(self, uri: str) -> None:
        for session, uris in list(self.server.subscriptions.items()):
            if uri in uris:
                await self._to(session.send_resource_updated(uri))

    async def ping(self) -> None:
        metadata = ServerMessageMetadata(related_request_id=self.context.request_id)
        request = types.ServerRequest(types.PingRequest())
        await self.session.send_request(request, types.EmptyResult, metadata=metadata)

    async def _to(self, sending: Any) -> None:
        # A session whose client has gone is no reason to fail the call.
        with anyio.move_on_after(1), contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await sending


class ReferenceServer:
    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.server: Server[Any, Any] = Server(reference.options.name, version="1.0", instructions=INSTRUCTIONS)
        self.sessions: weakref.WeakSet[Any] = weakref.WeakSet()
        self.subscriptions: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
        handlers = {
            types.ListToolsRequest: self.list_tools,
            types.CallToolRequest: self.call_tool,
            types.ListResourcesRequest: self.list_resources,
            types.ListResourceTemplatesRequest: self.list_templates,
            types.ReadResourceRequest: self.read_resource,
            types.SubscribeRequest: self.subscribe,
            types.UnsubscribeRequest: self.unsubscribe,
            types.ListPromptsRequest: self.list_prompts,
            types.GetPromptRequest: self.get_prompt,
            types.CompleteRequest: self.complete,
            types.SetLevelRequest: self.set_level,
        }
        self.server.request_handlers.update({kind: self._answering(handler) for kind, handler in handlers.items()})

    def _answering(self, handler: Any) -> Any:
        async def answer(request: Any) -> types.ServerResult:
            self.sessions.add(self.server.request_context.session)
            try:
                return types.ServerResult(await handler(request.params))
            except Refused as refused:
                error = types.ErrorData(code=refused.code, message=refused.message, data=refused.data)
                raise McpError(error) from refused

        return answer

    async def list_tools(self, params: Any) -> Any:
        return types.ListToolsResult.model_validate(self.reference.tools_page(params and params.cursor))

    async def call_tool(self, params: Any) -> Any:
        result = await self.reference.call(params.name, params.arguments or {}, Caller(self))
        return types.CallToolResult.model_validate(result)

    async def list_resources(self, params: Any) -> Any:
        return types.ListResourcesResult.model_validate({"resources": self.reference.resources})

    async def list_templates(self, params: Any) -> Any:
        return types.ListResourceTemplatesResult.model_validate({"resourceTemplates": self.reference.templates})

    async def read_resource(self, params: Any) -> Any:
        return types.ReadResourceResult.model_validate(self.reference.read(str(params.uri)))

    async def subscribe(self, params: Any) -> Any:
        session = self.server.request_context.session
        self.subscriptions.setdefault(session, set()).add(str(params.uri))
        return types.EmptyResult()

    async def unsubscribe(self, params: Any) -> Any:
        session = self.server.request_context.session
        self.subscriptions.setdefault(session, set()).discard(str(params.uri))
        return types.EmptyResult()

    async def list_prompts(self, params: Any) -> Any:
        return types.ListPromptsResult.model_validate({"prompts": self.reference.prompts})

    async def get_prompt(self, params: Any) -> Any:
        result = await self.reference.prompt(params.name, params.arguments or {}, Caller(self))
        return types.GetPromptResult.model_validate(result)

    async def complete(self, params: Any) -> Any:
        context = (params.context.arguments if params.context else None) or {}
        return types.CompleteResult.model_validate(
            self.reference.complete(wire(params.ref), wire(params.argument), context)
        )

    async def set_level(self, params: Any) -> Any:
        return types.EmptyResult()

    def initialization(self, *_: Any) -> Any:
        changes = NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True)
        made = Server.create_initialization_options(self.server, changes)
        made.capabilities.resources.subscribe = True  # this SDK always writes false, whatever it serves
        return made

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

    def ws_app(self) -> Starlette:
        async def connect(socket: Any) -> None:
            async with websocket_server(socket.scope, socket.receive, socket.send) as (read, write):
                await self.server.run(read, write, self.initialization())

        return Starlette(routes=[WebSocketRoute("/mcp", endpoint=connect)])

    def http_app(self) -> Starlette:
        # The session manager asks the server itself for its options, without list-change flags.
        self.server.create_initialization_options = self.initialization  # type: ignore[method-assign]
        more = {}
        if self.reference.options.everything:
            local = ["127.0.0.1:*", "localhost:*"]
            security = TransportSecuritySettings(
                allowed_hosts=local, allowed_origins=[f"http://{host}" for host in local]
            )
            more = {"event_store": Events(), "retry_interval": 100, "security_settings": security}
        manager = StreamableHTTPSessionManager(self.server, json_response=self.reference.options.json, **more)

        class Endpoint:
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await manager.handle_request(scope, receive, send)

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> Any:
            async with manager.run():
                yield

        return Starlette(routes=[Route("/mcp", endpoint=Endpoint())], lifespan=lifespan)


def main() -> None:
    chosen = options()
    server = ReferenceServer((Everything if chosen.everything else Reference)(chosen))
    if chosen.transport == "stdio":
        anyio.run(server.serve_stdio)
        return
    app = {"http": server.http_app, "sse": server.sse_app, "ws": server.ws_app}[chosen.transport]()
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

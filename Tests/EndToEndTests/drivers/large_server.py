"""A legacy server over stdio without a library: `big` answers with as much as it is asked for, `wait` after a while."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("big", "wait")]
lock = threading.Lock()


def write(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def call(params: dict[str, Any]) -> str:
    arguments = params.get("arguments", {})
    if params["name"] == "wait":
        time.sleep(arguments.get("seconds", 1))
    return "x" * int(arguments.get("bytes", 0))


def result(message: dict[str, Any]) -> dict[str, Any]:
    match message["method"]:
        case "initialize":
            version = message["params"]["protocolVersion"]
            capabilities = {"tools": {}, "resources": {"subscribe": True}}
            info = {"name": "large", "version": "1"}
            return {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
        case "tools/list":
            return {"tools": TOOLS}
        case "resources/list":
            return {"resources": [{"uri": "ref://a", "name": "a"}]}
        case "resources/templates/list":
            return {"resourceTemplates": []}
        case "tools/call":
            return {"content": [{"type": "text", "text": call(message["params"])}]}
    return {}


def answer(message: dict[str, Any]) -> None:
    if message["method"] == "server/discover":
        return write({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "unknown"}})
    write({"jsonrpc": "2.0", "id": message["id"], "result": result(message)})


for line in sys.stdin:
    received = json.loads(line)
    if "id" in received and "method" in received:
        if received.get("params", {}).get("name") == "wait":
            threading.Thread(target=answer, args=(received,), daemon=True).start()
        else:
            answer(received)

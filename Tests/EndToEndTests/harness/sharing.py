"""A child for several clients, a program of its own: `sharing.py legacy|modern`. Its tools ask and log as told."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

LOCK = threading.Lock()
ANSWERS: dict[str, Any] = {}
ARRIVED = threading.Condition()
DECLARED: dict[str, Any] = {}
MODERN = sys.argv[1:] == ["modern"]


def say(**message: Any) -> None:
    with LOCK:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def log(text: str, level: str) -> None:
    say(method="notifications/message", params={"level": level, "data": text})


def ask(number: Any, method: str, params: Any) -> Any:
    name = f"of {number}"
    say(id=name, method=method, params=params)
    with ARRIVED:
        ARRIVED.wait_for(lambda: name in ANSWERS, 30)
    return ANSWERS.pop(name, {})


def call(number: Any, name: str, own: dict[str, Any]) -> None:
    time.sleep(own.get("delay", 0))
    outcome: dict[str, Any] = {"content": [{"type": "text", "text": json.dumps(DECLARED)}]}
    if MODERN:
        outcome["resultType"] = "complete"
    if name == "log":
        log(own["text"], own.get("level", "info"))
        time.sleep(own.get("afterwards", 0))
    if name == "refuse":
        return say(id=number, error={"code": -32021, "message": "no", "data": {"requiredCapabilities": own["needs"]}})
    if name == "ask":
        answer = ask(number, own["method"], own.get("params", {}))
        outcome["content"][0]["text"] = json.dumps(answer)
        if "error" in answer and own.get("then") == "error":
            return say(id=number, error={"code": 0, "message": "it was refused"})
        if "error" in answer and own.get("then") == "failure":
            outcome["isError"] = True
    say(id=number, result=outcome)
    if name == "log" and "late" in own:
        log(own["late"], own.get("level", "info"))


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        method, number, own = message.get("method"), message.get("id"), message.get("params", {})
        if method is None:
            with ARRIVED:
                ANSWERS[number] = {key: message[key] for key in ("result", "error") if key in message}
                ARRIVED.notify_all()
            continue
        if number is None:
            continue
        offer = {"capabilities": {"tools": {}, "logging": {}}}
        cache = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if MODERN else {}
        match method:
            case "initialize" if not MODERN:
                DECLARED.update(own["capabilities"])
                version = own["protocolVersion"]
                info = {"name": "s", "version": "1"}
                say(id=number, result={"protocolVersion": version, "serverInfo": info, **offer})
            case "server/discover" if MODERN:
                say(id=number, result={**cache, "supportedVersions": ["2026-07-28"], **offer})
            case "tools/list":
                names = ("ask", "log", "refuse")
                tools = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
                say(id=number, result={**cache, "tools": tools})
            case "logging/setLevel":
                say(id=number, result={})
            case "tools/call":
                arguments = (number, own["name"], own.get("arguments", {}))
                threading.Thread(target=call, args=arguments, daemon=True).start()
            case _:
                say(id=number, error={"code": -32601, "message": f"nobody knows {method}"})


if __name__ == "__main__":
    main()

"""A web server with our `Server` and an application that floods, or reads slowly: `python -m tests.flood PORT`."""

import asyncio
import sys
from typing import Any
from urllib.parse import parse_qs

import project.server as web
from project import backpressure

CHUNK = 64 * 1024


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    query = {key: int(values[0]) for key, values in parse_qs(scope["query_string"].decode()).items()}
    await (_http if scope["type"] == "http" else _websocket)(scope["path"], query, receive, send)


async def _http(path: str, query: dict[str, int], receive: Any, send: Any) -> None:
    received, messages = 0, 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        received += len(message["body"])
        messages += 1
        await asyncio.sleep(0)
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/flood":
        for _ in range(query["bytes"] // CHUNK):
            await send({"type": "http.response.body", "body": b"x" * CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": f"{received} in {messages}".encode()})


async def _websocket(path: str, query: dict[str, int], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    if path == "/flood":
        text = "x" * query.get("frame", CHUNK)
        for _ in range(query["bytes"] // len(text)):
            await send({"type": "websocket.send", "text": text})
    if path == "/deaf":
        await asyncio.sleep(query["seconds"])
    received = 0
    while query.get("messages", 0) > received:
        received += (await receive())["type"] == "websocket.receive"
    await send({"type": "websocket.send", "text": f"received {received}"})
    await send({"type": "websocket.close"})


if __name__ == "__main__":
    port, stall = int(sys.argv[1]), float(sys.argv[2])
    backpressure.Valve.drained.__defaults__ = (stall,)
    server = web.Server(
        application=application,
        endpoints=[f"tcp:{port}:interface=127.0.0.1"],
        max_body=64 * 1024 * 1024,
        websocket_max_message_size=1024 * 1024,
        websocket_max_frame_size=1024 * 1024,
        ping_interval=1,
        ping_timeout=2,
    )
    server.run()

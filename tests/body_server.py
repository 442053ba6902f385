"""A web server with our `Server` and an application that takes bodies as it likes: `python -m tests.body_server PORT`.

Silence ends a connection after a second.
"""

import asyncio
import sys
from typing import Any

import project.server as web
from project import request

SILENCE = 1.0
left: list[str] = []  # requests whose client went away in the middle of its body


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    path = scope["path"]
    if path == "/left":
        await answer(send, ",".join(left))
    elif path == "/early":
        await answer(send, "early")
    elif path == "/broken":
        await begin(send)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("the application fails in the middle of its answer")
    elif path == "/both":
        await begin(send)
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await send({"type": "http.response.body", "body": str(await size_of(receive, path)).encode()})
    else:
        if path == "/late":
            await asyncio.sleep(2.5 * SILENCE)
        size = await size_of(receive, path)
        await answer(send, str(size))


async def size_of(receive: Any, path: str) -> int:
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if not message["more_body"]:
            return size
    left.append(path)
    return -1


async def begin(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def answer(send: Any, text: str) -> None:
    await begin(send)
    await send({"type": "http.response.body", "body": text.encode()})


class Factory(request.RequestFactory):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.timeOut = SILENCE


if __name__ == "__main__":
    request.RequestFactory = Factory  # type: ignore[misc]
    web.Server(
        application=application, endpoints=[f"tcp:{sys.argv[1]}:interface=127.0.0.1"], max_body=256 * 1024 * 1024
    ).run()

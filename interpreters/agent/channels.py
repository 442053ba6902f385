"""The WebSocket of a sandbox's log: entries out, verbs in, and neither waits for the other."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from .errors import Refusal, bad_request
from .execution import MAX_CODE, Execution
from .http import Request, head
from .journal import Journal
from .messages import Json, dump
from .sandbox import DEFAULT, Sandbox
from .websocket import WebSocket

MAX_OP = 2 * MAX_CODE + (64 << 10)


async def follow(journal: Journal, after: int, write: Callable[[list[bytes]], Awaitable[None]]) -> None:
    """Write every entry behind `after`, for ever, as fast as the reader takes them."""
    with journal.flow.reader():
        while True:
            batch, after = journal.log.read(after)
            if batch:
                await write(batch)
                journal.flow.took(after)
                await asyncio.sleep(0)  # a fast reader never makes `write` wait, and others must have their turn
            else:
                await journal.log.wait(after)


async def until_gone(request: Request, work: Awaitable[None]) -> None:
    """Do endless work until the client hangs up."""
    task = asyncio.ensure_future(work)
    try:
        await request.gone()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def stream_log(sandbox: Sandbox, request: Request) -> None:
    """`GET /log?follow=1`: NDJSON, until the client hangs up."""
    after = request.number("after", 0)
    request.writer.write(head(200, {"Content-Type": "application/x-ndjson", "Connection": "close"}))

    async def write(batch: list[bytes]) -> None:
        request.writer.write(b"\n".join([*batch, b""]))
        await request.writer.drain()

    await until_gone(request, follow(sandbox.journal, after, write))


async def serve_channels(sandbox: Sandbox, request: Request) -> None:
    now = request.query.get("from") == "end"
    after = sandbox.journal.log.seq if now else request.number("after", 0)
    socket = WebSocket.accept(request, MAX_OP)

    async def write(batch: list[bytes]) -> None:
        socket.send_all(batch)
        await socket.drain()

    follower = asyncio.create_task(follow(sandbox.journal, after, write))
    chores: set[asyncio.Task[None]] = set()
    try:
        async for message in socket:
            chore = Ops(sandbox, socket).take(message)
            if chore is not None:
                chores.add(chore)
                chore.add_done_callback(chores.discard)
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


class Ops:
    """What a client may ask for on the channel."""

    def __init__(self, sandbox: Sandbox, socket: WebSocket) -> None:
        self._sandbox, self._socket = sandbox, socket

    def take(self, message: str | bytes) -> asyncio.Task[None] | None:
        """Do one op; a task for one that takes its time."""
        op: Json = {}
        try:
            op = _parse(message)
            if op["op"] == "restart":
                return self._restart(op)
            self._do(op)
        except Refusal as refusal:
            self._refuse(op, refusal)
        return None

    def _do(self, op: Json) -> None:
        sandbox = self._sandbox
        name = _context(op)
        match op["op"]:
            case "execute":
                sandbox.execute(name, op)
            case "interrupt":
                sandbox.context(name).interrupt()
            case "input":
                sandbox.touch()
                sandbox.context(name).answer(input_value(op))
            case "cancel":
                sandbox.cancel(str(op.get("id")))
            case "message":
                self._forward(name, op)
            case other:
                raise bad_request(f"There is no op {other!r:.80}")

    def _forward(self, name: str, op: Json) -> None:
        channel, message = op.get("channel"), op.get("msg")
        if channel not in ("shell", "control") or not isinstance(message, dict):
            raise bad_request("`message` needs a `channel`, shell or control, and a `msg`")
        header = message.get("header")
        if not isinstance(header, dict) or not all(isinstance(header.get(key), str) for key in ("msg_id", "msg_type")):
            raise bad_request("The `msg` needs a `header` with a `msg_id` and a `msg_type`")
        if not all(isinstance(message.get(part, {}), dict) for part in ("content", "parent_header", "metadata")):
            raise bad_request("The parts of a `msg` must be objects")
        if header.get("msg_type") != "execute_request":
            self._sandbox.context(name).forward(channel, message)
            return
        # A run of code waits in our line, however it was asked for.
        body = {**(message.get("content") or {}), "id": header.get("msg_id")}
        execution = Execution.from_request(name, body)
        execution.request = message
        self._sandbox.enqueue(execution)

    def _restart(self, op: Json) -> asyncio.Task[None]:
        self._sandbox.touch()
        restarting = self._sandbox.context(_context(op)).restart()

        async def wait() -> None:
            try:
                await restarting
            except Refusal as refusal:
                self._refuse(op, refusal)

        return asyncio.create_task(wait())

    def _refuse(self, op: Json, refusal: Refusal) -> None:
        self._socket.send(dump({**refusal.body(), "op": op.get("op"), "id": op.get("id")}))


def _parse(message: str | bytes) -> Json:
    try:
        op: Any = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"Not JSON: {error}") from None
    if not isinstance(op, dict) or not isinstance(op.get("op"), str):
        raise bad_request("A message must be an object with an `op`")
    return op


def _context(op: Json) -> str:
    name = op.get("context") or DEFAULT
    if not isinstance(name, str):
        raise bad_request("`context` must be a text")
    return name


def input_value(body: Json) -> str:
    value = body.get("value")
    if not isinstance(value, str) or len(value) > MAX_CODE:
        raise bad_request("`value` must be a text of at most 1 MiB")
    return value

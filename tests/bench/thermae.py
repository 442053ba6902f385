"""Our own side of the comparison: a client of the public REST and WebSocket protocols, as in docs/protocol.md."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import msgspec

from tests.bench.waiting import until

FINAL = ("ok", "error", "aborted", "cancelled", "lost")


class Header(msgspec.Struct):
    msg_type: str = ""


class Parent(msgspec.Struct):
    msg_id: str = ""


class Content(msgspec.Struct):
    text: str = ""
    state: str = ""


class Entry(msgspec.Struct):
    """Of an entry of the log, what a measurement needs."""

    seq: int = 0
    channel: str = ""
    header: Header = msgspec.field(default_factory=Header)
    parent_header: Parent = msgspec.field(default_factory=Parent)
    content: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


decode_entry = msgspec.json.Decoder(Entry).decode
decode_content = msgspec.json.Decoder(Content).decode


@dataclass(slots=True)
class Finished:
    """How an execution ended, and the bytes of stream text that arrived on the way."""

    state: str
    printed: int = 0


class Thermae:
    """One token's view of an installation."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """One REST call. Raises RuntimeError with the server's words when it refuses."""
        async with self.http.request(method, f"/api/v1{path}", json=body) as response:
            text = await response.text()
            if not response.ok:
                raise RuntimeError(f"{method} {path}: {response.status} {text[:500]}")
            return json.loads(text) if text else None

    async def open(self, pool: str, identifier: str = "") -> dict[str, Any]:
        """A session of a new identifier, as it is at once; it may still be starting."""
        body = {"pool": pool, "identifier": identifier or uuid.uuid4().hex}
        session: dict[str, Any] = await self.call("POST", "/sessions", body)
        return session

    async def close(self, session: str) -> None:
        await self.call("DELETE", f"/sessions/{session}")

    async def ready(self, pool: str) -> int:
        """How many instances of a pool wait for a holder."""
        return next(int(found["ready"]) for found in await self.call("GET", "/pools") if found["name"] == pool)

    async def await_ready(self, pool: str, count: int, timeout: float = 120) -> float:
        async def enough() -> bool:
            return await self.ready(pool) >= count

        return await until(enough, f"{count} ready instances of {pool}", timeout)

    @asynccontextmanager
    async def session(self, pool: str) -> AsyncIterator[str]:
        """The id of a session that was ready at once, closed at the end."""
        await self.await_ready(pool, 1)
        session = str((await self.open(pool))["id"])
        try:
            yield session
        finally:
            await self.close(session)

    @asynccontextmanager
    async def cells(self, session: str, after: int = 0) -> AsyncIterator["Cells"]:
        path = f"/ws/sessions/{session}/channels?after={after}"
        async with self.http.ws_connect(path, decode_text=False, max_msg_size=0) as socket:
            yield Cells(socket)

    @asynccontextmanager
    async def terminal(self, session: str, name: str = "bench") -> AsyncIterator["Terminal"]:
        async with self.http.ws_connect(f"/ws/sessions/{session}/terminals/{name}?rows=24&cols=200") as socket:
            yield Terminal(socket)


class Cells:
    """The WebSocket of a notebook page."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse[Literal[False]]") -> None:
        self.socket = socket
        self.seq = 0

    async def send(self, code: str) -> str:
        """Ask for an execution; returns its id."""
        execution = str(uuid.uuid4())
        await self.socket.send_str(json.dumps({"type": "execute", "id": execution, "code": code}))
        return execution

    async def finish(self, execution: str, timeout: float = 120) -> Finished:
        """Follow until the execution is in a final state. Raises RuntimeError when the server says no or hangs up."""
        seen = Finished("")
        async with asyncio.timeout(timeout):
            while True:
                entry = await self.receive()
                if entry.channel == "session" or entry.parent_header.msg_id != execution:
                    continue
                msg_type = entry.header.msg_type
                if msg_type == "stream":
                    seen.printed += len(decode_content(entry.content).text)
                elif msg_type == "execution_state":
                    seen.state = decode_content(entry.content).state
                    if seen.state in FINAL:
                        return seen

    async def receive(self) -> Entry:
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"The WebSocket closed with {self.socket.close_code}.")
        entry = decode_entry(message.data)
        if entry.channel == "session" and b'"type":"error"' in message.data.replace(b'": "', b'":"'):
            raise RuntimeError(message.data.decode())
        self.seq = max(self.seq, entry.seq)
        return entry

    async def execute(self, code: str, timeout: float = 120) -> Finished:
        return await self.finish(await self.send(code), timeout)

    async def run(self, times: int, code: str = "1+1") -> list[float]:
        """Seconds of each of so many round trips."""
        samples = []
        for _ in range(times):
            began = time.perf_counter()
            finished = await self.execute(code)
            samples.append(time.perf_counter() - began)
            if finished.state != "ok":
                raise RuntimeError(f"A cell ended as {finished.state}.")
        return samples

    async def interrupt(self) -> None:
        await self.socket.send_str('{"type": "interrupt"}')


class Terminal:
    """The WebSocket of a terminal."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, data: bytes) -> None:
        await self.socket.send_bytes(data)

    async def receive(self) -> bytes:
        """The next bytes that the shell printed."""
        while True:
            message = await self.socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                return bytes(message.data)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise ConnectionError(f"The terminal closed with {self.socket.close_code}.")

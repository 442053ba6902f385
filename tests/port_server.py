"""Somebody's server in a sandbox, of few words: HTTP/1.1 byte for byte, so that it can answer what no library would."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from aiohttp import web

PIECE = b"x" * 65536


class PortServer:
    """What a request is answered is decided by its path; what came is kept in `heads`."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self.raw = b""  # the answer of /raw
        self.say = asyncio.Event()  # the next event of /events
        self.left = asyncio.Event()  # a client has hung up on /endless

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            path = head.split(b" ")[1].partition(b"?")[0].decode().strip("/") or "echo"
            verb = getattr(self, f"do_{path.split('/')[0]}", self.do_echo)
            await verb(head, reader, writer)
            await writer.drain()
        writer.close()

    async def body(self, head: bytes, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        fields = {name.lower(): value.strip() for name, _, value in (x.partition(b":") for x in head.split(b"\r\n"))}
        if b"transfer-encoding" in fields:
            while size := int(await reader.readline(), 16):
                yield await reader.readexactly(size)
                await reader.readexactly(2)
            while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
                self.heads.append(line)
            return
        left = int(fields.get(b"content-length", b"0"))
        while left and (piece := await reader.read(min(left, 65536))):
            left -= len(piece)
            yield piece

    async def do_echo(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 0
        async for piece in self.body(head, reader):
            size += len(piece)
        answer = json.dumps({"head": head.decode("latin-1"), "size": size}).encode()
        self.sized(writer, answer)

    def sized(self, writer: asyncio.StreamWriter, answer: bytes, status: bytes = b"200 OK") -> None:
        writer.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(answer), answer)
        )

    async def do_both(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Every piece goes back as it comes."""
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        async for piece in self.body(head, reader):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def do_events(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(3):
            await self.say.wait()
            self.say.clear()
            writer.write(b"data: %d\n\n" % number)
            await writer.drain()

    async def do_trailers(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        writer.write(b"0\r\nX-Sum: 6\r\nContent-Length: 7\r\n\r\n")

    async def do_hints(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        self.sized(writer, b"ok")

    async def do_asked(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As a server does that looks at a head before it wants the body."""
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await self.do_echo(head, reader, writer)

    async def do_refuses(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers, and hangs up, without reading a byte of the body."""
        self.sized(writer, b"no", b"413 Too Large")

    async def do_endless(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not reader.at_eof():
                writer.write(PIECE)
                await writer.drain()
        finally:
            self.left.set()

    async def do_down(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int(head.split(b" ")[1].partition(b"=")[2])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()

    async def do_raw(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.raw)


@contextlib.asynccontextmanager
async def port_server(port: int = 0) -> AsyncIterator[PortServer]:
    server = PortServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port, limit=1 << 20)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


@contextlib.asynccontextmanager
async def socket_server() -> AsyncIterator[int]:
    """WebSocket: echoes, closes with the code that it is told, or refuses the handshake; yields its port."""

    closed: list[int | None] = []

    async def talk(request: web.Request) -> web.StreamResponse:
        if request.path == "/no":
            return web.Response(status=418)
        socket = web.WebSocketResponse(protocols=("chat",), max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is web.WSMsgType.TEXT and message.data.startswith("close "):
                await socket.close(code=int(message.data.split()[1]), message=b"as told")
            elif message.type is web.WSMsgType.TEXT and message.data == "headers":
                await socket.send_json([[name.lower(), value] for name, value in request.headers.items()])
            elif message.type is web.WSMsgType.TEXT and message.data == "closed":
                await socket.send_json(closed)
            elif message.type is web.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        closed.append(socket.close_code)
        return socket

    application = web.Application()
    application.router.add_get("/{any:.*}", talk)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()

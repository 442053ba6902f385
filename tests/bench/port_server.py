"""Runs in a sandbox: a server of the standard library alone, and its nearest client, who measures beside it.

The bench sends this text to a kernel: `serve()` answers in a thread of it, `measure_…` are called in cells. In an image
of its own it is the program: `port_server.py serve` answers, `port_server.py measure_requests 10` prints a list.
"""

import asyncio
import base64
import hashlib
import os
import socket
import struct
import sys
import threading
import time

PORT = 8765
PIECE = b"x" * 262144


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
            path = head.split(" ")[1].partition("?")[0]
            if "sec-websocket-key" in fields:
                await _echo(fields["sec-websocket-key"], reader, writer)
                return
            if path.startswith("/down/"):
                await _down(int(path.rpartition("/")[2]), writer)
            else:
                answer = b"%d" % await _count(fields, reader)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
            await writer.drain()
            if fields.get("connection", "").lower() == "close":
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _down(size: int, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    while size > 0:
        writer.write(PIECE[:size])
        size -= len(PIECE)
        await writer.drain()


async def _count(fields: dict[str, str], reader: asyncio.StreamReader) -> int:
    left = size = int(fields.get("content-length", "0"))
    while left > 0 and (piece := await reader.read(262144)):
        left -= len(piece)
    return size - left


async def _echo(key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept)
    while True:
        kind, size = await reader.readexactly(2)
        mask, data = await reader.readexactly(4), await reader.readexactly(size & 0x7F)
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        writer.write(bytes((kind, len(plain))) + plain)
        if kind & 0xF == 8:
            return


def serve() -> None:
    async def run() -> None:
        server = await asyncio.start_server(_talk, "127.0.0.1", PORT, limit=1 << 20)
        started.set()
        await server.serve_forever()

    started = threading.Event()
    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    started.wait(10)


def measure_requests(times: int) -> list[float]:
    """Seconds of requests on one connection, from beside the server."""
    with socket.create_connection(("127.0.0.1", PORT)) as line:
        return [_timed(line, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(times)]


def measure_first(times: int) -> list[float]:
    """Seconds of requests that each have a connection of their own."""
    return [_connected_and_asked() for _ in range(times)]


def _connected_and_asked() -> float:
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", PORT)) as line:
        _timed(line, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return time.perf_counter() - began


def measure_echoes(times: int) -> list[float]:
    with socket.create_connection(("127.0.0.1", PORT)) as line:
        key = base64.b64encode(os.urandom(16))
        _timed(line, b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Key: %b\r\n\r\n" % key)
        return [_timed(line, struct.pack("!BBI", 0x81, 0x81, 0) + b"x") for _ in range(times)]


def _timed(line: socket.socket, message: bytes) -> float:
    began = time.perf_counter()
    line.sendall(message)
    line.recv(65536)
    return time.perf_counter() - began


if __name__ == "__main__" and len(sys.argv) > 1:  # a kernel's own arguments begin with "-f"
    if sys.argv[1] == "serve":
        serve()
        threading.Event().wait()
    elif sys.argv[1] == "serve_and_ask":
        serve()
        print(measure_first(1), flush=True)
    elif sys.argv[1].startswith("measure_"):
        print(globals()[sys.argv[1]](int(sys.argv[2])))

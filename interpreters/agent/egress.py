"""The way out, as programs in the sandbox see it: a proxy at 127.0.0.1:3128, for HTTP and SOCKS5.

Nothing is decided here. Each connection is carried, as bytes, to a Unix socket of the host's, behind which a proxy
reads what is asked and decides.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

SOCKET = "/run/egress/proxy.sock"
PORT = 3128
CHUNK = 64 << 10
MOST_CONNECTIONS = 64
DEADLINE = 10.0  # seconds to be connected, and for the last bytes to go out
LINGER = 1.0
NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"The network access of this sandbox is not available at the moment: try again later.\n"
)


async def offer(environ: Mapping[str, str], path: str = SOCKET, port: int = PORT) -> asyncio.Server | None:
    """Listen if the launch says that this sandbox has egress; keep what is returned. Raises OSError."""
    if environ.get("THERMAE_EGRESS") != "1":
        return None
    room = asyncio.Semaphore(MOST_CONNECTIONS)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not room.locked():  # one too many is hung up on: waiting, it would hold a file of ours
                async with room:
                    await _carry(reader, writer, path)
        except OSError:
            pass  # either side has hung up
        finally:
            writer.transport.abort()

    return await asyncio.start_server(serve, "127.0.0.1", port, limit=CHUNK, backlog=MOST_CONNECTIONS)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE):
            far_reader, far_writer = await asyncio.open_unix_connection(path, limit=CHUNK)
    except (OSError, TimeoutError):
        await _tell(NOBODY, reader, writer)
        return
    for one in (writer, far_writer):
        one.transport.set_write_buffer_limits(high=CHUNK)
    out = asyncio.create_task(_pump(reader, far_writer))
    back = asyncio.create_task(_pump(far_reader, writer))
    try:
        # A side that has ended its sending still gets the rest; one that failed ends both.
        await asyncio.wait((out, back), return_when=asyncio.FIRST_EXCEPTION)
        await _close(writer)
    finally:
        for task in (out, back):
            task.cancel()
        await asyncio.gather(out, back, return_exceptions=True)
        far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _tell(answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """And let the client hear it: a connection that is closed on what it has just sent would be reset instead."""
    writer.write(answer)
    writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while await reader.read(CHUNK):
                pass


async def _close(writer: asyncio.StreamWriter) -> None:
    """Once everything written has been sent."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(DEADLINE):
            writer.close()
            await writer.wait_closed()

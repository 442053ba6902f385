"""Files of a sandbox, streamed: nothing here holds more than a chunk."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp

from interpreters.client import wire
from interpreters.client.base import AgentError, Download
from interpreters.client.http.line import BASE, Line, read, refusal

# Seconds without a byte after which a transfer is given up. A transfer as a whole may take as long as it likes.
SILENCE = 60.0
CHUNK = 256 * 1024
_ETAG = re.compile(r'"([0-9a-f-]{1,80})"')
_TOTAL = re.compile(r"bytes \d+-\d+/(\d{1,18})")


def address(path: str) -> str:
    return f"/files/{quote(path)}"


@asynccontextmanager
async def download(line: Line, path: str, start: int = 0) -> AsyncIterator[Download]:
    """The body from byte `start`, and the size of the whole, or None where it is not known before the end."""
    headers = {"Range": f"bytes={start}-"} if start else None
    with line.failures():
        response = await line.http.get(BASE + path, headers=headers, allow_redirects=False, timeout=_patient())
    async with response:
        if response.status not in (200, 206):
            with line.failures():
                answer = await read(response, wire.MAX_ANSWER)
            raise refusal(response.status, answer)
        with line.streaming():
            yield Download(_size(response), _chunks(line, response), _tag(response))


async def _chunks(line: Line, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with line.failures():
        async for chunk in response.content.iter_chunked(CHUNK):
            yield chunk


def _size(response: aiohttp.ClientResponse) -> int | None:
    if response.status == 206 and (total := _TOTAL.fullmatch(response.headers.get("Content-Range", ""))):
        return int(total[1])
    return response.content_length


def _tag(response: aiohttp.ClientResponse) -> str:
    found = _ETAG.fullmatch(response.headers.get("ETag", ""))
    return found[1] if found else ""


async def upload(line: Line, path: str, body: AsyncIterator[bytes], given: str | None = None) -> str:
    """Send `body` to the file; its tag then. An error that `body` raises is raised here, and changes nothing.

    `given`: the tag that the file must still have; empty: there must be none yet.
    """
    conditions = {} if given is None else {"If-Match": f'"{given}"'} if given else {"If-None-Match": "*"}
    return (await _send(line, "PUT", address(path), body, conditions))[1]


async def restore(line: Line, body: AsyncIterator[bytes]) -> bytes:
    """Send what was kept, to be put back; the agent's answer."""
    return (await _send(line, "PUT", "/keep", body))[0]


async def unpack(line: Line, path: str, body: AsyncIterator[bytes]) -> bytes:
    """Send an archive to be unpacked in a folder; the agent's answer. All of it is there, or nothing."""
    return (await _send(line, "POST", f"/archive?path={quote(path)}", body))[0]


async def _send(
    line: Line, method: str, place: str, body: AsyncIterator[bytes], headers: Mapping[str, str] | None = None
) -> tuple[bytes, str]:
    """The agent's answer, and the tag of what was written."""
    source = _Source(body)
    try:
        with line.failures(), line.streaming():
            sending = line.http.request(method, BASE + place, data=source.chunks(), headers=headers, timeout=_patient())
            async with sending as response:
                answer = await read(response, wire.MAX_ANSWER)
    except AgentError:
        if source.error is not None:
            raise source.error from None
        raise
    if response.status >= 300:
        raise refusal(response.status, answer)
    return answer, _tag(response)


class _Source:
    """Remembers why a body ended early: aiohttp would only say that sending failed."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self.error: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                yield chunk
        except Exception as error:
            self.error = error
            raise


def _patient() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE)

"""The line to one agent: the checked socket, kept connections, bounded answers, and errors in our words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import msgspec

from interpreters.client import wire
from interpreters.client.base import AgentError, AgentMisbehaved, AgentRefused, AgentUnavailable
from interpreters.client.socket import open_socket

BASE = "http://agent"
# Seconds for a question with an answer. A kernel that does not complete within 5 s is a 503 of the agent's.
ANSWER = 10.0
CONNECTIONS = 256
# What an agent may say to a caller; any other status is a broken agent.
REFUSALS = frozenset({400, 404, 409, 413, 416, 503, 507})


class Line:
    """Belongs to one event loop. Opened at first use, kept between calls; `close()` ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = -1
        self._http: aiohttp.ClientSession | None = None
        self.streams = 0  # open channels, terminals and transfers

    @property
    def http(self) -> aiohttp.ClientSession:
        """The open client. Cookies, proxies and compression are off: an agent has no use for them."""
        if self._http is None:
            self._socket = open_socket(self._folder)
            self._http = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=f"/proc/self/fd/{self._socket}", limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=ANSWER),
            )
        return self._http

    async def close(self) -> None:
        http, self._http = self._http, None
        if self._socket >= 0:
            os.close(self._socket)
            self._socket = -1
        if http is not None:
            await http.close()

    def abandon(self) -> None:
        """Let go without a word, for a process that ends: its loop does not run any more."""
        if self._http is not None and self._http.connector is not None:
            with suppress(RuntimeError):
                self._http.connector.close()

    async def ask(
        self, method: str, path: str, body: object = None, *, limit: int = wire.MAX_ANSWER, within: float = ANSWER
    ) -> bytes:
        """One question and its whole answer: at most `limit` bytes, within so many seconds. Raises AgentError."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if data is not None else None
        try:
            async with self.http.request(
                method,
                BASE + path,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=within),
            ) as response:
                answer = await read(response, limit)
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                # Nobody listens at the inode that we hold. It may have been made anew: look again next time.
                await self.close()
            raise translated(error) from error
        if response.status >= 300:
            raise refusal(response.status, answer)
        return answer

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count a stream while it is open: such a line is not idle."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    @contextmanager
    def failures(self) -> Iterator[None]:
        """For streams: the same translation of errors as `ask` does."""
        try:
            yield
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise translated(error) from error


async def read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, refused as soon as it is known to exceed `limit` bytes."""
    body = bytearray()
    if (response.content_length or 0) <= limit:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                break
        else:
            return bytes(body)
    response.close()
    raise AgentMisbehaved(f"The sandbox sent an answer of more than {limit} bytes.")


def translated(error: Exception) -> AgentError:
    """aiohttp's errors as ours: who does not answer is unavailable, who answers nonsense misbehaves."""
    if isinstance(error, TimeoutError):
        return AgentUnavailable("The sandbox did not answer in time.")
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return AgentMisbehaved("The sandbox sent an answer that is not HTTP as we know it.")
    return AgentUnavailable("The sandbox does not answer.")


def refusal(status: int, answer: bytes) -> AgentError:
    """What a status of 300 or more means."""
    if status in REFUSALS:
        return AgentRefused(status, *wire.error(answer))
    if status >= 500:
        return AgentUnavailable("The sandbox failed to answer.")
    return AgentMisbehaved(f"The sandbox answered with status {status}.")

"""One request to an address that a tenant named: the main threat here is that it leads to something of ours.

The name is looked up here, every address is judged by the policy of the egress proxy, and the connection goes to the
very address that was judged. No redirect is followed. Of the answer only the head is read: who runs the receiver knows
its body, and who merely guesses at machines learns nothing from us.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Hashable, Mapping, Sequence

import h11
from django.conf import settings

from interpreters.egress.addresses import Ground
from interpreters.egress.resolver import Busy, Resolver
from interpreters.egress.surroundings import Surroundings
from interpreters.webhooks.retrying import Answer
from tenants.hosts import Address
from tenants.webhook_urls import WebhookUrl

MOST_HEAD = 16 << 10  # bytes
MOST_HEADS = 8  # of them, interim ones included
MOST_ADDRESSES = 4
CONNECT_WITHIN = 5.0  # seconds, to one address

# The same words whether the name is not there or leads to a machine of ours: neither is a tenant's to find out.
NOWHERE = "Its name leads to no address that webhooks may be sent to."


class _Unreached(Exception):
    """The message is for the tenant."""


class Poster:
    def __init__(self, resolver: Resolver | None = None, ground: Callable[[], Ground] | None = None) -> None:
        self._resolver = resolver or Resolver()
        self._ground = ground or Surroundings(opened=settings.WEBHOOK_NETWORKS).ground
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes, asker: Hashable) -> Answer:
        """What came of it; nothing is raised for what a receiver does. `asker`: whose share of look-ups is used."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(settings.WEBHOOK_TIMEOUT):
                answer = await self._ask(url, headers, body, asker)
        except TimeoutError:
            answer = Answer(error=f"It did not answer within {settings.WEBHOOK_TIMEOUT:g} seconds.")
        except _Unreached as why:
            answer = Answer(error=str(why))
        except h11.RemoteProtocolError:
            answer = Answer(error="What it answers is no HTTP.")
        except OSError:
            answer = Answer(error="The connection broke.")
        return Answer(answer.status, answer.error, answer.retry_after, time.monotonic() - began)

    async def _ask(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes, asker: Hashable) -> Answer:
        reader, writer = await self._connect(url, await self._addresses(url, asker))
        try:
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
            writer.write(_request(connection, url, headers, body))
            await writer.drain()
            return await _head(connection, reader)
        finally:
            writer.transport.abort()  # no goodbye is waited for

    async def _addresses(self, url: WebhookUrl, asker: Hashable) -> Sequence[Address]:
        """Those of the host that may be connected to. Raises _Unreached."""
        try:
            host = url.host
            found = await self._resolver.resolve(host, asker) if isinstance(host, str) else (host,)
            ground = self._ground()
        except Busy:
            raise _Unreached("Too many names were being looked up.") from None
        good = [address for address in found if not ground.objection(address, named=True)]
        if not good:
            raise _Unreached(NOWHERE)
        return good[:MOST_ADDRESSES]

    async def _connect(
        self, url: WebhookUrl, addresses: Sequence[Address]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = {"ssl": self._context(), "server_hostname": str(url.host)} if url.scheme == "https" else {}
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_WITHIN):
                    return await asyncio.open_connection(str(address), url.port, **tls)  # type: ignore[arg-type]
            except ssl.SSLCertVerificationError as fault:
                raise _Unreached(f"Its certificate is not valid: {fault.verify_message[:100]}.") from None
            except ssl.SSLError:
                raise _Unreached("It does not speak TLS as we do.") from None
            except OSError:  # a timeout is one too
                continue
        raise _Unreached("No connection could be made.")

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _request(connection: h11.Connection, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = [
        ("Host", url.authority),
        ("User-Agent", "Thermae-Webhooks/1"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *headers.items(),
    ]
    events = (h11.Request(method="POST", target=url.target, headers=fields), h11.Data(body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)


async def _head(connection: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    """The head of the answer, behind any interim ones. Raises RemoteProtocolError, OSError."""
    for _ in range(MOST_HEADS):
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await reader.read(4096))
        if isinstance(event, h11.Response):
            return Answer(event.status_code, retry_after=_retry_after(event))
        if not isinstance(event, h11.InformationalResponse):
            break
    raise h11.RemoteProtocolError("no answer")


def _retry_after(response: h11.Response) -> float | None:
    """Seconds, where it gives them as such; dates are not read."""
    for name, value in response.headers:
        if name == b"retry-after" and value.isdigit() and len(value) <= 9:
            return float(value)
    return None

"""One connection from a sandbox: read what it asks, decide, connect to the addresses that were judged, carry bytes.

Everything from the sandbox is hostile: a request is read strictly and within bounds, whatever has two readings is
refused, and what was judged is the only thing that anything is sent to.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from interpreters.egress import http, socks
from interpreters.egress.asked import Asked, BadRequest, granted, refused
from interpreters.egress.journal import Journal, Record
from interpreters.egress.policies import Caller, Policies, Unknown
from interpreters.egress.policy import Decision, admit, choose
from interpreters.egress.resolver import Busy, Resolver
from interpreters.egress.surroundings import Surroundings
from interpreters.egress.tunnel import IDLE, Streams, Tunnel
from tenants.hosts import Address

logger = logging.getLogger(__name__)

HEAD_DEADLINE = 15.0  # seconds for a request to be said
CONNECT_DEADLINE = 15.0  # for all addresses of a destination together
ADDRESS_DEADLINE = 6.0  # for one of them
LINGER = 1.0  # for a client to take in that it is refused, while it still sends
MOST_LINGER = 256 << 10  # bytes
SOCKS5 = 5

Connect = Callable[[Address, int], Awaitable[Streams]]


async def connect(address: Address, port: int) -> Streams:
    """To an address, never to a name."""
    reader, writer = await asyncio.open_connection(str(address), port, limit=http.CHUNK)
    writer.transport.set_write_buffer_limits(high=http.CHUNK)
    return reader, writer


class Proxy:
    def __init__(
        self,
        journal: Journal,
        policies: Policies,
        resolver: Resolver,
        surroundings: Surroundings,
        connect: Connect = connect,
        idle: float = IDLE,
    ) -> None:
        self._journal, self._policies, self._resolver = journal, policies, resolver
        self._surroundings, self._connect, self._idle = surroundings, connect, idle

    async def serve(self, session: UUID, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of this session's sandbox, to its end."""
        writer.transport.set_write_buffer_limits(high=http.CHUNK)
        try:
            await self._serve(session, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # either side has hung up, or says nothing
        finally:
            writer.transport.abort()

    async def _serve(self, session: UUID, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_DEADLINE):
                asked = await _read(reader, writer)
        except BadRequest as bad:
            await self._malformed(session)
            await _say(bad.answer, reader, writer)
            return
        if asked is None:
            return
        try:
            caller = await self._policies.find(session)
        except Unknown as unknown:
            await _say(refused(asked, Decision(unknown.reason)), reader, writer)
            return
        decision = await self._decide(caller, asked)
        far, address = await self._reach(decision, asked.destination.port)
        if decision.allowed and (far is None or address is None):
            decision = Decision("unreachable", about=decision.addresses[0])
        record = self._note(caller, asked, decision, address or decision.about)
        if far is None or address is None:
            await _say(refused(asked, decision), reader, writer)
            return
        try:
            record.live += 1
            await self._carry(session, asked, (reader, writer), far, address, record)
        finally:
            record.live -= 1
            far[1].transport.abort()

    async def _decide(self, caller: Caller, asked: Asked) -> Decision:
        destination = asked.destination
        admitted = admit(caller.policy, destination)
        if not admitted.allowed:
            return admitted
        try:
            ground = self._surroundings.ground()
            if isinstance(destination.host, str):
                asker = caller.subject.tenant or f"pool {caller.subject.pool}"
                found = await self._resolver.resolve(destination.host, asker)
            else:
                found = (destination.host,)
        except Busy:
            return Decision("busy")
        except OSError:
            logger.exception("everything is refused, for the addresses of this machine cannot be read")
            return Decision("unavailable")
        return choose(caller.policy, destination, found, ground)

    async def _reach(self, decision: Decision, port: int) -> tuple[Streams | None, Address | None]:
        """A connection to the first of the addresses that answers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_DEADLINE):
                for address in decision.addresses:
                    with suppress(OSError, TimeoutError):
                        async with asyncio.timeout(ADDRESS_DEADLINE):
                            return await self._connect(address, port), address
        return None, None

    async def _carry(
        self, session: UUID, asked: Asked, near: Streams, far: Streams, address: Address, record: Record
    ) -> None:
        async def may_go_on() -> bool:
            with suppress(Unknown, OSError):
                policy = (await self._policies.find(session)).policy
                return choose(policy, asked.destination, [address], self._surroundings.ground()).allowed
            return False

        near[1].write(granted(asked))
        if asked.opening:
            far[1].write(asked.opening)
            record.sent(len(asked.opening))
        await Tunnel(near, far, record.sent, record.received, self._idle).carry(asked.body, may_go_on)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(ADDRESS_DEADLINE):
                # What has been written is to arrive.
                for _, writer in (near, far):
                    writer.close()
                    await writer.wait_closed()

    async def _malformed(self, session: UUID) -> None:
        with suppress(Unknown):
            self._journal.note((await self._policies.find(session)).subject, "", 0, "malformed")

    def _note(self, caller: Caller, asked: Asked, decision: Decision, address: Address | None) -> Record:
        host, port = str(asked.destination.host), asked.destination.port
        return self._journal.note(caller.subject, host, port, decision.reason, str(address or ""))


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked | None:
    """The request; None from who hangs up at once, and only wanted to know whether somebody listens."""
    first = await reader.read(1)
    if not first:
        return None
    if first[0] == SOCKS5:
        return await socks.read_request(reader, writer)
    if first.isalpha():
        return await http.read_request(reader, first)
    raise BadRequest("This is neither HTTP nor SOCKS5.")


async def _say(answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell, and let the client come to it: what it still sends would make its own side forget the answer."""
    writer.write(answer)
    writer.write_eof()
    left = MOST_LINGER
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            await writer.drain()
            while left > 0 and (data := await reader.read(http.CHUNK)):
                left -= len(data)

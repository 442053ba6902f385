"""The egress proxy without a network: its destinations are socket pairs, its names a dictionary."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import SimpleNamespace
from uuid import UUID, uuid4

from interpreters.egress.addresses import SPECIAL_BUT_DOCUMENTATION, Ground
from interpreters.egress.journal import Journal, Record, Subject
from interpreters.egress.policies import Caller, Unknown
from interpreters.egress.policy import Policy
from interpreters.egress.proxy import Proxy
from interpreters.egress.resolver import Resolver
from interpreters.egress.tunnel import Streams
from tenants.egress import Ceiling, Mode, parse_entries
from tenants.hosts import Address

SESSION = uuid4()
PUBLIC = "203.0.113.10"


def policy(mode: str = "open", *entries: str, ceiling: str = "open", allowed: Sequence[str] = ()) -> Policy:
    above = Ceiling(Mode(ceiling), parse_entries(list(allowed)))
    return Policy(Mode(mode), parse_entries(list(entries)), above)


def ground(**fields: object) -> Ground:
    """Where the documentation's prefixes count as public."""
    return Ground(special=SPECIAL_BUT_DOCUMENTATION, **fields)  # type: ignore[arg-type]


@dataclass
class World:
    """One sandbox's proxy, and all that it could reach."""

    policy: Policy = field(default_factory=policy)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ground: Ground = field(default_factory=ground)
    reply: bytes = b"hello"
    until: bytes = b""  # what a destination waits for, if not for the end of the sending
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    received: list[bytes] = field(default_factory=list)  # by destinations, one item for each connection
    journal: Journal = field(default_factory=Journal)
    ended: bool = False
    # What a destination does; by default it takes all, answers and closes.
    destination: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object] | None = None
    tasks: list[asyncio.Task[object]] = field(default_factory=list)
    idle: float = 30.0

    # --- what the proxy asks ---
    async def find(self, session: UUID) -> Caller:
        if self.ended:
            raise Unknown("no session")
        return Caller(Subject(session, 1, None), self.policy)

    def look_up(self, name: str) -> tuple[Address, ...]:
        self.looked_up.append(name)
        return tuple(ip_address(text) for text in self.names.get(name, ()))

    def read_ground(self) -> Ground:
        return self.ground

    async def connect(self, address: Address, port: int) -> Streams:
        self.connected.append((str(address), port))
        if str(address) in self.unreachable:
            raise ConnectionRefusedError
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=theirs)
        serve = self.destination or self._answer
        self.tasks.append(asyncio.ensure_future(serve(reader, writer)))  # type: ignore[arg-type]
        return await asyncio.open_connection(sock=ours)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at = len(self.received)
        self.received.append(b"")
        writer.write(self.reply)
        while data := await reader.read(65536):
            self.received[at] += data
            if self.until and self.received[at].endswith(self.until):
                break
        writer.close()

    # --- what a sandbox does ---
    def proxy(self) -> Proxy:
        around = SimpleNamespace(ground=lambda: self.read_ground())
        return Proxy(self.journal, self, Resolver(self.look_up), around, self.connect, self.idle)  # type: ignore[arg-type]

    async def open(self) -> Streams:
        near, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=theirs, limit=32 << 10)
        self.tasks.append(asyncio.create_task(self.proxy().serve(SESSION, reader, writer)))
        return await asyncio.open_connection(sock=near)

    async def say(self, data: bytes, *, hang_up: bool = True) -> bytes:
        """Send all of it, and return all that is answered."""
        reader, writer = await self.open()
        writer.write(data)
        if hang_up:
            writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read(-1)
        writer.close()
        return answer

    def decisions(self) -> list[Record]:
        return [entry.record for entry in self.journal.take()]


def connect_to(authority: str, rest: bytes = b"") -> bytes:
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode() + rest


def socks_to(host: str | bytes, port: int, rest: bytes = b"") -> bytes:
    """A whole SOCKS5 dialogue, said at once."""
    name = host.encode() if isinstance(host, str) else host
    return b"\x05\x01\x00" + b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big") + rest

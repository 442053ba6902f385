"""What web may expect of servers at ports of a sandbox, whichever it is: the in-memory double, and the real agent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from interpreters.client.base import Agent, AgentRefused, Forward, HandshakeRefused, Head, Trailers
from interpreters.client.http import HttpAgent
from interpreters.client.memory import MemoryAgent
from interpreters.client.memory.ports import MemoryExchange, MemoryTunnel
from tests.agent_process import AgentProcess
from tests.port_server import port_server, socket_server
from tests.services import free_port, wait_until

DEADLINE = 10.0
Place = tuple[Agent, int, int]  # the agent, and the ports of a server for HTTP and of one for WebSocket


def asked(port: int, method: bytes = b"GET", target: bytes = b"/echo", **headers: bytes) -> Forward:
    return Forward(port, method, target, [(name.replace("_", "-").encode(), text) for name, text in headers.items()])


async def answer(agent: Agent, request: Forward, *pieces: bytes) -> tuple[Head, bytes, Trailers | None]:
    head, body, trailers = None, b"", None
    async with asyncio.timeout(DEADLINE), agent.forward(request) as exchange:
        for piece in pieces:
            await exchange.send(piece)
        await exchange.end()
        async for event in exchange:
            if isinstance(event, Head):
                head = event
            elif isinstance(event, Trailers):
                trailers = event
            elif isinstance(event, bytes):
                body += event
    assert head is not None
    return head, body, trailers


class PortsContract:
    @pytest.fixture
    async def place(self) -> Place:
        raise NotImplementedError

    async def test_a_body_goes_and_an_answer_comes(self, place: Place) -> None:
        agent, port, _ = place
        request = asked(port, b"PUT", b"/echo?a=%20", content_length=b"6")
        head, body, _ = await answer(agent, request, b"abc", b"def")
        assert head.status == 200
        assert not head.chunked
        assert b'"size": 6' in body

    async def test_trailers_come_after_the_body(self, place: Place) -> None:
        agent, port, _ = place
        head, body, trailers = await answer(agent, asked(port, target=b"/trailers"))
        assert head.chunked
        assert body == b"abc"
        assert trailers == Trailers([(b"x-sum", b"6")])

    async def test_nobody_at_the_port_is_a_refusal_in_words(self, place: Place) -> None:
        agent, *_ = place
        port = free_port()
        with pytest.raises(AgentRefused) as refused:
            await answer(agent, asked(port))
        assert (refused.value.status, refused.value.code) == (502, "nothing_there")
        with pytest.raises(HandshakeRefused) as no:
            async with agent.tunnel(asked(port), [], 1000):
                pass
        assert no.value.status == 502

    async def test_a_websocket_speaks_both_ways_and_is_closed_with_a_code(self, place: Place) -> None:
        agent, _, port = place
        async with asyncio.timeout(DEADLINE), agent.tunnel(asked(port, target=b"/"), ["chat"], 1000) as tunnel:
            assert tunnel.subprotocol == "chat"
            heard = []
            await tunnel.send("grüße")
            await tunnel.send(b"\0")
            await tunnel.send("close 4001")
            async for message in tunnel:
                heard.append(message)
            assert heard == ["grüße", b"\0"]
            assert tunnel.closed == (4001, "as told")

    async def test_a_handshake_is_refused_with_the_servers_status(self, place: Place) -> None:
        agent, _, port = place
        with pytest.raises(HandshakeRefused) as refused:
            async with agent.tunnel(asked(port, target=b"/no"), [], 1000):
                pass
        assert refused.value.status == 418


async def serve(exchange: MemoryExchange) -> None:
    size = 0
    while (piece := await exchange.read()) is not None:
        size += len(piece)
    if exchange.request.target == b"/trailers":
        await exchange.say(Head(200, [], chunked=True), b"abc", Trailers([(b"x-sum", b"6")]))
    else:
        await exchange.say(Head(200, [], chunked=False), b'{"size": %d}' % size)


async def talk(tunnel: MemoryTunnel) -> None:
    if tunnel.request.target == b"/no":
        raise HandshakeRefused(418)
    tunnel.subprotocol = "chat"
    while (message := await tunnel.read()) is not None:
        if isinstance(message, str) and message.startswith("close "):
            await tunnel.hang_up(int(message.split()[1]), "as told")
        else:
            await tunnel.say(message)


class TestMemoryPorts(PortsContract):
    @pytest.fixture
    async def place(self) -> Place:
        agent = MemoryAgent()
        agent.servers[8000], agent.sockets[8001] = serve, talk
        return agent, 8000, 8001


class TestRealPorts(PortsContract):
    @pytest.fixture
    async def place(self, process: AgentProcess) -> AsyncIterator[Place]:
        agent = HttpAgent(process.folder)
        async with port_server() as server, socket_server() as sockets:
            yield agent, server.port, sockets
        await agent.close()

    @pytest.fixture(scope="class")
    def process(self) -> Iterator[AgentProcess]:
        process = AgentProcess()
        wait_until(lambda: Path(process.socket).exists(), "the agent")
        yield process
        process.wait()
        process.stop()

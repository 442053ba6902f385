"""One WebSocket, passed on: messages and the close, both ways, each side waiting until the other takes more."""

import asyncio
from collections.abc import Sequence

from django.conf import settings

from interpreters.client import Forward, HandshakeRefused, Tunnel
from interpreters.models import Session
from interpreters.proxy import headers
from interpreters.proxy.http import Receive, Scope, Send
from interpreters.sessions import Problem, ports, problems
from tenants.authentication import SUBPROTOCOL_PREFIX

# Offered beside a token by clients whose server would otherwise accept none of what they offer.
SUBPROTOCOL = "thermae"
GOING_AWAY, TOO_LARGE = 1001, 1009


class Conversation:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._offered = headers.offered(scope["headers"])
        self._denial = "websocket.http.response" in (scope.get("extensions") or {})
        self.reached = self.begun = False

    async def hold(self, session: Session, request: Forward) -> None:
        """Until either side closes. Raises Problem."""
        for_the_server = [word for word in self._offered if not word.startswith(SUBPROTOCOL_PREFIX)]
        passed_on = [word for word in for_the_server if word != SUBPROTOCOL]
        limit = settings.MAX_PROXY_FRAME_BYTES
        try:
            async with ports.tunnel(session, request, passed_on, limit) as tunnel:
                self.reached = self.begun = True
                await self._send({"type": "websocket.accept", "subprotocol": self._chosen(tunnel, for_the_server)})
                await self._talk(tunnel)
        except HandshakeRefused as refusal:
            raise _of_handshake(refusal) from refusal

    def _chosen(self, tunnel: Tunnel, offered: Sequence[str]) -> str | None:
        if tunnel.subprotocol in offered:
            return tunnel.subprotocol
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    async def _talk(self, tunnel: Tunnel) -> None:
        inward = asyncio.ensure_future(self._inward(tunnel))
        outward = asyncio.ensure_future(self._outward(tunnel))
        try:
            await asyncio.wait((inward, outward), return_when=asyncio.FIRST_COMPLETED)
            for task in (outward, inward):
                if task.done():
                    task.result()
        finally:
            for task in (inward, outward):
                task.cancel()
            await asyncio.gather(inward, outward, return_exceptions=True)

    async def _inward(self, tunnel: Tunnel) -> None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            data = message.get("text")
            if data is None:
                data = message.get("bytes") or b""
            if len(data) > settings.MAX_PROXY_FRAME_BYTES:
                await self.close(TOO_LARGE, f"Send at most {settings.MAX_PROXY_FRAME_BYTES} bytes in one message.")
                return
            await tunnel.send(data)
        code = message.get("code") or GOING_AWAY
        await tunnel.close(GOING_AWAY if code in (1005, 1006) else code, message.get("reason") or "")

    async def _outward(self, tunnel: Tunnel) -> None:
        async for data in tunnel:
            await self._send({"type": "websocket.send", ("text" if isinstance(data, str) else "bytes"): data})
        await self.close(*tunnel.closed)

    async def close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def refuse(self, problem: Problem) -> None:
        """By a close code once it is open, else by the status of the handshake."""
        if self.begun:
            await self.close(problem.close, problem.message)
        elif self._denial:
            status, fields, body = headers.refusal(problem)
            await self._send({"type": "websocket.http.response.start", "status": status, "headers": fields})
            await self._send({"type": "websocket.http.response.body", "body": body})
        else:
            await self._send({"type": "websocket.close", "code": problem.close, "reason": problem.message})


def _of_handshake(refusal: HandshakeRefused) -> Problem:
    problem = problems.BadGateway(str(refusal), "handshake_refused")
    if refusal.status == problem.status:
        problem.message = "Nothing that speaks WebSocket listens at this port in the sandbox."
    problem.status = refusal.status
    return problem

"""The sandboxes of a check of custom containers: our relay, and in the tenant's place an application of ours."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from interpreters.client import AgentError, AgentMisbehaved, AgentRefused, Forward, Head
from interpreters.isolation import bundle
from interpreters.isolation.base import Act, Given, Observation, Probe
from interpreters.isolation.sandboxes import LOOK_EVERY, Cell, patience
from interpreters.models import probes as health
from interpreters.runtime.base import SandboxSpec

PYTHON = "/opt/agent/bin/python"
ENDS_WITHIN = 5.0  # seconds for an application whose processes were killed


def as_application(spec: SandboxSpec) -> SandboxSpec:
    """The same in all that isolates it; but what runs is ours, in the relay's own image, which has a Python."""
    server = (bundle.FOLDER / "server.py").read_text()
    return replace(
        spec,
        image=spec.relay,
        command=(PYTHON, "-I", "-S", "-c", server, str(spec.target_port)),
        args=(),
        environment={},
        secrets={},
        probes=health.whole({}, spec.target_port),
    )


class ApplicationCell(Cell):
    """A relay and an application, which runs the acts and is reached as a tenant's is."""

    async def _put(self, name: str, content: bytes) -> None:
        await self._ask(b"PUT", name, content)

    async def run(self, act: Act, probes: Sequence[Probe], given: Given) -> Mapping[str, Observation]:
        if not probes:
            return {}
        said = b""
        with contextlib.suppress(AgentError, TimeoutError):
            async with asyncio.timeout(patience(probes)):
                said = await self._ask(b"POST", act.value, bundle.orders(probes, given))
        return bundle.observations(said)

    async def lost_its_host(self) -> bool:
        """Whether its processes were ended: with the last of them, the application is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                while True:
                    sandbox = await self.sandbox()
                    if sandbox is not None and not sandbox.running and sandbox.relay_exit is None:
                        return True
                    await asyncio.sleep(LOOK_EVERY)
        return False

    async def _ask(self, method: bytes, name: str, body: bytes) -> bytes:
        """Raises AgentError."""
        fields = [(b"content-length", b"%d" % len(body))]
        said = b""
        async with self.agent.forward(Forward(self.spec.target_port, method, f"/{name}".encode(), fields)) as exchange:
            await exchange.send(body)
            await exchange.end()
            async for piece in exchange:
                if isinstance(piece, Head) and piece.status != 200:
                    raise AgentRefused(piece.status, "check", f"The application answered {piece.status}.")
                if isinstance(piece, bytes):
                    said += piece
                if len(said) > bundle.MOST_RESULTS:
                    raise AgentMisbehaved("The application answers without end.")
        return said

"""What every group of rows is given: the running installation, the peer, and how much to measure."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.jupyter import JupyterServer
from tests.bench.thermae import Thermae
from tests.bench.waiting import until

# Each of our samples stands between two of the peer's, in turns this long: a machine that is busy for a while
# then slows both alike.
TURN = 10


@dataclass(slots=True)
class Bench:
    thermae: Thermae
    jupyter: JupyterServer
    web: list[int]  # the processes of Daphne
    sockets: Path  # the folder with a folder for each sandbox
    quick: bool

    def samples(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @asynccontextmanager
    async def pool(
        self, ready: int, maximum: int, *, warm: bool = True, wait: bool = True, **fields: object
    ) -> AsyncIterator[str]:
        """The name of a pool of our own, filled; at the end, nothing of it is left. Of Python, if no image is given."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        await asyncio.to_thread(create_pool, name, ready, maximum, warm, fields)
        try:
            if wait:
                await self.thermae.await_ready(name, ready, 60 + 3 * ready)
            yield name
        finally:
            for session in await asyncio.to_thread(switch_off, name):
                await self.thermae.close(session)

            async def gone() -> bool:
                return await asyncio.to_thread(live_sessions, name) == 0

            await until(gone, f"the sessions of {name} to be gone", 120, every=0.2)


def create_pool(name: str, ready: int, maximum: int, warm: bool, fields: dict[str, object]) -> None:
    from interpreters.models import InterpreterImage, SessionPool

    image = InterpreterImage.objects.filter(source="python", state=InterpreterImage.State.READY).earliest("pk")
    if not warm:
        image, _ = InterpreterImage.objects.get_or_create(
            name="bench-cold",
            defaults={
                name: getattr(image, name) for name in ("language", "source", "kernel", "state", "reference", "digest")
            },
        )
    about: dict[str, Any] = {"image": image, "ready_instances": ready, "max_concurrent": maximum, "cooldown": 3600}
    SessionPool.objects.create(name=name, **{**about, **fields})


def python_image() -> tuple[str, str]:
    """The reference of the Python image, and the code that it runs before an instance is ready."""
    from interpreters.models import InterpreterImage

    image = InterpreterImage.objects.filter(source="python").earliest("pk")
    return image.reference, image.warm_up


def switch_off(name: str) -> list[str]:
    """Let a pool end what is ready; returns the sessions that are leased still."""
    from interpreters.lifecycle import State
    from interpreters.models import Session, SessionPool

    SessionPool.objects.filter(name=name).update(enabled=False, ready_instances=0)
    leased = Session.objects.filter(pool__name=name, state=State.LEASED)
    return [str(key) for key in leased.values_list("pk", flat=True)]


def leased_as(name: str, identifier: str) -> str:
    """The session of a pool that a request by identifier has leased."""
    from interpreters.lifecycle import State
    from interpreters.models import Session

    return str(Session.objects.get(pool__name=name, identifier=identifier, state=State.LEASED).pk)


def live_sessions(name: str) -> int:
    from interpreters.lifecycle import State
    from interpreters.models import Session

    count: int = Session.objects.filter(pool__name=name).exclude(state=State.GONE).count()
    return count

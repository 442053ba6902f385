"""What every group of rows is given: the running installation, the peer, and how much to measure."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.bench.jupyter import JupyterServer
from tests.bench.thermae import Thermae

# Each of our samples stands between two of the peer's, in turns this long: a machine that is busy for a while
# then slows both alike.
TURN = 10


@dataclass(slots=True)
class Bench:
    thermae: Thermae
    jupyter: JupyterServer
    web: list[int]  # the processes of Daphne
    quick: bool

    def samples(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @asynccontextmanager
    async def pool(
        self, ready: int, maximum: int, *, warm: bool = True, wait: bool = True, **fields: object
    ) -> AsyncIterator[str]:
        """The name of a Python pool of our own, filled; at the end, nothing of it is left."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        await asyncio.to_thread(create_pool, name, ready, maximum, warm, fields)
        try:
            if wait:
                await self.thermae.await_ready(name, ready, 60 + 3 * ready)
            yield name
        finally:
            await asyncio.to_thread(drain_pool, name)


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
    values: dict[str, Any] = {"ready_instances": ready, "max_concurrent": maximum, "cooldown": 3600, **fields}
    SessionPool.objects.create(name=name, image=image, **values)


def warm_up_code() -> str:
    """What the Python image imports before an instance is ready."""
    from interpreters.models import InterpreterImage

    return InterpreterImage.objects.filter(source="python").earliest("pk").warm_up


def image_reference() -> str:
    from interpreters.models import InterpreterImage

    return InterpreterImage.objects.filter(source="python").earliest("pk").reference


def drain_pool(name: str, timeout: float = 120) -> None:
    """Switch a pool off, end what its sessions still hold, and wait until all are gone."""
    from interpreters.lifecycle import State
    from interpreters.models import Session, SessionPool

    pool = SessionPool.objects.get(name=name)
    SessionPool.objects.filter(pk=pool.pk).update(enabled=False, ready_instances=0)
    deadline = time.monotonic() + timeout
    for session in Session.objects.filter(pool=pool, state=State.LEASED):
        session.close()
    while Session.objects.filter(pool=pool).exclude(state=State.GONE).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Sessions of {name} were not gone within {timeout:g} s.")
        time.sleep(0.2)

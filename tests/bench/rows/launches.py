"""From nothing to a ready instance, one at a time and ten at once."""

import asyncio
import time

from tests.bench.bench import Bench, python_image
from tests.bench.report import Row, at_least, at_most, figure, median
from tests.bench.sandbox import bare_container, container_of, kernel_python
from tests.bench.thermae import Thermae
from tests.bench.waiting import until

AT_ONCE = 10


async def measure_launches(bench: Bench) -> list[Row]:
    """Cold starts, in turns with a bare container of the same image that starts the kernel and runs the warm-up."""
    launches: list[float] = []
    seen: list[float] = []
    bare: list[float] = []
    image, warm_up = await asyncio.to_thread(python_image)
    async with bench.pool(0, 2) as pool:
        for turn in range(bench.samples(12, 4)):
            session, seconds = await start_cold(bench.thermae, pool)
            python = kernel_python(container_of(session))
            own = await asyncio.to_thread(launch_seconds, session)
            await bench.thermae.close(session)
            await asyncio.to_thread(await_gone, session)
            peer = await launch_bare(image, python, warm_up)
            if turn:  # the first finds cold files
                launches.append(own)
                seen.append(seconds)
                bare.append(peer)
    return [
        at_most("launch of one instance to ready, p50", median(launches), "s", 1.5, "row to row, warm-up included"),
        figure("cold start as its holder sees it, p50", median(seen), "s", "REST call to `leased`"),
        figure("launch of one instance, worst", max(launches), "s"),
        figure("peer: bare container, kernel, warm-up, p50", median(bare), "s", "`docker run`, same image, no agent"),
    ]


async def start_cold(thermae: Thermae, pool: str) -> tuple[str, float]:
    """Open a session where none is ready, and the seconds until it is leased."""
    began = time.perf_counter()
    session = str((await thermae.open(pool))["id"])

    async def leased() -> bool:
        return bool((await thermae.call("GET", f"/sessions/{session}"))["state"] == "leased")

    await until(leased, "a cold start", 60, every=0.02)
    return session, time.perf_counter() - began


def launch_seconds(session: str) -> float:
    """From the row's creation to its lease, by the database's own times."""
    from interpreters.models import Session

    row = Session.objects.get(pk=session)
    assert row.leased_at
    seconds: float = (row.leased_at - row.created_at).total_seconds()
    return seconds


def await_gone(session: str) -> None:
    from interpreters.lifecycle import State
    from interpreters.models import Session

    deadline = time.monotonic() + 60
    while Session.objects.get(pk=session).state != State.GONE:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Session {session} was not gone within 60 s.")
        time.sleep(0.05)


async def launch_bare(image: str, python: str, warm_up: str) -> float:
    began = time.perf_counter()
    async with bare_container(image, python) as client:
        await client.order(do="spawn")
        await client.run(1, warm_up)
        return time.perf_counter() - began


async def measure_refill(bench: Bench) -> list[Row]:
    """Lease ten ready instances at once, then time the pool until it has ten again."""
    rates: list[float] = []
    bare: list[float] = []
    image, warm_up = await asyncio.to_thread(python_image)
    async with bench.pool(AT_ONCE, 2 * AT_ONCE) as pool:
        for _ in range(bench.samples(3, 1)):
            await bench.thermae.await_ready(pool, AT_ONCE)
            began = time.perf_counter()
            opened = await asyncio.gather(*(bench.thermae.open(pool) for _ in range(AT_ONCE)))
            held = [str(session["id"]) for session in opened]
            await bench.thermae.await_ready(pool, AT_ONCE)
            rates.append(AT_ONCE / (time.perf_counter() - began))
            python = kernel_python(container_of(held[0]))
            for session in held:
                await bench.thermae.close(session)
            for session in held:
                await asyncio.to_thread(await_gone, session)
            bare.append(await launch_many_bare(image, python, warm_up))
    return [
        at_least("pool of 10 refilled, p50", median(rates), "/s", 1.2, "10 leased at once until 10 are ready"),
        figure("peer: 10 bare containers, 4 at a time, p50", median(bare), "/s", "`docker run`, kernel, warm-up"),
    ]


async def launch_many_bare(image: str, python: str, warm_up: str) -> float:
    """Bare containers per second, four at a time as our worker does it."""
    permits = asyncio.Semaphore(4)

    async def launch() -> None:
        async with permits:
            await launch_bare(image, python, warm_up)

    began = time.perf_counter()
    await asyncio.gather(*(launch() for _ in range(AT_ONCE)))
    return AT_ONCE / (time.perf_counter() - began)

"""A tenant's own container: the first request by identifier, requests of an open session, and streams."""

import asyncio
import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

from tests.archives import tar_of
from tests.bench import port_server
from tests.bench.bench import Bench, leased_as
from tests.bench.report import Row, at_most, figure, median, percentile
from tests.bench.rows.launches import await_gone
from tests.bench.rows.proxy import Served, measure_latency, measure_streams
from tests.bench.sandbox import agent_processes, container_of, docker

PROGRAM = "/srv/port_server.py"
TAG = "thermae-bench/custom"
SIZES = {"target_port": port_server.PORT, "memory": 256, "disk": 64, "pids": 64}


async def measure_custom(bench: Bench) -> list[Row]:
    """Each bar is over a client in the container itself, which no network and no process of ours stands between."""
    fields = {"image": await asyncio.to_thread(prepare), **SIZES}
    tenant = await asyncio.to_thread(tenant_of_ours)
    return [
        *await measure_warm(bench, tenant, fields),
        *await measure_cold(bench, tenant, fields),
        *await measure_open_session(bench, tenant, fields),
    ]


async def measure_warm(bench: Bench, tenant: str, fields: dict[str, Any]) -> list[Row]:
    """A whole pool one after the other, half of it by us: none is launched meanwhile, and each server is asked once."""
    size = bench.samples(10, 6)
    ours: list[float] = []
    direct: list[float] = []
    async with bench.pool(size, size, **fields) as pool:
        for _ in range(bench.samples(6, 1)):
            await bench.thermae.await_ready(pool, size, 60 + 3 * size)
            await asyncio.sleep(1)
            held = []
            for turn in range(size):
                if turn % 2:
                    session = str((await bench.thermae.open(pool))["id"])
                    direct += await inside(session, "measure_first", 1)
                else:
                    seconds, session = await first_byte(bench, tenant, pool)
                    ours.append(seconds)
                held.append(session)
            for session in held:
                await bench.thermae.close(session)
    return [
        at_most(
            "custom: lease + first byte over a direct request, p50", 1e3 * (median(ours) - median(direct)), "ms", 20,
            f"{len(ours)} instances that were ready",
        ),
        figure("… through us, p50", 1e3 * median(ours), "ms"),
        figure("… through us, p99", 1e3 * percentile(ours, 0.99), "ms"),
        figure("peer: first request inside, p50", 1e3 * median(direct), "ms", "connection included"),
    ]  # fmt: skip


async def measure_cold(bench: Bench, tenant: str, fields: dict[str, Any]) -> list[Row]:
    """In turns with `docker run` of the same image, whose server asks itself once."""
    ours: list[float] = []
    bare: list[float] = []
    async with bench.pool(0, 2, **fields) as pool:
        for turn in range(bench.samples(12, 4)):
            seconds, session = await first_byte(bench, tenant, pool)
            await bench.thermae.close(session)
            await asyncio.to_thread(await_gone, session)
            peer = await asyncio.to_thread(run_bare)
            if turn:  # the first finds cold files
                ours.append(seconds)
                bare.append(peer)
    return [
        figure("custom: cold start to first byte, p50", median(ours), "s", "by identifier; two containers"),
        figure("peer: `docker run` to first byte, p50", median(bare), "s", "same image, asked from inside"),
    ]


async def measure_open_session(bench: Bench, tenant: str, fields: dict[str, Any]) -> list[Row]:
    async with bench.pool(1, 1, **fields) as pool:
        identifier = uuid.uuid4().hex
        await get(bench, f"/azure/{tenant}/{pool}/?identifier={identifier}")
        session = await asyncio.to_thread(leased_as, pool, identifier)
        served = Served(
            name="custom",
            at=lambda path: f"/azure/{tenant}/{pool}/{path}?identifier={identifier}",
            direct=lambda function, times: inside(session, function, times),
            beside="in the server's own container, one connection",
            processes={"relay": agent_processes(container_of(session, "relay")), "web": bench.web},
        )
        return [*await measure_latency(bench, served), *await measure_streams(bench, served)]


async def first_byte(bench: Bench, tenant: str, pool: str) -> tuple[float, str]:
    """The seconds of the first request of a new identifier, and the session that it leased."""
    identifier = uuid.uuid4().hex
    began = time.perf_counter()
    await get(bench, f"/azure/{tenant}/{pool}/?identifier={identifier}")
    seconds = time.perf_counter() - began
    return seconds, await asyncio.to_thread(leased_as, pool, identifier)


async def get(bench: Bench, path: str) -> None:
    async with bench.thermae.http.get(path) as response:
        body = await response.text()
        if not response.ok:
            raise RuntimeError(f"GET {path}: {response.status} {body[:500]}")


async def inside(session: str, function: str, times: int) -> list[float]:
    """What a function of port_server.py measures in the container of the application."""
    words = ("exec", container_of(session, "app"), "python3", PROGRAM, function, str(times))
    found: list[float] = json.loads(await asyncio.to_thread(docker, *words))
    return found


def run_bare() -> float:
    words = ["docker", "run", "--rm", "--init", "--network=none", TAG, "python3", PROGRAM, "serve_and_ask"]
    began = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE) as running:
        assert running.stdout
        running.stdout.readline()
        return time.perf_counter() - began


def prepare() -> Any:
    """The row of an image whose server is port_server.py, on the base of our own images; the relay is built too."""
    from django.core.management import call_command

    from interpreters.images import builder
    from interpreters.models import InterpreterImage

    call_command("build_images", "relay", quiet=True)
    base = builder.base_tag(print)
    dockerfile = f'FROM {base}\nCOPY port_server.py {PROGRAM}\nCMD ["python3", "{PROGRAM}", "serve"]\n'
    context = tar_of({"Dockerfile": dockerfile.encode(), "port_server.py": Path(port_server.__file__).read_bytes()})
    subprocess.run(["docker", "build", "--quiet", "--tag", TAG, "-"], input=context, check=True, capture_output=True)
    reference = docker("image", "inspect", "--format", "{{.Id}}", TAG)
    made = {"kind": InterpreterImage.Kind.CUSTOM, "state": InterpreterImage.State.READY, "reference": reference}
    return InterpreterImage.objects.update_or_create(name="bench-custom", defaults={**made, "digest": reference})[0]


def tenant_of_ours() -> str:
    """The tenant that the bench's token speaks for."""
    from tenants.models import ApiToken

    return str(ApiToken.objects.get(name="make bench").tenant.slug)

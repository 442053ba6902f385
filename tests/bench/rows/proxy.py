"""A server in a sandbox, asked through us and from beside it."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import port_server
from tests.bench.bench import TURN, Bench
from tests.bench.processes import MIB, watch_growth
from tests.bench.report import Row, at_most, figure, median, percentile
from tests.bench.sandbox import agent_processes, container_of
from tests.bench.thermae import Thermae

SIZE = 500_000_000
PIECE = bytes(1 << 18)
SERVER = Path(port_server.__file__).read_text()


@dataclass(frozen=True, slots=True)
class Served:
    """A server in a sandbox: how it is reached through us, and what a client beside it measures."""

    name: str  # of its rows
    at: Callable[[str], str]  # the address of a path
    direct: Callable[[str, int], Awaitable[list[float]]]  # calls a function of port_server.py there
    beside: str  # where that is
    processes: Mapping[str, Sequence[int]]  # which may not grow


async def measure_proxy(bench: Bench) -> list[Row]:
    """In turns with a client in the same kernel as the server, which no network and no process stands between."""
    async with bench.pool(1, 1) as pool, bench.thermae.session(pool) as session:
        await run(bench.thermae, session, f"{SERVER}\nserve()")

        async def direct(function: str, times: int) -> list[float]:
            return await run(bench.thermae, session, f"print({function}({times}))")

        served = Served(
            name="proxy",
            at=lambda path: f"/api/v1/sessions/{session}/ports/{port_server.PORT}/{path}",
            direct=direct,
            beside="in the server's own process, one connection",
            processes={"agent": agent_processes(container_of(session)), "web": bench.web},
        )
        return [*await measure_latency(bench, served), *await measure_streams(bench, served)]


async def measure_latency(bench: Bench, served: Served) -> list[Row]:
    ours: list[float] = []
    direct: list[float] = []
    echoes: list[float] = []
    direct_echoes: list[float] = []
    async with bench.thermae.http.ws_connect(served.at("")) as socket:
        for _ in range(bench.samples(30, 5)):
            for _ in range(TURN):
                began = time.perf_counter()
                async with bench.thermae.http.get(served.at("")) as response:
                    await response.read()
                ours.append(time.perf_counter() - began)
            direct += await served.direct("measure_requests", TURN)
            for _ in range(TURN):
                began = time.perf_counter()
                await socket.send_str("x")
                await socket.receive_str()
                echoes.append(time.perf_counter() - began)
            direct_echoes += await served.direct("measure_echoes", TURN)
    overhead, name = median(ours) - median(direct), served.name
    return [
        at_most(f"{name}: request over a direct one, p50", 1e3 * overhead, "ms", 3, f"{len(ours)} requests"),
        figure("… through us, p50", 1e3 * median(ours), "ms"),
        figure("… through us, p99", 1e3 * percentile(ours, 0.99), "ms"),
        figure("peer: direct, p50", 1e3 * median(direct), "ms", served.beside),
        at_most(f"{name}: WebSocket echo, p50", 1e3 * median(echoes), "ms", 2, f"{len(echoes)} echoes"),
        figure("… p99", 1e3 * percentile(echoes, 0.99), "ms"),
        figure("peer: direct echo, p50", 1e3 * median(direct_echoes), "ms"),
    ]


async def measure_streams(bench: Bench, served: Served) -> list[Row]:
    rows = []
    for name, stream in (("down", down), ("up", up)):
        async with watch_growth(served.processes) as growth:
            began = time.perf_counter()
            size = await stream(bench.thermae, served)
            seconds = time.perf_counter() - began
        if size != SIZE:
            raise RuntimeError(f"{size} of {SIZE} bytes arrived.")
        rows.append(figure(f"{served.name}: 500 MB {name}", SIZE / seconds / 1e6, "MB/s"))
        for group in served.processes:
            rows.append(at_most(f"… {group} grows by", growth[group] / MIB, "MiB", 32, "peak RSS"))
    return rows


async def down(thermae: Thermae, served: Served) -> int:
    received = 0
    async with thermae.http.get(served.at(f"down/{SIZE}")) as response:
        async for piece in response.content.iter_any():
            received += len(piece)
    return received


async def up(thermae: Thermae, served: Served) -> int:
    async def body() -> AsyncIterator[bytes]:
        left = SIZE
        while left:
            yield PIECE[:left]
            left -= min(left, len(PIECE))

    async with thermae.http.put(served.at(""), data=body(), headers={"Content-Length": str(SIZE)}) as response:
        return int(await response.text())


async def run(thermae: Thermae, session: str, code: str) -> list[float]:
    """Run a cell; returns the list that it prints."""
    done = await thermae.call("POST", f"/sessions/{session}/executions", {"code": code, "mode": "sync"})
    if done["state"] != "ok":
        raise RuntimeError(f"The cell ended as {done['state']}: {done['outputs']}")
    printed = "".join(output.get("text", "") for output in done["outputs"] if output["output_type"] == "stream")
    found: list[float] = json.loads(printed or "[]")
    return found

"""A server in a sandbox, asked through us and from beside it."""

import json
import time
from collections.abc import AsyncIterator
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


async def measure_proxy(bench: Bench) -> list[Row]:
    """In turns with a client in the same kernel as the server, which no network and no process stands between."""
    async with bench.pool(1, 1) as pool, bench.thermae.session(pool) as session:
        await run(bench.thermae, session, f"{SERVER}\nserve()")
        path = f"/api/v1/sessions/{session}/ports/{port_server.PORT}"
        rows = await measure_latency(bench, session, path)
        return [*rows, *await measure_streams(bench, session, path)]


async def measure_latency(bench: Bench, session: str, path: str) -> list[Row]:
    ours: list[float] = []
    direct: list[float] = []
    echoes: list[float] = []
    direct_echoes: list[float] = []
    async with bench.thermae.http.ws_connect(f"{path}/") as socket:
        for _ in range(bench.samples(30, 5)):
            for _ in range(TURN):
                began = time.perf_counter()
                async with bench.thermae.http.get(f"{path}/") as response:
                    await response.read()
                ours.append(time.perf_counter() - began)
            direct += await run(bench.thermae, session, f"print(measure_requests({TURN}))")
            for _ in range(TURN):
                began = time.perf_counter()
                await socket.send_str("x")
                await socket.receive_str()
                echoes.append(time.perf_counter() - began)
            direct_echoes += await run(bench.thermae, session, f"print(measure_echoes({TURN}))")
    overhead = median(ours) - median(direct)
    return [
        at_most("proxy: request over a direct one, p50", 1e3 * overhead, "ms", 3, f"{len(ours)} requests"),
        figure("… through us, p50", 1e3 * median(ours), "ms"),
        figure("… through us, p99", 1e3 * percentile(ours, 0.99), "ms"),
        figure("peer: direct, p50", 1e3 * median(direct), "ms", "in the server's own process, one connection"),
        at_most("proxy: WebSocket echo, p50", 1e3 * median(echoes), "ms", 2, f"{len(echoes)} echoes"),
        figure("… p99", 1e3 * percentile(echoes, 0.99), "ms"),
        figure("peer: direct echo, p50", 1e3 * median(direct_echoes), "ms"),
    ]


async def measure_streams(bench: Bench, session: str, path: str) -> list[Row]:
    groups = {"agent": agent_processes(container_of(session)), "web": bench.web}
    rows = []
    for name, stream in (("down", down), ("up", up)):
        async with watch_growth(groups) as growth:
            began = time.perf_counter()
            size = await stream(bench.thermae, path)
            seconds = time.perf_counter() - began
        if size != SIZE:
            raise RuntimeError(f"{size} of {SIZE} bytes arrived.")
        rows.append(figure(f"proxy: 500 MB {name}", SIZE / seconds / 1e6, "MB/s"))
        for group in groups:
            rows.append(at_most(f"… {group} grows by", growth[group] / MIB, "MiB", 32, "peak RSS"))
    return rows


async def down(thermae: Thermae, path: str) -> int:
    received = 0
    async with thermae.http.get(f"{path}/down/{SIZE}") as response:
        async for piece in response.content.iter_any():
            received += len(piece)
    return received


async def up(thermae: Thermae, path: str) -> int:
    async def body() -> AsyncIterator[bytes]:
        left = SIZE
        while left:
            yield PIECE[:left]
            left -= min(left, len(PIECE))

    async with thermae.http.put(f"{path}/", data=body(), headers={"Content-Length": str(SIZE)}) as response:
        return int(await response.text())


async def run(thermae: Thermae, session: str, code: str) -> list[float]:
    """Run a cell; returns the list that it prints."""
    done = await thermae.call("POST", f"/sessions/{session}/executions", {"code": code, "mode": "sync"})
    if done["state"] != "ok":
        raise RuntimeError(f"The cell ended as {done['state']}: {done['outputs']}")
    printed = "".join(output.get("text", "") for output in done["outputs"] if output["output_type"] == "stream")
    found: list[float] = json.loads(printed or "[]")
    return found

"""From a keystroke to its echo, in a shell with a prompt."""

import asyncio
import time
from typing import Protocol

from tests.bench.bench import TURN, Bench
from tests.bench.report import Row, at_most, figure, median, percentile

# None of them is in what rubbing out prints, and each differs from the one before.
LETTERS = [letter.encode() for letter in "qwertzuiopasdfg"]


class Terminal(Protocol):
    async def send(self, data: bytes) -> None: ...
    async def receive(self) -> bytes: ...


async def measure_terminals(bench: Bench) -> list[Row]:
    """One letter at a time, in turns with a terminal of Jupyter Server."""
    ours: list[float] = []
    jupyter: list[float] = []
    async with (
        bench.pool(1, 1) as pool,
        bench.thermae.session(pool) as session,
        bench.thermae.terminal(session) as terminal,
        bench.jupyter.terminal() as other,
    ):
        await settle(terminal)
        await settle(other)
        for _ in range(bench.samples(30, 5)):
            ours += await type_letters(terminal, TURN)
            jupyter += await type_letters(other, TURN)
    return [
        at_most("keystroke to echo, p50", 1e3 * median(ours), "ms", 5, f"{len(ours)} keystrokes in bash"),
        figure("keystroke to echo, p99", 1e3 * percentile(ours, 0.99), "ms"),
        figure("peer: keystroke to echo, Jupyter Server, p50", 1e3 * median(jupyter), "ms", "no container"),
    ]


async def settle(terminal: Terminal, silence: float = 1.5) -> None:
    """Read until the shell has said all that it says of its own accord, and was silent for so many seconds."""
    while True:
        try:
            await asyncio.wait_for(terminal.receive(), silence)
        except TimeoutError:
            return


async def type_letters(terminal: Terminal, times: int) -> list[float]:
    """Seconds from each letter to its echo. Then the line is rubbed out."""
    samples = []
    for number in range(times):
        letter = LETTERS[number % len(LETTERS)]
        began = time.perf_counter()
        await terminal.send(letter)
        while letter not in await terminal.receive():
            pass
        samples.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)  # as fast as people type, and faster
    await terminal.send(b"\x15")
    await settle(terminal, 0.1)
    return samples

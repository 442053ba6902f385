"""Waiting with a deadline, and what else every part of the bench needs of its machine."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path


async def until(true: Callable[[], Awaitable[bool]], what: str, timeout: float, every: float = 0.05) -> float:
    """Ask until the answer is yes; returns the seconds that it took. Raises TimeoutError that names `what`."""
    began = time.perf_counter()
    while not await true():
        if time.perf_counter() - began > timeout:
            raise TimeoutError(f"Waited {timeout:g} s for {what}.")
        await asyncio.sleep(every)
    return time.perf_counter() - began


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def load() -> float:
    """How many processes wanted a core in the last minute."""
    return float(Path("/proc/loadavg").read_text().split()[0])

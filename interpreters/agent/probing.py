"""Asking a container whether it is well: one TCP or HTTP probe, and what to say when it is not."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST_HEAD = 64 << 10


@dataclass(frozen=True, slots=True)
class Probe:
    """As the launch gives it, whole; `models/probes.py` has checked it."""

    type: str
    port: int
    period: float
    timeout: float
    failure_threshold: int  # 0: never
    success_threshold: int
    initial_delay: float
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Probe":
        """Raises TypeError or ValueError for what is no probe."""
        probe = cls(**given)
        if not (1 <= int(probe.port) <= 65535 and probe.period > 0 and probe.timeout > 0):
            raise ValueError("a probe needs a port, a period and a timeout")
        return probe

    async def why_not(self) -> str:
        """Empty if the container is well, else what is wrong, in words."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self._ask()
        except TimeoutError:
            return f"{self._place} did not answer within {self.timeout:g} s"
        except OSError:
            return f"nothing listens at port {self.port}"

    @property
    def _place(self) -> str:
        return f"port {self.port}" if self.type == "tcp" else f"GET {self.path:.200} at port {self.port}"

    async def _ask(self) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=LONGEST_HEAD)
        try:
            return "" if self.type == "tcp" else await self._get(reader, writer)
        finally:
            writer.transport.abort()

    async def _get(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        lines = [f"GET {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close"]
        lines += ["User-Agent: thermae-probe", *(f"{name}: {value}" for name, value in self.headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        try:
            words = (await reader.readline()).decode("latin-1").split()
        except ValueError:  # longer than any line of HTTP
            words = []
        if len(words) < 2 or not words[0].startswith("HTTP/") or not (words[1].isdecimal() and len(words[1]) == 3):
            return f"{self._place} was not answered in HTTP"
        return "" if 200 <= int(words[1]) < 400 else f"{self._place} was answered with status {words[1]}"

"""The verbs of one agent, each a question with a bounded answer or a stream."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from interpreters.client import wire
from interpreters.client.base import (
    AgentUnavailable,
    Channel,
    Download,
    Exchange,
    ExecuteRequest,
    Forward,
    Health,
    Outputs,
    Record,
    Survey,
    Terminal,
    Tunnel,
)
from interpreters.client.http import files, forward, streams, tunnel
from interpreters.client.http.line import ANSWER, Line

# Seconds for a new kernel to be ready, and for a deep folder to be deleted.
SLOW = 60.0


class HttpAgent:
    """One sandbox's agent, for one event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._line = folder, Line(folder)

    @property
    def streaming(self) -> bool:
        return self._line.streams > 0

    async def close(self) -> None:
        await self._line.close()

    def abandon(self) -> None:
        """For a process that ends."""
        self._line.abandon()

    async def health(self) -> Health:
        return wire.health(await self._line.ask("GET", "/health"))

    async def execute(self, request: ExecuteRequest) -> Record:
        """Start `request`. Asked again when the line breaks: the agent knows an execution by its id."""
        body = {key: value for key, value in msgspec.to_builtins(request).items() if key != "context"}
        try:
            return wire.record(await self._in(request.context, "executions", body))
        except AgentUnavailable:
            return wire.record(await self._in(request.context, "executions", body))

    async def record(self, execution: UUID) -> Record:
        return wire.record(await self._line.ask("GET", f"/executions/{execution}"))

    async def outputs(self, execution: UUID) -> Outputs:
        path = f"/executions/{execution}/outputs"
        return wire.outputs(await self._line.ask("GET", path, limit=wire.MAX_OUTPUTS, within=SLOW))

    async def cancel(self, execution: UUID) -> None:
        await self._line.ask("DELETE", f"/executions/{execution}")

    def channel(self, after: int | None = 0) -> AbstractAsyncContextManager[Channel]:
        return streams.channel(self._line, after)

    def terminal(self, name: str, rows: int, cols: int) -> AbstractAsyncContextManager[Terminal]:
        return streams.terminal(self._line, name, rows, cols)

    async def interrupt(self, context: str = "default") -> None:
        await self._in(context, "interrupt")

    async def restart(self, context: str = "default") -> None:
        await self._in(context, "restart", within=SLOW)

    async def complete(self, context: str, code: str, cursor_pos: int) -> dict[str, Any]:
        return await self._reply(context, "complete", {"code": code, "cursor_pos": cursor_pos})

    async def inspect(self, context: str, code: str, cursor_pos: int, detail_level: int = 0) -> dict[str, Any]:
        body = {"code": code, "cursor_pos": cursor_pos, "detail_level": detail_level}
        return await self._reply(context, "inspect", body)

    async def is_complete(self, context: str, code: str) -> dict[str, Any]:
        return await self._reply(context, "is_complete", {"code": code})

    async def ask(self, context: str, about: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return await self._reply(context, "ask", {"about": about, "arguments": arguments})

    async def input(self, context: str, value: str) -> None:
        await self._in(context, "input", {"value": value})

    async def contexts(self) -> list[dict[str, Any]]:
        return wire.decode(await self._line.ask("GET", "/contexts"), list[dict[str, Any]])

    async def open_context(self, kernel: str = "", context: str = "") -> dict[str, Any]:
        body = {key: value for key, value in (("kernel", kernel), ("id", context)) if value}
        return wire.decode(await self._line.ask("POST", "/contexts", body, within=SLOW), dict[str, Any])

    async def close_context(self, context: str) -> None:
        await self._line.ask("DELETE", f"/contexts/{quote(context, safe='')}")

    async def terminals(self) -> list[str]:
        return wire.terminals(await self._line.ask("GET", "/terminals"))

    async def close_terminal(self, name: str) -> None:
        await self._line.ask("DELETE", f"/terminals/{quote(name, safe='')}")

    async def ports(self) -> list[int]:
        return wire.ports(await self._line.ask("GET", "/ports"))

    async def usage(self) -> dict[str, float | None]:
        return wire.decode(await self._line.ask("GET", "/usage"), dict[str, float | None])

    async def list_files(self, path: str = "", quiet: bool = False) -> dict[str, Any]:
        place = f"/files?path={quote(path)}{'&quiet=1' if quiet else ''}"
        return wire.listing(await self._line.ask("GET", place, limit=wire.MAX_LISTING))

    def download(self, path: str, start: int = 0) -> AbstractAsyncContextManager[Download]:
        return files.download(self._line, files.address(path), start)

    def archive(self, path: str = "", only: Sequence[str] = ()) -> AbstractAsyncContextManager[Download]:
        wanted = f"&only={quote(msgspec.json.encode(only).decode())}" if only else ""
        return files.download(self._line, f"/archive?path={quote(path)}{wanted}")

    async def upload(self, path: str, body: AsyncIterator[bytes], given: str | None = None) -> str:
        return await files.upload(self._line, path, body, given)

    async def unpack(self, path: str, body: AsyncIterator[bytes]) -> int:
        return wire.unpacked(await files.unpack(self._line, path, body))

    async def make_folder(self, path: str) -> None:
        await self._line.ask("POST", files.address(path))

    async def move_file(self, path: str, to: str, replace: bool = False) -> None:
        await self._line.ask("PATCH", files.address(path), {"to": to, "replace": replace})

    async def delete_file(self, path: str) -> None:
        await self._line.ask("DELETE", files.address(path), within=SLOW)

    async def survey(self) -> Survey:
        return wire.survey(await self._line.ask("GET", "/keep/survey", limit=wire.MAX_LISTING, within=SLOW))

    def keep(self) -> AbstractAsyncContextManager[Download]:
        return files.download(self._line, "/keep")

    async def restore(self, body: AsyncIterator[bytes]) -> int:
        return wire.unpacked(await files.restore(self._line, body))

    def forward(self, request: Forward) -> AbstractAsyncContextManager[Exchange]:
        return forward.forward(self._folder, request)

    def tunnel(self, request: Forward, subprotocols: Sequence[str], limit: int) -> AbstractAsyncContextManager[Tunnel]:
        return tunnel.tunnel(self._line, request, subprotocols, limit)

    async def _in(
        self, context: str, verb: str, body: Mapping[str, Any] | None = None, within: float = ANSWER
    ) -> bytes:
        return await self._line.ask("POST", f"/contexts/{quote(context, safe='')}/{verb}", body or {}, within=within)

    async def _reply(self, context: str, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return wire.decode(await self._in(context, verb, body), dict[str, Any])

"""The MCP SDK's own client: initialize, list the tools, call them, see progress."""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str, mode: str) -> None:
    seen: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)

    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        tools = await client.list_tools()
        sum_of = await client.call_tool("add", {"a": 40, "b": 2})
        counted = await client.call_tool("count", {"to": 3}, progress_callback=progress)
    print(
        json.dumps(
            {
                "tools": sorted(tool.name for tool in tools.tools),
                "sum": sum_of.structured_content,
                "counted": counted.structured_content,
                "progress": seen,
            }
        )
    )


asyncio.run(main(*sys.argv[1:]))

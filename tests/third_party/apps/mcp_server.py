"""The server of the MCP SDK's own introduction, with a tool that reports how far it is."""

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

mcp = MCPServer("Demo")


@mcp.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool()
async def count(to: int, ctx: Context) -> str:
    """Count, and say so in between."""
    for number in range(to):
        await ctx.report_progress(number + 1, to)
    return f"counted to {to}"


mcp.run(transport="streamable-http")

"""The agent over HTTP and WebSocket on its Unix socket (docs/protocol.md §2).

Nothing else on the web side knows aiohttp.
"""

from interpreters.client.http.agent import HttpAgent

__all__ = ["HttpAgent"]

"""The agent without a sandbox: plain data, for tests and for the memory runtime. It passes the real one's contract."""

from interpreters.client.memory.agent import MemoryAgent
from interpreters.client.memory.run import Run, Script

__all__ = ["MemoryAgent", "Run", "Script"]

"""The numbered log, in memory."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from interpreters.client.base import Entry


class MemoryLog:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.last_activity = time.time()
        # Followers may live in other event loops than who writes: tests mix synchronous and asynchronous code.
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def append(self, channel: str, msg_type: str, content: Mapping[str, Any], execution: str, context: str) -> Entry:
        seq = len(self.entries) + 1
        raw = {
            "seq": seq,
            "context": context,
            "channel": channel,
            "header": {"msg_id": uuid4().hex, "msg_type": msg_type, "date": datetime.now(UTC).isoformat()},
            "parent_header": {"msg_id": execution} if execution else {},
            "metadata": {},
            "content": content,
        }
        entry = Entry(seq, channel, msg_type, execution, json.dumps(raw))
        self.entries.append(entry)
        self.wake()
        return entry

    def wake(self) -> None:
        for loop, event in list(self._waiting):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def follow(self, after: int) -> AsyncIterator[Entry]:
        """Every entry past `after`, for ever."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        self._waiting.add(waiter)
        try:
            while True:
                waiter[1].clear()
                while after < len(self.entries):
                    after += 1
                    yield self.entries[after - 1]
                await waiter[1].wait()
        finally:
            self._waiting.discard(waiter)

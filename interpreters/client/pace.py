"""Fairness towards the other readers of this process."""

import asyncio
import time

# A reader that finds every next message at hand never waits, and so would never let others run.
BYTES_A_TURN = 256 * 1024
MESSAGES_A_TURN = 32
# An honest agent coalesces: it replays a long log fast, but does not speak like this for long.
MESSAGES_A_SECOND = 20_000


class Pace:
    """One reader's turns. `step()` after each message lets others run, and slows an agent that chatters."""

    def __init__(self) -> None:
        self._bytes = self._messages = self._second = 0
        self._until = 0.0

    async def step(self, size: int) -> None:
        self._bytes += size
        self._messages += 1
        if self._bytes < BYTES_A_TURN and self._messages < MESSAGES_A_TURN:
            return
        self._second += self._messages
        self._bytes = self._messages = 0
        now = time.monotonic()
        if now >= self._until:
            self._until, self._second = now + 1, 0
        await asyncio.sleep(self._until - now if self._second > MESSAGES_A_SECOND else 0)

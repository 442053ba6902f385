"""Looking names up: in threads, as many at a time as are good for all, and each answer kept for a moment.

Every tenant has its own share of the threads and of the answers: who asks for names that nobody answers holds up
itself, and nobody learns from a quick answer what another tenant has asked.
"""

import asyncio
import os
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from tenants.hosts import Address

THREADS = 32
SHARE = 6  # lookups of one tenant at a time
PATIENCE = 8.0  # seconds for an answer
KEPT, KEPT_NOTHING = 10.0, 2.0  # seconds for which an answer counts, and for which there being none does
MOST_KEPT = 4096
MOST_ADDRESSES = 16

Lookup = Callable[[str], tuple[Address, ...]]


class Busy(Exception):
    """The share of this tenant is used up."""


def look_up(name: str) -> tuple[Address, ...]:
    """The system's answer for the name as it is: the final dot keeps search domains and /etc/hosts out of it."""
    try:
        found = socket.getaddrinfo(f"{name}.", None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError):
        return ()
    texts = dict.fromkeys(str(info[4][0]) for info in found)
    return tuple(ip_address(text) for text in texts if "%" not in text)[:MOST_ADDRESSES]


class Resolver:
    def __init__(self, lookup: Lookup = look_up, patience: float = PATIENCE) -> None:
        # glibc reads it once: a server that does not answer holds a thread for seconds, not for half a minute.
        os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:2")
        self._lookup, self._patience = lookup, patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolver")
        self._running: Counter[Hashable] = Counter()
        self._answers: OrderedDict[tuple[Hashable, str], tuple[float, tuple[Address, ...]]] = OrderedDict()

    async def resolve(self, name: str, asker: Hashable) -> tuple[Address, ...]:
        """Nothing if the name has no address, or nobody answers. Raises Busy."""
        kept = self._answers.get((asker, name))
        if kept and kept[0] > time.monotonic():
            return kept[1]
        if self._running[asker] >= SHARE:
            raise Busy
        self._running[asker] += 1
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, name)
        # The thread goes on when we have lost patience: till then it counts.
        lookup.add_done_callback(lambda _: self._done(asker))
        try:
            async with asyncio.timeout(self._patience):
                answer = await asyncio.shield(lookup)
        except TimeoutError:
            answer = ()
        self._keep((asker, name), answer)
        return answer

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, asker: Hashable) -> None:
        self._running[asker] -= 1
        if not self._running[asker]:
            del self._running[asker]

    def _keep(self, key: tuple[Hashable, str], answer: tuple[Address, ...]) -> None:
        self._answers[key] = time.monotonic() + (KEPT if answer else KEPT_NOTHING), answer
        self._answers.move_to_end(key)
        while len(self._answers) > MOST_KEPT:
            self._answers.popitem(last=False)

"""The process as a whole: listeners, the proxy, and what it writes down by the clock."""

import asyncio
import logging
import resource
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from interpreters.egress.addresses import SPECIAL, Special
from interpreters.egress.journal import Journal
from interpreters.egress.listeners import Listeners
from interpreters.egress.policies import Policies
from interpreters.egress.proxy import Proxy
from interpreters.egress.resolver import Lookup, Resolver, look_up
from interpreters.egress.storing import store
from interpreters.egress.surroundings import Interfaces, Surroundings, read_interfaces
from interpreters.models import EgressProxy
from tenants.threads import in_thread

logger = logging.getLogger(__name__)

HEARTBEAT = 3.0  # seconds
FLUSH = 1.0
MOST_FILES = 65536


class Server:
    """`special`, `interfaces` and `lookup` are what the world looks like: tests have another."""

    def __init__(
        self,
        special: Sequence[Special] = SPECIAL,
        interfaces: Callable[[], Interfaces] = read_interfaces,
        lookup: Lookup = look_up,
    ) -> None:
        self._journal, self._policies, self._resolver = Journal(), Policies(), Resolver(lookup)
        proxy = Proxy(self._journal, self._policies, self._resolver, Surroundings(special, interfaces))
        self._root = Path(settings.EGRESS_DIR)
        self._listeners = Listeners(self._root, proxy.serve, self._policies.forget, _room_for_connections())
        self._started_at = timezone.now()

    async def run(self) -> None:
        """Until it is cancelled."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        jobs = (self._listeners.run(), _every(HEARTBEAT, self._beat), _every(FLUSH, self._flush))
        try:
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(job)
        finally:
            self._resolver.close()
            with suppress(DatabaseError):
                await self._flush()
                await in_thread(EgressProxy.objects.all().delete)()

    async def run_until_told(self) -> None:
        """Until SIGTERM or SIGINT."""
        running = asyncio.create_task(self.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        await asyncio.wait((running,))
        if not running.cancelled():
            running.result()

    async def _beat(self) -> None:
        now = {"started_at": self._started_at, "seen_at": timezone.now()}
        counts = {"sandboxes": len(self._listeners), "connections": self._listeners.connections}
        await in_thread(_be_seen)({**now, **counts})

    async def _flush(self) -> None:
        entries = self._journal.take()
        if not entries:
            return
        try:
            await in_thread(store)(entries)
        except BaseException:
            self._journal.give_back(entries)
            raise


def _be_seen(now: Mapping[str, object]) -> None:
    EgressProxy.objects.update_or_create(pk=1, defaults=now)
    if settings.ALIVE_FILE:
        Path(settings.ALIVE_FILE).touch()


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except DatabaseError as error:
            logger.warning("the database does not answer, trying again: %s", error)
        await asyncio.sleep(seconds)


def _room_for_connections() -> int:
    """How many there may be at a time. Each is two files, and some are needed for sockets, the database, lookups."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(16, wanted // 4)

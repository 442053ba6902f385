"""The steps of a build as they run: bounded in processes, and ended when the build must end.

The engine bounds a step's memory and nothing else, and is silent while one runs: a build that must end is ended by
killing its step.
"""

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

import requests
from django.db import connection

from interpreters.images.events import BuildFailed, Stopped, answering
from interpreters.images.guard import Guard
from interpreters.runtime.base import RuntimeUnavailable
from interpreters.runtime.docker import connect

RUNNING = re.compile(r"^ ---> Running in ([0-9a-f]{12,64})\s*$", re.MULTILINE)
MOST_PROCESSES = 512
LOOK_EVERY = 1.0  # seconds


class Steps:
    """Watches while it is entered. Its `see` is shown every event; `check` raises what ended the build."""

    def __init__(self, memory: int, guard: Guard) -> None:
        self._memory, self._guard = memory, guard
        self._client = connect()
        self._step = ""
        self._reason: Stopped | None = None
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, name="build watch", daemon=True)

    def see(self, event: Mapping[str, Any]) -> None:
        found = RUNNING.search(str(event.get("stream", "")))
        # A step's output may say so too, of any container: only one that is bounded as builds are is taken for a step.
        if found and self._is_step(found[1]):
            self._step = found[1]
            self._bound(self._step)

    def check(self) -> None:
        if self._reason:
            raise self._reason
        self._guard.check()

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._over.set()
        self._watch.join()
        if self._reason and error is not None and error is not self._reason:
            raise self._reason from error

    def _look(self) -> None:
        try:
            while not self._over.wait(LOOK_EVERY):
                self._end_if_it_must()
        finally:
            connection.close()

    def _end_if_it_must(self) -> None:
        try:
            self._guard.check()
        except Stopped as reason:
            self._reason = reason
            if self._step:
                with suppress(BuildFailed, RuntimeUnavailable), answering():
                    self._client.kill(self._step)

    def _is_step(self, container: str) -> bool:
        with suppress(BuildFailed, RuntimeUnavailable), answering():
            about = self._client.inspect_container(container)
            of_ours = "thermae.session" in (about["Config"].get("Labels") or {})
            return bool(about["HostConfig"]["Memory"] == self._memory and not of_ours)
        return False

    def _bound(self, container: str) -> None:
        url = f"{self._client.base_url}/v{self._client.api_version}/containers/{container}/update"
        with suppress(requests.RequestException):
            self._client.post(url, json={"PidsLimit": MOST_PROCESSES}, timeout=self._client.timeout)

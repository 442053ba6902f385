"""`python -m agent.relay`: the agent beside a custom container, whose server it makes reachable and keeps an eye on.

The two share a network namespace and nothing else. Whatever the container answers is hostile: it is passed on as it
is by `proxy`, and of a probe's answer only a status is read.
"""

import sys

if __name__ == "__main__":
    # As in `agent.__main__`: OpenSSL's bindings would be 4 MB beside every container.
    sys.modules["ssl"] = None  # type: ignore[assignment]

import asyncio
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .config import BadConfig
from .egress import offer
from .errors import not_found, unavailable
from .http import Request, Response, answer, serve
from .ports import listening_ports
from .probing import Probe
from .proxy import proxy

# Ports that are told to who looked at the wrong one.
MOST_NAMED = 5
# Requests that are passed on at the same time. Each may hold buffers of a megabyte, and the relay has little memory.
MOST_AT_ONCE = 64
# The engine is asked for this; `interpreters/lifecycle` says the same.
UNHEALTHY_EXIT = 86


@dataclass(frozen=True, slots=True)
class RelayConfig:
    socket_dir: str
    target_port: int
    startup: Probe
    liveness: Probe | None
    start_timeout: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "RelayConfig":
        """Raises BadConfig."""
        try:
            probes = json.loads(environ.get("THERMAE_PROBES") or "{}")
            liveness = probes.get("liveness")
            return cls(
                socket_dir=environ.get("THERMAE_SOCKET_DIR") or "/run/thermae",
                target_port=int(environ["THERMAE_TARGET_PORT"]),
                startup=Probe.read(probes["startup"]),
                liveness=Probe.read(liveness) if liveness is not None else None,
                start_timeout=float(environ.get("THERMAE_START_TIMEOUT") or "60"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            text = f"THERMAE_TARGET_PORT, THERMAE_PROBES or THERMAE_START_TIMEOUT cannot be used: {error!r}"
            raise BadConfig(text) from None


class Relay:
    def __init__(self, config: RelayConfig) -> None:
        self.config = config
        self.state, self.detail = "starting", ""
        self.in_flight = 0
        self.last_activity = time.time()

    async def __call__(self, request: Request) -> Response | None:
        match (request.method, *request.path.strip("/").split("/")):
            case ("GET", "health"):
                return answer(self.health())
            case (_, "proxy", port, *_):
                await self._pass_on(request, port)
                return None
        raise not_found("This is the relay of a custom container: it has /health and /proxy, and no kernel or files.")

    def health(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "phase": "starting container" if self.state == "starting" else "",
            "detail": self.detail[:4000],
            "seq": 0,
            "busy": self.in_flight > 0,
            "last_activity": time.time() if self.in_flight else self.last_activity,
        }

    async def _pass_on(self, request: Request, port: str) -> None:
        if port != str(self.config.target_port):
            raise not_found(f"Only port {self.config.target_port} of this container can be reached.")
        if self.in_flight >= MOST_AT_ONCE:
            raise unavailable("too_many", f"{MOST_AT_ONCE} requests to this container are open: try again.")
        path = request.target.partition("?")[0].split("/", 3)[3:]  # as it came: what is quoted stays quoted
        self.in_flight += 1
        try:
            await proxy(request, port, "".join(path))
        finally:
            self.in_flight -= 1
            self.last_activity = time.time()

    # Keeping an eye on it

    async def watch(self) -> str:
        """Follow the container's life. Returns why it must end; never, while it is well or has failed to start."""
        await self._start()
        if self.state != "ready" or self.config.liveness is None:
            await asyncio.Event().wait()
        return await self._stay_alive(self.config.liveness)  # type: ignore[arg-type]

    async def _start(self) -> None:
        probe, began = self.config.startup, time.monotonic()
        await asyncio.sleep(probe.initial_delay)
        successes = failures = 0
        while successes < probe.success_threshold:
            why_not = await probe.why_not()
            successes = 0 if why_not else successes + 1
            failures += bool(why_not)
            waited = time.monotonic() - began
            late = waited >= self.config.start_timeout
            if why_not:
                self.detail = told(why_not, waited)
                if late or failures == probe.failure_threshold:
                    self.state = "failed"
                    print(f"relay: {self.detail}", file=sys.stderr, flush=True)
                    return
            if successes < probe.success_threshold:
                await asyncio.sleep(probe.period)
        self.state, self.detail, self.last_activity = "ready", "", time.time()

    async def _stay_alive(self, probe: Probe) -> str:
        await asyncio.sleep(probe.initial_delay)
        failures = 0
        while True:
            await asyncio.sleep(probe.period)
            why_not = await probe.why_not()
            failures = failures + 1 if why_not else 0
            if failures == probe.failure_threshold:
                return f"The liveness probe failed {failures} times in a row: {why_not}."


def told(why_not: str, waited: float) -> str:
    """The fault of a container that does not start, and where to look."""
    text = f"{why_not[0].upper()}{why_not[1:]} after {waited:.0f} s"
    if not why_not.startswith("nothing listens"):
        return f"{text}: is the startup probe right?"
    others = ", ".join(map(str, listening_ports()[:MOST_NAMED]))
    return f"{text}, but at {others}: is target_port right?" if others else f"{text}: is target_port right?"


async def run(config: RelayConfig) -> int:
    relay = Relay(config)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    # Before the application is there, so that it cannot have the port.
    egress = await offer(os.environ)
    server = await serve(os.path.join(config.socket_dir, "agent.sock"), relay, lambda pid, uid: True)
    watching, told_to_end = asyncio.create_task(relay.watch()), asyncio.create_task(ended.wait())
    await asyncio.wait((watching, told_to_end), return_when=asyncio.FIRST_COMPLETED)
    for listener in (server, egress):
        if listener is not None:
            listener.close()
    if not watching.done():
        watching.cancel()
        return 0
    print(f"relay: {watching.result()} The container is ended.", file=sys.stderr, flush=True)
    return UNHEALTHY_EXIT


def main() -> int:
    try:
        config = RelayConfig.from_environ(os.environ)
    except BadConfig as error:
        print(f"relay: {error}", file=sys.stderr)
        return 2
    status = asyncio.run(run(config))
    sys.stderr.flush()
    os._exit(status)  # what is being passed on ends here, too


if __name__ == "__main__":
    sys.exit(main())
